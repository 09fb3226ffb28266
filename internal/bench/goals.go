package main

import (
	"fmt"
	"slices"
	"strings"
)

// goal is what a figure of a row should be at the most: must is what is good
// enough, goal what is aimed at.
type goal struct {
	section, row, column string
	must, goal           float64
	because              string // what the bound stands for, "" if the column says it
}

var goals = []goal{
	{signallingSection, "81 x 40: " + ours, "join CPU-s", 1.5, 0.4, ""},
	{signallingSection, "1 x 321: " + ours, "join CPU-s", 1.2, 0.3, ""},
	{signallingSection, "81 x 40: " + ours, "KB each", 64, 16, ""},
	{signallingSection, "250 x 40: " + ours, "KB each", 64, 16, ""},
	{signallingSection, "250 x 40: " + ours, "MB", 160, 160, "ten thousand people in rooms of 40"},
	{mediaSection, "1 x 300, 30 cameras, tile", "load cores", 1, 0.3, "300 or 1,000 participants a core of the load, from these 300"},
	{mediaSection, "1 x 300, 20 cameras, tile", "failed", 0, 0, "all are in the call to the end"},
	{mediaSection, "1 x 1000, 20 cameras, tile", "failed", 0, 0, "all are in the call to the end; how much video they get is the video share"},
	{costSection, "10 x 40, 1 camera, large", "us per packet", 6.7, 3.3, "150,000 or 300,000 packets a second and core"},
	{costSection, "8 x 40, 4 microphones, audio only", "us per packet", 10, 5, "100,000 or 200,000 packets a second and core"},
	{delaySection, "66 x 10, 2 cameras, tile", "added p50 ms", 1, 0.1, ""},
	{delaySection, "66 x 10, 2 cameras, tile", "added p99 ms", 5, 1, ""},
	{delaySection, "10 x 40, 4 cameras, tile", "added p50 ms", 1, 0.1, ""},
	{delaySection, "10 x 40, 4 cameras, tile", "added p99 ms", 5, 1, ""},
	{crowdSection, "storm-500, all come at once", "accepted last s", 5, 1, ""},
	{crowdSection, "storm-500, all come at once", "DTLS last s", 8, 2, ""},
	{crowdSection, "forum-81x40, all come at once", "accepted last s", 6, 1.5, ""},
	{crowdSection, "forum-81x40, all come at once", "DTLS last s", 10, 3, ""},
	{crowdSection, "81 x 40, muted, all come at once", "accepted last s", 6, 1.5, ""},
	{crowdSection, "81 x 40, muted, all come at once", "DTLS last s", 10, 3, ""},
	{roomSection, "1 x 1000, 1 cameras, tile", "KB each", 256, 64, "999 of whom only receive video"},
	{restSection, "at rest: 25 x 40, muted", "CPU %", 3, 1, ""},
	{restSection, "at rest: 1 x 1000, muted", "CPU %", 3, 1, ""},
}

// judge writes a line for each goal of a section that was measured.
func judge(out *strings.Builder, title string, entries []entry) {
	var lines []string
	for _, g := range goals {
		if g.section == title {
			lines = append(lines, g.line(entries))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nWhat it has to be, and what is aimed at:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// line is the verdict; a row that came to nothing has one as well.
func (g *goal) line(entries []entry) string {
	var e entry
	if at := slices.IndexFunc(entries, func(e entry) bool { return e.Name == g.row }); at >= 0 {
		e = entries[at]
	}
	all := sorted(e.Runs, g.column)
	if len(e.Runs) == 0 && e.Failed > 0 {
		return fmt.Sprintf("- %s: no run came to its end. %s must be %g, goal %g: missed.", g.row, g.column, g.must, g.goal)
	}
	if len(all) == 0 {
		return fmt.Sprintf("- %s: %s was not measured. Must be %g, goal %g.", g.row, g.column, g.must, g.goal)
	}
	why := ""
	if g.because != "" {
		why = " (" + g.because + ")"
	}
	if busy, ok := median(e.Runs, "server cores"); ok && g.section == delaySection {
		why = fmt.Sprintf(" (the server's core was %.0f %% busy)", 100*busy)
	}
	return fmt.Sprintf("- %s: %s %s. Must be %g: %s. Goal %g: %s.%s", g.row, g.column, number(middle(all)),
		g.must, verdict(all, g.must), g.goal, verdict(all, g.goal), why)
}

// verdict compares runs, sorted, with a bound.
func verdict(runs []float64, bound float64) string {
	switch v := middle(runs); {
	case v > bound && bound > 0:
		return fmt.Sprintf("missed, %s times that", number(v/bound))
	case v > bound:
		return "missed"
	case runs[len(runs)-1] > bound:
		return "met, but not by every run"
	}
	return "met"
}

// comparison is what is said of plenum and its peers, who stand in rows named
// after a shape and themselves.
type comparison struct {
	column, what string // of the same work
	plenum       string // what is put after a shape's name in plenum's rows
	without      string // what is said if there is no peer
}

var comparisons = map[string]comparison{
	signallingSection: {"join CPU-s", "CPU time of plenum to join", ": " + ours, "Prosody: not measured."},
	mediaSection:      {"us per packet", "CPU time of plenum for a packet", "", ""},
}

// ratio is that of the medians, and between what it lies by the spread of both.
func ratio(peer, own []figures, column string) string {
	p, o := sorted(peer, column), sorted(own, column)
	if len(p) == 0 || len(o) == 0 || o[0] <= 0 {
		return "an unknown number of"
	}
	return spread(middle(p)/middle(o), p[0]/o[len(o)-1], p[len(p)-1]/o[0])
}

// compare says how much more than plenum its peers took for the same.
func (c *comparison) compare(out *strings.Builder, entries []entry) {
	own := map[string]entry{}
	for _, e := range entries {
		own[e.Name] = e
	}
	var lines []string
	for _, e := range entries {
		shape, who, isPeer := strings.Cut(e.Name, ": ")
		base := own[shape+c.plenum]
		if !isPeer || who == ours || len(base.Runs) == 0 || len(e.Runs) == 0 {
			continue
		}
		if base.Machine != e.Machine || base.Commit != e.Commit {
			lines = append(lines, fmt.Sprintf("- %s: %s was not measured together with plenum, and is not compared.", shape, who))
			continue
		}
		lines = append(lines, fmt.Sprintf("- %s: %s takes %s times the %s.", shape, who, ratio(e.Runs, base.Runs, c.column), c.what))
	}
	if len(lines) == 0 && c.without != "" {
		lines = []string{c.without}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(lines, "\n"))
	}
}
