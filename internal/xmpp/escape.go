package xmpp

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// view lends b as a string without copying. Frames are immutable once scanned
// (see the package comment), which makes this safe.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// EscapeText appends s as XML character data. What XML cannot say (control
// characters, broken UTF-8) becomes U+FFFD.
func EscapeText(b []byte, s string) []byte { return escape(b, s, false) }

// EscapeAttr appends s as an XML attribute value, for either kind of quote.
// White space other than the blank is written as character references so that
// attribute value normalisation keeps it.
func EscapeAttr(b []byte, s string) []byte { return escape(b, s, true) }

func escape(b []byte, s string, attr bool) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && class[c]&needsEscape == 0 {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		if esc := escapeOf(r, n, attr); esc != "" {
			b = append(b, s[start:i]...)
			b = append(b, esc...)
			start = i + n
		}
		i += n
	}
	return append(b, s[start:]...)
}

// escapeOf returns what replaces r (n bytes of input), or "" to keep it.
func escapeOf(r rune, n int, attr bool) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return when(attr, "&quot;")
	case '\'':
		return when(attr, "&apos;")
	case '\t':
		return when(attr, "&#9;")
	case '\n':
		return when(attr, "&#10;")
	case '\r':
		return "&#13;"
	}
	if r == utf8.RuneError && n <= 1 || !isChar(r) {
		return "\uFFFD"
	}
	return ""
}

func when(ok bool, s string) string {
	if ok {
		return s
	}
	return ""
}

// isChar reports whether XML 1.0 can hold r (production 2, Char).
func isChar(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return true
	case r < 0x20, r == 0xFFFE, r == 0xFFFF, r >= 0xD800 && r < 0xE000:
		return false
	}
	return r <= 0x10FFFF
}

// unescapeText returns the meaning of validated character data without CDATA
// sections. It copies only if there is something to change.
func unescapeText(raw []byte) string {
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return view(raw)
	}
	return string(appendUnescaped(make([]byte, 0, len(raw)), raw, false))
}

// unescapeAttr is unescapeText for attribute values: white space of any kind
// reads as a blank (XML 1.0 §3.3.3).
func unescapeAttr(raw []byte) string {
	if bytes.IndexByte(raw, '&') < 0 && !bytes.ContainsAny(raw, "\r\n\t") {
		return view(raw)
	}
	return string(appendUnescaped(make([]byte, 0, len(raw)), raw, true))
}

func appendUnescaped(b, raw []byte, attr bool) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '&':
			r, n := entity(raw[i:])
			b = utf8.AppendRune(b, r)
			i += max(n, 1) - 1
		case c == '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			b = append(b, whenByte(attr, ' ', '\n'))
		case attr && (c == '\n' || c == '\t'):
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return b
}

func whenByte(ok bool, yes, no byte) byte {
	if ok {
		return yes
	}
	return no
}

// entity reads the reference at the start of b and returns its character and
// length, or length 0 if it is none of the five predefined entities
// (RFC 6120 §11.1) nor a reference to a character XML can hold.
func entity(b []byte) (rune, int) {
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if end < 2 {
		return utf8.RuneError, 0
	}
	name := view(b[1:end])
	switch name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	return charRef(name, end+1)
}

func charRef(name string, n int) (rune, int) {
	digits, ok := strings.CutPrefix(name, "#")
	if !ok || digits == "" || digits[0] == '+' || digits[0] == '-' {
		return utf8.RuneError, 0
	}
	base := 10
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if strings.ContainsAny(digits, "+-_") {
		return utf8.RuneError, 0
	}
	v, err := strconv.ParseUint(digits, base, 31)
	if err != nil || !isChar(rune(v)) {
		return utf8.RuneError, 0
	}
	return rune(v), n
}
