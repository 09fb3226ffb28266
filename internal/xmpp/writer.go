package xmpp

// Writer appends XML to a buffer of its own. It escapes what it is given, but
// trusts its caller to close what was opened. The zero Writer is ready to use.
//
// Jitsi clients find an extension only by an xmlns attribute of its own: give
// every element its namespace explicitly, inherited or not.
type Writer struct{ b []byte }

// NewWriter returns a writer with room for n bytes before it allocates again.
func NewWriter(n int) *Writer { return &Writer{b: make([]byte, 0, n)} }

// Open writes a start tag. attrs are pairs of name and value; pairs with an
// empty value are kept. A name without a value is a fault of the caller and
// panics.
func (w *Writer) Open(name string, attrs ...string) {
	w.startTag(name, attrs)
	w.b = append(w.b, '>')
}

// Empty writes an element without content.
func (w *Writer) Empty(name string, attrs ...string) {
	w.startTag(name, attrs)
	w.b = append(w.b, "/>"...)
}

// Close writes an end tag.
func (w *Writer) Close(name string) {
	w.b = append(w.b, "</"...)
	w.b = append(w.b, name...)
	w.b = append(w.b, '>')
}

// Text writes character data.
func (w *Writer) Text(s string) { w.b = EscapeText(w.b, s) }

// Elem writes an element with only text in it.
func (w *Writer) Elem(name, text string, attrs ...string) {
	w.Open(name, attrs...)
	w.Text(text)
	w.Close(name)
}

// Raw appends complete XML as it is.
func (w *Writer) Raw(xml []byte) { w.b = append(w.b, xml...) }

// Append lets f append complete XML to the writer's memory.
func (w *Writer) Append(f func(dst []byte) []byte) { w.b = f(w.b) }

// Bytes returns what was written. It belongs to the writer until Reset is
// called or the writer is given up.
func (w *Writer) Bytes() []byte { return w.b }

// Len returns how many bytes were written.
func (w *Writer) Len() int { return len(w.b) }

// Reset starts anew in the same memory.
func (w *Writer) Reset() { w.b = w.b[:0] }

func (w *Writer) startTag(name string, attrs []string) {
	w.b = append(w.b, '<')
	w.b = append(w.b, name...)
	for i := 0; i < len(attrs); i += 2 {
		w.b = append(w.b, ' ')
		w.b = append(w.b, attrs[i]...)
		w.b = append(w.b, `="`...)
		w.b = EscapeAttr(w.b, attrs[i+1])
		w.b = append(w.b, '"')
	}
}
