package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// collectingRow has nothing but collections of garbage that its shape's own row
// has not, which stands beside it.
var collectingRow = struct{ plain, name string }{middling.name(), middling.name() + ", a collection each second"}

// collecting is a row in which the server has to collect its garbage each second.
func collecting() row {
	return middling.changed(collectingRow.name, func(m *meeting) { m.collects = true })
}

// collectEvery makes the server collect its garbage each second for so long.
func collectEvery(ctx context.Context, admin string, long time.Duration) error {
	begun := time.Now()
	for at := time.Second; at <= long; at += time.Second {
		if err := collect(ctx, admin); err != nil {
			return err
		}
		if err := pause(ctx, time.Until(begun.Add(at))); err != nil {
			return err
		}
	}
	return nil
}

// collect makes the server collect its garbage once, and do nothing else: a
// heap profile, which can have the same done first, would take more time than
// that.
func collect(ctx context.Context, admin string) error {
	body, err := ask(ctx, http.MethodPost, admin+"/debug/collect")
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

// garbage is what the server's runtime says of collections since its start.
type garbage struct {
	collections int
	pauses      []float64 // nanoseconds each stopped the program, as runtime.MemStats.PauseNs has them
}

// readGarbage reads it from a profile of the heap, which has single pauses: the
// buckets of the runtime's histogram in the metrics are a factor of ten apart.
func readGarbage(ctx context.Context, admin string) (garbage, error) {
	body, err := get(ctx, admin+"/debug/pprof/heap?debug=1")
	if err != nil {
		return garbage{}, err
	}
	defer body.Close()
	return parseGarbage(body)
}

func parseGarbage(r io.Reader) (g garbage, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "# "), " = ")
		switch name {
		case "NumGC":
			_, err = fmt.Sscan(value, &g.collections)
		case "PauseNs":
			for _, text := range strings.Fields(strings.Trim(value, "[]")) {
				var ns float64
				if _, err = fmt.Sscan(text, &ns); err != nil {
					return g, fmt.Errorf("pauses of the server: %w", err)
				}
				g.pauses = append(g.pauses, ns)
			}
		}
		if err != nil {
			return g, fmt.Errorf("collections of the server: %w", err)
		}
	}
	if len(g.pauses) == 0 && lines.Err() == nil {
		return g, fmt.Errorf("the server's profile of the heap says nothing of pauses")
	}
	return g, lines.Err()
}

// since are the pauses since an earlier look, in milliseconds, the shortest
// first; of more than the runtime remembers the last.
func (g garbage) since(then garbage) (all []float64) {
	n := len(g.pauses)
	for i := max(then.collections, g.collections-n); i < g.collections; i++ {
		all = append(all, g.pauses[i%n]/1e6) // the i-th collection, from 0 on, has this place
	}
	slices.Sort(all)
	return all
}

// pauses adds how often the server collected garbage, and how long that stopped
// it.
func (f figures) pauses(before, after garbage, wall float64) {
	f["collections/s"] = float64(after.collections-before.collections) / wall
	if all := after.since(before); len(all) > 0 {
		f["GC pause p50 ms"], f["GC pause p99 ms"], f["GC pause max ms"] = middle(all), all[(len(all)*99-1)/100], all[len(all)-1]
	}
}

// leastAlike is how many runs of each must have had a core as busy as delays are
// judged on, to compare them.
const leastAlike = 3

// collectionsMatter says in a sentence whether delays are longer if garbage is
// collected each second, "" if that was never measured.
func collectionsMatter(entries []entry) string {
	with, without := find(entries, delaySection, collectingRow.name), find(entries, delaySection, collectingRow.plain)
	_, known := median(with.Runs, "collections/s")
	_, also := median(without.Runs, "collections/s")
	if !known || !also {
		return ""
	}
	const question = "Does garbage collection matter? "
	if _, soon := with.within(&without); !soon || !with.together(&without) || !with.alike(&without) || with.cut(entries) || without.cut(entries) {
		return question + "Unknown: the rows with and without were not measured together, or not of as many rooms, or video was cut."
	}
	mine, theirs := asBusy(with.Runs), asBusy(without.Runs)
	if min(len(mine), len(theirs)) < leastAlike {
		return question + fmt.Sprintf("Unknown: the core was %.0f to %.0f %% busy in %d of %d runs with a collection each second, and in %d of %d without.",
			100*leastBusy, 100*mostBusy, len(mine), len(with.Runs), len(theirs), len(without.Runs))
	}
	often, _ := median(mine, "collections/s")
	seldom, _ := median(theirs, "collections/s")
	text := question + fmt.Sprintf("In %d runs with %s collections a second%s, and %d with %s, all on a core that was %.0f to %.0f %% busy:",
		len(mine), number(often), longestPause(mine), len(theirs), number(seldom), 100*leastBusy, 100*mostBusy)
	for _, column := range []string{"added p50 ms", "added p99 ms", "added p99.9 ms"} {
		a, b := sorted(mine, column), sorted(theirs, column)
		if len(a) == 0 || len(b) == 0 {
			return ""
		}
		text += fmt.Sprintf(" %s %s and %s, %s;", column, cell(mine, column), cell(theirs, column), apart(a, b))
	}
	return strings.TrimSuffix(text, ";") + "."
}

// asBusy are the runs in which the core was as busy as delays are judged on.
func asBusy(runs []figures) []figures {
	return slices.DeleteFunc(slices.Clone(runs), func(f figures) bool { return f["server cores"] < leastBusy || f["server cores"] > mostBusy })
}

func longestPause(runs []figures) string {
	all := sorted(runs, "GC pause max ms")
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf(", the longest pause of all %s ms", number(all[len(all)-1]))
}

// apart says how a figure differs from that of other runs, both sorted: not, if
// each median is one that the other's runs have as well.
func apart(mine, theirs []float64) string {
	a, b := middle(mine), middle(theirs)
	among := func(v float64, runs []float64) bool { return runs[0] <= v && v <= runs[len(runs)-1] }
	switch {
	case among(a, theirs) && among(b, mine):
		return "no more than runs differ among themselves"
	case b > 0:
		return number(a/b) + " times as much"
	}
	return "more"
}
