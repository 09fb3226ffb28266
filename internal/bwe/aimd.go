package bwe

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	decreaseFactor   = 0.85
	foreignFactor    = 0.95
	increasePerSec   = 1.08
	increaseMin      = 1000.0 // bit/s a second
	additiveMin      = 4000.0
	additivePacket   = 1200 * 8.0 // bits
	additiveResponse = 100 * time.Millisecond
	// growthLimit is how far above what is delivered the rate may grow, and
	// growthSlack a little more for the start: what is not used is not known.
	growthLimit = 1.5
	growthSlack = 10_000.0
	// keepsUp is the share of what is sent that has to be delivered in the
	// same time to say that the path carries it.
	keepsUp = 0.9

	// A decrease shows after a round trip time, a feedback interval and a few
	// groups. Until then there is no other, unless the rate is far off.
	decreaseDelay = 200 * time.Millisecond
	decreaseRTT   = 200 * time.Millisecond // at most so much of the round trip time
	farOff        = 0.5
)

// aimd is the rate controller behind the detector (draft-ietf-rmcat-gcc-02
// §5.5): the rate falls to a part of what is delivered when a queue grows,
// and otherwise rises, near a known capacity by about a packet for every round
// trip, else by 8 % a second.
type aimd struct {
	rate      float64
	capacity  capacity
	updated   mono.Time
	decreased mono.Time
}

// measured is what one report has told, rates in bit/s.
type measured struct {
	signal    signal
	delivered float64 // 0 if not known
	offered   float64 // at which that was sent
	rtt       time.Duration
	foreign   bool // a queue stands that is not ours
}

// update reports whether the rate was decreased.
func (a *aimd) update(now mono.Time, m *measured) bool {
	elapsed := min(now.Sub(a.updated), time.Second)
	a.updated = now
	switch m.signal {
	case overuse:
		return a.decrease(now, m)
	case normal:
		a.increase(elapsed.Seconds(), m)
	}
	return false // the queue is running empty: wait for that
}

func (a *aimd) increase(seconds float64, m *measured) {
	if m.delivered == 0 {
		return
	}
	if m.delivered > a.capacity.upper() {
		a.capacity.reset()
	}
	step := max(a.rate*(math.Pow(increasePerSec, seconds)-1), increaseMin*seconds)
	if a.capacity.known {
		response := (m.rtt + additiveResponse).Seconds()
		step = min(step, max(additiveMin, additivePacket/response)*seconds)
	}
	limit := growthLimit*m.delivered + growthSlack
	a.rate = max(a.rate, min(a.rate+step, limit))
}

// decrease goes below what the path delivers. When it delivers all it is sent,
// which is less than it was thought to carry, then what it delivers is not its
// capacity, and the estimate is only lowered a step: an idle link must not be
// taken for a narrow one because of a hiccup.
func (a *aimd) decrease(now mono.Time, m *measured) bool {
	since := now.Sub(a.decreased)
	if since < decreaseDelay+min(m.rtt, decreaseRTT) && (m.delivered > farOff*a.rate || since < decreaseRTT) {
		return false
	}
	a.decreased = now
	factor := decreaseFactor
	if m.foreign {
		factor = foreignFactor
	}
	target := factor * a.rate
	if m.delivered > 0 {
		if m.delivered < keepsUp*m.offered {
			target = decreaseFactor * m.delivered
			a.capacity.observe(m.delivered)
		} else {
			target = max(target, factor*m.delivered)
		}
	}
	a.rate = min(a.rate, target)
	return true
}

// raise takes over what a probe has shown.
func (a *aimd) raise(rate float64) {
	if rate > a.capacity.upper() {
		a.capacity.reset()
	}
	a.rate = max(a.rate, rate)
}

// capacity is the mean of what the path delivered when it was full, with its
// deviation (draft-ietf-rmcat-gcc-02 §5.5), in kbit/s.
type capacity struct {
	mean, variance float64
	known          bool
}

const (
	capacityWeight      = 0.05
	capacityMinVariance = 0.4 // relative to the mean
	capacityMaxVariance = 2.5
	capacityDeviations  = 3
)

func (c *capacity) reset() { *c = capacity{} }

func (c *capacity) deviation() float64 { return math.Sqrt(c.variance * c.mean) }

func (c *capacity) upper() float64 {
	if !c.known {
		return math.Inf(1)
	}
	return (c.mean + capacityDeviations*c.deviation()) * 1000
}

func (c *capacity) lower() float64 {
	return (c.mean - capacityDeviations*c.deviation()) * 1000
}

func (c *capacity) observe(bps float64) {
	if c.known && bps < c.lower() {
		c.reset()
	}
	kbps := bps / 1000
	if !c.known {
		*c = capacity{mean: kbps, variance: capacityMinVariance, known: true}
		return
	}
	off := c.mean - kbps
	c.mean -= capacityWeight * off
	c.variance = (1-capacityWeight)*c.variance + capacityWeight*off*off/max(c.mean, 1)
	c.variance = min(max(c.variance, capacityMinVariance), capacityMaxVariance)
}
