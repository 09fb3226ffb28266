package transcript

import (
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// node is an element as it is on the wire: names with their prefixes, xmlns an
// attribute like any other.
type node struct {
	name     string
	attrs    map[string]string
	text     string
	children []*node
}

// parse reads one element.
func parse(s string) (*node, error) {
	dec := xml.NewDecoder(strings.NewReader(s))
	root := &node{}
	stack := []*node{root}
	for {
		tok, err := dec.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			n := &node{name: qname(t.Name), attrs: make(map[string]string)}
			for _, a := range t.Attr {
				n.attrs[qname(a.Name)] = a.Value
			}
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			if len(stack) == 1 || qname(t.Name) != top.name {
				return nil, errors.New("unbalanced")
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(stack) != 1 || len(root.children) != 1 {
		return nil, errors.New("not one element")
	}
	return root.children[0], nil
}

func qname(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// vars are the values captured so far.
type vars map[string]string

var hole = regexp.MustCompile(`\{([^{}]*)\}`)

// holes finds the placeholders that are ours: JSON is full of braces.
var ours = regexp.MustCompile(`^(\*|\??[A-Za-z][A-Za-z0-9_.-]*|repeat \d+ .*|hex [0-9a-f ]+)$`)

// expand fills in what is to be sent.
func (v vars) expand(s string) (string, error) {
	var failed error
	out := hole.ReplaceAllStringFunc(s, func(m string) string {
		in := m[1 : len(m)-1]
		if !ours.MatchString(in) {
			return m
		}
		text, err := v.value(in)
		if err != nil {
			failed = err
		}
		return text
	})
	return out, failed
}

func (v vars) value(in string) (string, error) {
	word, rest, _ := strings.Cut(in, " ")
	switch word {
	case "repeat":
		count, what, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		return strings.Repeat(what, n), err
	case "hex":
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		return string(b), err
	}
	text, ok := v[in]
	if !ok {
		return "", fmt.Errorf("nothing was captured as %q", in)
	}
	return text, nil
}

// text compares a text with a pattern and captures.
func (v vars) text(pattern, got string) error {
	var re strings.Builder
	re.WriteString(`(?s)^`)
	last := 0
	var names []string
	for _, m := range hole.FindAllStringSubmatchIndex(pattern, -1) {
		in := pattern[m[2]:m[3]]
		if !ours.MatchString(in) {
			continue
		}
		re.WriteString(regexp.QuoteMeta(pattern[last:m[0]]))
		last = m[1]
		if name, ok := strings.CutPrefix(in, "?"); ok || in == "*" {
			re.WriteString(`(.*?)`)
			names = append(names, name)
			continue
		}
		value, err := v.value(in)
		if err != nil {
			return err
		}
		re.WriteString(regexp.QuoteMeta(value))
	}
	re.WriteString(regexp.QuoteMeta(pattern[last:]) + `$`)
	found := regexp.MustCompile(re.String()).FindStringSubmatch(got)
	if found == nil {
		return fmt.Errorf("want %q, got %q", pattern, got)
	}
	for i, name := range names {
		if name != "*" {
			v[name] = found[i+1]
		}
	}
	return nil
}

// match compares two elements.
func (v vars) match(want, got *node) error {
	if want.name != got.name {
		return fmt.Errorf("want <%s>, got <%s>", want.name, got.name)
	}
	for name, value := range got.attrs {
		if _, ok := want.attrs[name]; !ok {
			return fmt.Errorf("<%s> has an attribute more: %s=%q", got.name, name, value)
		}
	}
	for name, pattern := range want.attrs {
		value, ok := got.attrs[name]
		if !ok {
			return fmt.Errorf("<%s> lacks the attribute %s", got.name, name)
		}
		if err := v.text(pattern, value); err != nil {
			return fmt.Errorf("<%s> %s: %w", got.name, name, err)
		}
	}
	if err := v.content(want, got); err != nil {
		return fmt.Errorf("<%s>: %w", got.name, err)
	}
	return nil
}

func (v vars) content(want, got *node) error {
	if err := v.text(strings.TrimSpace(want.text), strings.TrimSpace(got.text)); err != nil {
		return err
	}
	return v.children(want.children, got.children)
}

func (v vars) children(want, got []*node) error {
	for i, w := range want {
		if w.name == "etc" {
			return v.rest(want[i+1:], got)
		}
		if len(got) == 0 {
			return fmt.Errorf("no <%s>", w.name)
		}
		if err := v.match(w, got[0]); err != nil {
			return err
		}
		got = got[1:]
	}
	if len(got) > 0 {
		return fmt.Errorf("an unexpected <%s>", got[0].name)
	}
	return nil
}

// rest matches what follows <etc/> with the end of what there is.
func (v vars) rest(want, got []*node) error {
	var err error
	for i := range len(got) + 1 {
		if err = v.children(want, got[i:]); err == nil {
			return nil
		}
	}
	return err
}
