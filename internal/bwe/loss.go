package bwe

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	lossWindow    = 20 // observations
	lossInterval  = 250 * time.Millisecond
	lossPackets   = 10 // an observation has at least so many
	lossWeight    = 0.9
	lossIgnored   = 0.02 // as long as nothing is limited
	inherentMin   = 0.005
	inherentFixed = 0.06
	// inherentBalance makes room for more inherent loss at low rates: a path
	// that loses a fifth of what it gets is left about 1 Mbit/s, not nothing.
	inherentBalance = 150_000.0
	// inherentPenalty, in units of log-likelihood a packet, is what makes
	// lowering the rate the first thing to try.
	inherentPenalty = 0.05
	// lossTie is the difference of log-likelihood that does not count.
	lossTie       = 0.5
	lossGrowth    = 1.05 // for each observation
	lossGrowthOff = 1.15 // while nothing is lost
	lossClean     = 0.01
	// lossReturn is for how many observations after a drop the limit may go
	// back to where it was, if the losses turn out not to depend on it.
	lossReturn = 8
	lossDrop   = 0.9
)

// lossSteps are the candidates: relative to the present limit, above it only
// as far as the limit was before a recent drop.
var lossSteps = [...]float64{3, 2, 1.5, 1.25, 1.1, 1, 0.97, 0.93, 0.88, 0.82, 0.75, 0.67, 0.58, 0.5}

// lossModel finds the bandwidth that explains the losses of the last seconds.
//
// A path with bandwidth b that also loses a share p of everything at random
// ("inherent" loss) loses, at a rate r,
//
//	P(r) = p + (1-p) · max(0, 1 - b/r)
//
// The observations, quarters of a second with their rate, packets and losses,
// have a likelihood for every pair (b, p). For each of a few candidates b
// around the present one the best p is searched, within bounds and with a
// small penalty for claiming inherent loss; the largest b with the highest
// likelihood wins. So a loss that appears is at first answered by a rate lower
// by as much; if it stays at the lower rate it must be inherent, and the rate
// returns. A queue that overflows, or a policer, is answered by its rate.
//
// The fixed thresholds of draft-ietf-rmcat-gcc-02 §6 (hold above 2 %, fall
// above 10 %) know no inherent loss, and end at nothing on a path that loses
// 20 % at random; they are used where there are only receiver reports.
type lossModel struct {
	observations [lossWindow]lossObservation
	next, count  int
	limit        float64 // bit/s; +Inf if losses limit nothing
	inherent     float64 // p that goes with it
	weight       float64 // packets in the window, weighted
	average      float64 // loss over the window
	before       float64 // limit before a recent drop
	age          int     // observations since then

	// What is being observed.
	begun    mono.Time
	bytes    int
	received int
	lost     int
}

type lossObservation struct{ rate, received, lost float64 }

func newLossModel() lossModel { return lossModel{limit: math.Inf(1)} }

// add counts a reported packet; reports come in the order of sending. It
// returns true when an observation is complete, before it counts the packet.
func (l *lossModel) add(sent mono.Time, size int, received bool) (complete bool) {
	if l.received+l.lost == 0 {
		l.begun = sent
	}
	if span := sent.Sub(l.begun); span >= lossInterval && l.received+l.lost >= lossPackets {
		l.close(span)
		l.begun, complete = sent, true
	}
	l.bytes += size
	if received {
		l.received++
	} else {
		l.lost++
	}
	return complete
}

// found takes back that a packet was lost: it came late.
func (l *lossModel) found() {
	last := &l.observations[(l.next+lossWindow-1)%lossWindow]
	switch {
	case l.lost > 0:
		l.lost--
		l.received++
	case l.count > 0 && last.lost >= 1:
		last.lost--
		last.received++
	}
}

