package main

import (
	"strings"
	"testing"
)

// TestMissedMusts: what misses a must stands at the top, and nothing else does.
func TestMissedMusts(t *testing.T) {
	rest := func(cpu float64) []entry {
		return []entry{{Section: restSection, Name: restRow, Runs: []figures{{"CPU %": cpu}}}}
	}
	var out strings.Builder
	if missedMusts(&out, rest(3)); out.Len() > 0 {
		t.Error(out.String())
	}
	call := entry{Section: mediaSection, Name: lecture.name(), Runs: []figures{{"failed": 0, videoEach: 10}}}
	missedMusts(&out, append(rest(3.1), call))
	for _, want := range []string{
		"- " + lecture.name() + ": not all of its video (Media).\n",
		"- " + restRow + ": CPU % 3.10, which must be at most 3 (At rest).\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}
