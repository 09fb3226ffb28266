package metrics

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Prefix is put before the name of every metric of plenum's own.
const Prefix = "plenum_"

// Registry is one process's metrics.
type Registry struct{ reg *prometheus.Registry }

// pauses are the runtime's histograms of what keeps a worker from working: how
// long collections stopped everything (go_sched_pauses_total_gc_seconds), and
// how long goroutines that could run waited for a core
// (go_sched_latencies_seconds).
var pauses = collectors.GoRuntimeMetricsRule{
	Matcher: regexp.MustCompile(`^(/sched/pauses/total/gc:seconds|/sched/latencies:seconds)$`),
}

// New returns a registry that holds the Go runtime's and the process's metrics
// and the version.
func New(version string) *Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(pauses)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	r := &Registry{reg: reg}
	r.Registerer().MustRegister(info, newCoreWait("/proc/self/task"))
	return r
}

// Registerer is what roles register with; it adds [Prefix].
func (r *Registry) Registerer() prometheus.Registerer {
	return prometheus.WrapRegistererWithPrefix(Prefix, r.reg)
}

// Gatherer is what the admin listener reads.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.reg }
