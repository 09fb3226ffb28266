package bwe

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

const (
	// clockJump is a change of the delay that no queue makes: the receiver's
	// clock was set, or the path is a different one.
	clockJump = 3 * time.Second
	maxRTT    = 10 * time.Second
	// trendPause is a pause over which there is no trend.
	trendPause = 2 * time.Second
	// silence is how long nothing may be heard of what was sent; silenceStep
	// and silenceFactor say what happens then.
	silence       = 1500 * time.Millisecond
	silenceStep   = 500 * time.Millisecond
	silenceFactor = 0.8
	// guessShare is how much less than the first guess a first probe has to
	// show to be believed, because one is not exact.
	guessShare = 0.5
	// shadowQueue is how much of a probe's queue may be left.
	shadowQueue = 5 * time.Millisecond
	// creditPerPacket is how many packet statuses are read for each packet
	// that is sent. Once is what receivers need; more is for late packets, and
	// no end of it would let a peer buy much of our time with few bytes.
	creditPerPacket = 4
	creditMax       = 2 * rtp.MaxTransportCCPackets
	// calmQueue is a queue that does not speak against probing.
	calmQueue = 100 * time.Millisecond
)

// Estimator estimates how much may be sent to one receiver. Make one with
// [New]; it belongs to one goroutine, like the engine it is part of, and all
// times given to it must come from one clock and not go back.
type Estimator struct {
	// Of every packet that is sent; together, and what of count and prober is
	// needed then comes first there: that is three cache lines.
	history history
	credit  int       // packet statuses that may be read
	waiting mono.Time // since when something sent is not reported
	heard   mono.Time // last useful feedback
	count   counts
	prober  prober

	opt      Options
	clock    receiverClock
	groups   grouper
	base     baseDelay
	trend    trendline
	detector detector
	last     delaySample   // of a group
	queue    time.Duration // when it was sent
	jitter   time.Duration // mean change of the delay between groups
	shadow   mono.Time     // end of the time in which a probe's queue is ignored
	drain    drainer

	delivered rateMeter // by arrival
	offered   rateMeter // the same packets and the lost ones, by sending

	aimd   aimd
	loss   lossModel
	legacy legacy

	rate          float64 // what the path is believed to carry
	estimate      int64   // the same, less while a queue is drained
	target, ideal float64
	rtt           time.Duration
	reported      int64 // highest number a report was about
	silenced      bool  // no feedback since the rate was lowered for that
}

// counts are events since the beginning.
type counts struct {
	sent, bytes                      [numKinds]uint64
	feedback, useless                uint64
	received, lost, found, duplicate uint64
	unknown, outOfOrder              uint64
	decreases, timeouts, rembIgnored uint64
	jumps                            uint64
}

// New returns an estimator that starts at opt.Initial. Missing options are
// those of [DefaultOptions].
func New(opt Options) *Estimator {
	opt = opt.withDefaults()
	return &Estimator{
		opt: opt, estimate: opt.Initial, rate: float64(opt.Initial),
		detector: newDetector(), loss: newLossModel(),
		aimd:   aimd{rate: float64(opt.Initial)},
		legacy: legacy{rate: float64(opt.Initial), remb: math.Inf(1)},
	}
}

// Sent notes a packet that is being sent: its transport-wide number, which
// must go up by one with each packet, and its size in bytes as it appears on
// the path, as well as the caller knows it. For a receiver that was not offered
// transport-wide feedback any such number will do.
func (e *Estimator) Sent(seq uint16, size int, now mono.Time, kind Kind) {
	size = min(max(size, 0), math.MaxUint16)
	p := e.history.add(seq, now, uint16(size))
	if p == nil {
		e.count.outOfOrder++
		return
	}
	e.credit = min(e.credit+creditPerPacket, creditMax)
	p.cluster = e.prober.onSent(e.history.newest, now, size)
	if kind < numKinds {
		e.count.sent[kind]++
		e.count.bytes[kind] += uint64(size)
	}
	if e.waiting == 0 {
		e.waiting = now
	}
	if e.heard == 0 {
		e.legacy.offered.add(time.Duration(now), size)
	}
}

// SentLater corrects the time of a packet that Sent was told of: it had to wait
// until then on this side of the path. It must be called before the packet is
// reported on; nothing happens if that is so already, or if the packet is not
// known.
func (e *Estimator) SentLater(seq uint16, at mono.Time) {
	if _, p := e.history.find(seq); p != nil && p.fate == fateSent && at > e.history.sentAt(p) {
		p.at = stampOf(at)
	}
}

