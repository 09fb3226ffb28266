package metrics

import (
	"runtime"
	"testing"
)

// TestPausesAreExposed: what collections cost stands beside the delay of media.
func TestPausesAreExposed(t *testing.T) {
	runtime.GC()
	families, err := New("1.2.3").Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		if h := f.GetMetric()[0].GetHistogram(); h != nil {
			found[f.GetName()] = h.GetSampleCount() > 0 && len(h.GetBucket()) > 5
		}
	}
	for _, name := range []string{"go_sched_pauses_total_gc_seconds", "go_sched_latencies_seconds"} {
		if !found[name] {
			t.Errorf("%s is missing or empty", name)
		}
	}
}
