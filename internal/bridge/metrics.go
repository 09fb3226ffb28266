package bridge

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// collector exposes what workers publish, under names to which the registry
// adds the product's. It takes no lock and asks no
// worker, so that scraping never delays media.
type collector struct {
	b     *Bridge
	descs [numCounters]*prometheus.Desc
	gauge map[string]*prometheus.Desc
}

func newCollector(b *Bridge) *collector {
	c := &collector{b: b, gauge: map[string]*prometheus.Desc{}}
	for i, n := range counterNames {
		c.descs[i] = prometheus.NewDesc("bridge_"+n.name+"_total", n.help, []string{"worker"}, nil)
	}
	for name, help := range map[string]string{
		"conferences": "conferences on this worker",
		"endpoints":   "endpoints on this worker",
	} {
		c.gauge[name] = prometheus.NewDesc("bridge_"+name, help, []string{"worker"}, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	for _, d := range c.gauge {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, w := range c.b.workers {
		label := strconv.Itoa(w.index)
		for i, v := range w.count.snapshot() {
			out <- prometheus.MustNewConstMetric(c.descs[i], prometheus.CounterValue, float64(v), label)
		}
		out <- prometheus.MustNewConstMetric(c.gauge["conferences"], prometheus.GaugeValue, float64(w.numConferences.Load()), label)
		out <- prometheus.MustNewConstMetric(c.gauge["endpoints"], prometheus.GaugeValue, float64(w.numEndpoints.Load()), label)
	}
}
