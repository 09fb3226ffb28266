package xmpp

import (
	"bytes"
	"iter"
	"strings"
)

// Element is one element inside a scanned stanza. It is a view: making one
// copies nothing, and looking inside scans its raw bytes again, which for the
// short elements of XMPP is cheaper than any tree. The zero Element is empty.
type Element struct {
	Name string // local name
	NS   string // resolved: its own xmlns, else inherited, else jabber:client

	Raw   []byte // the element as sent
	Inner []byte // its content as sent; namespaces of outer elements are missing from it

	qname string // as sent, with prefix
	tag   []byte // what stands between name and > of the start tag
	dflt  string // default namespace of children
	scope *scope // prefixes declared here and outside
}

// scope is a chain of prefix declarations, innermost first.
type scope struct {
	prefix, uri string
	up          *scope
}

// ParseElement checks that raw is one well-formed element, as Scan does, and
// returns it.
func ParseElement(raw []byte) (Element, error) {
	st, err := Scan(raw)
	if err != nil {
		return Element{}, err
	}
	return st.Element(), nil
}

// rootElement makes the element of a stanza, whose content is known, without
// walking through it again.
func rootElement(raw, inner []byte) Element {
	n := 1
	if len(raw) > 0 {
		n += nameLen(raw[1:])
	}
	end := tagEnd(raw)
	if n == 1 || end == 0 {
		return Element{}
	}
	el := Element{Raw: raw, Inner: inner, qname: view(raw[1:n]), dflt: NSClient}
	el.tag = raw[n:tagInside(raw, end)]
	el.resolve()
	return el
}

// readElement reads the element at the start of b, which has been scanned
// before, and returns how long it is; 0 means that there is none.
func readElement(b []byte, dflt string, up *scope) (Element, int) {
	n := 1
	if len(b) > 0 {
		n += nameLen(b[1:])
	}
	if n == 1 {
		return Element{}, 0
	}
	el := Element{qname: view(b[1:n]), dflt: dflt, scope: up}
	end := tagEnd(b)
	if end == 0 {
		return Element{}, 0
	}
	total := end
	el.tag = b[n:tagInside(b, end)]
	if b[end-2] != '/' {
		inner := contentEnd(b[end:])
		el.Inner = b[end : end+inner : end+inner]
		closing := bytes.IndexByte(b[end+inner:], '>')
		if closing < 0 {
			return Element{}, 0
		}
		total = end + inner + closing + 1
	}
	el.Raw = b[:total:total]
	el.resolve()
	return el, total
}

// resolve finds the namespaces that hold in the element.
func (e *Element) resolve() {
	for name, quoted := range rawAttrs(e.tag) {
		if name == "xmlns" {
			e.dflt = unescapeAttr(unquote(quoted))
		} else if prefix, ok := strings.CutPrefix(name, "xmlns:"); ok {
			e.scope = &scope{prefix, unescapeAttr(unquote(quoted)), e.scope}
		}
	}
	e.Name, e.NS = e.qname, e.dflt
	if prefix, local, ok := strings.Cut(e.qname, ":"); ok {
		e.Name, e.NS = local, e.scope.find(prefix)
	}
}

func (s *scope) find(prefix string) string {
	if prefix == "xml" {
		return NSXML
	}
	for ; s != nil; s = s.up {
		if s.prefix == prefix {
			return s.uri
		}
	}
	return ""
}

// Attr returns the unescaped value of an attribute, named as it is written
// ("id", "xml:lang").
func (e Element) Attr(name string) (string, bool) {
	for n, quoted := range rawAttrs(e.tag) {
		if n == name {
			return unescapeAttr(unquote(quoted)), true
		}
	}
	return "", false
}

// AttrOr returns the attribute's value, or def if it is absent.
func (e Element) AttrOr(name, def string) string {
	if v, ok := e.Attr(name); ok {
		return v
	}
	return def
}

// Text returns the element's own character data, unescaped and joined, without
// that of its children.
func (e Element) Text() string {
	if bytes.IndexByte(e.Inner, '<') < 0 {
		return unescapeText(e.Inner)
	}
	var b []byte
	rest := e.Inner
	for len(rest) > 0 {
		lt := bytes.IndexByte(rest, '<')
		if lt < 0 {
			lt = len(rest)
		}
		b = appendUnescaped(b, rest[:lt], false)
		rest = rest[lt:]
		if data, n := cdataAt(rest); n > 0 {
			b = append(b, bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))...)
			rest = rest[n:]
			continue
		}
		n := elementLen(rest)
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	return view(b)
}

// Children iterates over the child elements.
func (e Element) Children() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for rest := e.Inner; ; {
			c, next, ok := e.next(rest)
			if !ok || !yield(c) {
				return
			}
			rest = next
		}
	}
}

// next returns the first element in rest, a part of Inner, and what follows.
func (e *Element) next(rest []byte) (Element, []byte, bool) {
	for {
		lt := bytes.IndexByte(rest, '<')
		if lt < 0 {
			return Element{}, nil, false
		}
		rest = rest[lt:]
		if _, n := cdataAt(rest); n > 0 {
			rest = rest[n:]
			continue
		}
		c, n := readElement(rest, e.dflt, e.scope)
		return c, rest[n:], n > 0
	}
}

// First returns the first child element.
func (e Element) First() (Element, bool) {
	c, _, ok := e.next(e.Inner)
	return c, ok
}

// Child returns the first child of that local name and namespace; ns "" means
// any namespace.
func (e Element) Child(name, ns string) (Element, bool) {
	rest := e.Inner
	for {
		c, next, ok := e.next(rest)
		if !ok {
			return Element{}, false
		}
		if c.Name == name && (ns == "" || c.NS == ns) {
			return c, true
		}
		rest = next
	}
}

// ChildText returns the text of the first child of that name and namespace, ""
// if there is none.
func (e Element) ChildText(name, ns string) string {
	c, _ := e.Child(name, ns)
	return c.Text()
}
