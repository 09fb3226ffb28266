package bridge

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// bandwidth is what is known of the path to an endpoint, and what of it video
// may take. Everything of it is about this one receiver: nothing here makes
// the bridge decide anew about another.
type bandwidth struct {
	// Of every packet that is sent; see outward.
	est     *bwe.Estimator
	started mono.Time // when the first packet was sent
	audio   audioShare

	timer    mono.Timer // Estimator.Deadline
	answered bool       // the receiver reports on what it gets
	lows     [2]int64   // least sustained estimate of this second and of the last

	decided  mono.Time // when video was allocated last
	acted    int64     // the estimate then
	granted  int64     // the budget then, unlimitedBudget for no limit
	drained  bool      // then less was granted, for a moment
	target   int64     // what was going to be sent then, audio included
	hold     hold
	seconds  int   // since the last ConnectionStats
	told     int64 // the estimate that stood in it, 0 for none
	toldBusy bool  // it said that the bridge has too much to do

	padding keyed  // the bridge's own stream, of packets that are padding only
	padSeq  uint16 // of that
}

const (
	// unlimitedBudget is the budget in bit/s for a receiver that never reports
	// on anything.
	unlimitedBudget = -1
	// answerWithin is how long the initial estimate is believed without any
	// report. Old clients and simple ones never send one.
	answerWithin = 5 * time.Second
	// reallocateEvery is how often is looked whether the layers chosen still
	// are the best for a limit: their bitrates change.
	reallocateEvery = 2 * time.Second
	// statsEvery is the number of seconds after which another estimate is told
	// in ConnectionStats, statsSoon if the client shows its user something wrong
	// until then.
	statsEvery, statsSoon = 10, 2
	// packetOverhead is what a packet takes on the path besides what is
	// sealed: UDP and IPv4, on average a little more.
	packetOverhead = 28
)

func (ep *endpoint) initBandwidth() {
	b := &ep.bw
	b.timer.Owner = tick(ep.bandwidthTick)
	b.audio.numbered = true
	b.padSeq = uint16(randomSSRC() & 0x7fff)
	ep.resetEstimate()
}

func (ep *endpoint) resetEstimate() {
	b := &ep.bw
	b.est = bwe.New(bwe.DefaultOptions())
	b.lows = [2]int64{b.est.Estimate(), b.est.Estimate()}
	b.granted = b.est.Estimate()
}

// pathChanged begins the estimate anew, unless the change was seamless, as that
// of an ICE restart within one network, and the estimate is good: on another
// path it means nothing, and what was lost while the old one was broken pulls
// it down, or soon will, as reports on that are still to come.
func (ep *endpoint) pathChanged(seamless bool) {
	if seamless && ep.bw.est.Estimate() >= bwe.DefaultOptions().Initial {
		return
	}
	ep.resetEstimate()
	ep.bw.hold.ask()
	ep.markDirty()
}

// sent notes a packet of n bytes that goes out under a transport-wide number.
func (b *bandwidth) sent(seq uint16, n int, now mono.Time, kind bwe.Kind) {
	if b.started == 0 {
		b.started = now
	}
	b.est.Sent(seq, n+packetOverhead, now, kind)
}

// transportFeedback is the receiver's report on what came when.
func (ep *endpoint) transportFeedback(p rtp.RTCP) {
	fb, err := rtp.ParseTransportCC(p)
	if err != nil {
		ep.w.count.inc(dropMalformed)
		return
	}
	ep.w.count.inc(cTransportFeedback)
	ep.bw.answered = true
	if ep.bw.audio.uncounted(fb, ep.w.now) {
		ep.log().Debug("the receiver does not report on audio")
		ep.resetEstimate()
		return
	}
	ep.bw.est.Feedback(fb, ep.w.now)
	ep.estimated()
}

// receiverEstimate is a receiver's own estimate (REMB).
func (ep *endpoint) receiverEstimate(bps uint64) {
	ep.bw.answered = true
	ep.bw.est.REMB(int64(min(bps, math.MaxInt64)), ep.w.now)
	ep.estimated()
}

// lossReported takes the mean loss of a report about n of our streams.
func (ep *endpoint) lossReported(sum, n int) {
	if n == 0 {
		return
	}
	ep.bw.answered = true
	ep.bw.est.ReceiverReport(uint8(sum/n), ep.rtt, ep.w.now)
	ep.estimated()
}

// estimated is called when the estimate may have changed. A fall has its
// effect in this turn, and so has the end of a queue; a rise not before the next
// second.
func (ep *endpoint) estimated() {
	b := &ep.bw
	e := b.est.Estimate()
	b.lows[0] = min(b.lows[0], b.est.Sustained())
	if e < b.acted*85/100 || e < b.target && e < b.acted*97/100 || b.drained && e >= b.est.Sustained() {
		ep.budgetMoved()
	}
	ep.w.wheel.Schedule(&b.timer, b.est.Deadline())
}

func (ep *endpoint) bandwidthTick(now mono.Time) {
	ep.bw.est.Tick(now)
	if p, ok := ep.bw.est.NextProbe(now); ok {
		ep.pad(&p)
	}
	ep.estimated()
}

// rollBandwidth is what is due each second.
func (ep *endpoint) rollBandwidth(now mono.Time) {
	b := &ep.bw
	b.audio.roll()
	b.lows[1], b.lows[0] = b.lows[0], b.est.Sustained()
	budget := b.budget(now)
	if differs(budget, b.granted) || budget >= 0 && now.Sub(b.decided) >= reallocateEvery {
		ep.budgetMoved()
	}
	ep.estimated()
	b.seconds++
	if b.seconds >= statsEvery || b.seconds >= statsSoon && b.answered && ep.toldWrong() {
		b.seconds = 0
		ep.tellBandwidth()
	}
}

