package xmpp

import (
	"bytes"
	"iter"
)

// StanzaKind tells the three kinds of stanza from everything else.
type StanzaKind uint8

// The kinds of top-level element: a stanza is one in jabber:client.
const (
	Other StanzaKind = iota
	Message
	Presence
	IQ
)

// String returns the element name of the kind, "other" for Other.
func (k StanzaKind) String() string {
	return [...]string{"other", "message", "presence", "iq"}[k&3]
}

// Stanza is one scanned top-level element. Its attribute strings are
// unescaped, but From and To are as sent: not parsed, not normalised, and From
// not to be believed before the session has overwritten it. Everything points
// into the frame given to Scan.
type Stanza struct {
	Kind StanzaKind
	Name string // local name
	NS   string // namespace, jabber:client if none is declared
	ID   string
	Type string
	From string
	To   string

	Raw   []byte // the whole element, as sent
	Inner []byte // its content, as sent: raw children and text
}

// stanza makes the result out of the root's start tag.
func (sc *scanner) stanza() Stanza {
	name := sc.slice(sc.open[0])
	st := Stanza{Name: view(name), NS: NSClient}
	for i := range sc.attrs[:sc.nAttrs] {
		a := &sc.attrs[i]
		switch string(sc.slice(a.name)) {
		case "xmlns":
			st.NS = unescapeAttr(sc.slice(a.value))
		case "id":
			st.ID = unescapeAttr(sc.slice(a.value))
		case "type":
			st.Type = unescapeAttr(sc.slice(a.value))
		case "from":
			st.From = unescapeAttr(sc.slice(a.value))
		case "to":
			st.To = unescapeAttr(sc.slice(a.value))
		}
	}
	if colon := bytes.IndexByte(name, ':'); colon >= 0 {
		st.Name = view(name[colon+1:])
		st.NS, _ = sc.resolveRoot(sc.open[0])
	}
	st.Kind = kindOf(st.Name, st.NS)
	return st
}

// resolveRoot resolves the root's prefix also when <root/> has already left
// the scope of its own declarations.
func (sc *scanner) resolveRoot(name span) (string, bool) {
	if sc.empty {
		for i := range sc.attrs[:sc.nAttrs] {
			_ = sc.declare(&sc.attrs[i])
		}
		defer func() { sc.nDecls = 0 }()
	}
	return sc.resolve(name)
}

func kindOf(name, ns string) StanzaKind {
	if ns != NSClient {
		return Other
	}
	switch name {
	case "message":
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	}
	return Other
}

// Element returns the stanza as an element, for its attributes.
func (s Stanza) Element() Element { return rootElement(s.Raw, s.Inner) }

// Children iterates over the child elements.
func (s Stanza) Children() iter.Seq[Element] { return s.Element().Children() }

// First returns the first child element.
func (s Stanza) First() (Element, bool) { return s.Element().First() }

// Child returns the first child of that local name and namespace; ns "" means
// any namespace.
func (s Stanza) Child(name, ns string) (Element, bool) { return s.Element().Child(name, ns) }

// IsRequest reports whether the stanza is an IQ that must be answered
// (RFC 6120 §8.2.3).
func (s Stanza) IsRequest() bool { return s.Kind == IQ && (s.Type == "get" || s.Type == "set") }

// Share encodes the stanza for many recipients: with from as its sender, and
// to left open. All other attributes and the content are kept as sent. The
// result does not point into the frame.
func (s Stanza) Share(from string) *Shared {
	el := s.Element()
	b := s.appendHead(make([]byte, 0, len(s.Raw)+len(from)+len(NSClient)+48), &el, from)
	b = append(b, ` to="`...)
	head := len(b)
	b = s.appendTail(b, &el)
	return &Shared{Head: b[:head:head], Tail: b[head:]}
}

// Readdress returns the stanza with from and to replaced, everything else as
// sent. It is how a stanza leaves for one recipient.
func (s Stanza) Readdress(from, to string) []byte {
	el := s.Element()
	b := make([]byte, 0, len(s.Raw)+len(from)+len(to)+len(NSClient)+48)
	b = s.appendHead(b, &el, from)
	b = append(b, ` to="`...)
	b = EscapeAttr(b, to)
	return s.appendTail(b, &el)
}

