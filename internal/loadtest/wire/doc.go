// Package wire is one Jitsi client as its XMPP server sees it: stream
// negotiation over WebSocket frames (RFC 7395), SASL, XEP-0198 with
// resumption, the conference request, the room with presence, capabilities
// and SourceInfo, and the client's side of Jingle.
//
// The main type is [Client], a state machine: it is given frames and the time,
// and gives back frames to send ([Client.Take]) and what happened
// ([Client.Events]). A participant of the load test owns one and moves its
// frames over a real socket; tests move them over nothing.
//
// The package must not open sockets, start goroutines, hold locks or read
// clocks. What a server says is believed only so far as it can be read: what
// cannot is counted, told in an event, and the client goes on if it can.
//
// Limits: of a room it remembers MaxOccupants names; unacknowledged stanzas
// are kept up to MaxUnacked.
package wire
