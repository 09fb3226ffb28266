package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

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
		return mistakes(err, b)
	}
	if c.Focus.SourceSignalingDelays == nil {
		c.Focus.SourceSignalingDelays = delays
	}
	return c.Validate()
}
