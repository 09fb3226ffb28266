package xmpp

import "bytes"

// This file is the scanner's half of Namespaces in XML 1.0. Most stanzas have
// no prefix at all and never get past the first line of checkNames.

// checkNames verifies the prefixes of the start tag just read.
func (sc *scanner) checkNames() error {
	if !sc.prefixed {
		return nil
	}
	for i := range sc.attrs[:sc.nAttrs] {
		if err := sc.declare(&sc.attrs[i]); err != nil {
			return err
		}
	}
	if _, ok := sc.resolve(sc.open[sc.depth-1]); !ok {
		return ErrBadPrefix
	}
	for i := range sc.attrs[:sc.nAttrs] {
		if _, ok := sc.resolve(sc.attrs[i].name); !ok {
			return ErrBadPrefix
		}
	}
	return sc.checkTwins()
}

// declare records a if it is a namespace declaration for a prefix.
func (sc *scanner) declare(a *rawAttr) error {
	prefix, ok := bytes.CutPrefix(sc.slice(a.name), []byte("xmlns:"))
	if !ok {
		return nil
	}
	uri := unescapeAttr(sc.slice(a.value))
	isXML := string(prefix) == "xml"
	if uri == "" || uri == NSXMLNS || string(prefix) == "xmlns" || isXML != (uri == NSXML) {
		return ErrBadPrefix
	}
	if sc.nDecls == MaxPrefixes {
		return ErrTooManyAttrs
	}
	name := span{a.name.lo + int32(len("xmlns:")), a.name.hi}
	sc.decls[sc.nDecls] = prefixDecl{name, a.value, int32(sc.depth)}
	sc.nDecls++
	return nil
}

// resolve returns the namespace of a qualified name's prefix, "" if it has
// none, and whether that prefix is declared.
func (sc *scanner) resolve(name span) (string, bool) {
	prefix, _, ok := bytes.Cut(sc.slice(name), []byte(":"))
	if !ok {
		return "", true
	}
	switch string(prefix) {
	case "xml":
		return NSXML, true
	case "xmlns":
		return NSXMLNS, true
	}
	for i := sc.nDecls - 1; i >= 0; i-- {
		if d := &sc.decls[i]; bytes.Equal(sc.slice(d.name), prefix) {
			return unescapeAttr(sc.slice(d.uri)), true
		}
	}
	return "", false
}

// checkTwins refuses two attributes that are the same name by way of different
// prefixes (Namespaces in XML 1.0 §6.3).
func (sc *scanner) checkTwins() error {
	for i := range sc.attrs[:sc.nAttrs] {
		for j := range sc.attrs[:i] {
			if sc.sameName(sc.attrs[i].name, sc.attrs[j].name) {
				return ErrNotWellFormed
			}
		}
	}
	return nil
}

func (sc *scanner) sameName(a, b span) bool {
	_, la, okA := bytes.Cut(sc.slice(a), []byte(":"))
	_, lb, okB := bytes.Cut(sc.slice(b), []byte(":"))
	if !okA || !okB || !bytes.Equal(la, lb) {
		return false
	}
	na, _ := sc.resolve(a)
	nb, _ := sc.resolve(b)
	return na == nb
}
