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
	var spaces [MaxAttrs]string
	for i := range sc.attrs[:sc.nAttrs] {
		var ok bool
		if spaces[i], ok = sc.resolve(sc.attrs[i].name); !ok {
			return ErrBadPrefix
		}
	}
	return sc.checkTwins(spaces[:sc.nAttrs])
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
	sc.decls[sc.nDecls] = prefixDecl{name, uri, int32(sc.depth)}
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
			return d.uri, true
		}
	}
	return "", false
}

// checkTwins refuses two attributes that are the same name by way of different
// prefixes (Namespaces in XML 1.0 §6.3). spaces are their namespaces.
func (sc *scanner) checkTwins(spaces []string) error {
	for i, ns := range spaces {
		if ns == "" { // no prefix: startTag has compared those
			continue
		}
		for j := range spaces[:i] {
			if spaces[j] == ns && bytes.Equal(sc.localName(i), sc.localName(j)) {
				return ErrNotWellFormed
			}
		}
	}
	return nil
}

// localName returns the name of an attribute without its prefix.
func (sc *scanner) localName(attr int) []byte {
	_, local, _ := bytes.Cut(sc.slice(sc.attrs[attr].name), []byte(":"))
	return local
}