func (l *lossModel) close(span time.Duration) {
	l.observations[l.next] = lossObservation{
		rate:     float64(l.bytes) * 8 / span.Seconds(),
		received: float64(l.received), lost: float64(l.lost),
	}
	l.next = (l.next + 1) % lossWindow
	l.count = min(l.count+1, lossWindow)
	l.bytes, l.received, l.lost = 0, 0, 0
}

// observation returns the i-th newest.
func (l *lossModel) observation(i int) *lossObservation {
	return &l.observations[(l.next-1-i+2*lossWindow)%lossWindow]
}

// update finds the limit anew after an observation; unlimited is the estimate
// without regard to losses.
func (l *lossModel) update(unlimited float64) {
	l.weigh()
	if math.IsInf(l.limit, 1) && l.average < lossIgnored {
		l.inherent = l.average
		return
	}
	base := min(l.limit, unlimited)
	l.limit, l.inherent = l.best(base, unlimited)
	l.remember(base)
	if l.limit >= unlimited {
		l.limit = math.Inf(1)
	}
}

// best chooses among the candidates, from the largest to the smallest.
func (l *lossModel) best(base, unlimited float64) (b, p float64) {
	grown := min(base*l.growth(), unlimited)
	b, score := 0.0, math.Inf(-1)
	try := func(c float64) {
		if s, q := l.score(c); s > score+lossTie {
			b, score, p = c, s, q
		}
	}
	for _, step := range lossSteps {
		switch c := base * step; {
		case c > grown && c <= min(l.before, unlimited):
			try(c)
		case step == 1:
			try(grown)
			try(base)
		case step < 1:
			try(c)
		}
	}
	return b, p
}

// remember keeps for a while where the limit was before it dropped.
func (l *lossModel) remember(base float64) {
	if l.age++; l.age > lossReturn {
		l.before = 0
	}
	if l.limit < lossDrop*base {
		l.before, l.age = max(l.before, base), 0
	}
}

func (l *lossModel) growth() float64 {
	if o := l.observation(0); o.lost > lossClean*(o.lost+o.received) {
		return lossGrowth
	}
	return lossGrowthOff
}

func (l *lossModel) weigh() {
	lost, all, w := 0.0, 0.0, 1.0
	for i := range l.count {
		o := l.observation(i)
		lost += w * o.lost
		all += w * (o.lost + o.received)
		w *= lossWeight
	}
	l.weight, l.average = all, lost/max(all, 1)
}

// raise makes room for what a probe has shown.
func (l *lossModel) raise(rate float64) { l.limit = max(l.limit, rate) }

// score is the best log-likelihood for a bandwidth and the p it needs.
func (l *lossModel) score(b float64) (score, p float64) {
	low, high := inherentMin, min(0.9, inherentFixed+inherentBalance/b)
	if l.derivative(b, low) <= 0 {
		return l.likelihood(b, low), low
	}
	// The likelihood is concave in p: its derivative has one root.
	for range 12 {
		p = (low + high) / 2
		if l.derivative(b, p) > 0 {
			low = p
		} else {
			high = p
		}
	}
	return l.likelihood(b, p), p
}

// congested is the share of packets a rate loses for lack of bandwidth.
func congested(rate, b float64) float64 {
	if rate <= b {
		return 0
	}
	return 1 - b/rate
}

func (l *lossModel) likelihood(b, p float64) float64 {
	sum, w := 0.0, 1.0
	for i := range l.count {
		o := l.observation(i)
		loss := p + (1-p)*congested(o.rate, b)
		sum += w * (o.lost*math.Log(loss) + o.received*math.Log1p(-loss))
		w *= lossWeight
	}
	return sum - inherentPenalty*l.weight*p
}

// derivative is that of likelihood by p.
func (l *lossModel) derivative(b, p float64) float64 {
	sum, w := 0.0, 1.0
	for i := range l.count {
		o := l.observation(i)
		q := congested(o.rate, b)
		sum += w * (o.lost*(1-q)/(p+(1-p)*q) - o.received/(1-p))
		w *= lossWeight
	}
	return sum - inherentPenalty*l.weight
}