// Feedback takes a transport-wide feedback message, which it does not keep.
// Packets that are not known, or not any more, are ignored, so that messages
// may be lost, repeated or out of order. So is a message about many more
// packets than were sent since those before it.
func (e *Estimator) Feedback(fb rtp.TransportCC, now mono.Time) {
	e.count.feedback++
	if e.history.ring == nil || e.outdated(&fb) || e.credit < int(fb.Count) {
		e.count.useless++
		return
	}
	e.credit -= int(fb.Count)
	var newest *sentPacket
	for {
		s, ok := fb.Next()
		if !ok {
			break
		}
		n, p := e.history.find(s.Seq)
		if n > e.history.newest {
			e.count.unknown++
			break // never sent, nor anything behind it
		}
		if p == nil {
			e.count.unknown++
			continue
		}
		if s.Received && p.fate != fateReceived {
			newest = p
		}
		e.report(n, p, s)
	}
	if newest == nil {
		e.count.useless++
		return
	}
	e.hear(now, e.history.sentAt(newest))
}

// outdated spares the walk over a message that ends before the history.
func (e *Estimator) outdated(fb *rtp.TransportCC) bool {
	first := e.history.unwrap(fb.BaseSeq)
	return first+int64(fb.Count) <= e.history.oldest()
}

// report takes the status of one packet.
func (e *Estimator) report(n int64, p *sentPacket, s rtp.TransportStatus) {
	switch {
	case !s.Received && p.fate == fateSent:
		p.fate = fateLost
		e.count.lost++
		e.observeLoss(p, false)
	case s.Received && p.fate == fateReceived:
		e.count.duplicate++
	case s.Received:
		if p.fate == fateLost {
			e.count.found++
			e.loss.found()
		} else {
			e.observeLoss(p, true)
		}
		p.fate = fateReceived
		e.count.received++
		e.received(p, s.At)
	}
	e.reported = max(e.reported, n)
}

// observeLoss feeds the loss model and what was offered to the path.
func (e *Estimator) observeLoss(p *sentPacket, received bool) {
	at := e.history.sentAt(p)
	e.offered.add(time.Duration(at), int(p.size))
	if e.loss.add(at, int(p.size), received) {
		e.loss.update(e.aimd.rate)
	}
}

// received takes an arrival.
func (e *Estimator) received(p *sentPacket, at time.Duration) {
	s := delaySample{sent: e.history.sentAt(p), at: e.clock.unwrap(at)}
	e.delivered.add(s.at, int(p.size))
	e.prober.onReceived(p, s)
	e.base.add(s)
	done, ok := e.groups.add(s)
	if !ok {
		return
	}
	change := (done.delay() - e.last.delay()).Abs()
	switch {
	case e.last.sent == 0:
	case change > clockJump:
		e.jump()
		return
	case done.sent.Sub(e.last.sent) > trendPause:
		e.trend.reset()
		e.detector.clear(normal)
	default:
		e.jitter += (change - e.jitter) / 16
	}
	e.sample(done)
}

// sample takes the delay of a group.
func (e *Estimator) sample(s delaySample) {
	queue := e.base.above(s)
	if s.sent < e.shadow && queue > e.queue+shadowQueue {
		return
	}
	e.last, e.queue = s, queue
	e.trend.add(s)
	if slope, ok := e.trend.slope(); ok {
		e.detector.update(slope, e.trend.samples, s)
	}
}

// jump forgets everything that compares delays.
func (e *Estimator) jump() {
	e.count.jumps++
	e.trend.reset()
	e.base, e.groups, e.last = baseDelay{}, grouper{}, delaySample{}
	e.detector.clear(normal)
	e.delivered.reset()
	e.offered.reset()
}

// hear ends a message that told something new; sent is when the newest packet
// it reported was sent.
func (e *Estimator) hear(now, sent mono.Time) {
	e.heard, e.silenced = now, false
	e.waiting = 0
	if e.reported < e.history.newest {
		e.waiting = now
	}
	e.learnRTT(now.Sub(sent))
	m := measured{signal: e.detector.signal, rtt: e.rtt}
	m.delivered, _ = e.delivered.rate()
	m.offered, _ = e.offered.rate()
	m.foreign = e.drain.state == foreignQueue
	decreased := e.aimd.update(now, &m)
	if decreased {
		e.count.decreases++
	}
	e.drain.update(now, e.queue, e.rtt, decreased)
	if rate := e.prober.settle(now, e.reported, e.rtt); rate > 0 {
		e.proved(rate)
	}
	e.finish(now)
}

