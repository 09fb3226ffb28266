package main

import (
	"math"
	"testing"
	"time"
)

// TestOfMachine: half seconds are told apart, and a stretch that took long while the core
// did something else.
func TestOfMachine(t *testing.T) {
	var stretches []stretch
	add := func(n int, wall, cpu time.Duration) {
		for range n {
			stretches = append(stretches, stretch{wall, cpu})
		}
	}
	ms := time.Millisecond
	add(1000, ms/2, ms/2) // 25 ns
	add(250, 2*ms, 2*ms)  // 100 ns
	add(999, ms/2, 3*ms/10)
	add(1, 100*ms, 3*ms/10)
	got := ofMachine(stretches)
	want := figures{
		"read ns": (500 + 500 + 300) * 1e6 / 2250 / stride, "quietest ns": 15, "busiest ns": 100,
		"lost %": 100 * (1599.5 - 1300) / 1599.5, "longest ms": 100,
	}
	for column, w := range want {
		if math.Abs(got[column]-w) > 1e-6*w {
			t.Errorf("%s is %v, not %v", column, got[column], w)
		}
	}
	if _, ok := ofMachine(stretches[:10])["busiest ns"]; ok {
		t.Error("ten stretches are told of as half a second")
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
	stretches, err := walk(t.Context(), 20*time.Millisecond)
	if err != nil || len(stretches) == 0 {
		t.Fatal(len(stretches), err)
	}
	if f := ofMachine(stretches); f["read ns"] <= 0 || f["lost %"] > 100 {
		t.Error(f)
	}
}
