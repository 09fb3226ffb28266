// Package endconference is the room service behind "end meeting for all": a
// moderator asks, and the room is destroyed for everybody.
//
// The main function is Feature.
package endconference
