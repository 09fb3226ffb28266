package jingle

// Namespaces of Jingle and of what Jitsi puts into it.
const (
	NS          = "urn:xmpp:jingle:1"
	NSErrors    = "urn:xmpp:jingle:errors:1"
	NSRTP       = "urn:xmpp:jingle:apps:rtp:1"
	NSFeedback  = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
	NSHdrExt    = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
	NSSources   = "urn:xmpp:jingle:apps:rtp:ssma:0"
	NSDTLS      = "urn:xmpp:jingle:apps:dtls:0"
	NSICE       = "urn:xmpp:jingle:transports:ice-udp:1"
	NSSCTP      = "urn:xmpp:jingle:transports:dtls-sctp:1"
	NSGrouping  = "urn:xmpp:jingle:apps:grouping:0"
	NSJitmeet   = "http://jitsi.org/jitmeet"
	NSFocus     = "http://jitsi.org/protocol/focus"
	NSColibri   = "http://jitsi.org/protocol/colibri"
	NSColibri2  = "jitsi:colibri2"
	NSStartMute = "http://jitsi.org/jitmeet/start-muted"
)
