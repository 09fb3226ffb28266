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

// variants says what changing one thing costs a packet, or where there are none
// all that is done.
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
		case !e.alike(base):
			lines = append(lines, fmt.Sprintf("- %s: %s was measured with another number of rooms, which is not compared.", base.Name, what))
		case e.cut(all) || base.cut(all):
			lines = append(lines, fmt.Sprintf("- %s: %s is not compared, as a part was cut and the packets are not the same.", base.Name, what))
		default:
			column, of := forwardingCost, "the CPU time for a packet"
			if _, forwards := median(base.Runs, column); !forwards {
				column, of = "CPU %", "the CPU time"
			}
			lines = append(lines, fmt.Sprintf("- %s: %s takes %s times %s.", base.Name, what, ratio(e.Runs, base.Runs, column), of))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nBeside the same without it:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// forwardingCost is the figure that is kept an eye on over commits.
const forwardingCost = "us per packet"

const beforeIntro = `
## The time before

What was judged above, or is a packet's cost, and what it was when the row was measured at other commits. What else the machine did
was not the same, and where it says so it was another one: compare a change with those of rows whose code did not change.
` + "`git log --oneline THEN..NOW`" + ` says what was changed in between.

| | figure | then | now |
|---|---|---:|---:|
`

// steps shows what rows took the times before: a packet, and what is a goal's.
func steps(out *strings.Builder, entries []entry) {
	var lines []string
	for _, e := range entries {
		if e.Section == profileSection { // whose table has them
			continue
		}
		for _, column := range e.judged() {
			is, still := median(e.Runs, column)
			then := e.then(column)
			if still && then != "" {
				lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s at %s |", e.Name, column, then, number(is), e.Commit))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "%s%s\n", beforeIntro, strings.Join(lines, "\n"))
	}
}

// then is what a figure of the row was before, the oldest first.
func (e *entry) then(column string) string {
	var words []string
	for _, p := range e.Earlier {
		was, known := p.Medians[column]
		if !known || p.Commit == e.Commit {
			continue
		}
		if _, finds := median(e.Runs, roomsIn); finds && p.Medians[roomsIn] == 0 {
			continue // another load: it had a fixed number of rooms
		}
		word := number(was) + " at " + p.Commit
		if p.Machine != e.Machine {
			word += " on another machine"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// judged are the columns of a row that are shown of the times before.
func (e *entry) judged() []string {
	if e.Section == machineSection {
		return []string{walks[0].name + " ns", walks[1].name + " ns", walks[1].name + " most ns"}
	}
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
