package xmpp

import "unicode/utf8"

// Classes of bytes, so that the scanner decides with one table look-up.
const (
	nameStart   = 1 << iota // may begin a name (ASCII only)
	nameByte                // may be inside a name (ASCII only)
	space                   // white space
	textStop                // interrupts plain character data
	attrStop                // interrupts a plain attribute value
	needsEscape             // written differently in text or attributes
)

// class holds the classes of every byte. Bytes from 0x80 on belong to UTF-8
// sequences, whose validity is checked beforehand as a whole; only 0xEF, which
// may begin U+FFFE and U+FFFF, needs a second look.
var class = makeClasses()

func makeClasses() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_', b == ':':
			t[c] |= nameStart | nameByte
		case b >= '0' && b <= '9', b == '-', b == '.':
			t[c] |= nameByte
		case b == ' ', b == '\t', b == '\n', b == '\r':
			t[c] |= space
		case b < ' ', b == 0xEF:
			t[c] |= textStop | attrStop
		}
		if b < ' ' {
			t[c] |= needsEscape
		}
	}
	for _, b := range []byte("<&>\"'") {
		t[b] |= needsEscape
	}
	for _, b := range []byte("<&]") {
		t[b] |= textStop
	}
	for _, b := range []byte("<&\"'") {
		t[b] |= attrStop
	}
	return t
}

// isNameStart and isNameRune are XML 1.0 (fifth edition) productions 4 and 4a
// for characters beyond ASCII.
func isNameStart(r rune) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	case r >= 0x200C && r <= 0x200D, r >= 0x2070 && r <= 0x218F,
		r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF,
		r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD,
		r >= 0x10000 && r <= 0xEFFFF:
		return true
	}
	return false
}

func isNameRune(r rune) bool {
	return isNameStart(r) || r == 0xB7 || r >= 0x300 && r <= 0x36F || r >= 0x203F && r <= 0x2040
}

// nameLen returns the length of the name at the start of b, 0 if there is
// none.
func nameLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	i := 0
	if b[0] < utf8.RuneSelf {
		if class[b[0]]&nameStart == 0 {
			return 0
		}
		i = 1
	}
	for i < len(b) {
		c := b[i]
		if c < utf8.RuneSelf {
			if class[c]&nameByte == 0 {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if i == 0 && !isNameStart(r) || !isNameRune(r) {
			return i
		}
		i += n
	}
	return i
}
