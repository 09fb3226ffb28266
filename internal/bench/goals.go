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
	beside               string // a column that belongs to the verdict, "" for none
	// obstacle is what is known to be in the way, as far as it was measured and no
	// profile in shownBy shows it. It is said if the goal is missed; nil for nothing.
	obstacle func(e *entry, column string) string
}

const (
	largeCost = "150,000 or 300,000 packets a second and core, a target for mean runs of 4 or more: with shorter ones it is stricter"
	audioCost = "100,000 or 200,000 packets a second and core"
	all1000   = "999 of whom only receive video; up to 128 MB of it are room for garbage, whatever the number of people"
)

var goals = []goal{
	{signallingSection, "81 x 40: " + ours, "join CPU-s", 1.5, 0.4, "", "", nil},
	{signallingSection, "1 x 321: " + ours, "join CPU-s", 1.2, 0.3, "", "", nil},
	{signallingSection, "81 x 40: " + ours, "KB each", 64, 16, "at the end of the silence", "peak MB", nil},
	{signallingSection, "250 x 40: " + ours, "KB each", 64, 16, "at the end of the silence", "peak MB", nil},
	{signallingSection, "250 x 40: " + ours, "MB", 160, 160, "ten thousand people in rooms of 40, at the end of the silence", "peak MB", nil},
	{mediaSection, "1 x 300, 20 cameras, tile", "failed", 0, 0, "", "", nil},
	{mediaSection, "1 x 1000, 20 cameras, tile", "failed", 0, 0, "", "", nil},
	{costSection, largeRow, "us per packet", 6.7, 3.3, largeCost, "mean run", nil},
	{costSection, audioRow, "us per packet", 10, 5, audioCost, "", nil},
	{delaySection, middling.name(), loadEach, 1000. / 300, 1, "300 or 1,000 participants a core; a tenth of them send", "", notProfiled},
	{delaySection, fives.name(), loadEach, 1000. / 300, 1, "300 or 1,000 participants a core; a fifth of them send", "", notProfiled},
	{delaySection, fives.name(), "added p50 ms", 1, 0.1, "", "", (*entry).consists},
	{delaySection, fives.name(), "added p99 ms", 5, 1, "", "", (*entry).consists},
	{delaySection, tens.name(), "added p50 ms", 1, 0.1, "", "", (*entry).consists},
	{delaySection, tens.name(), "added p99 ms", 5, 1, "", "", (*entry).consists},
	{delaySection, middling.name(), "added p50 ms", 1, 0.1, "", "", (*entry).consists},
	{delaySection, middling.name(), "added p99 ms", 5, 1, "", "", (*entry).consists},
	{crowdSection, "storm-500, all come at once", "accepted last s", 5, 1, "", "", (*entry).theirPart},
	{crowdSection, "storm-500, all come at once", "DTLS last s", 8, 2, "", "", (*entry).theirPart},
	{crowdSection, "forum-81x40, all come at once", "accepted last s", 6, 1.5, "", "", (*entry).theirPart},
	{crowdSection, "forum-81x40, all come at once", "DTLS last s", 10, 3, "", "", (*entry).theirPart},
	{crowdSection, "81 x 40, muted, all come at once", "accepted last s", 6, 1.5, "", "", (*entry).theirPart},
	{crowdSection, "81 x 40, muted, all come at once", "DTLS last s", 10, 3, "", "", (*entry).theirPart},
	{roomSection, "1 x 1000, 1 camera, tile", "KB each", 256, 64, all1000, "live KB each", nil},
	{restSection, restRow, "CPU %", 3, 1, "muted as by lib-jitsi-meet", "", nil},
	{restSection, mutedRow, "CPU %", 3, 1, "muted as by plenum's own page, which takes the track away", "", nil},
	{restSection, "at rest: 1 x 1000, muted", "CPU %", 3, 1, "", "", nil},
}

func notProfiled(*entry, string) string { return "No profile of the load was taken." }

// consists is of what a delay does, as far as it was measured: the quantiles of
// parts that follow one another do not add up to that of the whole.
func (e *entry) consists(column string) string {
	var words []string
	for _, part := range parts {
		if v, ok := median(e.Runs, strings.Replace(column, "added", part, 1)); ok {
			words = append(words, part+" "+number(v))
		}
	}
	if len(words) == 0 {
		return "What the delay consists of was not measured."
	}
	text := fmt.Sprintf("Of its parts, each by itself: %s.", strings.Join(words, ", "))
	if wait, ok := median(e.Runs, coreWait); ok {
		text += fmt.Sprintf(" For %s %% of the time a thread of the server waited for the core.", number(wait))
	}
	return text
}

