package main

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
)

//go:embed performance.head.md
var head string

// section says how a table is shown.
type section struct {
	title   string
	intro   string
	columns []string
}

var sections = []section{
	{signallingSection, signallingIntro, []string{"connect CPU-s", "join CPU-s", "join s", "change CPU-s", "idle CPU %", "MB", "KB each", "load CPU-s"}},
	{mediaSection, mediaIntro, []string{"packets/s", "us per packet", "server cores", "video share %", "loss %", "delay p50 ms", "p99 ms", "KB each", "load cores"}},
}

const signallingIntro = `Clients log in over WebSocket without TLS (connect), all join their rooms at once with presences of 1.3 KB until
everybody has everybody's presence (join), all change their presence at once (change), and are silent for twenty seconds
(idle). The server is pinned to one core, the load to another. plenum runs as ` + "`plenum serve --roles signal`" + `,
Prosody with ` + "`internal/bench/peers/prosody.cfg.lua`" + `. "KB each" is the memory a participant adds to the server's.
`

const mediaIntro = `Synthetic participants (` + "`plenum loadtest`" + `) with VP8 in three layers and Opus call through one server on one core, the
load on the other core; as many microphones as cameras, of which people use one or two at a time. In tile view everybody
asks for every camera as a thumbnail, in stage view for the speaker large and the rest small. "us per packet" is the
server's whole CPU time, signalling included, for each audio or video packet it forwards and seals (AES-128-GCM). Delay
is from the sender's to the receiver's process, both of which are the load on its one core.
`

// render writes performance.md.
func render(b *book) []byte {
	var out strings.Builder
	out.WriteString(head)
	for _, s := range sections {
		entries := slices.DeleteFunc(slices.Clone(b.Rows), func(e entry) bool { return e.Section != s.title })
		if len(entries) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n%s\n", s.title, s.intro)
		s.table(&out, entries)
		notes(&out, entries)
	}
	return []byte(out.String())
}

// table shows medians, with the spread where it is wide enough to be seen.
func (s *section) table(out *strings.Builder, entries []entry) {
	fmt.Fprintf(out, "| | %s |\n|---|%s\n", strings.Join(s.columns, " | "), strings.Repeat("---:|", len(s.columns)))
	for _, e := range entries {
		fmt.Fprintf(out, "| %s |", e.Name)
		for _, c := range s.columns {
			fmt.Fprintf(out, " %s |", cell(e.Runs, c))
		}
		out.WriteByte('\n')
	}
}

// notes say where and when the rows were measured, once for all that agree.
func notes(out *strings.Builder, entries []entry) {
	type where struct{ machine, commit, date string }
	var order []where
	names := map[where][]string{}
	for _, e := range entries {
		w := where{e.Machine, e.Commit, e.Date}
		if names[w] == nil {
			order = append(order, w)
		}
		names[w] = append(names[w], fmt.Sprintf("%s (%d runs)", e.Name, len(e.Runs)))
	}
	out.WriteByte('\n')
	for _, w := range order {
		fmt.Fprintf(out, "Measured at %s on %s, %s: %s.\n", w.commit, w.date, w.machine, strings.Join(names[w], "; "))
	}
}

func cell(runs []figures, column string) string {
	var all []float64
	for _, r := range runs {
		if v, ok := r[column]; ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	median, low, high := all[len(all)/2], all[0], all[len(all)-1]
	if number(low) == number(high) {
		return number(median)
	}
	return fmt.Sprintf("%s (%s-%s)", number(median), number(low), number(high))
}

// number writes three significant digits, and no fraction of large figures.
func number(v float64) string {
	digits := 0
	if a := math.Abs(v); a != 0 && a < 100 {
		digits = min(2-int(math.Floor(math.Log10(a))), 3)
	}
	return fmt.Sprintf("%.*f", digits, v)
}
