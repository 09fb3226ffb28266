// Package xmpp is the XML and XMPP ground that every speaker of the protocol
// stands on: addresses (JID), a one-pass scanner for stanzas that builds no
// tree (Scan, Stanza, Element), an append-only XML writer (Writer), stanza and
// stream errors that know their wire form, and the server's side of stream
// negotiation as a state machine without input or output (Stream).
//
// The main types are Stanza, which the signal role makes of every frame a
// client sends, and Stream, which it drives with those frames. Rooms (muc),
// Jingle (jingle) and the focus read and write stanzas with them.
//
// The package opens no socket, starts no goroutine, holds no lock and reads no
// clock. It never builds a document tree and never uses encoding/xml outside
// of tests.
//
// Memory: a Stanza, its Elements and all strings taken from them point into
// the scanned frame. The frame must therefore never be changed after Scan;
// whoever keeps a string much longer than its stanza should clone it.
//
// Limits: MaxDepth levels of elements, MaxAttrs attributes an element,
// MaxPrefixes namespace prefixes in scope; the frame's size is limited by the
// caller before the frame is read (MaxFrame).
package xmpp
