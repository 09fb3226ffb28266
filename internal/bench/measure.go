package main

import (
	"context"
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
	// once runs it and returns its figures by column. dir is a fresh
	// directory. A figure that could not be had is left out.
	once func(ctx context.Context, s *settings, dir string) (figures, error)
}

// figures are what one run measured, by column.
type figures map[string]float64

// rows are all lines, in the order of docs/performance.md.
func rows() []row {
	return slices.Concat(signallingRows(), mediaRows(), costRows(), delayRows(), crowdRows(), growthRows())
}

// measure runs rows, prints what they find and enters it into the book.
func (s *settings) measure(ctx context.Context, all []row) error {
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
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("%w: install util-linux", err)
	}
	book, err := openBook(s.out)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := r.measure(ctx, s, dir, book); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return book.write()
}

// measure runs a row as often as wanted. What is measured is kept even if
// a later row fails.
func (r *row) measure(ctx context.Context, s *settings, parent string, book *book) error {
	fmt.Println(r.name)
	var runs []figures
	for i := range s.runs {
		start := time.Now()
		dir, err := os.MkdirTemp(parent, "run-")
		if err != nil {
			return err
		}
		f, err := r.once(ctx, s, dir)
		if err != nil {
			return err
		}
		runs = append(runs, f)
		fmt.Printf("  run %d of %d, %.0f s: %s\n", i+1, s.runs, time.Since(start).Seconds(), f)
	}
	book.enter(r, runs)
	return book.write()
}