// theirPart is what is measured of the server's part in the seconds of coming in.
func (e *entry) theirPart(string) string {
	used, ok := median(e.Runs, comingIn)
	if !ok {
		return "How much of that is the server's was not measured."
	}
	return fmt.Sprintf("Until the bridge had everybody the server had used %s s of its core; the load, on the other core, has its part in these seconds too.",
		number(used))
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
		return fmt.Sprintf("- %s: no run came to its end. %s was to be %s: missed.", g.row, g.column, g.bounds())
	}
	if len(all) == 0 {
		return fmt.Sprintf("- %s: %s was not measured. It must be %s.", g.row, g.column, g.bounds())
	}
	line := fmt.Sprintf("- %s: %s %s%s.", g.row, g.column, number(middle(all)), g.remark(&e))
	if why := g.unfit(&e, entries); why != "" {
		return fmt.Sprintf("%s Not judged: it must be %s, %s.", line, g.bounds(), why)
	}
	if g.column == "failed" {
		return line + " " + g.whole(&e, entries, all)
	}
	line += fmt.Sprintf(" Must be at most %.3g: %s.", g.must, verdict(all, g.must))
	if g.goal != g.must {
		line += fmt.Sprintf(" Goal at most %.3g: %s.", g.goal, verdict(all, g.goal))
	}
	if middle(all) <= g.goal {
		return line
	}
	if g.obstacle != nil {
		line += " " + g.obstacle(&e, g.column)
	}
	return strings.TrimSpace(line + " " + inTheWay(entries, g.row))
}

func (g *goal) bounds() string {
	if g.goal == g.must {
		return fmt.Sprintf("at most %.3g", g.must)
	}
	return fmt.Sprintf("at most %.3g, and at most %.3g is aimed at", g.must, g.goal)
}

// remark is what belongs to the figure, in parentheses.
func (g *goal) remark(e *entry) string {
	var parts []string
	if g.because != "" {
		parts = append(parts, g.because)
	}
	if v, ok := median(e.Runs, g.beside); ok {
		parts = append(parts, g.beside+" "+number(v))
	}
	if busy, ok := median(e.Runs, "server cores"); ok && g.section == delaySection && g.column != loadEach {
		parts = append(parts, fmt.Sprintf("the server's core was %.0f %% busy", 100*busy))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// Delay is judged at 70 % load, or what comes near it: a server that has become
// faster would be judged with less to do than was agreed, another one with more.
const leastBusy, mostBusy = 0.65, 0.78

// unfit says why a figure is not judged, "" if it is.
func (g *goal) unfit(e *entry, all []entry) string {
	switch g.section {
	case mediaSection, costSection, delaySection: // a call, and not how people come to it
		if g.column != "failed" && e.cut(all) {
			return "with nothing left out, and a part was cut"
		}
	}
	if g.section != delaySection || g.column == loadEach {
		return ""
	}
	if busy, ok := median(e.Runs, "server cores"); !ok || busy < leastBusy || busy > mostBusy {
		return fmt.Sprintf("on a core that is %.0f to %.0f %% busy", 100*leastBusy, 100*mostBusy)
	}
	return ""
}

// whole is the verdict on a call of so many people: being in it is worth nothing
// without the video that was asked for.
func (g *goal) whole(e *entry, entries []entry, failed []float64) string {
	const must = "Must be nobody, with the video that was asked for: "
	part, known := e.videoCame(entries)
	switch {
	case middle(failed) > 0:
		return must + "missed."
	case !known:
		return must + "not judged, as the video was not measured."
	case part == 0:
		return must + "missed, none of it came."
	case e.cut(entries):
		each, _ := median(e.Runs, videoEach)
		text := must + fmt.Sprintf("missed, %s of %s packets a second came to each, %s %%", number(each), number(each/part), number(100*part))
		if busy, ok := median(e.Runs, workerBusy); ok {
			text += fmt.Sprintf("; the worker was %.0f %% busy", 100*busy)
		}
		return text + "."
	}
	return must + verdict(failed, 0) + "."
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
		map[string]atLeast{"81 x 40: Prosody, gc generational": {60, 150}, "81 x 40: Prosody, gc incremental 105/250": {60, 150}}},
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
	theirs, mine := sorted(peer.Runs, c.column), sorted(own.Runs, c.column)
	if !ok || len(theirs) == 0 || len(mine) == 0 || mine[0] <= 0 {
		return ""
	}
	say := func(times float64) string {
		switch ratio := middle(theirs) / middle(mine); {
		case ratio < times:
			return fmt.Sprintf("missed, %s of that", number(ratio/times))
		case theirs[0]/mine[len(mine)-1] < times:
			return "met, but not by every pair of runs"
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
