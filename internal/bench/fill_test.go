package main

import (
	"context"
	"errors"
	"slices"
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
		f, err := c.settle(t.Context(), t.TempDir(), run)
		if err != nil || runs != tc.runs || f[roomsIn] != float64(tc.rooms) || f["server cores"] != tc.busy(tc.rooms) {
			t.Errorf("%s: %v after %d runs, %v", name, f, runs, err)
		}
		if runs = 0; name != "never" {
			if f, err = c.settle(t.Context(), t.TempDir(), run); err != nil || runs != 1 || f[roomsIn] != float64(tc.rooms) {
				t.Errorf("%s: the next run is %v after %d runs, %v", name, f, runs, err)
			}
		}
	}
}

// TestSettleFails: it goes on with less after a run that fails, or of a server that
// is not seen to do anything, or leaves something out; not for ever, nor when nobody
// waits any more.
func TestSettleFails(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		f    figures
		err  error
		want error
	}{"fails": {nil, broken, broken}, "does nothing": {f: figures{}}, "cut": {f: figures{"server cores": 0.7, shortOfVideo: 6}}} {
		var rooms []int
		c := filling{call{100, 10, 2, "tile", time.Second, time.Second}}
		f, err := c.settle(t.Context(), t.TempDir(), func(n int, _ string) (figures, error) {
			rooms = append(rooms, n)
			return tc.f, tc.err
		})
		if !slices.Equal(rooms, []int{100, 79, 63}) || name != "cut" && (err == nil || f != nil || !errors.Is(err, tc.want) && tc.want != nil) {
			t.Errorf("%s: %v, %v with %v rooms", name, f, err, rooms)
		}
		if name == "cut" && (err != nil || f[triesFor] != 3 || f[roomsIn] != 63) {
			t.Errorf("cut: %v, %v", f, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	runs := 0
	c := middling
	if _, err := c.settle(ctx, t.TempDir(), func(int, string) (figures, error) { runs++; return nil, broken }); !errors.Is(err, broken) || runs != 1 {
		t.Errorf("nobody waits: %d runs, %v", runs, err)
	}
}

// TestAlike: what was measured of different numbers of rooms is not compared.
func TestAlike(t *testing.T) {
	of := func(rooms float64) entry { return filled(carried(delaySection, "a row", 0.7), rooms) }
	fixed, some, more := carried(delaySection, "a row", 0.7), of(60), of(66)
	near := of(62)
	if !fixed.alike(&fixed) || !some.alike(&near) || some.alike(&more) || fixed.alike(&some) {
		t.Error("rows of other numbers of rooms are alike, or those of as many are not")
	}
}
