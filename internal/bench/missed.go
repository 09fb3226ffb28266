package main

import (
	"fmt"
	"strings"
)

// missedMusts lists what is not good enough, for those who would look for it.
func missedMusts(out *strings.Builder, all []entry) {
	var lines []string
	for _, g := range goals {
		e := find(all, g.section, g.row)
		runs := sorted(e.Runs, g.column)
		switch {
		case len(runs) == 0 || g.unfit(&e, all) != "":
		case g.column == "failed" && e.cut(all):
			lines = append(lines, fmt.Sprintf("- %s: not all of its video (%s).", g.row, g.section))
		case middle(runs) > g.must:
			lines = append(lines, fmt.Sprintf("- %s: %s %s, which must be at most %.3g (%s).", g.row, g.column, cell(e.Runs, g.column), g.must, g.section))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n## What is not good enough\n\nOf what must be, this was missed; the sections in parentheses say by what.\n\n%s\n", strings.Join(lines, "\n"))
	}
}
