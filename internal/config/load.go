package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
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
	switch err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&decoded); {
	case err == nil:
		*c = decoded
	case !errors.Is(err, io.EOF):
		return explain(err, b)
	}
	if c.Focus.SourceSignalingDelays == nil {
		c.Focus.SourceSignalingDelays = delays
	}
	return c.Validate()
}

// explain makes the decoder's error one that names a line. For durations it
// has no position of its own.
func explain(err error, file []byte) error {
	text := yaml.FormatError(err, false, true)
	_, quoted, found := strings.Cut(text, "duration ") // all its errors end like this
	value, unquoteErr := strconv.Unquote(quoted)
	if !strings.HasPrefix(text, "time: ") || !found || unquoteErr != nil {
		return errors.New(text)
	}
	for i, line := range strings.Split(string(file), "\n") {
		if strings.Contains(line, value) {
			return fmt.Errorf("[%d] %s is not a duration: write it like 45s, 500ms or 2m", i+1, quoted)
		}
	}
	return fmt.Errorf("%s is not a duration: write it like 45s, 500ms or 2m", quoted)
}
