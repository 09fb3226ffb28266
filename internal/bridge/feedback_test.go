package bridge

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// TestFeedbackOverLoopback: a client's transport-wide feedback reaches its
// estimator in real time, over a real socket, and the client is told the
// estimate; that of one which reports nothing is not made up.
func TestFeedbackOverLoopback(t *testing.T) {
	r, a, b := pair(t, 720)
	ws := b.dial(t)
	var arrivals rtp.Recorder
	got := 0
	answer := func() {
		a.allVideo(true)
		a.audio(20)
		b.mu.Lock()
		fresh := b.rtp[got:]
		got = len(b.rtp)
		b.mu.Unlock()
		for i := range fresh {
			if data, ok := fresh[i].Extension(extTCC); ok {
				seq, _ := rtp.TransportSeq(data)
				arrivals.Add(seq, mono.Now())
			}
		}
		if arrivals.Pending() {
			b.SendRTCP(arrivals.Build(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, mono.Now()))
		}
	}
	var s BandwidthState
	b.until("an estimate", answer, func() bool {
		r.inside(func(c *conference) { s = c.endpoints[b.id].bw.state(c.w.now) })
		return s.Details.Feedback && s.Details.Counters.Received > 50
	})
	if s.Why != "delay" || s.Budget <= 0 || !s.Counted || s.Details.Counters.Unknown > 0 || s.Details.Counters.OutOfOrder > 0 {
		t.Errorf("%+v", s)
	}
	r.inside(func(c *conference) {
		c.endpoints[b.id].tellBandwidth()
		if c.endpoints[a.id].bw.answered {
			t.Error("feedback of one counts for another")
		}
	})
	expect(t, ws.in, `"colibriClass":"ConnectionStats"`, `"estimatedDownlinkBandwidth":`)
}
