package xmpp

import (
	"bytes"
	"iter"
)

// The functions of this file walk over markup that Scan has accepted. They
// rely on that for speed, but never read outside of their argument.

// tagEnd returns the length of the tag at the start of b, through its '>', or 0.
func tagEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '>':
			return i + 1
		case '"', '\'':
			end := bytes.IndexByte(b[i+1:], b[i])
			if end < 0 {
				return 0
			}
			i += end + 1
		}
	}
	return 0
}

// tagInside returns where the inside of a start tag of length end ends.
func tagInside(b []byte, end int) int {
	if b[end-2] == '/' {
		return end - 2
	}
	return end - 1
}

// contentEnd returns where the end tag stands that closes the element whose
// content starts at b.
func contentEnd(b []byte) int {
	for i, depth := 0, 0; ; {
		lt := bytes.IndexByte(b[i:], '<')
		if lt < 0 {
			return len(b)
		}
		i += lt
		if _, n := cdataAt(b[i:]); n > 0 {
			i += n
			continue
		}
		n := tagEnd(b[i:])
		switch {
		case n == 0:
			return len(b)
		case b[i+1] == '/' && depth == 0:
			return i
		case b[i+1] == '/':
			depth--
		case b[i+n-2] != '/':
			depth++
		}
		i += n
	}
}

// elementLen returns the length of the element at the start of b, 0 if there
// is none.
func elementLen(b []byte) int {
	end := tagEnd(b)
	if end == 0 || b[end-2] == '/' {
		return end
	}
	inner := contentEnd(b[end:])
	closing := bytes.IndexByte(b[end+inner:], '>')
	if closing < 0 {
		return 0
	}
	return end + inner + closing + 1
}

// cdataAt returns the text of the CDATA section at the start of b and the
// section's length, 0 if there is none.
func cdataAt(b []byte) ([]byte, int) {
	const open = "<![CDATA["
	if len(b) < len(open) || b[1] != '!' {
		return nil, 0
	}
	end := bytes.Index(b, []byte("]]>"))
	if end < len(open) {
		return nil, 0
	}
	return b[len(open):end], end + 3
}

// rawAttrs iterates over the attributes in the inside of a start tag: their
// names and their values as sent, quotes included.
func rawAttrs(tag []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for {
			tag = trimSpace(tag)
			n := nameLen(tag)
			open := bytes.IndexAny(tag, `"'`)
			if n == 0 || open < n {
				return
			}
			end := bytes.IndexByte(tag[open+1:], tag[open])
			if end < 0 {
				return
			}
			end += open + 2
			if !yield(view(tag[:n]), tag[open:end]) {
				return
			}
			tag = tag[end:]
		}
	}
}

func unquote(quoted []byte) []byte { return quoted[1 : len(quoted)-1] }
