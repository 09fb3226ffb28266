package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestSettle: with the rooms that make the core as busy as it has to be, found once
// for all runs, and after some tries with what there is.
func TestSettle(t *testing.T) {
	for name, tc := range map[string]struct {
		first       int
		busy        func(rooms int) float64
		rooms, runs int
	}{
		"at once":       {68, func(n int) float64 { return float64(n) / 95 }, 68, 1},
		"slow machine":  {80, func(n int) float64 { return float64(n) / 90 }, 64, 2},
		"fast machine":  {12, func(n int) float64 { return float64(n) / 24 }, 17, 2},
		"full at first": {100, func(n int) float64 { return min(0.93, float64(n)/80) }, 59, 3},
		"not to be had": {1, func(int) float64 { return 0.9 }, 1, 1},
		"never":         {10, func(n int) float64 { return 0.79 + float64(n)/100 }, 7, 3},
	} {
		var runs int
		c := filling{call{tc.first, 10, 2, "tile", time.Second, time.Second}}
		run := func(rooms int, dir string) (figures, error) {
			runs++
			return figures{"server cores": tc.busy(rooms)}, nil
		}
		f, err := c.settle(t.TempDir(), run)
		if err != nil || runs != tc.runs || f[roomsIn] != float64(tc.rooms) || f["server cores"] != tc.busy(tc.rooms) {
			t.Errorf("%s: %v after %d runs, %v", name, f, runs, err)
		}
		if runs = 0; name != "never" {
			if f, err = c.settle(t.TempDir(), run); err != nil || runs != 1 || f[roomsIn] != float64(tc.rooms) {
				t.Errorf("%s: the next run is %v after %d runs, %v", name, f, runs, err)
			}
		}
	}
}

// TestSettleFails: with the server, or one that is not seen to do anything.
func TestSettleFails(t *testing.T) {
	c, broken := middling, errors.New("broken")
	for _, tc := range []struct {
		f   figures
		err error
	}{{nil, broken}, {figures{}, nil}} {
		if f, err := c.settle(t.TempDir(), func(int, string) (figures, error) { return tc.f, tc.err }); err == nil || f != nil || tc.err != nil && !errors.Is(err, broken) {
			t.Errorf("%v: %v, %v", tc, f, err)
		}
	}
	if _, err := middling.row("n", func(*meeting) {}).once(canceled(t), &settings{plenum: "/nonexistent"}, t.TempDir()); err == nil {
		t.Error("a server that is not there was measured")
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
