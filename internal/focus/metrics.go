package focus

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the focus counts.
type metrics struct {
	conferences, participants                         prometheus.Gauge
	created, restarts, inviteFailures, bridgeFailures prometheus.Counter
	dropped                                           prometheus.Counter
	requests, iceRestarts, sent, received             *prometheus.CounterVec
	bridgeSeconds                                     prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		conferences:    gauge("conferences", "Conferences there are."),
		participants:   gauge("participants", "Participants of all conferences."),
		created:        counter("conferences_created_total", "Conferences begun."),
		restarts:       counter("session_restarts_total", "Sessions begun anew because a client asked for it."),
		inviteFailures: counter("invite_failures_total", "Invitations that failed for one participant."),
		bridgeFailures: counter("bridge_failures_total", "Times a conference gave up its bridge or found none."),
		dropped:        counter("dropped_events_total", "Events dropped because a conference's mailbox was full."),
		requests:       vector("conference_requests_total", "Conference requests by outcome.", "outcome"),
		iceRestarts:    vector("ice_restarts_total", "ICE restarts in place: requested, and what became of them.", "outcome"),
		sent:           vector("jingle_sent_total", "Jingle messages sent.", "action"),
		received:       vector("jingle_received_total", "Jingle messages received.", "action"),
		bridgeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Subsystem: "focus", Name: "bridge_request_seconds",
			Help:    "Time that requests to bridges took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.conferences, m.participants, m.created, m.restarts, m.inviteFailures, m.bridgeFailures,
		m.dropped, m.requests, m.iceRestarts, m.sent, m.received, m.bridgeSeconds,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Subsystem: "focus", Name: name, Help: help})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Subsystem: "focus", Name: name, Help: help})
}

func vector(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(
		prometheus.CounterOpts{Subsystem: "focus", Name: name, Help: help}, []string{label})
}
