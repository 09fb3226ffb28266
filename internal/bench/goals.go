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
	{mediaSection, "1 x 300, 30 cameras, tile", "load cores", 1, 0.3, "300 or 1,000 participants a core of the load"},
	{costSection, "1 x 40, 1 camera, large", "us per packet", 6.7, 3.3, "150,000 or 300,000 packets a second and core"},
	{costSection, "8 x 40, 4 microphones, audio only", "us per packet", 10, 5, "100,000 or 200,000 packets a second and core"},
	{delaySection, "50 x 10, 2 cameras, tile", "added p50 ms", 1, 0.1, ""},
	{delaySection, "50 x 10, 2 cameras, tile", "added p99 ms", 5, 1, ""},
	{delaySection, "6 x 40, 4 cameras, tile", "added p50 ms", 1, 0.1, ""},
	{delaySection, "6 x 40, 4 cameras, tile", "added p99 ms", 5, 1, ""},
	{crowdSection, "storm-500, all come at once", "accepted last s", 5, 1, ""},
	{crowdSection, "storm-500, all come at once", "DTLS last s", 8, 2, ""},
	{crowdSection, "forum-81x40, all come at once", "accepted last s", 6, 1.5, ""},
	{crowdSection, "forum-81x40, all come at once", "DTLS last s", 10, 3, ""},
	{roomSection, "1 x 1000, 1 cameras, tile", "KB each", 256, 64, "999 of whom only receive video"},
	{restSection, "25 x 40, muted", "CPU %", 3, 1, ""},
	{restSection, "1 x 1000, muted", "CPU %", 3, 1, ""},
}

// judge writes a line for each goal of a section that was measured.
func judge(out *strings.Builder, title string, entries []entry) {
	var lines []string
	for _, g := range goals {
		at := slices.IndexFunc(entries, func(e entry) bool { return g.section == title && e.Name == g.row })
		if at < 0 {
			continue
		}
		if v, ok := median(entries[at].Runs, g.column); ok {
			lines = append(lines, g.line(v))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nWhat it has to be, and what is aimed at:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

func (g *goal) line(v float64) string {
	why := ""
	if g.because != "" {
		why = " (" + g.because + ")"
	}
	return fmt.Sprintf("- %s: %s %s. Must be %g: %s. Goal %g: %s.%s", g.row, g.column, number(v),
		g.must, verdict(v, g.must), g.goal, verdict(v, g.goal), why)
}

// verdict compares with a bound.
func verdict(v, bound float64) string {
	if v <= bound {
		return "met"
	}
	return fmt.Sprintf("missed, %s times that", number(v/bound))
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

// compare says how much more than plenum its peers took for the same.
func (c *comparison) compare(out *strings.Builder, entries []entry) {
	own := map[string]float64{}
	for _, e := range entries {
		own[e.Name], _ = median(e.Runs, c.column)
	}
	var lines []string
	for _, e := range entries {
		shape, who, isPeer := strings.Cut(e.Name, ": ")
		v, ok := median(e.Runs, c.column)
		if base := own[shape+c.plenum]; isPeer && who != ours && ok && base > 0 {
			lines = append(lines, fmt.Sprintf("- %s: %s takes %s times the %s.", shape, who, number(v/base), c.what))
		}
	}
	if len(lines) == 0 && c.without != "" {
		lines = []string{c.without}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n%s\n", strings.Join(lines, "\n"))
	}
}
