package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// lateTail is when all but a hundredth of the packets have left.
const lateTail = "added p99 ms"

// tails shows, of each row whose delay is judged, run by run what the machine was
// like when the last hundredth was late, and when it was not.
func tails(entries []entry) string {
	var lines []string
	for _, g := range goals {
		if g.section != delaySection || g.column != lateTail {
			continue
		}
		e := find(entries, g.section, g.row)
		runs := slices.DeleteFunc(slices.Clone(e.Runs), func(f figures) bool { _, ok := f[lateTail]; return !ok })
		if len(runs) < 2 {
			continue
		}
		slices.SortStableFunc(runs, func(a, b figures) int { return cmp.Compare(a[lateTail], b[lateTail]) })
		var words []string
		for _, f := range runs {
			words = append(words, number(f[lateTail])+" ms"+f.circumstances()+f.rejections())
		}
		lines = append(lines, fmt.Sprintf("- %s: %s.", e.Name, strings.Join(words, "; ")))
	}
	if len(lines) == 0 {
		return ""
	}
	return "Run by run, the 99th percentile, what the machine was like, and the tries that had another number of rooms:\n\n" + strings.Join(lines, "\n")
}

// rejections are the tries before the run that did not count.
func (f figures) rejections() (text string) {
	for try := range fillings {
		if cores, ok := f[fmt.Sprintf(rejectedCores, try)]; ok {
			text += fmt.Sprintf(", after a try with %s cores, which did not count: %s ms", number(cores), number(f[fmt.Sprintf(rejectedTail, try)]))
		}
	}
	return text
}

// circumstances are what may have made a run slow, in parentheses.
func (f figures) circumstances() string {
	var words []string
	for _, c := range []struct{ column, format string }{
		{forwardingCost, "%s us a packet"}, {coreWait, "core wait %s %%"}, {stealing, "steal %s %%"},
	} {
		if v, ok := f[c.column]; ok {
			words = append(words, fmt.Sprintf(c.format, number(v)))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
