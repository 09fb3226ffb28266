package scenario

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// MaxFile is how long a scenario file may be.
const MaxFile = 1 << 20

// Parse reads a scenario file. Errors name the line and the key.
func Parse(file []byte) (*Scenario, error) {
	if len(file) > MaxFile {
		return nil, fmt.Errorf("the file has more than %d bytes: this is no scenario", MaxFile)
	}
	var s Scenario
	dec := yaml.NewDecoder(bytes.NewReader(file), yaml.Strict())
	switch err := dec.Decode(&s); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, explain(err)
	}
	if !errors.Is(dec.Decode(&struct{}{}), io.EOF) {
		return nil, errors.New("there is a second document behind a line of ---, which would be ignored")
	}
	if err := s.Check(); err != nil {
		var at *KeyError
		if errors.As(err, &at) {
			at.Line = lineOf(file, at.Key)
		}
		return nil, err
	}
	return &s, nil
}

// What the decoder says of Go, and what a reader wants to know instead.
var (
	wrongType = regexp.MustCompile(`cannot unmarshal .* into Go (?:struct field|value) .*of type (\S+)`)
	wanted    = map[string]string{
		"time.Duration": "this must be a duration, such as 45s or 2m", "int": "this must be a whole number", "bool": "this must be true or false", "string": "this must be a text",
	}
)

// explain makes the decoder's error one that names the line first, without Go.
func explain(err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return errors.New(strings.TrimSpace(err.Error()))
	}
	text := wrongType.ReplaceAllStringFunc(at.GetMessage(), func(m string) string {
		if w := wanted[wrongType.FindStringSubmatch(m)[1]]; w != "" {
			return w
		}
		return "this has the wrong form"
	})
	tok := at.GetToken()
	return fmt.Errorf("line %d: %s: %s", tok.Position.Line, tok.Value, text)
}

// lineOf finds the line of a key, or of the nearest thing around it.
func lineOf(file []byte, key string) int {
	tree, err := parser.ParseBytes(file, 0)
	if err != nil {
		return 0
	}
	for key != "" {
		p, err := yaml.PathString("$." + key)
		if err != nil {
			return 0
		}
		if node, err := p.FilterFile(tree); err == nil && node != nil && node.GetToken() != nil {
			return node.GetToken().Position.Line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 0
}

//go:embed named/*.yaml
var shipped embed.FS

// Named returns a scenario that is shipped; false if there is none of the name.
func Named(name string) (*Scenario, bool) {
	text, err := shipped.ReadFile(path.Join("named", name+".yaml"))
	if err != nil || strings.ContainsAny(name, "/\\.") {
		return nil, false
	}
	s, err := Parse(text)
	if err != nil {
		return nil, false // the tests read them all
	}
	return s, true
}

// Text is the file of a scenario that is shipped, "" if there is none.
func Text(name string) string {
	text, err := shipped.ReadFile(path.Join("named", name+".yaml"))
	if err != nil {
		return ""
	}
	return string(text)
}

// Names are the scenarios that are shipped, sorted.
func Names() []string {
	var out []string
	entries, _ := shipped.ReadDir("named")
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(out)
	return out
}
