package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// carried is a row in which so much of a core was busy.
func carried(section, name string, cores float64) entry {
	return entry{Section: section, Name: name, Runs: []figures{{"server cores": cores, "Mbit/s": 50, "live KB each": 64}}}
}

// filled is a row that found so many rooms.
func filled(e entry, rooms float64) entry {
	e.Runs[0][roomsIn] = rooms
	return e
}

// TestHolds: in proportion to what was measured, and nothing of what was not, or
// of a core that had much more or less to do.
func TestHolds(t *testing.T) {
	heavy := carried(costSection, audioRow, 0.85)
	heavy.Runs = append(heavy.Runs, heavy.Runs[0])
	text := string(render(&book{Rows: []entry{
		filled(carried(delaySection, middling.name(), 0.6), 12), filled(carried(delaySection, tens.name(), 0.49), 80), carried(delaySection, hundreds.name(), 0.86),
		{Section: delaySection, Name: largest.name(), Runs: []figures{{"server cores": 0.7}}}, heavy,
	}}))
	for _, want := range []string{
		"| rooms of 40, four cameras | 560 | 58.3 | 178 | 0.600, once | - | - |\n",
		"| rooms of 40, four microphones, no camera | 593 | 41.2 | 152 | 0.850 | - | - |\n", // 64 KB each: more than the formula's 40
		"\nNot measured: rooms of 5, one camera; rooms of 300, 15 cameras; webinars of 300, two cameras; rooms of 40, one camera, large, a real one's bits.\n\nMeasured,",
		"nothing is told from it: rooms of 10, two cameras (measured at 0.490 cores, which is too far from 0.7); rooms of 100, four cameras (measured at 0.860 cores, ",
		"spread over several (ARCHITECTURE.md, \"When one\n  core is not enough\"): how well was not measured.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[:min(len(text), 8000)])
		}
	}
	for _, not := range []string{"| rooms of 300", "An example"} {
		if strings.Contains(text, not) {
			t.Errorf("what nobody measured holds something:\n%s", text)
		}
	}
}

// TestSample: whoever is sent to a row finds its figure in the table.
func TestSample(t *testing.T) {
	for _, rows := range [][]string{{hundreds.name()}, {hundreds.name(), middling.name()}, {fives.name(), hundreds.name()}} {
		want := rows[0]
		var all []entry
		for _, name := range rows {
			all = append(all, carried(delaySection, name, 0.7))
			if name != hundreds.name() {
				filled(all[len(all)-1], 12)
			}
			if name == middling.name() {
				want = name
			}
		}
		text := string(render(&book{Rows: all}))
		found := regexp.MustCompile("`./bench -only '\\^(.*)\\$' -runs 2 -out /tmp/bench`").FindStringSubmatch(text)
		if found == nil || found[1] != want {
			t.Errorf("%v: sent to %q, want %s", rows, found, want)
		}
	}
}

// TestExample: the parts of a core add up, of the size of room that holds fewer.
func TestExample(t *testing.T) {
	all := []entry{filled(carried(delaySection, tens.name(), 0.7), 80), filled(carried(delaySection, middling.name(), 0.7), 12), carried(delaySection, webinars.name(), 0.6)}
	two := carried(mediaSection, onTwoCores, 1.2)
	two.Runs[0]["lent %"] = 40
	join := entry{Section: roomSection, Name: "1 x 300, muted", Runs: []figures{{"CPU-ms a join": 7.5}}}
	text := strings.Join(strings.Fields(string(render(&book{Rows: append(all, two, join)}))), " ")
	for _, want := range []string{
		"Rooms of 20 lie between those of 10 and of 40, of which a core holds 800 and 480 people; the fewer are those of 40: 500 / 480 = 1.04 cores. " +
			"- The webinar: 300 / 700 = 0.429 cores. - Together 1.47 cores that are 70 % busy: 2 cores for plenum. " +
			"- Network: 1.04 x 50.0 + 0.429 x 58.3 = 77.1 Mbit/s, with real cameras some 154. - Memory: 1.5 x (64 MB + 78.1 MB) = 213 MB.",
		"on cores which the load shared: 1.20 cores, and 40.0 % of the packets sent by the second.",
		"take CPU time too, 7.50 ms each in a room of 300",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[:min(len(text), 8000)])
		}
	}
	for i := range all {
		if text := string(render(&book{Rows: slices.Delete(slices.Clone(all), i, i+1)})); strings.Contains(text, "An example") {
			t.Errorf("an example without %s", all[i].Name)
		}
	}
}

// TestGiven: the formula is that of memory.md.
func TestGiven(t *testing.T) {
	text, err := os.ReadFile("../../docs/memory.md")
	if err != nil {
		t.Fatal(err)
	}
	tens := func(people float64) int { return 10 * int(math.Round(given(people*watching/1024)/10)) }
	want := fmt.Sprintf("about %g x (%d MB + %d KB x people who are sent video + %d KB x all others): %d MB for a room of 300, %d MB for 3,240 people",
		spare, alone, watching, listening, tens(300), tens(3240))
	if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
		t.Errorf("memory.md does not say %q", want)
	}
}
