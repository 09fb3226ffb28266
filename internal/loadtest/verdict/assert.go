package verdict

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Assertion is a condition that a test has to meet.
type Assertion struct {
	Text   string // as it was written
	metric metric
	op     string
	limit  float64
}

// Limits of what Parse reads.
const (
	maxAssertions = 100
	maxAssertText = 4096
)

// Parse reads assertions with commas between: a name, one of < <= > >= = !=,
// and a value: a duration (2s), a percentage (0.1%), a rate (600k, 2M, in
// bit/s) or a number, as the name wants it. Errors say what would be right.
func Parse(text string) ([]Assertion, error) {
	if len(text) > maxAssertText {
		return nil, fmt.Errorf("more than %d characters of assertions", maxAssertText)
	}
	var out []Assertion
	for part := range strings.SplitSeq(text, ",") {
		a, err := parseOne(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if out = append(out, a); len(out) > maxAssertions {
			return nil, fmt.Errorf("more than %d assertions", maxAssertions)
		}
	}
	return out, nil
}

// operators, the longer ones first.
var operators = []string{"<=", ">=", "!=", "==", "<", ">", "="}

func parseOne(text string) (Assertion, error) {
	i := strings.IndexAny(text, "<>=!")
	if i <= 0 {
		err := fmt.Errorf("%q is no assertion: write a name, < or >, and a value, such as join.p99<2s", text)
		if _, known := metrics[text]; !known {
			err = fmt.Errorf("%w. Names are:\n%s", err, Names())
		}
		return Assertion{}, err
	}
	a := Assertion{Text: text}
	name, rest := strings.TrimSpace(text[:i]), text[i:]
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			a.op = op
			break
		}
	}
	if a.op == "" {
		return a, fmt.Errorf("%q: write <, <=, >, >=, = or != between name and value", text)
	}
	var ok bool
	if a.metric, ok = metrics[name]; !ok {
		return a, fmt.Errorf("%q: there is no %q. There are:\n%s", text, name, Names())
	}
	limit, err := a.metric.unit.parse(strings.TrimSpace(rest[len(a.op):]))
	if err != nil {
		return a, fmt.Errorf("%q: %w", text, err)
	}
	a.limit = limit
	return a, nil
}

// parse reads a value. A plain 0 needs no unit.
func (u unit) parse(text string) (float64, error) {
	if text == "0" {
		return 0, nil
	}
	v, scale, err := 0.0, 1.0, error(nil)
	switch u {
	case duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, errors.New("the value must be a duration, such as 2s or 150ms")
		}
		return d.Seconds(), nil
	case percentage:
		number, ok := strings.CutSuffix(text, "%")
		if !ok {
			return 0, errors.New("the value must be a percentage, such as 0.1%")
		}
		text, scale = number, 0.01
	case bitrate:
		if n := len(text); n > 1 {
			if s, ok := map[byte]float64{'k': 1e3, 'M': 1e6, 'G': 1e9}[text[n-1]]; ok {
				text, scale = text[:n-1], s
			}
		}
	}
	v, err = strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("the value must be %s", map[unit]string{percentage: "a percentage, such as 0.1%", bitrate: "bits a second, such as 600k or 2M"}[u]+
			map[unit]string{number: "a number", cores: "a number of cores, such as 1.5"}[u])
	}
	return v * scale, nil
}

// write writes a value as people read it.
func (u unit) write(v float64) string {
	switch u {
	case duration:
		return Brief(time.Duration(v * float64(time.Second)))
	case percentage:
		return Percent(v)
	case bitrate:
		return Rate(int64(v))
	case cores:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Check holds the assertion against a summary: whether it is met, and the
// value that was found. What the test has no figure for is not met.
func (a Assertion) Check(s *Summary) (ok bool, found string) {
	v, known := a.metric.of(s)
	if !known && a.metric.sent && s.Sent == 0 {
		return false, "nothing was sent"
	}
	if !known && a.metric.sent && s.nothingCame() {
		return false, "nothing came"
	}
	if !known {
		return false, "there is no such figure in this test"
	}
	switch a.op {
	case "<":
		ok = v < a.limit
	case "<=":
		ok = v <= a.limit
	case ">":
		ok = v > a.limit
	case ">=":
		ok = v >= a.limit
	case "!=":
		ok = v != a.limit
	default:
		ok = v == a.limit
	}
	return ok, "it is " + a.metric.unit.write(v)
}
