package main

import (
	"strings"
	"testing"
)

// TestVariants: what was changed is compared with the same without it, but not
// across commits, and not where video was cut.
func TestVariants(t *testing.T) {
	at := func(commit, section, name string, us float64, each float64) entry {
		e := seen(section, name, each)
		e.Commit, e.Runs[0]["us per packet"] = commit, us
		return e
	}
	rest := func(name string, busy float64) entry {
		return entry{Section: restSection, Name: name, Commit: "abc", Runs: []figures{{"CPU %": busy}}}
	}
	text := string(render(&book{Rows: []entry{
		rest("at rest: 25 x 40, muted", 2), rest("at rest: 25 x 40, muted, silence", 3),
		at("abc", mediaSection, "1 x 300, 30 cameras, tile", 6, 600), at("abc", costSection, "1 x 40, 1 camera, large", 6, 150),
		at("abc", costSection, "1 x 40, 1 camera, large, without offload", 9, 150),
		at("abb", costSection, "1 x 40, 1 camera, large, HMAC-SHA1", 9, 150),
		at("abc", costSection, "1 x 300, 30 cameras, tile, HMAC-SHA1", 9, 750),
	}}))
	for _, want := range []string{
		"- 1 x 40, 1 camera, large: without offload takes 1.50 times the CPU time for a packet.",
		"- at rest: 25 x 40, muted: silence takes 1.50 times the CPU time.",
		"- 1 x 40, 1 camera, large: HMAC-SHA1 was measured at abb and the same without it at abc, which is not compared.",
		"| 1 x 40, 1 camera, large, without offload | 1 |", "| 1 x 40, 1 camera, large, HMAC-SHA1 (at abb: see below) | 1 |",
		"- 1 x 300, 30 cameras, tile: HMAC-SHA1 is not compared, as a part was cut and the packets are not the same.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[len(head):])
		}
	}
}

// TestTimeBefore: of what is judged, and of packets, stand the times at other
// commits, with a word where that was another machine.
func TestTimeBefore(t *testing.T) {
	e := entry{Section: delaySection, Name: middling.name(), Commit: "abc", Machine: "box", Runs: []figures{{"us per packet": 6, "added p50 ms": 0.4, "loss %": 2}}}
	then := figures{"us per packet": 7, "added p50 ms": 0.5, "loss %": 1}
	for _, tc := range []struct {
		earlier []past
		want    string
	}{
		{nil, ""},
		{[]past{{"aba", "2026-11-23", "box", figures{"us per packet": 8}}, {"abb", "2026-11-24", "box", then}},
			"| n x 40, 4 cameras, tile | us per packet | 8.00 at aba, 7.00 at abb | 6.00 at abc |\n| n x 40, 4 cameras, tile | added p50 ms | 0.500 at abb | 0.400 at abc |\n"},
		{[]past{{"abc", "2026-11-24", "box", then}}, ""},
		{[]past{{"abb", "2026-11-24", "another", then}},
			"| n x 40, 4 cameras, tile | added p50 ms | 0.500 at abb on another machine | 0.400 at abc |\n"},
	} {
		e.Earlier = tc.earlier
		_, text, found := strings.Cut(string(render(&book{Rows: []entry{e}})), "## The time before\n")
		if found != (tc.want != "") || !strings.HasSuffix(text, tc.want) {
			t.Errorf("%+v: no %q at the end of\n%s", tc.earlier, tc.want, text)
		}
	}
}
