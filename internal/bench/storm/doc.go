// Package storm is the load of the signalling benchmark: XMPP clients over
// WebSocket that log in anonymously, join rooms all at once and change their
// presence all at once, against any server that speaks RFC 7395.
//
// The main function is [Run]. It reads the server's CPU time from /proc, so
// that each phase is charged with what it cost the server, and its own, so
// that a generator at its limit is not taken for a slow server.
//
// It does as little for a stanza as possible: it counts presences by their
// first bytes, and acknowledges like a client of XEP-0198. It never sends
// anything to an address that is not loopback.
package storm
