package muc

import (
	"unicode/utf8"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Everything the room says is written here. Attributes may follow the to
// attribute, so the head of a stanza depends on its sender only and can be
// kept; type and id stand in the tail.

const (
	nsDisplayName = "http://jitsi.org/protocol/display-name"
	openMUCUser   = `<x xmlns="` + xmpp.NSMUCUser + `">`
)

// head starts a stanza from an escaped address, through `to="`.
func head(name, from string) []byte {
	return appendHead(make([]byte, 0, headLen(name, from)), name, from)
}

func headLen(name, from string) int { return len(name) + len(from) + 40 }

func appendHead(b []byte, name, from string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, ` xmlns="`+xmpp.NSClient+`" from="`...)
	b = append(b, from...)
	return append(b, `" to="`...)
}

// appendAttr appends an attribute unless its value is empty.
func appendAttr(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, `="`...)
	b = xmpp.EscapeAttr(b, value)
	return append(b, '"')
}

// form is one presence of an occupant, before it is encoded.
type form struct {
	kind    string // the type attribute: "" or "unavailable"
	id      string
	aff     Affiliation
	role    Role
	codes   []string // status codes, XEP-0045 §15.6
	actor   string   // nick of who did it
	reason  string
	destroy []byte // <destroy/>, complete
	decls   []byte // attributes that declare prefixes, with leading blank
	ext     []byte // children the occupant sent
	server  []byte // children the server adds
}

// encode writes one presence. The second result is where f.ext stands in it.
func (o *Occupant) encode(f *form) (*xmpp.Shared, []byte) {
	b := o.appendStart(make([]byte, 0, o.startLen(f)+len(f.ext)+len(f.server)+len(endPresence)), f)
	lo := len(b)
	b = append(b, f.ext...)
	hi := len(b)
	b = append(b, f.server...)
	b = append(b, endPresence...)
	sh := &xmpp.Shared{Head: o.head, Tail: b}
	if f.kind == "" { // a leave keeps its place behind what was said before it
		sh.Replaces = o.replaces
	}
	return sh, b[lo:hi:hi]
}

// encodeOwn is encode for somebody who gets what all get, but for its start:
// the rest is not copied.
func (o *Occupant) encodeOwn(f *form) *xmpp.Shared {
	b := o.appendStart(make([]byte, 0, o.startLen(f)), f)
	return &xmpp.Shared{Head: o.head, Tail: b, Rest: o.rest, Replaces: o.replaces}
}

const endPresence = "</presence>"

// startLen is how long appendStart becomes, or a little more: presences are
// what most of a room's memory is.
func (o *Occupant) startLen(f *form) int {
	n := 104 + len(o.item) + 24*len(f.codes) + len(f.destroy) + len(f.decls)
	if f.kind != "" || f.id != "" || f.actor != "" || f.reason != "" {
		n += 64 + len(f.kind) + len(f.id) + len(f.actor) + len(f.reason)
	}
	return n
}

// appendStart writes what precedes the children that the occupant sent.
func (o *Occupant) appendStart(b []byte, f *form) []byte {
	b = append(b, '"')
	b = appendAttr(b, "type", f.kind)
	b = appendAttr(b, "id", f.id)
	b = append(b, f.decls...)
	b = append(b, '>')
	return o.appendUser(b, f)
}

// appendUser writes the muc#user element. It must stay the first child.
func (o *Occupant) appendUser(b []byte, f *form) []byte {
	b = append(b, openMUCUser+`<item affiliation="`...)
	b = append(b, f.aff.String()...)
	b = append(b, `" role="`...)
	b = append(b, f.role.String()...)
	b = append(b, `" jid="`...)
	b = append(b, o.item...)
	b = appendItemEnd(b, f.actor, f.reason)
	b = append(b, f.destroy...)
	for _, c := range f.codes {
		b = append(b, `<status code="`...)
		b = append(b, c...)
		b = append(b, `"/>`...)
	}
	return append(b, "</x>"...)
}

func appendItemEnd(b []byte, actor, reason string) []byte {
	if actor == "" && reason == "" {
		return append(b, `"/>`...)
	}
	b = append(b, `">`...)
	if actor != "" {
		b = append(b, "<actor"...)
		b = appendAttr(b, "nick", actor)
		b = append(b, "/>"...)
	}
	b = appendElem(b, "reason", reason)
	return append(b, "</item>"...)
}

// appendElem appends an element with text unless the text is empty.
func appendElem(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(append(append(b, '<'), name...), '>')
	b = xmpp.EscapeText(b, text)
	return append(append(append(b, "</"...), name...), '>')
}

// stanza encodes a stanza for one or many out of a complete body. from is
// escaped; attrs, if any, are complete attributes with a leading blank.
func stanza(name, from, typ, id string, attrs, body []byte) *xmpp.Shared {
	b := make([]byte, 0, headLen(name, from)+len(typ)+len(id)+len(attrs)+len(body)+len(name)+24)
	b = appendHead(b, name, from)
	tail := len(b)
	b = append(b, '"')
	b = appendAttr(b, "type", typ)
	b = appendAttr(b, "id", id)
	b = append(b, attrs...)
	if len(body) == 0 {
		b = append(b, "/>"...)
	} else {
		b = append(append(b, '>'), body...)
		b = append(append(append(b, "</"...), name...), '>')
	}
	return &xmpp.Shared{Head: b[:tail:tail], Tail: b[tail:]}
}

// presenceError reports to somebody that it is not let in, or not like this.
// It comes from the occupant JID and repeats the muc element, as clients of
// several libraries want it (XEP-0045 §7.2).
func (r *Room) presenceError(to Recipient, nick, id string, e *xmpp.StanzaError) {
	from := string(xmpp.EscapeAttr(nil, r.cfg.JID.WithResource(nick).String()))
	w := xmpp.NewWriter(256 + len(e.Text) + len(e.Extra))
	w.Empty("x", "xmlns", xmpp.NSMUC)
	e.AppendTo(w)
	to.Deliver(stanza("presence", from, "error", id, nil, w.Bytes()))
}

// bounce answers a message or request with an error, in the name of whom it
// was sent to. Errors and results are never answered (RFC 6120 §8.3.1).
func bounce(to Recipient, st xmpp.Stanza, e *xmpp.StanzaError) {
	if st.Type == "error" || st.Type == "result" {
		return
	}
	w := xmpp.NewWriter(192 + len(e.Text) + len(e.Extra))
	e.AppendTo(w)
	to.Deliver(stanza(st.Name, string(xmpp.EscapeAttr(nil, st.To)), "error", st.ID, nil, w.Bytes()))
}

// result answers a request.
func result(to Recipient, st xmpp.Stanza, payload []byte) {
	to.Deliver(stanza("iq", string(xmpp.EscapeAttr(nil, st.To)), "result", st.ID, nil, payload))
}

// JSONMessage encodes the form in which services speak to Jitsi clients: a
// message without type that carries JSON. Clients accept it only from an
// address that was announced to them as that service's. room, if not empty,
// becomes an attribute that the focus wants in room metadata.
func JSONMessage(from xmpp.JID, room string, json []byte) *xmpp.Shared {
	b := make([]byte, 0, len(json)+len(json)/4+len(room)+80)
	b = append(b, `<json-message xmlns="`+xmpp.NSJitmeet+`"`...)
	b = appendAttr(b, "room", room)
	b = append(b, '>')
	b = xmpp.EscapeText(b, string(json))
	b = append(b, "</json-message>"...)
	return stanza("message", string(xmpp.EscapeAttr(nil, from.String())), "", "", nil, b)
}

// cut shortens s to at most n bytes without cutting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
