// Package jingle reads and writes the Jingle messages between the focus and
// Jitsi clients (XEP-0166, XEP-0167, XEP-0176, XEP-0320, XEP-0338, XEP-0339)
// with the private extensions that Jitsi adds, and knows in which state of a
// session which message is allowed.
//
// The main types are [Message], one <jingle/> element as plain values, and
// [Session], the state of one session with one participant. The focus is the
// caller; load tests speak the client's side of it with the same types.
//
// The package decides nothing about conferences and never looks at a clock,
// a socket or a lock. Rules about sources are package source's.
//
// Limits are applied while parsing, before memory is taken: see [Limits].
// Every extension element is written with its own xmlns attribute, because
// clients do not see inherited namespaces.
package jingle
