package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// together says whether two rows were measured on the same machine at the same
// commit. Others are not compared: the load may have changed between them.
func (e *entry) together(other *entry) bool {
	return e.Machine == other.Machine && e.Commit == other.Commit
}

// sameRun is within how long two rows have to be measured for their ratio to be
// judged: about what all rows take. A shared machine is another one hours later.
const sameRun = 2 * time.Hour

// within says within which time two rows were measured, from the first run of
// one to the last of the other, and whether that counts as the same run.
func (e *entry) within(other *entry) (when string, soon bool) {
	if e.Began.IsZero() || other.Began.IsZero() {
		return "at times that are not known", false
	}
	first, last := e.Began, e.Ended
	if other.Began.Before(first) {
		first = other.Began
	}
	if other.Ended.After(last) {
		last = other.Ended
	}
	d := last.Sub(first)
	return "within " + count(max(1, int(math.Ceil(d.Minutes()))), "minute"), d <= sameRun
}

// variantOf is the row of which this one is a variant: of its name, with what
// was changed after it. It is nil for rows that are no variants.
func (e *entry) variantOf(all []entry) *entry {
	at := strings.LastIndex(e.Name, ", ")
	if at < 0 {
		return nil
	}
	is := func(o entry) bool { return o.Name == e.Name[:at] && len(o.Runs) > 0 }
	i := slices.IndexFunc(all, func(o entry) bool { return is(o) && o.Section == e.Section })
	if i < 0 {
		i = slices.IndexFunc(all, is)
	}
	if i < 0 {
		return nil
	}
	return &all[i]
}

// variants says what changing one thing costs a packet.
func variants(out *strings.Builder, entries, all []entry) {
	var lines []string
	for i := range entries {
		e := &entries[i]
		base := e.variantOf(all)
		if base == nil || len(e.Runs) == 0 {
			continue
		}
		what := e.Name[len(base.Name)+len(", "):]
		switch {
		case !e.together(base):
			lines = append(lines, fmt.Sprintf("- %s: %s was measured at %s and the same without it at %s, which is not compared.", base.Name, what, e.Commit, base.Commit))
		case e.cut(all) || base.cut(all):
			lines = append(lines, fmt.Sprintf("- %s: %s is not compared, as video was cut and the packets are not the same.", base.Name, what))
		default:
			lines = append(lines, fmt.Sprintf("- %s: %s takes %s times the CPU time for a packet.", base.Name, what, ratio(e.Runs, base.Runs, forwardingCost)))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nBeside the same without it:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// inBursts are commits whose load sent all that was due every five
// milliseconds at once, which made packets cheaper to forward.
var inBursts = []string{"d3a50cc", "17c528c+", "1ee2389", "1bac596", "3c69f99"}

// burstMark is put behind figures of packets that are of such a commit.
const burstMark = `\*`

func burst(commit string, f figures) string {
	if _, media := f[forwardingCost]; media && slices.Contains(inBursts, commit) {
		return burstMark
	}
	return ""
}

// forwardingCost is the figure that is kept an eye on over commits.
const forwardingCost = "us per packet"

// steps shows what rows took the times before: a packet, and what is a goal's.
func steps(out *strings.Builder, entries []entry) {
	var lines []string
	for _, e := range entries {
		var was []string
		for _, column := range e.judged() {
			if text := e.then(column); text != "" {
				was = append(was, column+" "+text)
			}
		}
		if len(was) > 0 && e.Section != profileSection { // whose table has them
			lines = append(lines, fmt.Sprintf("- %s: %s.", e.Name, strings.Join(was, "; ")))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nBefore that (medians), to be compared with others of the same commit only:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// explainBursts says what the mark means, if there is one.
func explainBursts(out *strings.Builder, written string) {
	if strings.Contains(written, burstMark) {
		out.WriteString("\n" + burstMark + " The load sent in bursts then, which are cheaper to forward and wait for one another.\n")
	}
}

// then is a column at the times before.
func (e *entry) then(column string) string {
	var all []string
	for _, old := range e.Earlier {
		if v, ok := old.Medians[column]; ok {
			all = append(all, fmt.Sprintf("%s at %s (%s)%s", number(v), old.Commit, old.Date, burst(old.Commit, old.Medians)))
		}
	}
	return strings.Join(all, ", ")
}

// judged are the columns of a row that are shown of the times before.
func (e *entry) judged() []string {
	columns := []string{forwardingCost}
	if c := comparisons[e.Section].column; c != "" {
		columns[0] = c // peers have it too
	}
	for _, g := range goals {
		if g.section == e.Section && g.row == e.Name && g.must > 0 && !slices.Contains(columns, g.column) {
			columns = append(columns, g.column)
		}
	}
	return columns
}
