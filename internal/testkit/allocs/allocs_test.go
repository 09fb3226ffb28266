package allocs

import (
	"fmt"
	"strings"
	"testing"
)

// spy is a test that somebody watches.
type spy struct {
	testing.TB
	said string
}

func (s *spy) Errorf(format string, args ...any) { s.said = fmt.Sprintf(format, args...) }

var kept []byte

// TestAllocationsAreFound: each, by its line, be it one in hundreds of calls; and
// none where there is none.
func TestAllocationsAreFound(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	calls := 0
	every := func(n int) func() {
		return func() {
			if calls++; calls%n == 0 {
				kept = make([]byte, 100)
			}
		}
	}
	for name, tc := range map[string]struct {
		step func()
		want string
	}{
		"nothing":           {func() {}, ""},
		"each call":         {every(1), "5000 allocations in 5000 calls"},
		"each 16th":         {every(16), "312 allocations in 5000 calls"},
		"each 800th":        {every(800), "6 allocations in 5000 calls"},
		"what is forgiven":  {every(1250), ""},
		"until it is grown": {func() { kept = append(kept, 1) }, ""},
		"at first": {func() {
			if calls++; calls < 7000 {
				kept = make([]byte, 100)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			calls, kept = 0, nil
			s := &spy{TB: t}
			None(s, Many, tc.step)
			if !strings.HasPrefix(s.said, tc.want) || (s.said == "") != (tc.want == "") {
				t.Errorf("it says %q, want %q", s.said, tc.want)
			}
			if tc.want != "" && !strings.Contains(s.said, " allocs_test.go:") {
				t.Errorf("it does not name the line: %q", s.said)
			}
		})
	}
}
