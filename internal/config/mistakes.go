package config

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxMistakes is how many mistakes of a file are told at once.
const maxMistakes = 10

// mistake is one of them, where it is known where it stands.
type mistake struct {
	at   token.Position
	text error
}

// mistakes explains all that is wrong with a file that the decoder refused, in
// the order of its lines. The decoder knows one mistake at a time, which one of
// several is chance: so it decodes again and again, each time without the entry
// that was at fault. first is what it said about the whole file.
func mistakes(first error, file []byte) error {
	parsed, err := parser.ParseBytes(file, 0)
	if err != nil || len(parsed.Docs) == 0 {
		return explain(first, file)
	}
	var found []mistake
	body := parsed.Docs[0].Body
	for len(found) < maxMistakes {
		c := Default()
		err := yaml.NewDecoder(strings.NewReader(""), yaml.Strict()).DecodeFromNode(body, &c)
		if err == nil || errors.Is(err, io.EOF) {
			break
		}
		m := mistake{text: explain(err, file)}
		entry := cut(body, atFault(err))
		if entry != nil {
			m.at = *entry.Key.GetToken().Position
		}
		if found = append(found, m); entry == nil {
			break
		}
	}
	if len(found) == 0 {
		return explain(first, file)
	}
	slices.SortStableFunc(found, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
	var all []error
	for _, m := range found {
		all = append(all, m.text)
	}
	return errors.Join(all...)
}

// atFault tells the token that the decoder complains of from others. Where it
// complains of a duration it does not say where that stands.
func atFault(err error) func(*token.Token) bool {
	var at yaml.Error
	if errors.As(err, &at) {
		return func(t *token.Token) bool { return t != nil && t == at.GetToken() }
	}
	_, quoted, _ := strings.Cut(err.Error(), "duration ")
	value, unquoted := strconv.Unquote(quoted)
	return func(t *token.Token) bool { return unquoted == nil && t != nil && t.Value == value }
}

// cut takes the innermost entry of a mapping out in which is stands, and
// returns it; nil if there is none.
func cut(body ast.Node, is func(*token.Token) bool) *ast.MappingValueNode {
	var entry *ast.MappingValueNode
	var from *ast.MappingNode
	for _, n := range ast.Filter(ast.MappingType, body) {
		m, ok := n.(*ast.MappingNode)
		if !ok {
			continue
		}
		for _, v := range m.Values {
			if has(v, is) && (entry == nil || has(entry, func(t *token.Token) bool { return t == v.Key.GetToken() })) {
				entry, from = v, m
			}
		}
	}
	if entry != nil {
		from.Values = slices.DeleteFunc(from.Values, func(v *ast.MappingValueNode) bool { return v == entry })
	}
	return entry
}

// has reports whether a token stands in a node or below it.
func has(n ast.Node, is func(*token.Token) bool) bool {
	var look finder
	look.is = is
	ast.Walk(&look, n)
	return look.found
}

// finder is an [ast.Visitor] that looks for a token.
type finder struct {
	is    func(*token.Token) bool
	found bool
}

// Visit goes on until the token is found.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if f.found = f.found || f.is(n.GetToken()); f.found {
		return nil
	}
	return f
}
