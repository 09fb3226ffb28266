// Package service is the contract between the signal role and room services:
// features of a room, such as speaker statistics, that live in a folder of
// their own and could be deleted with it.
//
// The main type is Feature. Signal opens a Part of every feature for every
// room; the part takes part in the room through muc.Hooks and receives the
// messages that occupants send to the service's address. Clients learn of a
// service by its identity in the domain's disco#info, and only of those that
// run.
//
// Services run on the goroutine of the room: they must not block, and need no
// locks.
package service
