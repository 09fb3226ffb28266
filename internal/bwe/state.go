package bwe

import (
	"math"
	"time"
)

// State is what the debug tree shows of an estimator. Rates are in bit/s.
type State struct {
	Estimate   int64
	DelayBased int64
	LossBased  int64 // 0 if losses limit nothing
	Delivered  int64 // last half second, 0 if not known
	Offered    int64
	REMB       int64 // 0 if there was none that counts
	Feedback   bool  // transport-wide feedback has come

	RTT       time.Duration
	Queue     time.Duration // delay above the least seen
	Signal    string        // normal, overuse, underuse
	Trend     float64       // compared with Threshold
	Threshold float64

	Loss         float64 // share lost, last seconds
	InherentLoss float64 // part of it that is not for lack of bandwidth

	Target, Ideal int64
	Probe         ProbeState
	Counters      Counters
	HistorySize   int // packets remembered at most
}

// ProbeState is the part about probing.
type ProbeState struct {
	State    string // idle, sending, waiting
	Rate     int64  // of the probe in hand, or the last
	Result   int64  // what the last one has shown, 0 for nothing
	Finished int
}

// Counters are events since the beginning.
type Counters struct {
	MediaPackets, PaddingPackets, RTXPackets uint64
	MediaBytes, PaddingBytes, RTXBytes       uint64

	Received  uint64 // reported as received
	Lost      uint64 // reported as lost at first
	Found     uint64 // of those, reported as received later
	Duplicate uint64 // reported as received again
	Unknown   uint64 // reported, but not in the history

	FeedbackMessages uint64
	Useless          uint64 // feedback messages with nothing new
	OutOfOrder       uint64 // packets sent with a number that is not new
	Decreases        uint64 // for delay
	Timeouts         uint64 // decreases for lack of feedback
	ClockJumps       uint64
	SpuriousREMB     uint64 // from a receiver with transport-wide feedback
}

// State describes the estimator. It is a copy.
func (e *Estimator) State() State {
	delivered, _ := e.delivered.rate()
	offered, _ := e.offered.rate()
	return State{
		Estimate: e.estimate, DelayBased: int64(e.aimd.rate),
		LossBased: finite(e.loss.limit), REMB: finite(e.legacy.remb),
		Delivered: int64(delivered), Offered: int64(offered), Feedback: e.heard != 0,
		RTT: e.rtt, Queue: e.queue, Signal: e.detector.signal.String(),
		Trend: e.detector.trend, Threshold: e.detector.threshold,
		Loss: e.loss.average, InherentLoss: e.loss.inherent,
		Target: int64(e.target), Ideal: int64(e.ideal),
		Probe: ProbeState{
			State: e.prober.state.String(), Rate: int64(e.prober.rate),
			Result: int64(e.prober.last), Finished: e.prober.finished,
		},
		Counters:    e.count.export(),
		HistorySize: len(e.history.ring),
	}
}

func finite(rate float64) int64 {
	if math.IsInf(rate, 0) {
		return 0
	}
	return int64(rate)
}

func (s probeState) String() string { return [...]string{"idle", "sending", "waiting"}[s] }

func (c *counts) export() Counters {
	return Counters{
		MediaPackets: c.sent[Media], PaddingPackets: c.sent[Padding], RTXPackets: c.sent[RTX],
		MediaBytes: c.bytes[Media], PaddingBytes: c.bytes[Padding], RTXBytes: c.bytes[RTX],
		Received: c.received, Lost: c.lost, Found: c.found, Duplicate: c.duplicate, Unknown: c.unknown,
		FeedbackMessages: c.feedback, Useless: c.useless, OutOfOrder: c.outOfOrder,
		Decreases: c.decreases, Timeouts: c.timeouts, ClockJumps: c.jumps, SpuriousREMB: c.rembIgnored,
	}
}
