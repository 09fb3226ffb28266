package memory

import (
	"math"
	"runtime/metrics"
	"time"
)

// Figures are what the debug tree shows of the runtime, in bytes where nothing
// else is said.
type Figures struct {
	Live, Objects, Free, Stacks, Total uint64
	Limit                              int64 // math.MaxInt64 for none
	GOGC                               int   // percent, -1 for off
	Collections                        uint64
	Goroutines                         int
	// Pauses are how often everything was stopped for a collection; the rest is
	// for how long, as upper bounds.
	Pauses                       uint64
	PauseP50, PauseP99, PauseMax time.Duration
}

// ReadFigures asks the runtime.
func ReadFigures() Figures {
	names := []string{
		"/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/stacks:bytes", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
		"/gc/gomemlimit:bytes", "/gc/gogc:percent", "/gc/cycles/total:gc-cycles", "/sched/goroutines:goroutines",
		"/sched/pauses/total/gc:seconds",
	}
	s := make([]metrics.Sample, len(names))
	for i, name := range names {
		s[i].Name = name
	}
	metrics.Read(s)
	v := func(i int) uint64 {
		if s[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return s[i].Value.Uint64()
	}
	f := Figures{
		Live: v(0), Objects: v(1), Free: v(2), Stacks: v(3), Total: v(4) - v(5),
		Limit: int64(min(v(6), math.MaxInt64)), GOGC: int(int64(v(7))), Collections: v(8), Goroutines: int(v(9)),
	}
	if s[10].Value.Kind() == metrics.KindFloat64Histogram {
		h := s[10].Value.Float64Histogram()
		f.PauseP50, f.Pauses = quantile(h, 0.5)
		f.PauseP99, _ = quantile(h, 0.99)
		f.PauseMax, _ = quantile(h, 1)
	}
	return f
}

// quantile is the upper bound of the bucket in which a part q of all ends, and
// the number of all.
func quantile(h *metrics.Float64Histogram, q float64) (time.Duration, uint64) {
	var total uint64
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 {
		return 0, 0
	}
	rank := min(uint64(q*float64(total)), total-1)
	for i, n := range h.Counts {
		if rank < n {
			bound := h.Buckets[i+1]
			if math.IsInf(bound, 1) {
				bound = h.Buckets[i]
			}
			return time.Duration(bound * float64(time.Second)), total
		}
		rank -= n
	}
	return 0, total
}
