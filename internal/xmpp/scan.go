package xmpp

import (
	"bytes"
	"unicode/utf8"
)

// Limits of the scanner. A frame beyond them is refused as a whole.
const (
	// MaxDepth is how many elements may be nested, the stanza itself included.
	MaxDepth = 32
	// MaxAttrs is how many attributes one element may have.
	MaxAttrs = 64
	// MaxPrefixes is how many namespace prefixes may be in scope at once.
	MaxPrefixes = 32
	// MaxFrame is the longest frame, in bytes, that readers should accept from
	// an ordinary client.
	MaxFrame = 256 << 10
)

// What Scan objects to. Each is a *StreamError: RFC 6120 §4.9.3 has no milder
// answer to broken XML than to end the stream.
var (
	ErrNotWellFormed = &StreamError{Condition: "not-well-formed"}
	ErrRestrictedXML = &StreamError{Condition: "restricted-xml"}
	ErrBadPrefix     = &StreamError{Condition: "bad-namespace-prefix"}
	ErrNotUTF8       = &StreamError{Condition: "unsupported-encoding"}
	ErrTooDeep       = &StreamError{Condition: "policy-violation", Text: "elements nested too deeply"}
	ErrTooManyAttrs  = &StreamError{Condition: "policy-violation", Text: "too many attributes"}
)

// span is a half-open range of the frame.
type span struct{ lo, hi int32 }

type rawAttr struct{ name, value span }

// prefixDecl is a prefix in scope. Its namespace is read once, here: reading it
// at every use would cost the product of their lengths.
type prefixDecl struct {
	name  span
	uri   string
	depth int32
}

// scanner checks one frame from front to back. It lives on the stack of Scan.
type scanner struct {
	b        []byte
	pos      int
	depth    int
	nAttrs   int
	nDecls   int
	prefixed bool // the start tag at hand has a colon somewhere
	empty    bool // the start tag at hand was <name/>
	open     [MaxDepth]span
	attrs    [MaxAttrs]rawAttr
	decls    [MaxPrefixes]prefixDecl
}

// Scan checks that frame is exactly one well-formed, namespace-well-formed XML
// element, white space around it allowed, within the limits of this package,
// and returns it as a stanza. Document types, processing instructions,
// comments and entities of one's own are refused (RFC 6120 §11.1). No tree is
// built: children stay raw bytes. The result points into frame, which must not
// change afterwards. Errors are *StreamError.
func Scan(frame []byte) (Stanza, error) {
	if len(frame) > 1<<30 {
		return Stanza{}, ErrNotWellFormed
	}
	if !utf8.Valid(frame) {
		return Stanza{}, ErrNotUTF8
	}
	var sc scanner
	sc.b = trimSpace(frame)
	if err := sc.startTag(); err != nil {
		return Stanza{}, err
	}
	st := sc.stanza()
	if sc.empty {
		st.Raw = sc.b
		return st, sc.done()
	}
	inner := sc.pos
	end, err := sc.content()
	if err != nil {
		return Stanza{}, err
	}
	st.Raw, st.Inner = sc.b, sc.b[inner:end:end]
	return st, sc.done()
}

func (sc *scanner) done() error {
	if sc.pos != len(sc.b) {
		return ErrNotWellFormed
	}
	return nil
}

// content reads everything up to and including the root's end tag, and returns
// where that tag began.
func (sc *scanner) content() (int, error) {
	for {
		if err := sc.text(); err != nil {
			return 0, err
		}
		var err error
		at := sc.pos
		switch sc.at(1) {
		case '/':
			if err = sc.endTag(); err == nil && sc.depth == 0 {
				return at, nil
			}
		case '!':
			err = sc.cdata()
		default:
			err = sc.startTag()
		}
		if err != nil {
			return 0, err
		}
	}
}

// at returns the byte i places ahead, 0 past the end.
func (sc *scanner) at(i int) byte {
	if sc.pos+i < len(sc.b) {
		return sc.b[sc.pos+i]
	}
	return 0
}

// text reads character data up to the next '<'.
func (sc *scanner) text() error {
	for {
		b, i := sc.b, sc.pos
		for i < len(b) && class[b[i]]&textStop == 0 {
			i++
		}
		sc.pos = i
		if i == len(b) {
			return ErrNotWellFormed
		}
		if b[i] == '<' {
			return nil
		}
		if b[i] == ']' && !bytes.HasPrefix(b[i:], []byte("]]>")) {
			sc.pos++
			continue
		}
		if err := sc.special(); err != nil {
			return err
		}
	}
}

// special reads a reference or a character that needs a second look.
func (sc *scanner) special() error {
	n := 0
	switch rest := sc.b[sc.pos:]; rest[0] {
	case '&':
		_, n = entity(rest)
	case 0xEF:
		if r, size := utf8.DecodeRune(rest); isChar(r) {
			n = size
		}
	}
	if n == 0 {
		return ErrNotWellFormed
	}
	sc.pos += n
	return nil
}

