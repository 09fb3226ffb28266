package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	Rows   []entry
}

// entry is one row as measured at one time on one machine.
type entry struct {
	Section, Name string
	Machine       string
	Commit        string // of the measured source
	Date          string
	Runs          []figures
	Failed        int `json:",omitempty"` // runs that came to nothing
}

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

// enter takes the runs of a row, and how many more came to nothing.
func (b *book) enter(r *row, runs []figures, failed int) {
	e := entry{Section: r.section, Name: r.name, Machine: machine(), Commit: b.commit, Date: time.Now().Format(time.DateOnly), Runs: runs, Failed: failed}
	b.Rows = slices.DeleteFunc(b.Rows, func(o entry) bool { return o.Section == e.Section && o.Name == e.Name })
	b.Rows = append(b.Rows, e)
}

func (b *book) write() error {
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

// order is where the row stands: where the rows of the table say, or after the
// row of which it is a peer's.
func (e *entry) order(place map[string]int) float64 {
	if i, ok := place[e.Section+e.Name]; ok {
		return float64(i)
	}
	shape, _, _ := strings.Cut(e.Name, ": ")
	return float64(place[e.Section+shape]) + 0.5
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

// String is a run in one line, in the order of the columns' names.
func (f figures) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, fmt.Sprintf("%s %s", k, number(f[k])))
	}
	return strings.Join(parts, ", ")
}
