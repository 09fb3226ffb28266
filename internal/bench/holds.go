package main

import (
	"fmt"
	"strings"
)

// held are rows from which can be told what a core holds: those of delays, which
// are meant to keep it as busy as that, and voices alone.
var held = []struct{ section, row, what string }{
	{delaySection, fives.name(), "rooms of 5, one camera"},
	{delaySection, tens.name(), "rooms of 10, two cameras"},
	{delaySection, middling.name(), "rooms of 40, four cameras"},
	{delaySection, hundreds.name(), "rooms of 100, five cameras"},
	{delaySection, largest.name(), fmt.Sprintf("rooms of 300, %d cameras", largest.cameras)},
	{costSection, audioRow, "rooms of 40, audio only"},
}

const (
	comfortable = 0.7 // of a core
	// Of a core that does much less, or much more, nothing is told: the cost of a
	// packet falls with the number of packets.
	leastTold, mostTold = 0.5, 0.85
	// ground is what a server takes with nobody in, and room for garbage at
	// the most, in MB (docs/memory.md).
	ground = 30 + 128
)

const holdsIntro = `
## What a core holds

How many people one core of this machine carries when it is 70 %% busy; what the network takes then, both ways together; and
how much memory to give the server, its room for garbage included. This is told from rows measured below, in proportion from
how busy the core was there ("measured at", in cores). The load's cameras send few bits: count one to two megabits a second for
each person who looks at a large picture of a real one. On another machine the proportions hold better than the numbers:
measure one row there (` + "`./bench -only '^%s$'`" + `). With more than a core can carry the server lets
people in later and sends less video; audio suffers last.

| | people | Mbit/s | MB | measured at | mean run |
|---|---:|---:|---:|---:|---:|
`

// holds writes what can be told of a core, if anything was measured.
func holds(out *strings.Builder, entries []entry) {
	var lines, refused, absent []string
	for _, h := range held {
		e := find(entries, h.section, h.row)
		cores, _ := median(e.Runs, "server cores")
		line, ok := e.holds(cores)
		switch {
		case !ok:
			absent = append(absent, h.what)
		case e.cut(entries):
			refused = append(refused, h.what+" (a part was cut)")
		case cores < leastTold || cores > mostTold:
			refused = append(refused, fmt.Sprintf("%s (measured at %s cores, which is too far from %g)", h.what, number(cores), comfortable))
		default:
			lines = append(lines, fmt.Sprintf("| %s | %s |", h.what, line))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, holdsIntro+"%s\n", middling.name(), strings.Join(lines, "\n"))
	}
	if len(lines) > 0 && len(absent) > 0 {
		fmt.Fprintf(out, "\nNot measured: %s.\n", strings.Join(absent, "; "))
	}
	if len(lines) > 0 && len(refused) > 0 {
		fmt.Fprintf(out, "\nMeasured, but nothing is told from it: %s.\n", strings.Join(refused, "; "))
	}
}

// holds is a line of the table, without its title, from a row in which so much
// of a core was busy.
func (e *entry) holds(cores float64) (string, bool) {
	var rooms, people int
	_, err := fmt.Sscanf(e.Name, "%d x %d", &rooms, &people)
	rate, said := median(e.Runs, "Mbit/s")
	live, weighed := median(e.Runs, "live KB each")
	if err != nil || !said || !weighed || cores <= 0 {
		return "", false
	}
	times := comfortable / cores
	n := times * float64(rooms*people)
	return fmt.Sprintf("%s | %s | %s | %s | %s", number(n), number(times*rate), number(ground+n*live/1024), cell(e.Runs, "server cores"), cell(e.Runs, "mean run")), true
}