func (sc *scanner) cdata() error {
	rest := sc.b[sc.pos:]
	if !bytes.HasPrefix(rest, []byte("<![CDATA[")) {
		return ErrRestrictedXML
	}
	end := bytes.Index(rest, []byte("]]>"))
	if end < 0 {
		return ErrNotWellFormed
	}
	for _, r := range view(rest[9:end]) {
		if !isChar(r) {
			return ErrNotWellFormed
		}
	}
	sc.pos += end + 3
	return nil
}

func (sc *scanner) endTag() error {
	sc.pos += 2
	name := sc.open[sc.depth-1]
	if !bytes.HasPrefix(sc.b[sc.pos:], sc.b[name.lo:name.hi]) {
		return ErrNotWellFormed
	}
	sc.pos += int(name.hi - name.lo)
	sc.skipSpace()
	if sc.at(0) != '>' {
		return ErrNotWellFormed
	}
	sc.pos++
	sc.leave()
	return nil
}

// leave ends the innermost element and the prefixes it declared.
func (sc *scanner) leave() {
	for sc.nDecls > 0 && int(sc.decls[sc.nDecls-1].depth) == sc.depth {
		sc.nDecls--
	}
	sc.depth--
}

func (sc *scanner) skipSpace() bool {
	i := sc.pos
	for i < len(sc.b) && class[sc.b[i]]&space != 0 {
		i++
	}
	moved := i > sc.pos
	sc.pos = i
	return moved
}

// startTag reads <name attr='value' ...> or <name .../>.
func (sc *scanner) startTag() error {
	if err := sc.startName(); err != nil {
		return err
	}
	sc.nAttrs, sc.empty = 0, false
	for {
		spaced := sc.skipSpace()
		switch c := sc.at(0); {
		case c == '>':
			sc.pos++
			return sc.checkNames()
		case c == '/' && sc.at(1) == '>':
			sc.pos += 2
			sc.empty = true
			err := sc.checkNames()
			sc.leave()
			return err
		case !spaced:
			return ErrNotWellFormed
		}
		if err := sc.attr(); err != nil {
			return err
		}
	}
}

func (sc *scanner) startName() error {
	if sc.at(0) != '<' {
		return ErrNotWellFormed
	}
	if c := sc.at(1); c == '?' || c == '!' {
		return ErrRestrictedXML
	}
	if sc.depth == MaxDepth {
		return ErrTooDeep
	}
	sc.pos++
	sc.prefixed = false
	name, err := sc.name()
	if err != nil {
		return err
	}
	sc.open[sc.depth] = name
	sc.depth++
	return nil
}

// name reads a qualified name (Namespaces in XML 1.0, production 7).
func (sc *scanner) name() (span, error) {
	n := nameLen(sc.b[sc.pos:])
	name := span{int32(sc.pos), int32(sc.pos + n)}
	text := sc.b[sc.pos : sc.pos+n]
	sc.pos += n
	if n == 0 {
		return name, ErrNotWellFormed
	}
	colon := bytes.IndexByte(text, ':')
	if colon < 0 {
		return name, nil
	}
	sc.prefixed = true
	local := text[colon+1:]
	if colon == 0 || nameLen(local) == 0 || bytes.IndexByte(local, ':') >= 0 {
		return name, ErrNotWellFormed
	}
	return name, nil
}

func (sc *scanner) attr() error {
	if sc.nAttrs == MaxAttrs {
		return ErrTooManyAttrs
	}
	name, err := sc.name()
	if err != nil {
		return err
	}
	sc.skipSpace()
	if sc.at(0) != '=' {
		return ErrNotWellFormed
	}
	sc.pos++
	sc.skipSpace()
	value, err := sc.attrValue()
	if err != nil {
		return err
	}
	if sc.hasAttr(name) {
		return ErrNotWellFormed
	}
	sc.attrs[sc.nAttrs] = rawAttr{name, value}
	sc.nAttrs++
	return nil
}

func (sc *scanner) hasAttr(name span) bool {
	for i := range sc.attrs[:sc.nAttrs] {
		if bytes.Equal(sc.slice(sc.attrs[i].name), sc.slice(name)) {
			return true
		}
	}
	return false
}

func (sc *scanner) attrValue() (span, error) {
	quote := sc.at(0)
	if quote != '"' && quote != '\'' {
		return span{}, ErrNotWellFormed
	}
	sc.pos++
	lo := int32(sc.pos)
	for {
		b, i := sc.b, sc.pos
		for i < len(b) && class[b[i]]&attrStop == 0 {
			i++
		}
		sc.pos = i
		if i == len(b) {
			return span{}, ErrNotWellFormed
		}
		switch b[i] {
		case quote:
			sc.pos++
			return span{lo, int32(i)}, nil
		case '"', '\'':
			sc.pos++
		default:
			if err := sc.special(); err != nil {
				return span{}, err
			}
		}
	}
}

func (sc *scanner) slice(s span) []byte { return sc.b[s.lo:s.hi] }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && class[b[0]]&space != 0 {
		b = b[1:]
	}
	for len(b) > 0 && class[b[len(b)-1]]&space != 0 {
		b = b[:len(b)-1]
	}
	return b[:len(b):len(b)]
}
