package muc

import (
	"bytes"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// This file decides what of a client's stanza others get to see. Children pass
// byte by byte as sent, so that an explicit xmlns stays explicit and a child
// without one stays without; children that only a server may write are
// removed.

const (
	nsOldDelay   = "jabber:x:delay"         // XEP-0091
	nsStanzaID   = "urn:xmpp:sid:0"         // XEP-0359
	nsOccupantID = "urn:xmpp:occupant-id:0" // XEP-0421
	nsAddress    = "http://jabber.org/protocol/address"
	nsReply      = "urn:xmpp:reply:0"
	nsIgnore     = "http://jitsi.org/jitmeet/" // with the slash: not a slip
)

// serverOnly reports children that no occupant may speak: room state, stamps
// of time and place. Clients find <delay/> by its name alone.
func serverOnly(c xmpp.Element) bool {
	switch c.NS {
	case xmpp.NSMUC, xmpp.NSMUCUser, nsOldDelay, nsOccupantID:
		return true
	case nsStanzaID:
		return c.Name == "stanza-id"
	}
	return c.Name == "delay" || disguised(c)
}

// disguised reports a child with an attribute like "p:xmlns". Jitsi clients
// look for namespaces with the selector [*|xmlns=...], which such an attribute
// satisfies: it would pass for any namespace, muc#user included.
func disguised(c xmpp.Element) bool {
	tag := c.Raw
	for {
		stop := bytes.IndexAny(tag, `"'>`)
		if stop < 0 || bytes.Contains(tag[:stop], []byte(":xmlns")) {
			return stop >= 0
		}
		if tag[stop] == '>' {
			return false
		}
		tag = tag[stop+2+bytes.IndexByte(tag[stop+1:], tag[stop]):]
	}
}

// hiddenInPresence adds what a server writes into presences: permissions, and
// the identity out of a token, which clients find by its name alone. <ignore/>
// would make other clients disregard a leave, and keep a ghost.
func hiddenInPresence(c xmpp.Element) bool {
	return serverOnly(c) || c.Name == "identity" ||
		c.Name == "permissions" && c.NS == xmpp.NSJitmeet || c.Name == "ignore" && c.NS == nsIgnore
}

// hiddenInMessage adds what would let a sender pass as somebody else: clients
// show the name of display-name or nick instead of the occupant's.
func hiddenInMessage(c xmpp.Element) bool {
	return serverOnly(c) || c.NS == nsDisplayName || c.NS == nsAddress || c.Name == "nick" && c.NS == xmpp.NSNick
}

// appendChildren appends the children of a stanza that may pass.
func appendChildren(b []byte, st *xmpp.Stanza, hidden func(xmpp.Element) bool) []byte {
	el := st.Element()
	for c := range el.Children() {
		if !hidden(c) {
			b = appendChild(b, c)
		}
	}
	return b
}

// COMPAT(lib-jitsi-meet, until it writes the namespace): the <reply/> of a
// chat message is sent without one, but looked for with XEP-0461's.
func appendChild(b []byte, c xmpp.Element) []byte {
	const tag = "<reply"
	if c.Name != "reply" || c.NS != xmpp.NSClient || !bytes.HasPrefix(c.Raw, []byte(tag)) {
		return append(b, c.Raw...)
	}
	if _, own := c.Attr("xmlns"); own {
		return append(b, c.Raw...)
	}
	b = append(b, tag+` xmlns="`+nsReply+`"`...)
	return append(b, c.Raw[len(tag):]...)
}

// unprefixed reports whether the stanza's own name has no prefix, which makes
// jabber:client the namespace of children that have none. Only such stanzas
// are relayed: under a prefixed root the same children would change meaning.
func unprefixed(st *xmpp.Stanza) bool {
	name := st.Raw[1:]
	return bytes.HasPrefix(name, []byte(st.Name)) && len(name) > len(st.Name) && name[len(st.Name)] != ':'
}

// keptAttrs returns those attributes of the stanza itself that its children
// depend on, as written and with a leading blank: prefixes declared there,
// without which the children would arrive as XML no recipient can parse, and
// the language.
func keptAttrs(st *xmpp.Stanza) []byte {
	var b []byte
	for tag := st.Raw[1+len(st.Name):]; ; {
		tag = bytes.TrimLeft(tag, " \t\r\n")
		open := bytes.IndexAny(tag, `"'`)
		if open < 0 || tag[0] == '>' || tag[0] == '/' {
			return b
		}
		end := open + 2 + bytes.IndexByte(tag[open+1:], tag[open])
		if bytes.HasPrefix(tag, []byte("xmlns:")) || bytes.HasPrefix(tag, []byte("xml:lang")) {
			b = append(append(b, ' '), tag[:end]...)
		}
		tag = tag[end:]
	}
}
