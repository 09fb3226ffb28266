// Package ice connects a peer: it is an ICE agent (RFC 8445) with its own STUN
// codec (RFC 8489), for one component over one UDP socket.
//
// The main type is [Agent]. A worker of the bridge owns one for each peer and
// gives it the peer's STUN messages and the time; the agent gives back STUN
// messages to send, the address to send media to, and its next deadline. The
// load generator uses the same agent as the controlled side. [PeekUsername]
// and [WorkerOf] tell which worker a stranger's first message belongs to.
//
// The package opens no socket, starts no goroutine, holds no lock and reads
// no clock. Handling a peer's message allocates nothing in steady state.
//
// # How it differs from a textbook agent
//
// The server has one socket, so a pair is known by its remote address alone,
// and local candidates matter to nobody but the peer. Clients may not tell
// their candidates at all; they are learnt from their checks.
//
// A pair is selected as soon as it is valid and is nominated at once (a
// relayed one is given a moment in which a direct one may come). When the
// selected pair falls silent while another one answers, or a clearly better
// one turns up, the agent nominates that one instead, without an ICE restart.
// RFC 8445 §8.1.1 does not foresee this, but clients accept it, and for a
// phone between two networks or behind a NAT that forgot it, it is the
// difference between a second and half a minute.
//
// Failure is final: a failed agent answers nothing, so that the peer notices
// too. A restart in place is a second Agent with new credentials beside the
// first, until it is connected.
//
// # Limits
//
// Signalled remote candidates are limited to 32, learnt ones to 16 (the one
// that was silent for longest makes room), waiting replies to 16, a message
// to 2,048 bytes. Host names, mDNS names and TCP candidates are ignored.
// Messages with a wrong password are dropped and counted.
package ice