// appendHead writes the start tag up to where the to attribute goes.
func (s Stanza) appendHead(b []byte, el *Element, from string) []byte {
	b = append(b, '<')
	b = append(b, el.qname...)
	declared := false
	for name, value := range rawAttrs(el.tag) {
		if name == "from" || name == "to" {
			continue
		}
		declared = declared || name == "xmlns"
		b = append(b, ' ')
		b = append(b, name...)
		b = append(b, '=')
		b = append(b, value...)
	}
	if !declared {
		b = append(b, ` xmlns="`+NSClient+`"`...)
	}
	if from != "" {
		b = append(b, ` from="`...)
		b = EscapeAttr(b, from)
		b = append(b, '"')
	}
	return b
}

// appendTail writes everything after the value of the to attribute.
func (s Stanza) appendTail(b []byte, el *Element) []byte {
	if len(s.Inner) == 0 {
		return append(b, `"/>`...)
	}
	b = append(b, `">`...)
	b = append(b, s.Inner...)
	b = append(b, `</`...)
	b = append(b, el.qname...)
	return append(b, '>')
}

// ErrorReply encodes the answer that reports e to the stanza's sender
// (RFC 6120 §8.3). The answer comes from the given address, or from where the
// stanza was sent to if from is zero. Callers must not answer a stanza that is
// itself an error or a result.
func (s Stanza) ErrorReply(from JID, e *StanzaError) []byte {
	w := s.replyHead(from, "error", 256+len(e.Text)+len(e.Extra))
	e.AppendTo(w)
	w.Close(s.Name)
	return w.Bytes()
}

func (s Stanza) replyHead(from JID, typ string, size int) *Writer {
	w := NewWriter(size)
	sender := s.To
	if !from.IsZero() {
		sender = from.String()
	}
	attrs := [10]string{"xmlns", NSClient, "type", typ}
	n := 4
	for _, a := range [...][2]string{{"id", s.ID}, {"from", sender}, {"to", s.From}} {
		if a[1] != "" {
			attrs[n], attrs[n+1] = a[0], a[1]
			n += 2
		}
	}
	w.Open(s.Name, attrs[:n]...)
	return w
}

// ResultReply encodes the positive answer to an IQ, with payload (complete
// XML, may be empty) as its child.
func (s Stanza) ResultReply(from, to string, payload []byte) []byte {
	w := NewWriter(128 + len(payload))
	w.Open("iq", "xmlns", NSClient, "type", "result", "id", s.ID, "from", from, "to", to)
	w.Raw(payload)
	w.Close("iq")
	return w.Bytes()
}

// Reply encodes an answer to the stanza for whoever sent it: of the given type
// (result or error) and with content (complete XML, may be empty). The
// recipient's address is left open, as in every Shared.
func (s Stanza) Reply(typ, from string, content []byte) *Shared {
	w := NewWriter(96 + len(s.ID) + len(from) + len(content))
	w.startTag(s.Name, []string{"xmlns", NSClient, "type", typ, "from", from})
	if s.ID != "" {
		w.b = append(w.b, ` id="`...)
		w.b = EscapeAttr(w.b, s.ID)
		w.b = append(w.b, '"')
	}
	w.b = append(w.b, ` to="`...)
	head := len(w.b)
	if len(content) == 0 {
		w.b = append(w.b, `"/>`...)
	} else {
		w.b = append(w.b, `">`...)
		w.b = append(w.b, content...)
		w.Close(s.Name)
	}
	return &Shared{Head: w.b[:head:head], Tail: w.b[head:]}
}

// Refuse encodes e as the answer to the stanza, like Reply.
func (s Stanza) Refuse(from string, e *StanzaError) *Shared {
	w := NewWriter(160 + len(e.Text) + len(e.Extra))
	e.AppendTo(w)
	return s.Reply("error", from, w.Bytes())
}
