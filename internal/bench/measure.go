package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// row is one line of a table: something that can be run several times, each
// time from the beginning.
type row struct {
	section string // title of the table it stands in
	name    string
	needs   string        // program without which the row is left out, "" for none
	lacks   func() error  // why the row is left out on this machine, nil for never
	most    int           // runs of a row that decides nothing, 0 for as many as wanted
	takes   time.Duration // a run, about
	version func() string // of a program that is not plenum, or nil
	// once runs it and returns its figures by column. dir is a fresh
	// directory. A figure that could not be had is left out.
	once func(ctx context.Context, s *settings, dir string) (figures, error)
}

// figures are what one run measured, by column.
type figures map[string]float64

// seldom is how often rows are run at the most by which nothing is judged.
const seldom = 2

// rows are all lines, in the order of docs/performance.md.
func rows() []row {
	all := slices.Concat(machineRows(), signallingRows(), mediaRows(), costRows(), profileRows(), delayRows(), crowdRows(), growthRows(), restRows())
	for i := range all {
		if r := &all[i]; r.most == 0 && !r.decides() {
			r.most = seldom
		}
	}
	return all
}

// decides says whether anything is judged by this row: a goal, how many times as
// much a peer takes, what collections of garbage do to delays, or what the machine
// does to everything.
func (r *row) decides() bool {
	_, bounded := comparisons[r.section].bounds[r.name]
	return bounded || r.section == machineSection || r.section == delaySection && r.name == collectingRow.name ||
		slices.ContainsFunc(goals, func(g goal) bool { return g.section == r.section && g.row == r.name })
}

// times is how often the row is run if so many runs are wanted.
func (r *row) times(runs int) int {
	if r.most > 0 {
		return min(runs, r.most)
	}
	return runs
}

// lasts is how long rows take, about.
func lasts(all []row, runs int) time.Duration {
	var sum time.Duration
	for i := range all {
		sum += time.Duration(all[i].times(runs)) * all[i].takes
	}
	return sum
}

// asUsual is how often rows are run unless somebody says so.
const asUsual = 5

// measure runs rows, prints what they find and enters it into the book.
func (s *settings) measure(ctx context.Context, all []row) error {
	here := look(s, all)
	for _, text := range here.notes(all) {
		fmt.Println("Note:", text)
	}
	if err := here.refuse(s); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "plenum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.plenum == "" {
		if s.plenum, err = build(ctx, dir); err != nil {
			return err
		}
	}
	book, err := openBook(s.out)
	if err != nil {
		return err
	}
	book.more = s.more
	var failed []error
	for i, r := range all {
		fmt.Printf("[%d/%d, %.0f min left] ", i+1, len(all), lasts(all[i:], s.runs).Minutes())
		failed = append(failed, r.measure(ctx, s, dir, book))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(failed, book.write())...)
}

// failures is after how many runs that came to nothing a row is given up.
const failures = 2

// measure runs a row as often as wanted. Runs that fail are told of at the end
// and counted in the book; neither the others nor other rows suffer.
func (r *row) measure(ctx context.Context, s *settings, parent string, book *book) error {
	fmt.Println(r.name)
	if err := r.impossible(); err != nil {
		fmt.Printf("  left out: %v\n", err)
		return nil
	}
	want := r.times(s.runs)
	var runs []figures
	var failed []error
	began := time.Now()
	for i := 0; i < want && len(failed) < failures && ctx.Err() == nil; i++ {
		start := time.Now()
		f, err := r.run(ctx, s, parent)
		if err != nil {
			fmt.Printf("  run %d of %d failed: %v\n", i+1, want, err)
			failed = append(failed, fmt.Errorf("%s: %w", r.name, err))
			continue
		}
		runs = append(runs, f)
		fmt.Printf("  run %d of %d, %.0f s:\n    %s\n", i+1, want, time.Since(start).Seconds(), f.lines(r.section))
	}
	if ctx.Err() != nil { // a row that was not finished keeps the figures it had
		return errors.Join(append(failed, ctx.Err())...)
	}
	e := book.enter(r, began, runs, len(failed))
	if n := len(e.Earlier); n > 0 {
		fmt.Printf("  the time before, at %s, medians:\n    %s\n", e.Earlier[n-1].Commit, e.Earlier[n-1].Medians.lines(r.section))
	}
	return errors.Join(append(failed, book.write())...)
}

// impossible says why the row cannot be measured here.
func (r *row) impossible() error {
	if r.needs != "" {
		if _, err := exec.LookPath(r.needs); err != nil {
			return err
		}
	}
	if r.lacks != nil {
		return r.lacks()
	}
	return nil
}

// run runs a row once, in a directory of its own.
func (r *row) run(ctx context.Context, s *settings, parent string) (figures, error) {
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, err
	}
	return r.once(ctx, s, dir)
}
