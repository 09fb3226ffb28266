package focus

import (
	"container/heap"
	"time"
)

// timers are the deadlines of one conference. The goroutine that owns the
// conference sleeps until the earliest; nothing here reads a clock.
type timers struct{ heap timerHeap }

// timer is one deadline. A nil timer is a stopped one.
type timer struct {
	at    time.Time
	fire  func()
	index int // in the heap, -1 when not in it
}

// set arms a timer.
func (t *timers) set(at time.Time, fire func()) *timer {
	x := &timer{at: at, fire: fire}
	heap.Push(&t.heap, x)
	return x
}

// stop disarms a timer; stopping twice or stopping nil is harmless.
func (t *timers) stop(x *timer) {
	if x != nil && x.index >= 0 {
		heap.Remove(&t.heap, x.index)
	}
}

// next returns the earliest deadline, the zero time if there is none.
func (t *timers) next() time.Time {
	if len(t.heap) == 0 {
		return time.Time{}
	}
	return t.heap[0].at
}

// run fires every timer that is due. Timers that firing sets for the same
// instant are fired as well.
func (t *timers) run(now time.Time) {
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		heap.Pop(&t.heap).(*timer).fire()
	}
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
