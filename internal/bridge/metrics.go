package bridge

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/bridge/delay"
	"github.com/plenum-conf/plenum/internal/netio"
)

// collector exposes what workers publish at the end of each turn, and histograms
// and shares once a second, under names to which the registry adds the product's. It takes no lock a worker would wait for and asks none,
// so that scraping never delays media.
type collector struct {
	b      *Bridge
	descs  [numCounters]*prometheus.Desc
	gauge  map[string]*prometheus.Desc
	delay  [numParts]*prometheus.Desc
	busy   *prometheus.Desc
	socket []socketMetric
}

// socketMetric is one figure of a worker's socket.
type socketMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*netio.Stats) float64
}

// delayBounds are the bounds of the exposed buckets; each is one of package
// delay's too, so that nothing is guessed.
var delayBounds = []time.Duration{
	10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second,
}

func newCollector(b *Bridge) *collector {
	c := &collector{b: b, gauge: map[string]*prometheus.Desc{}}
	for i, n := range counterNames {
		c.descs[i] = prometheus.NewDesc("bridge_"+n.name+"_total", n.help, []string{"worker"}, nil)
	}
	for name, help := range map[string]string{
		"conferences": "conferences on this worker",
		"endpoints":   "endpoints on this worker",
		"receivers":   "endpoints that this worker sends to, of its own conferences and of others'",

		"stress":                     "how loaded the worker is: 1 is full, more what it would be with the video it leaves out",
		"video_packets_a_receiver":   "video packets a second that one receiver may be sent while the worker is overloaded, -1 for no limit",
		"voices_a_conference":        "microphones of each conference that are forwarded at a time while the worker is overloaded, -1 for all",
		"receivers_short_of_packets": "receivers that are sent less video because the worker is overloaded",
	} {
		c.gauge[name] = prometheus.NewDesc("bridge_"+name, help, []string{"worker"}, nil)
	}
	c.delay[inBridge] = prometheus.NewDesc("bridge_delay_seconds",
		"how long media was in this server: from the kernel's receive stamp of a packet to the end of the system call that sends the last of its copies",
		[]string{"worker"}, nil)
	for p := inSocket; p < numParts; p++ {
		c.delay[p] = prometheus.NewDesc("bridge_delay_part_seconds",
			"what the delay consists of: socket, until a read took the packet in; turn, until what was read with it and goes first was sent; work, until its copies went to the kernel; send, the system call",
			[]string{"worker"}, prometheus.Labels{"part": partNames[p]})
	}
	c.busy = prometheus.NewDesc("bridge_busy_seconds_total", "time the worker did not wait for something to do", []string{"worker"}, nil)
	c.socket = socketMetrics()
	return c
}

func socketMetrics() (all []socketMetric) {
	add := func(name, help string, kind prometheus.ValueType, read func(*netio.Stats) float64) {
		all = append(all, socketMetric{prometheus.NewDesc("bridge_socket_"+name, help, []string{"worker"}, nil), kind, read})
	}
	add("receive_calls_total", "system calls that received datagrams", prometheus.CounterValue,
		func(s *netio.Stats) float64 { return float64(s.Reads) })
	add("kernel_drops_total", "datagrams the kernel dropped because the receive queue was full", prometheus.CounterValue,
		func(s *netio.Stats) float64 { return float64(s.KernelDrops) })
	add("flushes_total", "turns that sent something", prometheus.CounterValue,
		func(s *netio.Stats) float64 { return float64(s.Flushes) })
	add("send_messages_total", "runs of datagrams handed to the kernel; datagrams divided by these is the mean run", prometheus.CounterValue,
		func(s *netio.Stats) float64 { return float64(s.Messages) })
	add("send_datagrams_total", "datagrams the kernel took", prometheus.CounterValue,
		func(s *netio.Stats) float64 { return float64(s.Sent) })
	add("mean_run", "datagrams in a run handed to the kernel, on average since the start", prometheus.GaugeValue,
		func(s *netio.Stats) float64 { return s.MeanRun(netio.Stats{}) })
	return all
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	for _, d := range c.gauge {
		out <- d
	}
	for _, m := range c.socket {
		out <- m.desc
	}
	for _, d := range c.delay {
		out <- d
	}
	out <- c.busy
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
		out <- prometheus.MustNewConstMetric(c.gauge["receivers"], prometheus.GaugeValue, float64(w.lending.sends.Load()), label)
		for name, v := range w.stress.published() {
			out <- prometheus.MustNewConstMetric(c.gauge[name], prometheus.GaugeValue, v, label)
		}
		out <- prometheus.MustNewConstMetric(c.busy, prometheus.CounterValue, time.Duration(w.busy.total.Load()).Seconds(), label)
		for p := range c.delay {
			c.collectDelay(out, w, label, part(p))
		}
		st := w.sock.Stats()
		for _, m := range c.socket {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(&st), label)
		}
	}
}

func (c *collector) collectDelay(out chan<- prometheus.Metric, w *worker, label string, p part) {
	var total, recent delay.Histogram
	w.delays.mergeInto(&total, &recent, p)
	buckets := make(map[float64]uint64, len(delayBounds))
	for _, bound := range delayBounds {
		buckets[bound.Seconds()] = total.Below(bound)
	}
	out <- prometheus.MustNewConstHistogram(c.delay[p], total.Count(), total.Sum.Seconds(), buckets, label)
}
