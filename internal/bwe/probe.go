package bwe

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Probe is a request to send padding now.
type Probe struct {
	// Rate is what the probe is about, in bit/s: media and padding together
	// are to be sent at it while the probe lasts.
	Rate int64
	// Bytes of padding, or of retransmissions of what is still fresh, are to
	// be sent at once, in packets of at most PacketSize each.
	Bytes, PacketSize int
	// Deadline is when this amount is useless. Estimator.Deadline tells when
	// to ask again.
	Deadline mono.Time
}

const (
	// A probe has about probeBytes, so that the time that one packet takes
	// does not matter, within bounds of its duration.
	probeBytes   = 8000
	probeMinTime = 20 * time.Millisecond
	probeMaxTime = 100 * time.Millisecond
	probeJitters = 5 // its least duration in mean deviations of the delay
	probeStep    = 5 * time.Millisecond
	probeLate    = 50 * time.Millisecond // then a probe that was not sent is over
	probePackets = 5
	// probeShadow is how long the queue that a probe makes is no sign of
	// anything else.
	probeShadow  = 300 * time.Millisecond
	probeMinSize = 200
	probeMaxSize = 1200
	probeReplies = time.Second // besides the round trip time

	probeInitial  = 3.0
	probeFurther  = 2.0
	probePeriodic = 1.4  // little, because it hurts where there is no room
	probeRecovery = 0.85 // of what it was before a drop
	// probeExcess is how far above the wanted rate it makes sense to probe.
	probeExcess = 1.25
	// probeWorth is the least gain that is worth a probe.
	probeWorth = 1.05

	probeInterval = 5 * time.Second
	probeRetry    = 2 * time.Second // after a first failure, which jitter makes easily
	probeAfter    = time.Second     // between a probe and one for a new demand
	probeSettle   = time.Second     // after a decrease
	probeRecover  = 2 * time.Second // after a drop
	dropShare     = 0.66            // less than this of the rate before is a drop
	dropMemory    = 5 * time.Second // decreases farther apart are separate drops

	// A probe that arrives slower than it was sent has met the capacity.
	probeSaturated      = 0.95
	probeSaturatedShare = 0.92
	// probeNoise is how many mean deviations of the delay a probe may take
	// longer without that.
	probeNoise = 1
	// probeFound is the gain of a probe that has met the capacity nevertheless.
	probeFound    = 1.2
	probeReceived = 0.6 // of its packets, and sent of its bytes, at least
)

type probeState uint8

const (
	probeIdle probeState = iota
	probeSending
	probeWaiting // for the reports
)

// prober decides when to probe and for what, and measures the outcome.
type prober struct {
	state   probeState
	id      uint8 // of the probe in hand, or the last
	rate    float64
	length  time.Duration
	jitter  time.Duration // when it started
	started mono.Time
	next    mono.Time // when more is to be sent, or the wait is over
	wanted  Probe     // not yet asked for
	sent    int       // bytes since started
	packets int
	lastSeq int64
	result  probeResult

	tried    bool    // the initial probe was sent
	follow   float64 // rate of a probe to follow at once, 0 for none
	wished   float64 // the ideal rate at the last probe, or the least since
	peak     float64 // rate before the last decreases
	before   float64 // the same if they were a drop, until it was probed for
	dropped  mono.Time
	finished int
	failed   int     // since the last one that found room
	last     float64 // what the last probe has shown
}

// probeResult is what is known of the received packets of a probe. First are
// those that were sent at the same time as the first one: padding goes out in
// small bursts.
type probeResult struct {
	packets, bytes      int
	firstSize           int
	firstSent, lastSent mono.Time
	firstAt, lastAt     time.Duration // of the newest of them
}

// probeView is what the prober needs to know to plan.
type probeView struct {
	now          mono.Time
	estimate     float64
	ideal        float64
	ceiling      float64
	calm         bool // feedback comes, no queue
	lastDecrease mono.Time
	jitter       time.Duration
}

// plan returns when a probe should start and at what rate; zero for not at all
// as things are.
func (p *prober) plan(v *probeView) (at mono.Time, rate float64) {
	if p.state != probeIdle || !v.calm || v.ideal <= v.estimate {
		return 0, 0
	}
	at, rate = p.occasion(v)
	rate = min(rate, v.ideal*probeExcess, v.ceiling)
	if rate < v.estimate*probeWorth {
		return 0, 0
	}
	if v.lastDecrease != 0 {
		at = max(at, v.lastDecrease.Add(probeSettle))
	}
	return at, rate
}

func (p *prober) occasion(v *probeView) (at mono.Time, rate float64) {
	switch {
	case !p.tried:
		return v.now, probeInitial * v.estimate
	case p.follow > v.estimate*probeWorth:
		return v.now, p.follow
	case p.before*probeRecovery > v.estimate:
		return max(p.started.Add(probeAfter), v.lastDecrease.Add(probeRecover)), probeRecovery * p.before
	case v.ideal > probeExcess*p.wished:
		return p.started.Add(probeAfter), probeInitial * v.estimate
	}
	if p.failed < 2 {
		return p.started.Add(probeRetry), probePeriodic * v.estimate
	}
	return p.started.Add(probeInterval), probePeriodic * v.estimate
}

