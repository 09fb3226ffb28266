// Package signal is the signalling role: XMPP sessions over WebSocket, the
// routing of stanzas between them, and the rooms (muc.Room) they meet in.
//
// The main type is Server. The web role mounts its Handler; the focus and
// other services inside this deployment speak XMPP through it as an
// xmpp.Router; room services (signal/service/...) are handed to it as Services.
//
// One goroutine owns one room. A socket that is silent has none: it is watched
// with all others (netio/readable), and read by a goroutine of its own while
// there is something to read. All outboxes are written by a flusher; a socket
// that does not take everything at once gets a goroutine until it has. Where
// sockets cannot be watched (TLS, or not Linux), a goroutine reads each.
// A session outlives its socket, so that a client that lost its connection may
// resume (XEP-0198). Nothing that runs in a room's goroutine may block:
// delivering to a session only appends to its outbox.
//
// The package never decides about media or conferences, and never keeps a
// stanza's body in a log.
//
// Limits: the size of frames, the bytes in an outbox and in the queue of
// unacknowledged stanzas, the events in a room's mailbox, the joins parked for
// a room that does not exist yet, and the number of connections; see Options.
package signal