// toldWrong reports whether the client tells its user something that is not so.
func (ep *endpoint) toldWrong() bool {
	return ep.ration.short != ep.bw.toldBusy || quiteDifferent(ep.bw.est.Sustained(), ep.bw.told)
}

// tellBandwidth shows the client what its connection carries, as far as it is
// known, and whether it is us that it gets less video for, if that is news.
func (ep *endpoint) tellBandwidth() {
	b := &ep.bw
	if now := b.est.Sustained(); b.answered && (b.told != now || b.toldBusy != ep.ration.short) {
		b.told, b.toldBusy = now, ep.ration.short
		ep.sendChannel(encode(&colibri.ConnectionStats{EstimatedDownlink: b.told, BridgeBusy: b.toldBusy}))
	}
}

// quiteDifferent reports whether one is less than two thirds of the other.
func quiteDifferent(a, b int64) bool { return 3*min(a, b) < 2*max(a, b) }

// differs reports whether a budget has changed by more than 15 %.
func differs(now, before int64) bool {
	if now < 0 || before < 0 {
		return now != before
	}
	return now > before+before*15/100 || now < before-before*15/100
}

// budget is what video may take: what the path was good for during all of the
// last second or two, less what audio takes. So it falls at once and rises
// late. While a queue is emptied it is a part of that: audio goes on, so that
// what is held back must be video, but not more of it than a part, or the large
// picture would stand still each time.
func (b *bandwidth) budget(now mono.Time) int64 {
	if !b.answered && b.started != 0 && now.Sub(b.started) > answerWithin {
		return unlimitedBudget
	}
	video := max(min(b.lows[0], b.lows[1], b.est.Sustained())-b.audio.reserve(), 0)
	if now, after := b.est.Estimate(), b.est.Sustained(); now < after {
		video = int64(float64(video) * float64(now) / float64(after))
	}
	return video
}

// allocated notes a decision: what it will take, and what would be taken if
// there were no limit. While something is missing the wish includes what a
// rise needs besides, or there would never be one. A worker without time has no
// use for more.
func (ep *endpoint) allocated(budget int64, res *alloc.Result) {
	b := &ep.bw
	target, ideal := res.Target, res.Ideal
	if res.Short {
		ideal = target
	}
	if target < ideal {
		ideal += riseMargin(ideal)
	}
	reserve := b.audio.reserve()
	b.decided, b.granted, b.acted, b.target = ep.w.now, budget, b.est.Estimate(), target+reserve
	b.drained = b.est.Estimate() < b.est.Sustained()
	b.est.SetDemand(b.target, ideal+reserve)
	ep.w.wheel.Schedule(&b.timer, b.est.Deadline())
}

// why tells what the budget is based on, for the debug tree.
func (b *bandwidth) why(s *bwe.State, budget int64) string {
	switch {
	case budget < 0:
		return "no limit: the receiver reports nothing"
	case !b.answered:
		return "initial: no report yet"
	case !s.Feedback && s.REMB != 0:
		return "REMB and receiver reports"
	case !s.Feedback:
		return "receiver reports"
	case s.LossBased != 0 && s.LossBased < s.DelayBased:
		return "loss"
	}
	return "delay"
}

// audioShare is what audio takes of the path. It is kept free for it.
type audioShare struct {
	bytes uint64 // of this second

	// Not every client counts audio in its transport-wide feedback, though it
	// was offered. What it does not count would be taken for lost; such a
	// client's audio gets no number, and is no part of the estimate.
	numbered bool
	settled  bool      // numbered will not change any more
	marked   bool      // mark is the number of an audio packet
	mark     uint16    // that was sent and not reported on so far
	missed   int       // marks in a row reported missing
	looked   mono.Time // for the mark

	held uint64 // bit/s, the most of the last seconds
}

const (
	// audioReserve is kept free for audio in any case: one voice that sets in.
	audioReserve = 40_000
	// maxMissed is how many audio packets in a row may be missing from
	// feedback that holds others before audio counts as left out of it.
	maxMissed = 8
	// lookEvery is the least time between two looks for the mark: each may
	// walk over thousands of packets, and messages cost their sender nothing.
	lookEvery = 20 * time.Millisecond
)

// sent notes an audio packet that takes n bytes of the path, numbered with seq
// if it is.
func (a *audioShare) sent(seq uint16, n int, numbered bool) {
	a.bytes += uint64(n)
	if numbered && !a.settled && !a.marked {
		a.marked, a.mark = true, seq
	}
}

// roll ends a second. What audio took is let go of slowly, because people who
// spoke speak again.
func (a *audioShare) roll() {
	a.held, a.bytes = max(a.bytes*8, a.held-a.held/8), 0
}

// reserve is what the estimate holds for audio, in bit/s.
func (a *audioShare) reserve() int64 {
	if !a.numbered {
		return 0
	}
	return int64(max(a.held, audioReserve))
}

// uncounted looks for the marked packet in feedback, and reports true once
// when it has turned out that audio is not counted.
func (a *audioShare) uncounted(fb rtp.TransportCC, now mono.Time) bool {
	if a.settled || !a.marked || a.looked != 0 && now.Sub(a.looked) < lookEvery {
		return false
	}
	a.looked = now
	found, others := false, false
	for {
		s, ok := fb.Next()
		if !ok {
			break
		}
		if s.Seq != a.mark {
			others = others || s.Received
			continue
		}
		if s.Received {
			a.settled = true
			return false
		}
		found = true
	}
	switch {
	case found && others:
		a.missed++
		a.marked = false
	case int16(fb.BaseSeq-a.mark) > 0:
		a.marked = false // its report was lost
	}
	if a.missed < maxMissed {
		return false
	}
	a.settled, a.numbered = true, false
	return true
}
