package delay

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// TestBucketsAreWhatTheySay: bounds ascend, are round numbers, and every
// duration is counted in the bucket whose bounds it lies between.
func TestBucketsAreWhatTheySay(t *testing.T) {
	for i, want := range map[int]time.Duration{
		0: 0, 1: Least, 2: 1100 * time.Nanosecond, 90: 9900 * time.Nanosecond, 91: 10 * time.Microsecond,
		1 + 2*perDecade: 100 * time.Microsecond, 1 + 3*perDecade + 15: 2500 * time.Microsecond, Buckets - 1: Most,
	} {
		if got := Bound(i); got != want {
			t.Errorf("bucket %d begins at %v, want %v", i, got, want)
		}
	}
	for i := range Buckets {
		from := Bound(i)
		if got := Bucket(from); got != i {
			t.Errorf("%v is in bucket %d, want %d", from, got, i)
		}
		if i == 0 {
			continue
		}
		if got := Bucket(from - 1); got != i-1 {
			t.Errorf("%v is in bucket %d, want %d", from-1, got, i-1)
		}
	}
	for d, want := range map[time.Duration]int{-5: 0, 999: 0, Most + 1: Buckets - 1, 1 << 62: Buckets - 1} {
		if got := Bucket(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
}

// slow is the obvious twin: it keeps everything.
type slow struct{ seconds [][]time.Duration }

func (s *slow) quantile(q float64, seconds int) time.Duration {
	var all []time.Duration
	for _, sec := range s.seconds[max(0, len(s.seconds)-seconds):] {
		all = append(all, sec...)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

func (s *slow) sum(seconds int) (d time.Duration) {
	for _, sec := range s.seconds[max(0, len(s.seconds)-seconds):] {
		for _, x := range sec {
			d += x
		}
	}
	return d
}

func TestRecorderAgainstTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r Recorder
	var twin slow
	for range 4 * Window {
		var sec []time.Duration
		for range rng.IntN(200) {
			d := time.Duration(1) << rng.IntN(32)
			d += time.Duration(rng.Int64N(int64(d)))
			n := 1 + rng.IntN(3)
			r.Add(d, uint32(n))
			sec = append(sec, slices.Repeat([]time.Duration{d}, n)...)
		}
		twin.seconds = append(twin.seconds, sec)
		r.Roll()
		for name, c := range map[string]struct {
			h       *Histogram
			seconds int
		}{"total": {&r.Total, 1 << 20}, "recent": {&r.Recent, Window}} {
			for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
				got, want := c.h.Quantile(q), twin.quantile(q, c.seconds)
				if got < want || got > max(want+want/10, Least) && got > 0 {
					t.Fatalf("%s: quantile %v is %v, want at least %v and 10 %% more at most", name, q, got, want)
				}
			}
			if c.h.Sum != twin.sum(c.seconds) || c.h.Max != twin.quantile(1, c.seconds) {
				t.Fatalf("%s: sum %v and longest %v, want %v and %v", name, c.h.Sum, c.h.Max, twin.sum(c.seconds), twin.quantile(1, c.seconds))
			}
		}
	}
	for range Window {
		r.Roll()
	}
	if r.Recent.Count() != 0 || r.Recent.Sum != 0 || r.Recent.Quantile(0.5) != 0 {
		t.Errorf("after %d seconds without anything: %d are recent", Window, r.Recent.Count())
	}
}

func TestMergeAndBelow(t *testing.T) {
	var a, b Histogram
	a.Add(3*time.Millisecond, 2)
	a.Add(-time.Second, 1)
	b.Add(20*time.Second, 1)
	a.Merge(&b)
	if a.Count() != 4 || a.Sum != 20*time.Second+6*time.Millisecond || a.Max != 20*time.Second {
		t.Errorf("%d, %v, %v", a.Count(), a.Sum, a.Max)
	}
	for d, want := range map[time.Duration]uint64{
		Least: 1, 3 * time.Millisecond: 1, 3100 * time.Microsecond: 3, 5 * time.Millisecond: 3, Most: 3,
	} {
		if got := a.Below(d); got != want {
			t.Errorf("%d are below %v, want %d", got, d, want)
		}
	}
	if got := a.Quantile(1); got != 20*time.Second {
		t.Errorf("the longest is %v", got)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	var r Recorder
	d := time.Duration(1)
	allocs.None(t, allocs.Many, func() {
		for range 100 {
			d = d*5%Most + 1
			r.Add(d, 1)
		}
		r.Roll()
	})
}

// BenchmarkAdd is one recorded duration, BenchmarkRoll the end of a second.
func BenchmarkAdd(b *testing.B) {
	var r Recorder
	b.ReportAllocs()
	d := time.Duration(1)
	for b.Loop() {
		d = (d*5 + 77) & (1<<27 - 1) // up to 134 ms
		r.Add(d, 1)
	}
}

func BenchmarkRoll(b *testing.B) {
	var r Recorder
	b.ReportAllocs()
	for b.Loop() {
		r.Roll()
	}
}
