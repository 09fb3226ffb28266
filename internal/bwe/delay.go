package bwe

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// clockWrap is after how long the times in transport-wide feedback start anew:
// 24 bits of 64 ms.
const clockWrap = (1 << 24) * 64 * time.Millisecond

// receiverClock turns the times of feedback messages into ones that do not
// wrap and are positive.
type receiverClock struct {
	newest time.Duration
	on     bool
}

func (c *receiverClock) unwrap(at time.Duration) time.Duration {
	if !c.on {
		c.on, c.newest = true, at+2*clockWrap
	}
	d := (at - c.newest) % clockWrap
	switch {
	case d >= clockWrap/2:
		d -= clockWrap
	case d < -clockWrap/2:
		d += clockWrap
	}
	at = c.newest + d
	c.newest = max(c.newest, at)
	return at
}

// delaySample is the delay of one packet, up to a constant: the clocks of both
// ends have nothing to do with each other.
type delaySample struct {
	sent mono.Time
	at   time.Duration // arrival on the receiver's clock
}

func (s delaySample) delay() time.Duration { return s.at - time.Duration(s.sent) }

// burst is how long after its first packet a group of packets ends
// (draft-ietf-rmcat-gcc-02 §5.2).
const burst = 5 * time.Millisecond

// grouper merges packets that are sent in one go into one sample: that of the
// packet with the least delay. Media is not paced here, so the later packets
// of a frame wait for the earlier ones; counting those, as one would for the
// end of a group, makes every key frame look like congestion. The first packet
// of a frame waits only for what stood in the queue before.
type grouper struct {
	first mono.Time
	best  delaySample
	on    bool
}

// add takes packets in the order of sending and returns the sample of a group
// when the next one begins.
func (g *grouper) add(s delaySample) (done delaySample, ok bool) {
	if g.on && s.sent < g.first {
		return done, false
	}
	if g.on && s.sent.Sub(g.first) <= burst {
		if s.delay() < g.best.delay() {
			g.best = s
		}
		return done, false
	}
	done, ok = g.best, g.on
	g.first, g.best, g.on = s.sent, s, true
	return done, ok
}

// baseWindow is how long the least delay counts as that of an empty queue;
// then routes and clocks may have changed.
const baseWindow = 10 * time.Second

// baseDelay is the least delay of the last one to two windows.
type baseDelay struct {
	current, previous time.Duration
	since             mono.Time
}

func (b *baseDelay) add(s delaySample) {
	d := s.delay()
	switch {
	case b.since == 0:
		b.current, b.previous, b.since = d, d, s.sent
	case s.sent.Sub(b.since) >= baseWindow:
		b.previous, b.current, b.since = b.current, d, s.sent
	default:
		b.current = min(b.current, d)
	}
}

func (b *baseDelay) above(s delaySample) time.Duration {
	return max(0, s.delay()-min(b.current, b.previous))
}
