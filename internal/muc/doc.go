// Package muc is the room: multi-user chat (XEP-0045) as far as conferences of
// Jitsi clients need it, as a state machine.
//
// The main type is [Room]. The signal role owns one goroutine a room, and only
// that goroutine calls it: with stanzas of sessions that are addressed to the
// room ([Room.Presence], [Room.Message], [Room.IQ]) and with the news that a
// session is over ([Room.Gone]). Everything the room has to say it hands to a
// [Recipient], at once and in order. Room services (metadata, speaker
// statistics, moderation of unmuting) live outside and hang on [Hooks].
//
// What is peculiar to these rooms:
//
//   - Only the focus opens a room, under the nick "focus", which nobody else
//     may have. Whoever comes earlier waits inside and is let in, in order,
//     when the focus has joined.
//   - Rooms are never anonymous: everybody sees everybody's full real JID.
//   - The muc#user element is the first child of a presence, always: Jitsi
//     clients drop the first <x/> of a presence before they read extensions.
//   - A later presence replaces the earlier one whole. Children of a stanza
//     are relayed as the sender wrote them; only those a server alone may
//     write are removed (see relay.go).
//   - IQs between occupants pass with their id kept.
//
// Fan-out: a stanza for many is encoded once, as an [xmpp.Shared]; telling one
// more recipient costs a method call and no memory. The current presence of
// each occupant is kept encoded, so that a newcomer is told about everybody
// without any encoding.
//
// The package must never open a socket, start a goroutine, take a lock, read a
// clock, log or count metrics, and it never blocks: a Recipient must not
// either. Time comes in as an argument and is used for stamps a client sees.
//
// Limits: see [Limits]. All state of a room is bounded by them; no number of
// stanzas from one client makes a room larger than they allow.
package muc