func (p *prober) start(v *probeView, rate float64) {
	if p.id++; p.id == 0 {
		p.id = 1
	}
	p.state, p.rate, p.started, p.next = probeSending, rate, v.now, v.now
	p.length = time.Duration(probeBytes * 8 / rate * float64(time.Second))
	p.length = min(max(p.length, probeMinTime, probeJitters*v.jitter), probeMaxTime)
	p.jitter = v.jitter
	p.sent, p.packets, p.result = 0, 0, probeResult{}
	if p.before > 0 {
		p.before, p.peak = 0, v.estimate // one attempt for each drop
	}
	p.tried, p.follow, p.wished = true, 0, v.ideal
}

// request finds what padding is due. Media that is sent meanwhile counts.
func (p *prober) request(now mono.Time) {
	if p.state != probeSending || now < p.next {
		return
	}
	p.next = now.Add(probeStep)
	upTo := p.next.Sub(p.started)
	missing := p.bytesIn(upTo) - p.sent
	if missing <= 0 && upTo < p.length {
		return
	}
	// The last step sends something in any case: it marks the end.
	p.wanted = Probe{
		Rate: int64(p.rate), Bytes: max(missing, probeMinSize), PacketSize: p.packetSize(), Deadline: p.next,
	}
}

func (p *prober) bytesIn(d time.Duration) int { return int(p.rate / 8 * d.Seconds()) }

func (p *prober) packetSize() int {
	return min(max(p.bytesIn(p.length)/probePackets, probeMinSize), probeMaxSize)
}

// onSent counts a packet and returns the number of the probe it belongs to.
// What is sent at the very beginning is not measured, so that a large frame
// then does not take the place of what is.
func (p *prober) onSent(seq int64, now mono.Time, size int) uint8 {
	if p.state != probeSending {
		return 0
	}
	p.sent += size
	if now == p.started {
		p.sent = min(p.sent, p.bytesIn(probeStep))
	}
	p.packets++
	p.lastSeq = seq
	upTo := now.Add(probeStep).Sub(p.started)
	if upTo >= p.length && p.packets >= probePackets && p.sent >= p.bytesIn(upTo) {
		p.state = probeWaiting
	}
	return p.id
}

// onReceived takes the report of a packet of the probe, in the order of
// sending.
func (p *prober) onReceived(packet *sentPacket, s delaySample) {
	if p.state == probeIdle || packet.cluster != p.id {
		return
	}
	r, size := &p.result, int(packet.size)
	if r.packets == 0 {
		r.firstSent, r.firstAt, r.lastAt = s.sent, s.at, s.at
	}
	if s.sent == r.firstSent {
		r.firstSize += size
		r.firstAt = max(r.firstAt, s.at)
	}
	r.lastSent = max(r.lastSent, s.sent)
	r.lastAt = max(r.lastAt, s.at)
	r.packets++
	r.bytes += size
}

// settle ends the probe in hand when everything about it has been reported, up
// to number reported, or it is too late. It returns the rate that was shown to
// work; zero while there is none.
func (p *prober) settle(now mono.Time, reported int64, rtt time.Duration) (rate float64) {
	switch age := now.Sub(p.started); {
	case p.state == probeIdle:
		return 0
	case p.state == probeSending && age < p.length+probeLate:
		return 0
	case p.state == probeSending && p.packets == 0:
		p.state = probeIdle // nobody sent it
		return 0
	case reported < p.lastSeq && age < p.length+probeLate+probeReplies+rtt:
		p.state = probeWaiting
		return 0
	}
	p.state = probeIdle
	p.finished++
	var full bool
	p.last = 0
	if float64(p.sent) >= probeReceived*float64(p.bytesIn(p.length)) {
		p.last, full = p.result.measure(p.packets, p.rate, p.jitter)
	}
	p.failed++
	if p.last > 0 && !full {
		p.follow, p.failed = probeFurther*p.last, 0
	}
	return p.last
}

// measure is the rate at which the packets were delivered, at most that at
// which they were sent. When it is clearly less than that and than what was
// asked for, the path is full: this is the capacity, and the result a little
// below.
//
// Each burst is what is to be sent until the next one. So what came after the
// first burst was sent in the time between the first and the last, however late
// the sender was in between, and passed the path in the time between their
// arrivals.
func (r *probeResult) measure(sent int, asked float64, jitter time.Duration) (rate float64, full bool) {
	sending := r.lastSent.Sub(r.firstSent)
	if r.packets < probePackets-1 || float64(r.packets) < probeReceived*float64(sent) || sending < probeMinTime/2 {
		return 0, false
	}
	receiving := max(r.lastAt-r.firstAt-probeNoise*jitter, time.Millisecond)
	bits := float64(r.bytes-r.firstSize) * 8
	in, out := bits/receiving.Seconds(), min(bits/sending.Seconds(), asked)
	if in < probeSaturated*out {
		return probeSaturatedShare * in, true
	}
	return min(in, out), false
}

// wake is when request or settle want to be called again.
func (p *prober) wake(rtt time.Duration) mono.Time {
	switch p.state {
	case probeSending:
		return min(p.next, p.started.Add(p.length+probeLate))
	case probeWaiting:
		return p.started.Add(p.length + probeLate + probeReplies + rtt)
	}
	return 0
}

// onDecrease remembers the rate before a drop, which may come in steps.
func (p *prober) onDecrease(now mono.Time, before, after float64) {
	if p.dropped == 0 || now.Sub(p.dropped) > dropMemory {
		p.peak = before
	}
	p.dropped = now
	if after < dropShare*p.peak {
		p.before = p.peak
	}
}
