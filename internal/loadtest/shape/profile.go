package shape

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Profile is what one direction of a network is like; the zero Profile is
// perfect.
type Profile struct {
	Loss   float64       `json:"loss,omitempty"`   // share of datagrams that vanish, 0 to 1
	Delay  time.Duration `json:"delay,omitempty"`  // one way
	Jitter time.Duration `json:"jitter,omitempty"` // up to this is added to Delay
	Rate   int64         `json:"rate,omitempty"`   // bit/s, 0 for no limit
}

// Limits of what a profile may say.
const (
	MaxDelay = 10 * time.Second
	MinRate  = 10_000
	MaxRate  = 10_000_000_000
)

// Check says whether a profile that was not read by Parse is one that it could
// have read.
func (p Profile) Check() error {
	within := func(d time.Duration) bool { return d >= 0 && d <= MaxDelay }
	if !(p.Loss >= 0 && p.Loss <= 1) || !within(p.Delay) || !within(p.Jitter) || p.Rate != 0 && (p.Rate < MinRate || p.Rate > MaxRate) {
		return errors.New("a network cannot be like that: " + profileForm)
	}
	return nil
}

const profileForm = "write what the network does, such as loss=2%,delay=50ms,jitter=10ms,rate=600k"

// Parse reads a profile as people write it: any of loss (percent), delay,
// jitter (durations) and rate (bit/s, with k, M or G), each once, with commas
// between. It takes what String gives.
func Parse(text string) (Profile, error) {
	var p Profile
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return p, fmt.Errorf("%q: %s", part, profileForm)
		}
		if seen[key] {
			return p, fmt.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *Profile) set(key, value string) (err error) {
	switch key {
	case "loss":
		p.Loss, err = Share(value)
	case "delay":
		p.Delay, err = delay(value)
	case "jitter":
		p.Jitter, err = delay(value)
	case "rate":
		p.Rate, err = rate(value)
	default:
		return fmt.Errorf("%q is not known: a network has loss, delay, jitter and rate", key)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

// Share reads a percentage, with its sign, from 0% to 100%, as 0 to 1.
func Share(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || math.IsNaN(v) || v < 0 || v > 100 {
		return 0, errors.New("this must be a percentage from 0% to 100%, such as 2%")
	}
	return v / 100, nil
}

func delay(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxDelay {
		return 0, fmt.Errorf("this must be a duration up to %v, such as 50ms", MaxDelay)
	}
	return d, nil
}

var units = map[byte]float64{'k': 1e3, 'K': 1e3, 'M': 1e6, 'm': 1e6, 'G': 1e9}

func rate(text string) (int64, error) {
	unit, number := 1.0, text
	if n := len(text); n > 0 && units[text[n-1]] > 0 {
		unit, number = units[text[n-1]], text[:n-1]
	}
	v, err := strconv.ParseFloat(number, 64)
	v *= unit
	if err != nil || !(v >= MinRate && v <= MaxRate) {
		return 0, errors.New("this must be bits a second from 10k to 10G, such as 600k or 2.5M")
	}
	return int64(v), nil
}

// String writes the profile as Parse reads it; "" if it is perfect.
func (p Profile) String() string {
	var parts []string
	add := func(on bool, format string, v any) {
		if on {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	add(p.Loss > 0, "loss=%v%%", strconv.FormatFloat(p.Loss*100, 'f', -1, 64))
	add(p.Delay > 0, "delay=%v", p.Delay)
	add(p.Jitter > 0, "jitter=%v", p.Jitter)
	add(p.Rate > 0, "rate=%v", p.Rate)
	return strings.Join(parts, ",")
}
