package bridge

import (
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// Gathering. A thousand people in rooms of 40 who are only there send some 6,900
// datagrams a second to show that they are, nearly all of them reports on nothing
// (docs/loadtest.md has what browsers were seen to send). Nobody waits for the answers, but each would wake
// the worker, and waking up and falling asleep is most of what they cost. So a
// worker to which nothing else comes lets them gather in its socket, and has a
// turn every [mono.RestGrain] ([netio.Socket.Gather]).
//
// What comes then may be late by as much: the first packet of media after a
// second without any, the first check from an address nobody knows, timers, and,
// by what is measured, a path's round trip. So may what clients say on bridge
// channels, for which the sockets' Set waits in the same way (package readable);
// other letters wake the worker at once. What 10,000 people send at rest in that
// time takes some 2.5 MB of a socket's queue, which has 10 MB ([Options.ReadBuffer]).
//
// Digital silence does not wait, as other media do not: a worker to which muted
// microphones go on sending is never calm, and their conferences do not rest.

const (
	// gatherAfter is how long nothing must have been urgent.
	gatherAfter = time.Second
	// gatherFrom is how many datagrams must have come in the last second: to be
	// woken by fewer costs less than to look for them.
	gatherFrom = 4 * uint64(time.Second/mono.RestGrain)
)

// gathering is how a worker knows whether it may let datagrams wait.
type gathering struct {
	calm   atomic.Bool // it does; others read it who have something for this worker
	urgent mono.Time   // when something came last that does not wait
	ended  mono.Time   // until when datagrams have waited by intent
	now    bool        // they do in the wait at hand
}

// hurry notes something that does not wait: more is likely to follow.
func (g *gathering) hurry(now mono.Time) {
	g.urgent = now
	if g.calm.Load() {
		g.calm.Store(false)
	}
}

// settle decides at the end of a second in which so many datagrams came.
func (g *gathering) settle(now mono.Time, came uint64) {
	g.calm.Store(now.Sub(g.urgent) >= gatherAfter && came >= gatherFrom)
}

// begin reports whether datagrams are to gather in a wait that begins now, and
// until when.
func (g *gathering) begin(now mono.Time) (d time.Duration, ok bool) {
	g.now = g.calm.Load()
	return now.Add(1).RoundUp(mono.RestGrain).Sub(now), g.now
}

// end is told of the end of a wait.
func (g *gathering) end(now mono.Time) {
	if g.now {
		g.ended = now
	}
}

// without returns how long a datagram has waited against our will.
func (g *gathering) without(waited time.Duration, now mono.Time) time.Duration {
	return min(waited, now.Sub(g.ended))
}

// mayWait reports whether a packet is of a kind that nobody waits for, if it is
// from somebody who is known: a check, or RTCP (RFC 7983 §7).
func mayWait(pkt []byte) bool {
	return pkt[0] < 4 || pkt[0] >= 128 && pkt[0] < 192 && rtp.IsRTCP(pkt)
}
