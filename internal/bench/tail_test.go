package main

import (
	"strings"
	"testing"
)

// TestTails: runs are told of from the least late to the latest, with what was
// measured of the machine, and with the tries that did not count.
func TestTails(t *testing.T) {
	e := entry{Section: delaySection, Name: fives.name(), Runs: []figures{
		{lateTail: 21, coreWait: 1.5, stealing: 2.5, forwardingCost: 6.9, "try 1: server cores": 0.84, "try 1: added p99 ms": 35},
		{lateTail: 1.7},
		{"added p50 ms": 1},
	}}
	want := ":\n\n- " + fives.name() + ": 1.70 ms; 21.0 ms (6.90 us a packet, core wait 1.50 %, steal 2.50 %), after a try with 0.840 cores, which did not count: 35.0 ms."
	if got := tails([]entry{e}); !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end with %q", got, want)
	}
	if e.Runs = e.Runs[1:]; tails([]entry{e}) != "" {
		t.Error("one run is compared with nothing")
	}
}
