package bridge

import (
	"math/rand/v2"
	"testing"
)

// plainClosing remembers every number that was closed up.
type plainClosing struct {
	begun  bool
	newest int
	closed map[int]bool
	last   int // the highest that was closed
}

func (c *plainClosing) begin(n int) {
	if !c.begun {
		c.begun, c.newest, c.last, c.closed = true, n-1, n-1, map[int]bool{}
	}
}

func (c *plainClosing) leaveOut(n int) bool {
	c.begin(n)
	if n <= c.newest {
		return false
	}
	for ; c.newest < n; c.newest++ {
		c.closed[c.newest+1] = true
	}
	c.last = n
	return true
}

func (c *plainClosing) number(n int) (int, bool) {
	c.begin(n)
	if n <= c.last || n < c.newest-maxReorder {
		return 0, false
	}
	c.newest = max(c.newest, n)
	return n - len(c.closed), true
}

func (c *plainClosing) reopen(n int) {
	for i := n; i <= c.newest; i++ {
		delete(c.closed, i)
	}
	c.newest, c.last = n-1, n-1
}

// TestClosingTwin: numbers are those of a plain count, none is given twice,
// and what was closed up leaves no gap, whatever comes late or never.
func TestClosingTwin(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		var fast closing
		var slow plainClosing
		used := map[int]bool{}
		next, out, run := 1<<16+r.IntN(1<<16), false, 0
		for range 100_000 {
			n := next
			switch r.IntN(40) {
			case 0:
				n = next - r.IntN(30) // late
				if used[-n] {
					continue // the caller lets no packet pass twice
				}
			case 1:
				next += r.IntN(10) // lost
				n = next
			}
			used[-n] = true
			next = max(next, n+1)
			if r.IntN(50) == 0 {
				out = !out
				if run > 3 && !out {
					slow.reopen(slow.newest - 2)
					fast.reopen(uint16(slow.newest + 1))
				}
			}
			if out {
				newer := slow.leaveOut(n)
				if fast.leaveOut(uint16(n)) != newer {
					t.Fatal("they disagree about what is late")
				}
				if newer {
					run++
				}
				continue
			}
			run = 0
			want, ok := slow.number(n)
			got, _, gotOK := fast.number(uint16(n))
			if ok != gotOK || ok && got != uint16(want) {
				t.Fatalf("seed %d: packet %d is %d, %v; want %d, %v", seed, n, got, gotOK, uint16(want), ok)
			}
			if ok && used[want] {
				t.Fatalf("seed %d: number %d was given twice", seed, want)
			}
			if ok {
				used[want] = true
			}
		}
	}
}

// TestClosingMarksTalkspurts: the first packet behind a closed gap is told,
// once, and none that is late.
func TestClosingMarksTalkspurts(t *testing.T) {
	var c closing
	for i, tc := range []struct {
		seq         uint16
		out         bool
		n           uint16
		first, fine bool
	}{
		{10, false, 10, false, true}, {12, false, 12, false, true}, {11, false, 11, false, true},
		{13, true, 0, false, true}, {15, true, 0, false, true}, {14, false, 0, false, false},
		{16, false, 13, true, true}, {18, false, 15, false, true}, {17, true, 0, false, false}, {19, false, 16, false, true},
	} {
		if tc.out {
			if got := c.leaveOut(tc.seq); got != tc.fine {
				t.Errorf("step %d: left out: %v", i, got)
			}
			continue
		}
		if n, first, ok := c.number(tc.seq); ok != tc.fine || ok && (n != tc.n || first != tc.first) {
			t.Errorf("step %d: %d, %v, %v", i, n, first, ok)
		}
	}
}
