package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"
)

// Key is one documented setting.
type Key struct {
	Path    string // "focus.min-participants"
	Type    string // in an operator's words: "text", "number", "duration", …
	Default string // as it would be written in the file
	Doc     string
	section bool
	depth   int
	value   reflect.Value
}

// Keys lists every key of the configuration in file order, with the defaults.
func Keys() []Key {
	var out []Key
	for _, k := range walk(reflect.ValueOf(Default()), "", 0) {
		if !k.section {
			out = append(out, k)
		}
	}
	return out
}

func walk(v reflect.Value, prefix string, depth int) []Key {
	var out []Key
	for i := range v.NumField() {
		f := v.Type().Field(i)
		k := Key{Path: prefix + f.Tag.Get("yaml"), Doc: f.Tag.Get("doc"), depth: depth, value: v.Field(i)}
		if f.Type.Kind() == reflect.Struct {
			k.section = true
			out = append(out, k)
			out = append(out, walk(v.Field(i), k.Path+".", depth+1)...)
			continue
		}
		k.Type, k.Default = typeName(f.Type), literal(v.Field(i))
		out = append(out, k)
	}
	return out
}

var durationType = reflect.TypeFor[time.Duration]()

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map:
		return "number: " + typeName(t.Elem())
	}
	return t.String()
}

// literal writes v in YAML's flow style, on one line.
func literal(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return shortDuration(v.Interface().(time.Duration))
	case v.Kind() == reflect.String:
		return fmt.Sprintf("%q", v.String())
	case v.Kind() == reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, literal(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.Map:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].Int() < keys[j].Int() })
		var parts []string
		for _, k := range keys {
			parts = append(parts, fmt.Sprintf("%d: %s", k.Int(), literal(v.MapIndex(k))))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// shortDuration writes 1m0s as 1m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Example returns a complete, commented configuration file holding the
// defaults. It parses to [Default].
func Example() string {
	var b strings.Builder
	b.WriteString("# plenum configuration. Every key is shown with its default; leave out what you do not change.\n")
	for _, k := range walk(reflect.ValueOf(Default()), "", 0) {
		indent := strings.Repeat("  ", k.depth)
		name := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		b.WriteByte('\n')
		for _, line := range wrap(k.Doc, 96-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		if k.section {
			fmt.Fprintf(&b, "%s%s:\n", indent, name)
			continue
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, k.Default)
	}
	return b.String()
}

// Describe returns the description of every key whose path contains filter,
// for reading in a terminal.
func Describe(filter string) string {
	var b strings.Builder
	for _, k := range Keys() {
		if !strings.Contains(k.Path, filter) {
			continue
		}
		fmt.Fprintf(&b, "%s (%s, default %s)\n", k.Path, k.Type, k.Default)
		for _, line := range wrap(k.Doc, 90) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
