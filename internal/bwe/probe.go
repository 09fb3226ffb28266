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
	probeDuration = 20 * time.Millisecond
	probeStep     = 4 * time.Millisecond
	probePatience = 3 * probeDuration // then a probe that was not sent is over
	probePackets  = 5
	probeMinSize  = 200
	probeMaxSize  = 1200
	probeReplies  = time.Second // besides the round trip

	probeInitial  = 3.0
	probeFurther  = 2.0
	probePeriodic = 2.0
	probeRecovery = 0.85 // of what it was before a drop
	// probeExcess is how far above the wanted rate it makes sense to probe.
	probeExcess = 1.25
	// probeWorth is the least gain that is worth a probe.
	probeWorth = 1.05

	probeInterval = 5 * time.Second
	probeAfter    = time.Second     // between a probe and one for a new demand
	probeSettle   = time.Second     // after a decrease
	probeRecover  = 2 * time.Second // after a drop
	dropShare     = 0.66            // less than this of the rate before is a drop
	dropMemory    = 5 * time.Second // decreases farther apart are separate drops

	// A probe that arrives slower than it was sent has met the capacity.
	probeSaturated      = 0.9
	probeSaturatedShare = 0.9
	probeSuccess        = 0.7 // of its rate: worth trying more
	probeReceived       = 0.6 // of its packets, at least
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
	started mono.Time
	next    mono.Time // when more is to be sent, or the wait is over
	sent    int       // bytes since started
	packets int
	lastSeq int64
	result  probeResult

	tried    bool    // the initial probe was sent
	follow   float64 // rate of a probe to follow at once, 0 for none
	wished   float64 // the ideal rate at the last probe
	peak     float64 // rate before the last decreases
	before   float64 // the same if they were a drop, until it was probed for
	dropped  mono.Time
	finished int
	last     float64 // what the last probe has shown
}

// probeResult is what is known of the received packets of a probe.
type probeResult struct {
	packets, bytes      int
	firstSize, lastSize int
	firstSent, lastSent mono.Time
	firstAt, lastAt     time.Duration
}

// probeView is what the prober needs to know to plan.
type probeView struct {
	now          mono.Time
	estimate     float64
	ideal        float64
	ceiling      float64
	calm         bool // feedback comes, no queue
	lastDecrease mono.Time
}

// plan returns when a probe should start and at what rate; zero for not at all
// as things are.
func (p *prober) plan(v *probeView) (at mono.Time, rate float64) {
	if p.state != probeIdle || !v.calm || v.ideal < v.estimate*probeWorth {
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
	case p.follow > 0:
		return v.now, p.follow
	case p.before*probeRecovery > v.estimate:
		return max(p.started.Add(probeAfter), v.lastDecrease.Add(probeRecover)), probeRecovery * p.before
	case v.ideal > probeExcess*p.wished:
		return p.started.Add(probeAfter), probePeriodic * v.estimate
	}
	return p.started.Add(probeInterval), probePeriodic * v.estimate
}

func (p *prober) start(now mono.Time, rate, ideal float64) {
	if p.id++; p.id == 0 {
		p.id = 1
	}
	p.state, p.rate, p.started, p.next = probeSending, rate, now, now
	p.sent, p.packets, p.result = 0, 0, probeResult{}
	p.tried, p.follow, p.wished = true, 0, ideal
	if p.before*probeRecovery >= rate {
		p.before = 0
	}
}

// request returns what padding is due. Media that is sent meanwhile counts.
func (p *prober) request(now mono.Time) (Probe, bool) {
	if p.state != probeSending || now < p.next {
		return Probe{}, false
	}
	p.next = now.Add(probeStep)
	upTo := min(now.Add(probeStep).Sub(p.started), probeDuration)
	missing := p.bytesIn(upTo) - p.sent
	if missing <= 0 && upTo < probeDuration {
		return Probe{}, false
	}
	// The last step sends something in any case: it marks the end.
	return Probe{
		Rate: int64(p.rate), Bytes: max(missing, probeMinSize), PacketSize: p.packetSize(), Deadline: p.next,
	}, true
}

func (p *prober) bytesIn(d time.Duration) int { return int(p.rate / 8 * d.Seconds()) }

func (p *prober) packetSize() int {
	return min(max(p.bytesIn(probeDuration)/probePackets, probeMinSize), probeMaxSize)
}

// onSent counts a packet and returns the number of the probe it belongs to.
func (p *prober) onSent(seq int64, now mono.Time, size int) uint8 {
	if p.state != probeSending {
		return 0
	}
	p.sent += size
	p.packets++
	p.lastSeq = seq
	ends := now.Add(probeStep).Sub(p.started) >= probeDuration
	if ends && p.packets >= probePackets && p.sent >= p.bytesIn(probeDuration) {
		p.state = probeWaiting
	}
	return p.id
}

// onReceived takes the report of a packet of the probe, in the order of
// sending.
func (p *prober) onReceived(sent *sentPacket, at time.Duration) {
	if p.state == probeIdle || sent.cluster != p.id {
		return
	}
	r, size := &p.result, int(sent.size)
	if r.packets == 0 {
		r.firstSent, r.firstAt, r.lastAt, r.firstSize = sent.at, at, at, size
	}
	r.lastSent, r.lastSize = sent.at, size
	r.lastAt = max(r.lastAt, at)
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
	case p.state == probeSending && age < probePatience:
		return 0
	case p.state == probeSending && p.packets == 0:
		p.state = probeIdle // nobody sent it
		return 0
	case reported < p.lastSeq && age < probePatience+probeReplies+rtt:
		p.state = probeWaiting
		return 0
	}
	p.state = probeIdle
	p.finished++
	p.last = p.result.measure(p.packets)
	if p.last >= probeSuccess*p.rate {
		p.follow = probeFurther * p.last
	}
	return p.last
}

// measure is the rate at which the packets were delivered, at most that at
// which they were sent. When it is clearly less, it is the capacity, and the
// result a little below.
func (r *probeResult) measure(sent int) float64 {
	sending := r.lastSent.Sub(r.firstSent)
	if r.packets < probePackets-1 || float64(r.packets) < probeReceived*float64(sent) || sending < probeDuration/4 {
		return 0
	}
	receiving := max(r.lastAt-r.firstAt, time.Millisecond)
	out := float64(r.bytes-r.lastSize) * 8 / sending.Seconds()
	in := float64(r.bytes-r.firstSize) * 8 / receiving.Seconds()
	if in < probeSaturated*out {
		return probeSaturatedShare * in
	}
	return min(in, out)
}

// wake is when request or settle want to be called again.
func (p *prober) wake(rtt time.Duration) mono.Time {
	switch p.state {
	case probeSending:
		return min(p.next, p.started.Add(probePatience))
	case probeWaiting:
		return p.started.Add(probePatience + probeReplies + rtt)
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
