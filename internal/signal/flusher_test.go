package signal

import (
	"runtime"
	"testing"
)

// TestFlusherQueueIsBounded: a queue that always holds somebody, as under
// lasting load, takes memory for those who wait, not for all who ever did. They
// are served in their order.
func TestFlusherQueueIsBounded(t *testing.T) {
	for _, waiting := range []int{1, 7, 1000} {
		f := &flusher{running: runtime.GOMAXPROCS(0)} // no others: the test takes
		conns := make([]conn, waiting+1)
		for i := range waiting {
			f.add(&conns[i])
		}
		for i := range 1_000_000 {
			f.add(&conns[(i+waiting)%len(conns)])
			if c := f.take(); c != &conns[i%len(conns)] {
				t.Fatalf("%d waiting: number %d is not the one who has waited longest", waiting, i)
			}
		}
		if n := cap(f.queue); n > max(16, 4*waiting) {
			t.Errorf("%d waiting: memory for %d", waiting, n)
		}
	}
}

// TestFlusherOfACrowd: however many wait, all of them are written to within a
// few turns; where few wait, others go first after some.
func TestFlusherOfACrowd(t *testing.T) {
	for _, c := range []struct{ waiting, turns int }{{1, 1}, {16, 1}, {64, 4}, {300, 10}, {3240, 18}, {50_000, 28}} {
		f := &flusher{running: runtime.GOMAXPROCS(0)} // no others: the test takes
		for range c.waiting {
			f.add(&conn{})
		}
		turns, most := 0, 0
		for left := c.waiting; left > 0; turns++ {
			n := min(f.turn(), left)
			for range n {
				f.take()
			}
			left -= n
			most = max(most, n)
		}
		if turns != c.turns || most > max(leastTurn, c.waiting/4) {
			t.Errorf("%d waiting: %d turns, want %d; %d in the longest", c.waiting, turns, c.turns, most)
		}
	}
}
