// Package metadata is the room service that keeps a JSON object for a room:
// settings that moderators make for everybody, such as who starts muted.
//
// The main function is Feature. Clients receive the whole object before they
// consider themselves joined, and again at every change. To each client its
// first copy also lists the STUN and TURN servers: a client that was told
// early of this service never asks for them in another way.
//
// Limits: MaxBytes for all values of a room, MaxKeys keys of at most MaxKey
// bytes. Keys that only the server may write are in Reserved; writing them, or
// writing without being a moderator, has no effect and gets no answer.
package metadata
