package main

import (
	"fmt"
	"strings"
)

// goal is what a figure of a row should be at the most: must is what is good
// enough, goal what is aimed at.
type goal struct {
	section, row, column string
	must, goal           float64
	because              string // what the bound stands for, "" if the column says it
	obstacle             string // what is known to be in the way and no profile in shownBy can show, said if the goal is missed
}

// What is in the way of more than one goal.
const (
	sharedSeconds = "Seconds of two programs: the load has one core too, to come in with."
	fanOut        = "A packet's copies leave together, and most of it is the system call: the first waits for the last, and other rooms' packets for both."
)

var goals = []goal{
	{signallingSection, "81 x 40: " + ours, "join CPU-s", 1.5, 0.4, "", ""},
	{signallingSection, "1 x 321: " + ours, "join CPU-s", 1.2, 0.3, "", ""},
	{signallingSection, "81 x 40: " + ours, "KB each", 64, 16, "", ""},
	{signallingSection, "250 x 40: " + ours, "KB each", 64, 16, "", ""},
	{signallingSection, "250 x 40: " + ours, "MB", 160, 160, "ten thousand people in rooms of 40", ""},
	{mediaSection, "1 x 300, 30 cameras, tile", "load cores", 1, 0.3, "300 or 1,000 participants a core of the load, from these 300", "The load opens, counts and times each packet, on its own core: see loadtest.md."},
	{mediaSection, "1 x 300, 20 cameras, tile", "failed", 0, 0, "all are in the call to the end", ""},
	{mediaSection, "1 x 1000, 20 cameras, tile", "failed", 0, 0, "all are in the call to the end; how much video they get is said by video/s each", ""},
	{costSection, "10 x 40, 1 camera, large", "us per packet", 6.7, 3.3, "150,000 or 300,000 packets a second and core, a target for mean runs of 4 or more: with shorter ones, it is stricter", ""},
	{costSection, "8 x 40, 4 microphones, audio only", "us per packet", 10, 5, "100,000 or 200,000 packets a second and core", ""},
	{delaySection, "66 x 10, 2 cameras, tile", "added p50 ms", 1, 0.1, "", fanOut},
	{delaySection, "66 x 10, 2 cameras, tile", "added p99 ms", 5, 1, "", fanOut},
	{delaySection, "10 x 40, 4 cameras, tile", "added p50 ms", 1, 0.1, "", fanOut},
	{delaySection, "10 x 40, 4 cameras, tile", "added p99 ms", 5, 1, "", fanOut},
	{crowdSection, "storm-500, all come at once", "accepted last s", 5, 1, "", sharedSeconds},
	{crowdSection, "storm-500, all come at once", "DTLS last s", 8, 2, "", sharedSeconds},
	{crowdSection, "forum-81x40, all come at once", "accepted last s", 6, 1.5, "", sharedSeconds},
	{crowdSection, "forum-81x40, all come at once", "DTLS last s", 10, 3, "", sharedSeconds},
	{crowdSection, "81 x 40, muted, all come at once", "accepted last s", 6, 1.5, "", sharedSeconds},
	{crowdSection, "81 x 40, muted, all come at once", "DTLS last s", 10, 3, "", sharedSeconds},
	{roomSection, "1 x 1000, 1 camera, tile", "KB each", 256, 64, "999 of whom only receive video", "Room for garbage is shared by all, and is part of it: live KB are what is in use."},
	{restSection, "at rest: 25 x 40, muted", "CPU %", 3, 1, "", ""},
	{restSection, "at rest: 1 x 1000, muted", "CPU %", 3, 1, "", ""},
}

// judge writes a line for each goal of a section that was measured, of all
// rows there are.
func judge(out *strings.Builder, title string, all []entry) {
	var lines []string
	for _, g := range goals {
		if g.section == title {
			lines = append(lines, g.line(all))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nWhat it has to be, and what is aimed at:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// line is the verdict; a row that came to nothing has one as well.
func (g *goal) line(entries []entry) string {
	e := find(entries, g.section, g.row)
	all := sorted(e.Runs, g.column)
	if len(e.Runs) == 0 && e.Failed > 0 {
		return fmt.Sprintf("- %s: no run came to its end. %s must be at most %g, goal at most %g: missed.", g.row, g.column, g.must, g.goal)
	}
	if len(all) == 0 {
		return fmt.Sprintf("- %s: %s was not measured. Must be at most %g, goal at most %g.", g.row, g.column, g.must, g.goal)
	}
	why := ""
	if g.because != "" {
		why = " (" + g.because + ")"
	}
	if busy, ok := median(e.Runs, "server cores"); ok && g.section == delaySection {
		why = fmt.Sprintf(" (the server's core was %.0f %% busy)", 100*busy)
	}
	if middle(all) > min(g.must, g.goal) {
		why += " " + strings.TrimSpace(g.obstacle+" "+inTheWay(entries, g.row))
	}
	return fmt.Sprintf("- %s: %s %s. Must be at most %g: %s. Goal at most %g: %s.%s", g.row, g.column, number(middle(all)),
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
	column, what string             // of the same work
	plenum       string             // what is put after a shape's name in plenum's rows
	without      string             // what is said if there is no peer
	bounds       map[string]atLeast // of peers, by their rows
}

// atLeast is how many times as much a peer should take.
type atLeast struct{ must, goal float64 }

var comparisons = map[string]comparison{
	signallingSection: {"join CPU-s", "CPU time of plenum to join", ": " + ours, "Prosody: not measured.",
		map[string]atLeast{"81 x 40: Prosody, gc generational": {60, 150}}},
	mediaSection: {"us per packet", "CPU time of plenum for a packet", "", "No media server of another make was measured.", nil},
}

// ratio is that of the medians, and between what it lies by the spread of both.
func ratio(peer, own []figures, column string) string {
	p, o := sorted(peer, column), sorted(own, column)
	if len(p) == 0 || len(o) == 0 || o[0] <= 0 {
		return "an unknown number of"
	}
	return spread(middle(p)/middle(o), p[0]/o[len(o)-1], p[len(p)-1]/o[0])
}

// verdict says whether a peer takes as much more as it should, "" if nobody said how much.
func (c *comparison) verdict(peer, own entry) string {
	bound, ok := c.bounds[peer.Name]
	theirs, _ := median(peer.Runs, c.column)
	mine, _ := median(own.Runs, c.column)
	if !ok || mine <= 0 {
		return ""
	}
	say := func(times float64) string {
		if theirs/mine < times {
			return "missed"
		}
		return "met"
	}
	return fmt.Sprintf(" Must be at least %g: %s. Goal at least %g: %s.", bound.must, say(bound.must), bound.goal, say(bound.goal))
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
		if !e.together(&base) {
			lines = append(lines, fmt.Sprintf("- %s: %s was not measured together with plenum, and is not compared.", shape, who))
			continue
		}
		when, soon := e.within(&base)
		line := fmt.Sprintf("- %s: %s takes %s times the %s, both measured %s.", shape, who, ratio(e.Runs, base.Runs, c.column), c.what, when)
		if soon {
			line += c.verdict(e, base)
		} else {
			line += " That is not judged."
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 && c.without != "" {
		lines = []string{c.without}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(lines, "\n"))
	}
}
