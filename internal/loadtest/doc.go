// Package loadtest puts synthetic participants into the rooms of a Jitsi
// deployment, plenum's or any other, and records what they see.
//
// [Run] carries out a [Plan]: rooms with members, each of which plays a [Role].
// A participant is complete on the wire: XMPP over WebSocket (package wire),
// ICE, DTLS (package dial), SRTP, RTCP, the bridge channel, and media that
// browsers can play (package media). What happened is returned as plain data
// (package record), and each second while it happens.
//
// # Who owns what
//
// A participant's signalling belongs to whoever holds its lock: the goroutine
// that reads its WebSocket, or a short one for what is due. The shepherd, one
// goroutine that looks after everybody's timers, waits for no participant:
// who holds a lock may be writing to a server that does not read. Media belong to a worker, one goroutine for each
// core with all sockets of its participants in one swarm (package netio) and
// no lock on the way of a packet. The two sides talk through the worker's
// mailbox and, the other way, through short goroutines for rare events.
//
// Reading is paced: a busy worker looks at its sockets every few milliseconds
// so that one call takes several packets. That does not spoil measurements,
// because the kernel says when each packet came. Sending is not: everybody has
// phases of their own, kept to half a millisecond also while others are
// read, because bursts of people who know nothing of each other would be what
// a server's delay is made of.
//
// # Limits
//
// The package speaks only what clients speak; it must never reach into a
// server of the same process. One process has at most as many participants as
// it may open files, at three each. Participants on one machine share its
// address: a server that limits by address sees one user.
package loadtest
