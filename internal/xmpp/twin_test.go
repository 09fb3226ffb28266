package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode/utf8"
)

// This file is the slow and obvious twin of the scanner: a tree, built with
// encoding/xml, and the rules it does not know spelled out one by one.

type twinNode struct {
	name, ns string
	attrs    map[string]string // by name as written
	text     string
	children []*twinNode
}

var errTwin = errors.New("twin: refused")

// twinScope is what prefixes mean, "" being the default namespace.
type twinScope map[string]string

func twinParse(frame []byte) (*twinNode, error) {
	if !utf8.Valid(frame) {
		return nil, errTwin
	}
	dec := xml.NewDecoder(bytes.NewReader(frame))
	var root *twinNode
	var open []*twinNode
	var names []xml.Name
	scopes := []twinScope{{"": NSClient, "xml": NSXML, "xmlns": NSXMLNS}}
	for {
		from := dec.InputOffset()
		tok, err := dec.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			n, scope, err := twinElement(t, scopes[len(scopes)-1])
			if err != nil || len(open) == MaxDepth || len(open) == 0 && root != nil {
				return nil, errTwin
			}
			if len(open) == 0 {
				root = n
			} else {
				up := open[len(open)-1]
				up.children = append(up.children, n)
			}
			open, names, scopes = append(open, n), append(names, t.Name), append(scopes, scope)
		case xml.EndElement:
			if len(open) == 0 || names[len(names)-1] != t.Name {
				return nil, errTwin
			}
			open, names, scopes = open[:len(open)-1], names[:len(names)-1], scopes[:len(scopes)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if strings.Trim(string(frame[from:dec.InputOffset()]), " \t\r\n") != "" { // not even as CDATA
				return nil, errTwin
			}
		default:
			return nil, errTwin
		}
	}
	if root == nil || len(open) > 0 {
		return nil, errTwin
	}
	return root, nil
}

func twinElement(t xml.StartElement, outer twinScope) (*twinNode, twinScope, error) {
	n := &twinNode{name: t.Name.Local, attrs: make(map[string]string)}
	scope := maps.Clone(outer)
	declared := 0
	if len(t.Attr) > MaxAttrs {
		return nil, nil, errTwin
	}
	for _, a := range t.Attr {
		name := twinName(a.Name)
		if _, dup := n.attrs[name]; dup || !twinNameOK(a.Name) {
			return nil, nil, errTwin
		}
		n.attrs[name] = a.Value
		switch {
		case name == "xmlns":
			scope[""] = a.Value
		case a.Name.Space == "xmlns":
			isXML := a.Name.Local == "xml"
			if a.Value == "" || a.Value == NSXMLNS || a.Name.Local == "xmlns" || isXML != (a.Value == NSXML) {
				return nil, nil, errTwin
			}
			scope[a.Name.Local] = a.Value
			declared++
		}
	}
	var ok bool
	if n.ns, ok = scope[t.Name.Space]; !ok || !twinNameOK(t.Name) {
		return nil, nil, errTwin
	}
	seen := make(map[string]bool)
	for _, a := range t.Attr {
		if a.Name.Space == "" {
			continue
		}
		ns, ok := scope[a.Name.Space]
		key := ns + " " + a.Name.Local
		if !ok || seen[key] {
			return nil, nil, errTwin
		}
		seen[key] = true
	}
	return n, scope, nil
}

func twinName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func twinNameOK(n xml.Name) bool {
	return !strings.Contains(n.Local, ":") && nameLen([]byte(n.Local)) == len(n.Local)
}

// sameTree compares an element with its twin.
func sameTree(el Element, n *twinNode) error {
	if el.Name != n.name || blanks.Replace(el.NS) != blanks.Replace(n.ns) {
		return fmt.Errorf("{%s}%s is {%s}%s for the twin", el.NS, el.Name, n.ns, n.name)
	}
	count := 0
	for range rawAttrs(el.tag) {
		count++
	}
	if count != len(n.attrs) {
		return fmt.Errorf("<%s> has %d attributes, %d for the twin", el.Name, count, len(n.attrs))
	}
	for name, want := range n.attrs {
		got, ok := el.Attr(name)
		// The twin cannot tell a written blank from a line feed.
		if !ok || blanks.Replace(got) != blanks.Replace(want) {
			return fmt.Errorf("<%s> %s is %q, %q for the twin", el.Name, name, got, want)
		}
	}
	if got := el.Text(); got != n.text {
		return fmt.Errorf("<%s> has text %q, %q for the twin", el.Name, got, n.text)
	}
	i := 0
	for c := range el.Children() {
		if i == len(n.children) {
			return fmt.Errorf("<%s> has a child <%s> more than the twin", el.Name, c.Name)
		}
		if err := sameTree(c, n.children[i]); err != nil {
			return err
		}
		i++
	}
	if i != len(n.children) {
		return fmt.Errorf("<%s> has %d children, %d for the twin", el.Name, i, len(n.children))
	}
	return nil
}

var blanks = strings.NewReplacer("\n", " ", "\t", " ", "\r", " ")
