package record

import (
	"encoding/json"
	"math/bits"
	"time"
)

// Histogram counts durations in buckets that grow with their size: eight to
// an octave, from 1 us to 18 minutes. The zero Histogram is empty.
type Histogram struct {
	counts [histogramBuckets]uint32
	n      uint64
	sum    time.Duration
	min    time.Duration
	max    time.Duration
}

const (
	histogramUnit    = time.Microsecond
	histogramBuckets = 8 * 28
)

// bucket finds the place of a duration: its octave and the next three bits.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0) / histogramUnit)
	if v < 8 {
		return int(v)
	}
	octave := bits.Len64(v) - 4
	return min(octave*8+int(v>>octave), histogramBuckets-1)
}

// lower is the smallest duration of a bucket.
func lower(i int) time.Duration {
	if i < 16 {
		return time.Duration(i) * histogramUnit
	}
	octave := i/8 - 1
	return time.Duration(8+i%8) << octave * histogramUnit
}

// Add counts one duration; negative ones count as 0.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(d)]++
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.n++
	h.sum += d
}

// Merge adds everything another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil || o.n == 0 {
		return
	}
	for i, c := range o.counts {
		h.counts[i] += c
	}
	if h.n == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.n += o.n
	h.sum += o.sum
}

// Since returns what was counted after an earlier copy was taken. Its minimum
// and maximum are those of the whole.
func (h *Histogram) Since(earlier *Histogram) Histogram {
	d := *h
	for i, c := range earlier.counts {
		d.counts[i] -= c
	}
	d.n -= earlier.n
	d.sum -= earlier.sum
	return d
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.n }

// Mean returns the mean, 0 if there is nothing.
func (h *Histogram) Mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return h.sum / time.Duration(h.n)
}

// Max returns the largest.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that a share q of all, 0 to 1, do not exceed, as
// exactly as buckets allow; 0 if there is nothing.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n-1))
	for i, c := range h.counts {
		if rank < uint64(c) {
			mid := (lower(i) + lower(i+1)) / 2
			return min(max(mid, h.min), h.max)
		}
		rank -= uint64(c)
	}
	return h.max
}

type histogramJSON struct {
	Count uint64        `json:"count"`
	Min   time.Duration `json:"min"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	P999  time.Duration `json:"p999"`
	Max   time.Duration `json:"max"`
	// Buckets are pairs of a bucket's lower edge in microseconds and its
	// count, without the empty ones.
	Buckets [][2]uint64 `json:"buckets"`
}

// MarshalJSON implements json.Marshaler: quantiles, and all buckets that are
// not empty.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	j := histogramJSON{
		Count: h.n, Min: h.min, Mean: h.Mean(), P50: h.Quantile(0.5), P90: h.Quantile(0.9),
		P99: h.Quantile(0.99), P999: h.Quantile(0.999), Max: h.max, Buckets: [][2]uint64{},
	}
	for i, c := range h.counts {
		if c > 0 {
			j.Buckets = append(j.Buckets, [2]uint64{uint64(lower(i) / histogramUnit), uint64(c)})
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler, so that a report can be read
// again and compared.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*h = Histogram{n: j.Count, sum: j.Mean * time.Duration(j.Count), min: j.Min, max: j.Max}
	for _, b := range j.Buckets {
		h.counts[bucket(time.Duration(min(b[0], 1<<40))*histogramUnit)] += uint32(b[1])
	}
	return nil
}
