package transcript

import (
	"fmt"
	"os"
	"strings"
)

// Script is one conversation.
type Script struct {
	Name    string
	Options map[string]string // for the setup of the server
	steps   []step
}

// step is one line of the file.
type step struct {
	line int
	who  string
	verb string // "send", "expect", "exactly", or the word itself
	text string
}

// Load reads a script from a file.
func Load(path string) (*Script, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(b))
}

// Parse reads a script from text.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: name, Options: make(map[string]string)}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if len(s.steps) == 0 {
				return nil, fmt.Errorf("%s:%d: nothing to continue", name, i+1)
			}
			s.steps[len(s.steps)-1].text += trimmed
		default:
			if err := s.add(i+1, trimmed); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
		}
	}
	return s, nil
}

func (s *Script) add(n int, line string) error {
	head, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if head == "option" {
		key, value, _ := strings.Cut(rest, " ")
		s.Options[key] = strings.TrimSpace(value)
		return nil
	}
	if head == "wait" || head == "scene" {
		s.steps = append(s.steps, step{n, "", head, rest})
		return nil
	}
	for suffix, verb := range map[string]string{">": "send", "<": "expect", "<=": "exactly"} {
		if who, ok := strings.CutSuffix(head, suffix); ok {
			s.steps = append(s.steps, step{n, who, verb, rest})
			return nil
		}
	}
	verb, rest, _ := strings.Cut(rest, " ")
	if verbs[verb] == nil {
		return fmt.Errorf("unknown step %q", line)
	}
	s.steps = append(s.steps, step{n, head, verb, strings.TrimSpace(rest)})
	return nil
}
