package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// place is what the machine is like, as far as it matters for what is measured.
type place struct {
	linux   bool
	taskset bool
	cores   map[string]bool // by their names: can something be pinned to them?
	files   uint64          // a process may have open
	lacks   map[string]bool // programs that rows need
	without map[string]int  // rows that are left out, by what else is missing
	git     bool
	load    float64 // runnable processes in the last minute, a mean
	takes   time.Duration
	runs    int
}

// look finds out what the machine is like.
func look(s *settings, all []row) *place {
	f := &place{linux: runtime.GOOS == "linux", cores: map[string]bool{}, lacks: map[string]bool{}, without: map[string]int{}, takes: lasts(all, s.runs), runs: s.runs}
	has := func(program string) bool { _, err := exec.LookPath(program); return err == nil }
	f.taskset, f.git = has("taskset"), has("git")
	for _, core := range []string{s.server, s.load} {
		f.cores[core] = f.taskset && exec.Command("taskset", "-c", core, "true").Run() == nil
	}
	for _, r := range all {
		if r.needs != "" && !has(r.needs) {
			f.lacks[r.needs] = true
		}
		if r.lacks != nil {
			if err := r.lacks(); err != nil {
				f.without[err.Error()]++
			}
		}
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		f.files = uint64(limit.Max)
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &f.load) // 0 if it says something else
	}
	return f
}

// refuse says for want of what nothing can be measured.
func (f *place) refuse(s *settings) error {
	switch {
	case !f.linux:
		return errors.New("this measures on Linux only: it reads /proc and pins processes to cores")
	case !f.taskset:
		return errors.New("taskset is missing: install util-linux")
	case !f.cores[s.server] || !f.cores[s.load]:
		return fmt.Errorf("nothing can be pinned to core %s or core %s: two cores are needed, which -server-core and -load-core name", s.server, s.load)
	}
	return nil
}

const (
	// mostFiles is what the largest row opens in one process, and some.
	mostFiles = 10_500
	// quiet is the load of a machine on which others do nothing to speak of.
	quiet = 0.5
)

// inMinutes says how long something takes.
func inMinutes(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return "about " + count(int(d.Round(time.Minute).Minutes()), "minute")
}

// plan says what is to be measured, and how long that takes.
func (f *place) plan(rows int) string {
	times := "once"
	if f.runs > 1 {
		times = fmt.Sprintf("at most %d times", f.runs)
	}
	return fmt.Sprintf("%s, measured %s: %s.", count(rows, "row"), times, inMinutes(f.takes))
}

// notes are what somebody should know before rows are measured.
func (f *place) notes(all []row) []string {
	notes := []string{f.plan(len(all)) + " What is found is written after each row."}
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for program := range f.lacks {
		n := 0
		for _, r := range all {
			if r.needs == program {
				n++
			}
		}
		add("%s is not installed, without which this is left out: %s (on Debian: apt-get install %[1]s)", program, count(n, "row"))
	}
	for why, n := range f.without {
		add("%s: %s left out", why, count(n, "row"))
	}
	if f.files < mostFiles {
		add("a process may open %d files here (ulimit -Hn): rows with more people than that fail; %d are enough for all", f.files, mostFiles)
	}
	if !f.git {
		add("git is not installed: it will not be known of which commit the figures are")
	}
	if f.load > quiet {
		add("this machine is busy with something else (load %.1f): times will be too long", f.load)
	}
	return notes
}
