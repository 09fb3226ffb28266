package record

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketEdges(t *testing.T) {
	for i := range histogramBuckets {
		if got := bucket(lower(i)); got != i {
			t.Fatalf("bucket %d begins at %v, which is in bucket %d", i, lower(i), got)
		}
		if i > 0 && bucket(lower(i)-1) != i-1 {
			t.Fatalf("%v is not in bucket %d", lower(i)-1, i-1)
		}
	}
	if bucket(time.Hour) != histogramBuckets-1 || bucket(-1) != 0 {
		t.Error("out of range")
	}
}

// TestQuantiles compares with a sorted list.
func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a, b Histogram
	var all []time.Duration
	for i := range 5000 {
		d := time.Duration(rng.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	before := a
	a.Merge(&b)
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want, got := all[int(q*float64(len(all)-1))], a.Quantile(q)
		if diff := (got - want).Abs(); diff > want/8+time.Microsecond {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if since := a.Since(&before); since.Count() != b.Count() || since.Quantile(0.5) != b.Quantile(0.5) {
		t.Error("what came since is not what came since")
	}
	text, err := json.Marshal(&a)
	if err != nil {
		t.Fatal(err)
	}
	var c Histogram
	if err := json.Unmarshal(text, &c); err != nil || c.counts != a.counts || c.Max() != a.Max() {
		t.Error("not the same after JSON", err)
	}
}
