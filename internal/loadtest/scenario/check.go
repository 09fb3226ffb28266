package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
)

// KeyError is a value that a scenario cannot have. Line is 0 if the value did
// not come from a file.
type KeyError struct {
	Key  string // such as rooms[0].members[1].churn
	Line int
	Text string
}

// Error implements error.
func (e *KeyError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s: %s", e.Line, e.Key, e.Text)
	}
	return fmt.Sprintf("%s: %s", e.Key, e.Text)
}

// Check says what is wrong with a scenario: nil, or a *KeyError.
func (s *Scenario) Check() error {
	c := checker{}
	c.wrong(s.Duration <= 0 || s.Duration > MaxDuration, "duration", "it must be longer than 0 and at most %v", MaxDuration)
	ramp, err := parseRamp(s.Ramp)
	c.error(err, "ramp")
	c.wrong(len(s.Rooms) == 0, "rooms", "there must be at least one room")
	rooms, members, names := 0, 0, map[string]bool{}
	for i := range s.Rooms {
		r := &s.Rooms[i]
		key := fmt.Sprintf("rooms[%d]", i)
		c.wrong(names[r.Name], key+".name", "two groups of rooms have the same name: their participants would meet")
		names[r.Name] = true
		c.rooms(r, key)
		rooms += r.count()
		members += len(r.Members)
	}
	c.wrong(members > MaxMembers, "rooms", "there are more than %d groups of members", MaxMembers)
	c.wrong(rooms > MaxRooms, "rooms", "there are more than %d", MaxRooms)
	if c.err == nil { // counts are sane one by one
		c.wrong(s.Participants() > MaxParticipants, "rooms", "there are more than %d participants", MaxParticipants)
		c.wrong(s.Participants() == 0, "rooms", "there are no participants")
		c.wrong(tooFast(s.Participants(), ramp.over), "ramp", "more than %d would come in a second; write all if all are to come at once", MaxRamp)
		c.wrong(s.comings() > loadtest.MaxComings, "rooms", "with this churn and duration somebody would come more than %d times altogether", loadtest.MaxComings)
	}
	if c.err != nil {
		return c.err
	}
	return nil
}

// checker keeps the first mistake.
type checker struct{ err *KeyError }

func (c *checker) wrong(is bool, key, format string, args ...any) {
	if is && c.err == nil {
		c.err = &KeyError{Key: key, Text: fmt.Sprintf(format, args...)}
	}
}

func (c *checker) error(err error, key string) {
	if err != nil {
		c.wrong(true, key, "%s", err.Error())
	}
}

func (c *checker) rooms(r *Rooms, key string) {
	c.wrong(r.Count < 0 || r.Count > MaxRooms, key+".count", "it must be from 1 to %d", MaxRooms)
	c.wrong(strings.ContainsFunc(r.Name, func(x rune) bool { return (x < 'a' || x > 'z') && (x < '0' || x > '9') && x != '-' }) || len(r.Name) > 60,
		key+".name", "only a-z, 0-9 and - may be in it, 60 at most")
	c.wrong(len(r.Members) == 0, key+".members", "a room needs members")
	for i := range r.Members {
		m, key := &r.Members[i], fmt.Sprintf("%s.members[%d]", key, i)
		c.member(m, key)
		c.wrong(tooFast(m.Count*r.count(), m.Over), key+".over", "more than %d would come in a second", MaxRamp)
	}
}

func (c *checker) member(m *Member, key string) {
	c.wrong(m.Count < 0 || m.Count > MaxParticipants, key+".count", "it must be from 0 to %d", MaxParticipants)
	c.wrong(len(m.Name) > 60, key+".name", "it is longer than 60 characters")
	c.wrong(m.Layout != "" && m.Layout != "stage" && m.Layout != "tile" && m.Layout != "mixed", key+".layout", "%q is none: there are stage, tile and mixed", m.Layout)
	c.wrong(m.Codec != "" && !slices.Contains([]string{"vp8", "vp9", "h264", "av1"}, m.Codec), key+".codec", "%q is none that can be sent: there are vp8, vp9, h264 and av1", m.Codec)
	c.wrong(m.Height < 0 || m.Height > 4320, key+".height", "it must be from 0 to 4320")
	c.wrong(m.LastN != nil && (*m.LastN < -1 || *m.LastN > MaxParticipants), key+".last-n", "it must be -1, for all, or a number of videos")
	for name, d := range map[string]time.Duration{"over": m.Over, "stay": m.Stay, "break-every": m.BreakEvery} {
		c.wrong(d < 0 || d > MaxDuration, key+"."+name, "it must not be negative, and at most %v", MaxDuration)
	}
	c.wrong(m.BreakEvery > 0 && m.BreakEvery < loadtest.MinBreakEvery, key+".break-every", "it must be %v or longer", loadtest.MinBreakEvery)
	c.wrong(m.At != nil && (*m.At < 0 || *m.At > MaxDuration), key+".at", "it must not be negative, and at most %v", MaxDuration)
	c.wrong(m.Over > 0 && m.At == nil, key+".over", "it means nothing without at")
	_, err := parseChurn(m.Churn)
	c.error(err, key+".churn")
	if m.Network != "" {
		_, err := shape.Parse(m.Network)
		c.error(err, key+".network")
	}
}

// ramp is how fast participants come; both 0 for all at once.
type ramp struct {
	rate float64 // a second
	over time.Duration
}

func parseRamp(text string) (ramp, error) {
	if text == "" || text == "all" {
		return ramp{}, nil
	}
	if number, ok := strings.CutSuffix(text, "/s"); ok {
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v >= 0.01 && v <= MaxRamp) {
			return ramp{}, fmt.Errorf("%q: the rate must be from 0.01/s to %d/s", text, MaxRamp)
		}
		return ramp{rate: v}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxDuration {
		return ramp{}, fmt.Errorf("%q: write how many come in a second, such as 50/s, over which time they come, such as 30s, or all", text)
	}
	return ramp{over: d}, nil
}

// tooFast reports whether more than MaxRamp would come in a second. A time of 0
// is all at once, which may be.
func tooFast(people int, over time.Duration) bool {
	return over > 0 && float64(people) > MaxRamp*over.Seconds()
}

// parseChurn reads the share that leaves in a minute.
func parseChurn(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(text, "%/min")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100*loadtest.MaxChurn) {
		return 0, errors.New("write which share leaves in a minute, up to " + strconv.Itoa(100*loadtest.MaxChurn) + "%/min, such as 10%/min")
	}
	return v / 100, nil
}
