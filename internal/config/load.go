package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// maxFile bounds the configuration file; a real one has a few kilobytes.
const maxFile = 1 << 20

// Load reads the file at path over the defaults. An empty path gives the
// defaults. Unknown keys, wrong types and values out of range are errors that
// name the line or the key.
func Load(path string) (Config, error) {
	c := Default()
	if path == "" {
		return c, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("cannot open the configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return c, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if len(b) > maxFile {
		return c, fmt.Errorf("%s has more than %d bytes: this is not a plenum configuration", path, maxFile)
	}
	if err := Parse(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse decodes YAML over what c holds already and validates the result.
func Parse(b []byte, c *Config) error {
	delays := c.Focus.SourceSignalingDelays
	c.Focus.SourceSignalingDelays = nil // a map in the file replaces the default, it does not add to it
	decoded := *c                       // a file of comments only makes the decoder zero its target
	dec := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	switch err := dec.Decode(&decoded); {
	case err == nil:
		*c = decoded
		if !errors.Is(dec.Decode(&struct{}{}), io.EOF) {
			return errors.New("there is a second document behind a line of ---, which would be ignored: join the two")
		}
	case !errors.Is(err, io.EOF):
		return explain(err, b)
	}
	if c.Focus.SourceSignalingDelays == nil {
		c.Focus.SourceSignalingDelays = delays
	}
	return c.Validate()
}

// explain makes the decoder's error one that names a line, in words that need
// no Go.
func explain(err error, file []byte) error {
	text := yaml.FormatError(err, false, true)
	if _, quoted, ok := strings.Cut(text, "duration "); ok && strings.HasPrefix(text, "time: ") {
		return fmt.Errorf("%s%s: %s", lineOf(quoted, file), quoted, wanted["time.Duration"])
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
