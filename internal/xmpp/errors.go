package xmpp

// StanzaError is an error that answers one stanza (RFC 6120 §8.3).
type StanzaError struct {
	Type      string // auth, cancel, continue, modify or wait
	Condition string // a defined condition, such as item-not-found
	Text      string // for people and, with Jitsi clients, for comparisons; may be empty
	Extra     []byte // application-specific children: complete XML with its own xmlns
}

// Error describes the error for logs.
func (e *StanzaError) Error() string {
	s := "xmpp: " + e.Type + "/" + e.Condition
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// AppendTo writes the <error/> element.
func (e *StanzaError) AppendTo(w *Writer) {
	w.Open("error", "type", e.Type)
	w.Empty(e.Condition, "xmlns", NSStanzas)
	if e.Text != "" {
		w.Elem("text", e.Text, "xmlns", NSStanzas)
	}
	w.Raw(e.Extra)
	w.Close("error")
}

// StreamError ends a stream (RFC 6120 §4.9). A Jitsi client that receives one
// gives up its session: never send it to somebody who should resume.
type StreamError struct {
	Condition string // a defined condition, such as not-well-formed
	Text      string
}

// Error describes the error for logs.
func (e *StreamError) Error() string {
	s := "xmpp: stream error " + e.Condition
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Encode returns the <stream:error/> element as a document of its own, as
// RFC 7395 frames need it.
func (e *StreamError) Encode() []byte {
	w := NewWriter(192 + len(e.Text))
	w.Open("stream:error", "xmlns:stream", NSStreams)
	w.Empty(e.Condition, "xmlns", NSStreamErrs)
	if e.Text != "" {
		w.Elem("text", e.Text, "xmlns", NSStreamErrs)
	}
	w.Close("stream:error")
	return w.Bytes()
}