// proved takes the result of a probe. It raises only: that there was a queue
// says the trend better. But the first one, which comes while the estimate is
// a mere guess, may also show that it was far too high.
func (e *Estimator) proved(rate float64) {
	switch {
	case rate > e.rate && e.detector.signal != overuse:
		if rate > probeFound*e.rate {
			e.prober.failed = 0 // full, but much later than it was thought
		}
		e.aimd.raise(rate)
		e.loss.raise(rate)
	case rate < guessShare*e.rate && e.prober.finished == 1:
		e.aimd.rate = rate
	}
	if rate < e.rate {
		e.shadow = 0
	}
}

// finish makes the estimate from its parts.
func (e *Estimator) finish(now mono.Time) {
	low, high := float64(e.opt.Min), float64(e.opt.Max)
	e.aimd.rate = min(max(e.aimd.rate, low), high)
	e.loss.limit = max(e.loss.limit, low)
	rate := min(e.aimd.rate, e.loss.limit)
	if e.heard == 0 {
		rate = min(e.legacy.rate, e.legacy.remb)
	}
	rate = min(max(rate, low), high)
	if rate < e.rate {
		e.prober.onDecrease(now, e.rate, rate)
	}
	e.rate = rate
	e.estimate = e.opt.clamp(int64(rate * e.drain.share(e.queue)))
}

func (e *Estimator) learnRTT(d time.Duration) {
	if d < 0 || d > maxRTT {
		return
	}
	if e.rtt == 0 {
		e.rtt = d
	}
	e.rtt += (d - e.rtt) / 8
}

// SetDemand tells, in bit/s, what the caller means to send now, and what it
// would like to send if there were room. Probing happens only while ideal is
// above the estimate.
func (e *Estimator) SetDemand(target, ideal int64) {
	e.target, e.ideal = float64(max(target, 0)), float64(max(ideal, 0))
	e.prober.wished = min(e.prober.wished, e.ideal)
}

// Estimate is how much may be sent now, in bit/s, everything included.
func (e *Estimator) Estimate() int64 { return e.estimate }

// Sustained is the estimate without what is held back for the moment, while a
// queue is emptied, in bit/s; never less than Estimate.
func (e *Estimator) Sustained() int64 { return max(e.opt.clamp(int64(e.rate)), e.estimate) }

// Deadline is when Tick and then NextProbe want to be called, 0 for not before
// something else happens. It may change with every call, also of SetDemand.
func (e *Estimator) Deadline() mono.Time {
	v := e.view(e.heard)
	at, _ := e.prober.plan(&v)
	return mono.Earliest(mono.Earliest(at, e.silentAt()), e.prober.wake(e.rtt))
}

// Tick does what is due.
func (e *Estimator) Tick(now mono.Time) {
	if at := e.silentAt(); at != 0 && now >= at {
		e.silent(now)
	}
	if rate := e.prober.settle(now, e.reported, e.rtt); rate > 0 {
		e.proved(rate)
		e.finish(now)
	}
	v := e.view(now)
	if at, rate := e.prober.plan(&v); at != 0 && now >= at {
		e.prober.start(&v, rate)
		e.shadow = now.Add(e.prober.length + probeShadow)
	}
	e.prober.request(now)
}

// NextProbe returns what padding to send now, once after each Tick that found
// some to be due. The caller need not send all of it, or any.
func (e *Estimator) NextProbe(now mono.Time) (Probe, bool) {
	p := e.prober.wanted
	e.prober.wanted = Probe{}
	return p, p.Bytes > 0 && now < p.Deadline
}

// view is what the prober has to know.
func (e *Estimator) view(now mono.Time) probeView {
	return probeView{
		now: now, estimate: e.rate, ideal: e.ideal, ceiling: float64(e.opt.Max),
		calm:         e.calm(),
		lastDecrease: e.prober.dropped, jitter: e.jitter,
	}
}

// calm reports whether nothing speaks against sending more.
func (e *Estimator) calm() bool {
	return e.heard != 0 && !e.silenced && e.detector.signal == normal &&
		(e.queue < calmQueue || e.drain.state == foreignQueue)
}

// silentAt is when the lack of feedback becomes a reason to send less.
func (e *Estimator) silentAt() mono.Time {
	if e.heard == 0 || e.waiting == 0 || e.estimate <= e.opt.Min {
		return 0
	}
	return e.waiting.Add(silence + e.rtt)
}

// silent lowers the rate: nothing of what was sent is known to have arrived.
func (e *Estimator) silent(now mono.Time) {
	e.count.timeouts++
	e.silenced = true
	e.waiting = now.Add(silenceStep - silence - e.rtt)
	e.aimd.rate = silenceFactor * e.rate
	e.finish(now)
}
