package main

import (
	"math"
	"testing"
	"time"
)

// TestReads: half seconds are told apart, and so is a stretch that took long while
// the core did something else.
func TestReads(t *testing.T) {
	var all []stretch
	at := time.Duration(0)
	add := func(n int, wall, cpu time.Duration) {
		for range n {
			at += wall
			all = append(all, stretch{at, wall, cpu})
		}
	}
	ms := time.Millisecond
	add(1000, ms/2, ms/2) // 25 ns
	add(250, 2*ms, 2*ms)  // 100 ns
	add(1, 500*ms, 3*ms/10)
	add(1000, ms/2, 3*ms/10)
	add(1, 2*ms, 2*ms) // of a half second that is not over
	got := figures{}
	got.reads("x", all)
	want := figures{"x ns": (500 + 500 + 0.3 + 300 + 2) * 1e6 / 2252 / stride, "x least ns": 15, "x most ns": 100, "x longest ms": 500}
	for column, w := range want {
		if math.Abs(got[column]-w) > 1e-6*w {
			t.Errorf("%s is %v, not %v", column, got[column], w)
		}
	}
	few := figures{}
	if few.reads("x", all[:10]); len(few) != 2 {
		t.Error("ten stretches are told of as half a second:", few)
	}
}

// TestMachineCommand: it takes as long as it is told to.
func TestMachineCommand(t *testing.T) {
	begun := time.Now()
	if err := machineCommand(t.Context(), []string{"machine", "-for", "10ms"}); err != nil || time.Since(begun) > walkFor/2 {
		t.Error(time.Since(begun), err)
	}
}

// TestWalk: all of the memory is read before anything is read again, and takes time.
func TestWalk(t *testing.T) {
	const n = 1000
	next, at := cycle(n), uint32(0)
	for i := range n {
		if at = next[at]; at == 0 && i < n-1 {
			t.Fatalf("back after %d of %d", i+1, n)
		}
	}
	if at != 0 {
		t.Error("no cycle")
	}
	taken, err := walk(t.Context(), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range walks {
		f := figures{}
		if f.reads(w.name, taken[i]); f[w.name+" ns"] <= 0 {
			t.Error(w.name, f)
		}
	}
}

func TestSteal(t *testing.T) {
	const stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 105544 337 24605 228599 983 0 5338 2591 0 0\ncpu1 1 2 3 4 5 6 7 80 9 10\ncpu10 1 2 3\nintr 1\n"
	for core, want := range map[string]time.Duration{"0": 25910 * time.Millisecond, "1": 800 * time.Millisecond, "10": 0, "2": 0} {
		if got := stealOf(stat, core); got != want {
			t.Errorf("core %s: %v, not %v", core, got, want)
		}
	}
}
