package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// book is what has been measured, in two files: performance.json for programs
// and performance.md, made of it, for people. Rows that are measured again are
// replaced; all others stay.
type book struct {
	dir    string
	commit string // of the source, when the book was opened
	more   bool   // runs of one commit and machine add up
	Rows   []entry
}

// entry is one row as measured at one time on one machine.
type entry struct {
	Section, Name string
	Machine       string
	Commit        string // of the measured source
	Date          string
	Began, Ended  time.Time `json:",omitzero"` // of the first run and the last
	Runs          []figures
	Failed        int    `json:",omitempty"` // runs that came to nothing
	Version       string `json:",omitempty"` // of the program, if it is not plenum
	Earlier       []past `json:",omitempty"` // what it was before, the oldest first; of each commit the last time
}

// find returns the row of a name in a section, or a row of which nothing is known.
func find(entries []entry, section, name string) entry {
	if at := slices.IndexFunc(entries, func(e entry) bool { return e.Section == section && e.Name == name }); at >= 0 {
		return entries[at]
	}
	return entry{}
}

// past is what is kept of figures that were measured again.
type past struct {
	Commit, Date string
	Machine      string `json:",omitempty"` // "" if that was not written down
	Medians      figures
}

// keptPast is how many of them are kept.
const keptPast = 8

func openBook(dir string) (*book, error) {
	b := &book{dir: dir, commit: commit()}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "performance.json"))
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	return b, json.Unmarshal(data, b)
}

// enter takes the runs of a row, the first of which began then, and how many
// more came to nothing. It returns the row as it stands now.
func (b *book) enter(r *row, began time.Time, runs []figures, failed int) *entry {
	now := time.Now().Truncate(time.Second)
	e := entry{Section: r.section, Name: r.name, Machine: machine(), Commit: b.commit, Date: now.Format(time.DateOnly),
		Began: began.Truncate(time.Second), Ended: now, Runs: runs, Failed: failed}
	if r.version != nil {
		e.Version = r.version()
	}
	b.Rows = slices.DeleteFunc(b.Rows, func(o entry) bool {
		same := o.Section == e.Section && o.Name == e.Name
		switch {
		case same && b.more && o.together(&e):
			e.Runs, e.Failed, e.Began, e.Earlier = append(o.Runs, e.Runs...), o.Failed+e.Failed, o.Began, o.Earlier
		case same:
			e.Earlier = o.past()
		}
		return same
	})
	b.Rows = append(b.Rows, e)
	return &b.Rows[len(b.Rows)-1]
}

// past is what is kept of an entry when the row is measured again.
func (e *entry) past() []past {
	all := e.Earlier
	if len(e.Runs) > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(p past) bool { return p.Commit == e.Commit })
		medians := figures{}
		for column := range e.Runs[0] {
			medians[column], _ = median(e.Runs, column)
		}
		all = append(all, past{e.Commit, e.Date, e.Machine, medians})
	}
	return all[max(0, len(all)-keptPast):]
}

func (b *book) write() error {
	b.forget()
	place := map[string]int{}
	for i, r := range rows() {
		place[r.section+r.name] = i
	}
	slices.SortStableFunc(b.Rows, func(x, y entry) int { return cmp.Compare(x.order(place), y.order(place)) })
	data, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "performance.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "performance.md"), render(b), 0o644)
}

// forget drops rows that nothing measures any more.
func (b *book) forget() {
	known := map[string]bool{churnSection: true}
	for _, r := range rows() {
		known[r.section+r.name] = true
	}
	b.Rows = slices.DeleteFunc(b.Rows, func(e entry) bool {
		shape, _, _ := strings.Cut(e.Name, ": ")
		return !known[e.Section] && !known[e.Section+e.Name] && !known[e.Section+shape]
	})
}

// order is where the row stands: where the rows of the table say, or after the
// row of which it is a peer's.
func (e *entry) order(place map[string]int) float64 {
	if i, ok := place[e.Section+e.Name]; ok {
		return float64(i)
	}
	shape, _, _ := strings.Cut(e.Name, ": ")
	if i, ok := place[e.Section+shape]; ok {
		return float64(i) + 0.5
	}
	return float64(len(place)) // of no table of rows: at the end
}

// machine names the hardware and what runs on it.
func machine() string {
	model := runtime.GOARCH
	b, _ := os.ReadFile("/proc/cpuinfo") // without it the architecture has to do
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", model, runtime.NumCPU(), bytes.TrimSpace(release), runtime.Version())
}

// commit is the source that is measured; a plus sign marks changes that were
// not committed, to anything but the book itself.
func commit() string {
	out, err := exec.Command("git", "describe", "--always").Output()
	if err != nil {
		return "unknown"
	}
	name := string(bytes.TrimSpace(out))
	changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)docs/performance.*").Output()
	if err != nil || len(changes) > 0 {
		name += "+"
	}
	return name
}

// width is how long lines in the terminal are, about.
const width = 110

// lines are what the tables of a run's section show, in their order. The rest is
// in performance.json.
func (f figures) lines(title string) string {
	var text, line string
	for _, s := range sections {
		if s.title != title {
			continue
		}
		for _, column := range slices.Concat(s.tables...) {
			v, ok := f[column]
			if !ok {
				continue
			}
			word := column + " " + number(v)
			if line != "" && len(line)+len(word) > width {
				text, line = text+line+",\n", ""
			}
			if line != "" {
				line += ", "
			}
			line += word
		}
	}
	return strings.ReplaceAll(text+line, "\n", "\n    ")
}
