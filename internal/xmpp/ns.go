package xmpp

// Namespaces that more than one package needs.
const (
	NSClient     = "jabber:client"
	NSStreams    = "http://etherx.jabber.org/streams"
	NSFraming    = "urn:ietf:params:xml:ns:xmpp-framing" // RFC 7395
	NSSASL       = "urn:ietf:params:xml:ns:xmpp-sasl"
	NSBind       = "urn:ietf:params:xml:ns:xmpp-bind"
	NSSession    = "urn:ietf:params:xml:ns:xmpp-session"
	NSStanzas    = "urn:ietf:params:xml:ns:xmpp-stanzas"
	NSStreamErrs = "urn:ietf:params:xml:ns:xmpp-streams"
	NSSM         = "urn:xmpp:sm:3" // XEP-0198
	NSPing       = "urn:xmpp:ping" // XEP-0199
	NSDiscoInfo  = "http://jabber.org/protocol/disco#info"
	NSDiscoItems = "http://jabber.org/protocol/disco#items"
	NSExtdisco   = "urn:xmpp:extdisco:2" // XEP-0215
	NSExtdisco1  = "urn:xmpp:extdisco:1"
	NSMUC        = "http://jabber.org/protocol/muc" // XEP-0045
	NSMUCUser    = "http://jabber.org/protocol/muc#user"
	NSMUCAdmin   = "http://jabber.org/protocol/muc#admin"
	NSMUCOwner   = "http://jabber.org/protocol/muc#owner"
	NSData       = "jabber:x:data"  // XEP-0004
	NSDelay      = "urn:xmpp:delay" // XEP-0203
	NSNick       = "http://jabber.org/protocol/nick"
	NSCaps       = "http://jabber.org/protocol/caps"
	NSJitmeet    = "http://jitsi.org/jitmeet"
	NSFocus      = "http://jitsi.org/protocol/focus"
	NSXML        = "http://www.w3.org/XML/1998/namespace"
	NSXMLNS      = "http://www.w3.org/2000/xmlns/"
)
