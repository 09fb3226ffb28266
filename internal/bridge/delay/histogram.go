package delay

import (
	"math/bits"
	"time"
)

const (
	// Least is the shortest duration that is told from shorter ones.
	Least = time.Microsecond
	// Most is the shortest duration that is not told from longer ones.
	Most = 10 * time.Second

	perDecade = 90 // 1.0 to 9.9
	decades   = 7  // from Least to Most

	// Buckets is how many there are. The first is for what is below Least, the
	// last for Most and more.
	Buckets = 1 + decades*perDecade + 1
)

// tenths[d] is a tenth of the lower bound of decade d, in nanoseconds, which
// is how wide its buckets are.
var tenths = func() (t [decades + 1]uint32) {
	for i, v := 0, uint32(Least/10); i < len(t); i, v = i+1, v*10 {
		t[i] = v
	}
	return t
}()

// Bucket returns the number of the bucket that d is counted in, 0 to Buckets-1.
func Bucket(d time.Duration) int {
	switch {
	case d < Least:
		return 0
	case d >= Most:
		return Buckets - 1
	}
	v := uint64(d)
	// log10(2) is 1233/4096; the guess is right or one too large.
	decade := bits.Len64(v)*1233>>12 - 3
	if v < uint64(tenths[decade])*10 {
		decade--
	}
	if v>>32 == 0 { // a short division is a good deal cheaper
		return 1 + decade*perDecade + int(uint32(v)/tenths[decade]) - 10
	}
	return 1 + decade*perDecade + int(v/uint64(tenths[decade])) - 10
}

// Bound returns the lower bound of a bucket: what is counted in buckets before
// it is shorter, what is counted in it is not.
func Bound(bucket int) time.Duration {
	switch {
	case bucket <= 0:
		return 0
	case bucket >= Buckets-1:
		return Most
	}
	decade, step := (bucket-1)/perDecade, (bucket-1)%perDecade
	return time.Duration(tenths[decade]) * time.Duration(10+step)
}

// Histogram counts durations. The zero Histogram is empty and ready for use.
type Histogram struct {
	Counts [Buckets]uint64
	Sum    time.Duration // of all
	Max    time.Duration // the longest
}

// Add records n durations d; one below zero counts as none.
func (h *Histogram) Add(d time.Duration, n uint64) {
	d = max(d, 0)
	h.Counts[Bucket(d)] += n
	h.Sum += d * time.Duration(n)
	h.Max = max(h.Max, d)
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.Sum += o.Sum
	h.Max = max(h.Max, o.Max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile returns a duration that a part q (0 to 1) of all does not exceed:
// the upper bound of the bucket in which that one lies, or the longest of all
// if that is less. It is 0 while there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(total)), total-1)
	for i, n := range h.Counts {
		if rank < n {
			if i == Buckets-1 {
				return h.Max
			}
			return min(Bound(i+1), h.Max)
		}
		rank -= n
	}
	return h.Max // not reached
}

// Below returns how many were shorter than d, which should be a bound.
func (h *Histogram) Below(d time.Duration) (n uint64) {
	for _, c := range h.Counts[:Bucket(d)] {
		n += c
	}
	return n
}
