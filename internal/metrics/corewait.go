package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// coreWait tells how long threads of this process could run and had no core, because
// others of the machine had it, or others of this process on as many cores as it may
// use: the other half of the delay that a server with enough cores does not have, of
// which the runtime's own figures know nothing. What a hypervisor takes is not in it.
type coreWait struct {
	threads string // a directory with one of each thread, as in proc(5)
	desc    *prometheus.Desc

	mu   sync.Mutex
	most time.Duration
}

func newCoreWait(threads string) *coreWait {
	return &coreWait{threads: threads, desc: prometheus.NewDesc("process_core_wait_seconds_total",
		"time in which threads of this process could run and had no core; Linux only", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c *coreWait) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector. A system that does not tell has no such
// metric.
func (c *coreWait) Collect(out chan<- prometheus.Metric) {
	if d, ok := c.total(); ok {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, d.Seconds())
	}
}

// total adds the threads up. It never falls, though a thread that ends takes its
// time with it.
func (c *coreWait) total() (d time.Duration, ok bool) {
	files, _ := filepath.Glob(filepath.Join(c.threads, "*", "schedstat")) // the pattern is right
	for _, file := range files {
		if wait, known := waitOf(file); known {
			d, ok = d+wait, true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = max(c.most, d)
	return c.most, ok
}

// waitOf returns how long a thread has waited, at most as long as it ran: the
// runtime's monitor, which runs for a millisecond a second, waits for the worker
// when both have one core.
func waitOf(file string) (wait time.Duration, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false // it has ended
	}
	var ran time.Duration
	if _, err := fmt.Sscan(string(text), &ran, &wait); err != nil || ran < 0 || wait < 0 {
		return 0, false
	}
	return min(wait, ran), true
}
