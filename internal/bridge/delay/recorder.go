package delay

import "time"

// Window is how many seconds [Recorder.Recent] looks back.
const Window = 10

// Recorder keeps a histogram of everything and one of the last seconds. It is
// not safe for concurrent use.
type Recorder struct {
	// Total is everything that was recorded.
	Total Histogram
	// Recent is what was recorded in the last [Window] full seconds.
	Recent Histogram

	seconds [Window]second // a ring
	at      int
	now     second // the second that has not ended
}

// second is what one second has recorded.
type second struct {
	counts   [Buckets]uint32
	sum, max time.Duration
}

// Add records n durations d.
func (r *Recorder) Add(d time.Duration, n uint32) {
	d = max(d, 0)
	r.now.counts[Bucket(d)] += n
	r.now.sum += d * time.Duration(n)
	r.now.max = max(r.now.max, d)
}

// Roll ends a second: only then what was recorded in it is in Total and Recent.
// It takes about a microsecond.
func (r *Recorder) Roll() {
	oldest, now := &r.seconds[r.at], &r.now
	for i, n := range now.counts {
		r.Total.Counts[i] += uint64(n)
		r.Recent.Counts[i] += uint64(n) - uint64(oldest.counts[i]) // never below zero in the end
	}
	r.Total.Sum += now.sum
	r.Total.Max = max(r.Total.Max, now.max)
	r.Recent.Sum += now.sum - oldest.sum
	*oldest = *now
	*now = second{}
	r.at = (r.at + 1) % Window
	r.Recent.Max = 0
	for i := range r.seconds {
		r.Recent.Max = max(r.Recent.Max, r.seconds[i].max)
	}
}
