package main

import (
	"strings"
	"testing"
)

// TestVariants: what was changed is compared with the same without it, but not
// across commits, and not where video was cut. Figures of before are marked if
// the load was another.
func TestVariants(t *testing.T) {
	at := func(commit, section, name string, us float64, each float64) entry {
		e := seen(section, name, each)
		e.Commit, e.Runs[0]["us per packet"] = commit, us
		return e
	}
	large := at("abc", costSection, "1 x 40, 1 camera, large", 6, 150)
	large.Earlier = []past{{"1bac596", "2026-11-23", figures{"us per packet": 5}}, {"abb", "2026-11-24", figures{"us per packet": 7}}}
	delayed := at("abc", delaySection, middling.name(), 6, 150)
	delayed.Earlier = []past{{"abb", "2026-11-24", figures{"us per packet": 7, "added p50 ms": 0.5, "added p99 ms": 4, "loss %": 1}}}
	text := string(render(&book{Rows: []entry{
		at("abc", mediaSection, "1 x 300, 30 cameras, tile", 6, 600), large,
		at("3c69f99", mediaSection, "1 x 3, 3 cameras, stage", 6, 60),
		at("abc", costSection, "1 x 40, 1 camera, large, without offload", 9, 150),
		at("abb", costSection, "1 x 40, 1 camera, large, HMAC-SHA1", 9, 150),
		at("abc", costSection, "1 x 300, 30 cameras, tile, HMAC-SHA1", 9, 750), delayed,
	}}))
	for _, want := range []string{
		"- 1 x 40, 1 camera, large: without offload takes 1.50 times the CPU time for a packet.",
		"- 1 x 40, 1 camera, large: HMAC-SHA1 was measured at abb and the same without it at abc, which is not compared.",
		"| 1 x 40, 1 camera, large, without offload |", "| 1 x 40, 1 camera, large, HMAC-SHA1 (at abb: see below) |",
		"- 1 x 300, 30 cameras, tile: HMAC-SHA1 is not compared, as video was cut and the packets are not the same.",
		`- 1 x 40, 1 camera, large: us per packet 5.00 at 1bac596 (2026-11-23)\*, 7.00 at abb (2026-11-24).`, "\n\\* The load sent in bursts",
		"- 10 x 40, 4 cameras, tile: us per packet 7.00 at abb (2026-11-24); added p50 ms 0.500 at abb (2026-11-24); added p99 ms 4.00 at abb (2026-11-24).",
		`| 1 x 3, 3 cameras, stage\* |`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[len(head):])
		}
	}
	if n := strings.Count(text, "The load sent in bursts"); n != 2 {
		t.Errorf("bursts are explained %d times, in two sections that have them", n)
	}
}
