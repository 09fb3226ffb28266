// Package speakerstats is the room service that adds up how long everybody has
// been the dominant speaker, so that newcomers know it too.
//
// The main function is Feature. A client that becomes dominant speaker says so
// to the service's address; the table is sent to everybody who joins. Entries
// of people who have left stay until the room is gone.
//
// Limits: MaxPeople entries a room, MaxFaces facial expressions an entry.
package speakerstats
