package metrics

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
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

// TestCoreWait: what threads have waited for is added up, without those that wait
// by design and what is not to be read, and never falls.
func TestCoreWait(t *testing.T) {
	dir := t.TempDir()
	thread := func(id, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, id, "schedstat"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCoreWait(dir)
	want := func(want time.Duration, known bool) {
		t.Helper()
		if got, ok := c.total(); got != want || ok != known {
			t.Errorf("%v, %v; want %v, %v", got, ok, want, known)
		}
	}
	want(0, false)
	thread("1", "not what it was")
	want(0, false)
	thread("1", "9000000000 2000000000 77\n")
	thread("2", "3000000000 500000000 7\n")
	thread("3", "20000000 800000000 1600\n") // the runtime's monitor
	thread("4", "-5 -5 1\n")
	want(2520*time.Millisecond, true)
	if err := os.RemoveAll(filepath.Join(dir, "1")); err != nil {
		t.Fatal(err)
	}
	want(2520*time.Millisecond, true)
	thread("2", "9000000000 4000000000 9\n")
	want(4020*time.Millisecond, true)
}

// TestCoreWaitIsExposed where the system tells.
func TestCoreWaitIsExposed(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this system does not tell")
	}
	families, err := New("1.2.3").Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "plenum_process_core_wait_seconds_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got < 0 || got > 3600 {
				t.Errorf("it waited for %v seconds", got)
			}
			return
		}
	}
	t.Error("there is no metric")
}
