package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/token"
)

// explain makes the decoder's error one that names a line, in words that need
// no Go.
func explain(err error, file []byte) error {
	text := yaml.FormatError(err, false, true)
	if _, quoted, ok := strings.Cut(text, "duration "); ok && strings.HasPrefix(text, "time: ") {
		return fmt.Errorf("%s%s: %s", lineOf(quoted, file), quoted, wanted["time.Duration"])
	}
	var form *yaml.UnexpectedNodeTypeError
	if errors.As(err, &form) {
		return errors.New(strings.Replace(text, form.GetMessage(), wantedForm(form), 1))
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		return errors.New(strings.Replace(text, unknown.GetMessage(), noKey(unknown.Token.Value), 1))
	}
	if before, after, ok := strings.Cut(text, "found character '\t' that cannot start any token"); ok {
		return errors.New(before + "there is a tab, where only spaces may be: indent with spaces" + after)
	}
	return errors.New(wrongType.ReplaceAllStringFunc(text, func(s string) string {
		if w := wanted[wrongType.FindStringSubmatch(s)[1]]; w != "" {
			return w
		}
		return "this has the wrong form"
	}))
}

// wrongType is how the decoder says that a value does not fit its key.
var wrongType = regexp.MustCompile(`cannot unmarshal .* into Go struct field \S+ of type (.+)`)

// wanted says what a key of a Go type takes.
var wanted = map[string]string{
	"time.Duration": "this must be a duration, like 45s, 500ms or 2m",
	"int":           "this must be a whole number",
	"bool":          "this must be true or false",
	"string":        "this must be a text",
}

// wantedForm says what a key takes that was given a value of another form.
func wantedForm(err *yaml.UnexpectedNodeTypeError) string {
	key := ""
	if colon := err.Token.Prev; colon != nil && colon.Type == token.MappingValueType && colon.Prev != nil {
		key = colon.Prev.Value
	}
	switch {
	case err.Expected.YAMLName() != "sequence" && key == "":
		return "these must be keys with values, such as domain: meet.example"
	case err.Expected.YAMLName() != "sequence":
		return fmt.Sprintf("%s must have keys with values below it: \"plenum config describe %s\" shows them", key, key)
	case key == "" || err.Actual.YAMLName() != "string":
		return "this must be a list in brackets, such as [a, b]"
	}
	return fmt.Sprintf("this must be a list: write %s: [%s]", key, err.Token.Value)
}

// maxTypos is how many letters may be wrong in a key that is recognised.
const maxTypos = 2

// noKey says that there is no such key where it stands, and which may have
// been meant: one of another section, or one that is written nearly so.
func noKey(name string) string {
	text := fmt.Sprintf("there is no key %q here", name)
	var places, alike []string
	least := maxTypos
	for _, k := range walk(reflect.ValueOf(Default()), "", 0) {
		section, last := "the top level", k.Path
		if dot := strings.LastIndexByte(k.Path, '.'); dot >= 0 {
			section, last = k.Path[:dot], k.Path[dot+1:]
		}
		d := typos(name, last)
		switch {
		case d == 0:
			places = append(places, section)
		case d > least || 2*d > len(name):
			continue
		case d < least:
			alike, least = nil, d
		}
		if !slices.Contains(alike, last) {
			alike = append(alike, last)
		}
	}
	switch {
	case len(places) > 0:
		return fmt.Sprintf("%s; it belongs to %s", text, strings.Join(places, " or "))
	case len(alike) > 0:
		return fmt.Sprintf("%s; did you mean %s?", text, strings.Join(alike, " or "))
	}
	return text + `; "plenum config describe" shows all`
}

// typos counts the letters to add, to leave out or to exchange to make one
// text of the other (Levenshtein's distance); more than maxTypos need not be
// exact.
func typos(a, b string) int {
	if max(len(a)-len(b), len(b)-len(a)) > maxTypos {
		return maxTypos + 1
	}
	row := make([]int, len(b)+1) // from the part of a so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// lineOf finds the value that is no duration: for those the decoder's error has
// no position.
func lineOf(quoted string, file []byte) string {
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	is := regexp.MustCompile(`:\s*["']?` + regexp.QuoteMeta(value) + `["']?\s*([,}#]|$)`)
	for i, line := range strings.Split(string(file), "\n") {
		if is.MatchString(line) {
			return fmt.Sprintf("[%d] ", i+1)
		}
	}
	return ""
}
