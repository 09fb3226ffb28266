package main

import (
	"fmt"
	"strings"
)

// held are rows from which can be told what a core holds: calls that keep it
// busy enough for what is left when nobody is there not to count.
var held = []struct{ section, row, what string }{
	{roomsSection, "100 x 5, 1 camera, tile", "rooms of 5, one camera"},
	{delaySection, "66 x 10, 2 cameras, tile", "rooms of 10, two cameras"},
	{delaySection, "10 x 40, 4 cameras, tile", "rooms of 40, four cameras"},
	{costSection, "8 x 40, 4 microphones, audio only", "rooms of 40, audio only"},
	{roomSection, "1 x 300, 1 camera, tile", "rooms of 300, one camera"},
	{mediaSection, "1 x 300, 30 cameras, tile", "rooms of 300, thirty cameras"},
}

const (
	comfortable = 0.7 // of a core
	// ground is what a server takes with nobody in, and room for garbage at
	// the most, in MB (docs/memory.md).
	ground = 30 + 128
)

const holdsIntro = `
## What a core holds

How many people one core of this machine carries when it is 70 % busy, in proportion from what was measured below; what
the network takes then, both ways together, and the memory, with its room for garbage. The load's cameras send few bits:
people who look at a large picture of a real one take one to two megabits a second each. On other machines the proportions
hold better than the numbers. With more than a core can carry the server lets people in later and sends less video; audio
suffers last. Nothing is told from rows whose video was cut so.

| | people | Mbit/s | MB |
|---|---:|---:|---:|
`

// holds writes what can be told of a core, if anything was measured.
func holds(out *strings.Builder, entries []entry) {
	var lines, refused []string
	for _, h := range held {
		for _, e := range entries {
			if e.Section != h.section || e.Name != h.row {
				continue
			}
			if e.cut(entries) {
				refused = append(refused, h.what)
			} else if line, ok := e.holds(); ok {
				lines = append(lines, fmt.Sprintf("| %s | %s |", h.what, line))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "%s%s\n", holdsIntro, strings.Join(lines, "\n"))
	}
	if len(lines) > 0 && len(refused) > 0 {
		fmt.Fprintf(out, "\nMeasured, but with video cut: %s.\n", strings.Join(refused, "; "))
	}
}

// holds is a line of the table, without its title.
func (e *entry) holds() (string, bool) {
	var rooms, people int
	_, err := fmt.Sscanf(strings.TrimPrefix(e.Name, "at rest: "), "%d x %d", &rooms, &people)
	cores, known := median(e.Runs, "server cores")
	rate, said := median(e.Runs, "Mbit/s")
	live, weighed := median(e.Runs, "live KB each")
	if err != nil || !known || !said || !weighed || cores <= 0 {
		return "", false
	}
	times := comfortable / cores
	n := times * float64(rooms*people)
	return fmt.Sprintf("%s | %s | %s", number(n), number(times*rate), number(ground+n*live/1024)), true
}
