package bwe

import "time"

const (
	rateBucket  = 20 * time.Millisecond
	rateBuckets = 32 // a power of two
	// rateSpan is how much time an average covers: many frames, so that
	// bursts do not matter, and short enough to see a drop at once; in buckets.
	rateSpan = 25
	// rateReset is how far a clock may go back, in buckets, before it counts as
	// another clock.
	rateReset = 500
	// rateWarm is how many buckets must have passed for a first answer.
	rateWarm = 8
)

// rateMeter is the mean rate over the last half second of a clock that is
// given with each amount, be it ours or the receiver's. It forgets what is
// older, so that after a pause it tells what is sent since.
type rateMeter struct {
	bytes   [rateBuckets]uint32
	start   int64 // first bucket that counts
	current int64
	on      bool
}

func (m *rateMeter) reset() { *m = rateMeter{} }

// add counts bytes at a time; what is older than the window is ignored.
func (m *rateMeter) add(at time.Duration, size int) {
	b := int64(at / rateBucket)
	switch {
	case !m.on || b-m.current > rateBuckets || m.current-b > rateReset:
		*m = rateMeter{start: b, current: b, on: true}
	case b > m.current:
		m.advance(b)
	}
	if m.current-b < rateBuckets {
		m.bytes[b&(rateBuckets-1)] += uint32(size)
	}
}

func (m *rateMeter) advance(to int64) {
	for m.current < to {
		m.current++
		m.bytes[m.current&(rateBuckets-1)] = 0
	}
}

// rate returns bit/s over the complete buckets of the window; false while
// there are too few.
func (m *rateMeter) rate() (bps float64, ok bool) {
	if !m.on || m.current-m.start < rateWarm {
		return 0, false
	}
	n := min(m.current-m.start, rateSpan)
	var sum uint64
	for b := m.current - n; b < m.current; b++ {
		sum += uint64(m.bytes[b&(rateBuckets-1)])
	}
	return float64(sum) * 8 / (time.Duration(n) * rateBucket).Seconds(), true
}
