package bwe

import (
	"math"
	"time"
)

// State is what the debug tree shows of an estimator. Rates are in bit/s.
type State struct {
	Estimate   int64 `json:"estimate"`
	DelayBased int64 `json:"delay_based"`
	LossBased  int64 `json:"loss_based"` // 0 if losses limit nothing
	Delivered  int64 `json:"delivered"`  // last half second, 0 if not known
	Offered    int64 `json:"offered"`
	REMB       int64 `json:"remb"`     // 0 if there was none that counts
	Feedback   bool  `json:"feedback"` // transport-wide feedback has come

	RTT       time.Duration `json:"rtt_ns"`
	Queue     time.Duration `json:"queue_ns"` // delay above the least seen
	Signal    string        `json:"signal"`   // normal, overuse, underuse
	Trend     float64       `json:"trend"`    // compared with Threshold
	Threshold float64       `json:"threshold"`

	Loss         float64 `json:"loss"`          // share lost, last seconds
	InherentLoss float64 `json:"inherent_loss"` // part of it that is not for lack of bandwidth

	Target      int64      `json:"target"`
	Ideal       int64      `json:"ideal"`
	Probe       ProbeState `json:"probe"`
	Counters    Counters   `json:"counters"`
	HistorySize int        `json:"history_size"` // packets remembered at most
}

// ProbeState is the part about probing.
type ProbeState struct {
	State    string `json:"state"`  // idle, sending, waiting
	Rate     int64  `json:"rate"`   // of the probe in hand, or the last
	Result   int64  `json:"result"` // what the last one has shown, 0 for nothing
	Finished int    `json:"finished"`
}

// Counters are events since the beginning.
type Counters struct {
	MediaPackets   uint64 `json:"media_packets"`
	PaddingPackets uint64 `json:"padding_packets"`
	RTXPackets     uint64 `json:"rtx_packets"`
	MediaBytes     uint64 `json:"media_bytes"`
	PaddingBytes   uint64 `json:"padding_bytes"`
	RTXBytes       uint64 `json:"rtx_bytes"`

	Received  uint64 `json:"received"`  // reported as received
	Lost      uint64 `json:"lost"`      // reported as lost at first
	Found     uint64 `json:"found"`     // of those, reported as received later
	Duplicate uint64 `json:"duplicate"` // reported as received again
	Unknown   uint64 `json:"unknown"`   // reported, but not in the history

	FeedbackMessages uint64 `json:"feedback_messages"`
	Useless          uint64 `json:"useless"`      // feedback messages with nothing new
	OutOfOrder       uint64 `json:"out_of_order"` // packets sent with a number that is not new
	Decreases        uint64 `json:"decreases"`    // for delay
	Timeouts         uint64 `json:"timeouts"`     // decreases for lack of feedback
	ClockJumps       uint64 `json:"clock_jumps"`
	SpuriousREMB     uint64 `json:"spurious_remb"` // from a receiver with transport-wide feedback
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
