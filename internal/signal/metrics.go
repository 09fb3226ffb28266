package signal

import "github.com/prometheus/client_golang/prometheus"

// metrics are the server's counters. Names get the deployment's prefix from
// the registerer.
type metrics struct {
	sessions   *prometheus.GaugeVec
	rooms      prometheus.Gauge
	parked     prometheus.Gauge
	in         *prometheus.CounterVec
	out        prometheus.Counter
	deliveries prometheus.Counter
	replaced   prometheus.Counter
	closes     *prometheus.CounterVec
	resumes    *prometheus.CounterVec
	errors     *prometheus.CounterVec
	throttled  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Subsystem: "signal", Name: name, Help: help}
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Subsystem: "signal", Name: name, Help: help}
	}
	m := &metrics{
		sessions:   prometheus.NewGaugeVec(gauge("sessions", "Sessions by state: connected or hibernating."), []string{"state"}),
		rooms:      prometheus.NewGauge(gauge("rooms", "Rooms that exist.")),
		parked:     prometheus.NewGauge(gauge("parked_joins", "Joins that wait for the focus to open their room.")),
		in:         prometheus.NewCounterVec(counter("stanzas_in_total", "Stanzas received from clients."), []string{"kind"}),
		out:        prometheus.NewCounter(counter("stanzas_out_total", "Stanzas written to clients.")),
		deliveries: prometheus.NewCounter(counter("deliveries_total", "Stanzas put into outboxes.")),
		replaced:   prometheus.NewCounter(counter("replaced_total", "Waiting presences that a newer one made pointless.")),
		closes:     prometheus.NewCounterVec(counter("outbox_closes_total", "Sockets (slow) and hibernating sessions (overflow) ended because too much waited."), []string{"reason"}),
		resumes:    prometheus.NewCounterVec(counter("resumes_total", "Attempts to resume a session."), []string{"result"}),
		throttled:  prometheus.NewCounter(counter("throttled_total", "Frames whose sender was too fast and had to wait.")),
		errors:     prometheus.NewCounterVec(counter("stream_errors_total", "Streams ended by an error of the client."), []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.sessions, m.rooms, m.parked, m.in, m.out, m.deliveries,
			m.replaced, m.closes, m.resumes, m.errors, m.throttled)
	}
	return m
}

// state moves one session between the gauges.
func (m *metrics) state(from, to sessionState) {
	if from != gone {
		m.sessions.WithLabelValues(from.String()).Dec()
	}
	if to != gone {
		m.sessions.WithLabelValues(to.String()).Inc()
	}
}
