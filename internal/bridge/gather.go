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
// So does audio that nobody gets. Browsers go on sending digital silence for who is
// muted, 50 packets a second and person or, with DTX, 4.8; of it the first [maxSilent]
// packets are forwarded. Whether a packet is such a one is known when it is
// authentic: what cannot be opened is urgent, as is the first packet that is not
// silent. But silence does not tell who has muted from whose microphone lets
// nothing through between two words: the one clicks before they speak, and what is
// late is noise; for the other it is the beginning of a word. Therefore workers to
// which silence comes gather only where it is worth something, and not in a pause
// of a talk ([gatherSilenceAfter], [gatherSilenceFrom]).
//
// A worker does not know what it hands over, and goes by whether the worker whose it
// is gathers. When that is in a hurry again, it tells the others ([hurried]).

const (
	// gatherAfter is how long nothing must have been urgent.
	gatherAfter = time.Second
	// gatherFrom is how many datagrams must have come in the last second: to be
	// woken by fewer costs less than to look for them.
	gatherFrom = 4 * uint64(time.Second/mono.RestGrain)
	// gatherSilenceAfter takes the place of gatherAfter while somebody sends silence:
	// who talks, with nobody else there to be heard, hardly pauses for so long.
	gatherSilenceAfter = 5 * time.Second
	// gatherSilenceFrom takes the place of gatherFrom then: some 40 microphones, or
	// 170 with DTX, not one of which is heard. Each datagram that wakes nobody saves
	// 22 us, so that these make 6.4 % of a core 1.3, where a few microphones would
	// save what nobody sees for a word that begins up to [mono.RestGrain] late.
	gatherSilenceFrom = 2000
)

// gathering is how a worker knows whether it may let datagrams wait.
type gathering struct {
	calm    atomic.Bool // it does; others read it who have something for this worker
	urgent  mono.Time   // when something came last that does not wait
	ended   mono.Time   // until when datagrams have waited by intent
	now     bool        // they do in the wait at hand
	waits   bool        // nobody waits for the packet at hand, by what is known of it
	unheard mono.Time   // when audio came last that nobody gets
}

// leaveOut notes that the packet at hand is audio that nobody gets.
func (g *gathering) leaveOut(now mono.Time) { g.waits, g.unheard = true, now }

// hurry notes something that does not wait: more is likely to follow.
func (g *gathering) hurry(now mono.Time) {
	g.urgent = now
	if g.calm.Load() {
		g.calm.Store(false)
	}
}

// settle decides at the end of a second in which so many datagrams came.
func (g *gathering) settle(now mono.Time, came uint64) {
	after, from := gatherAfter, gatherFrom
	if now.Sub(g.unheard) <= gatherAfter {
		after, from = gatherSilenceAfter, gatherSilenceFrom
	}
	g.calm.Store(now.Sub(g.urgent) >= after && came >= from)
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

// hurry notes that something came that does not wait.
func (w *worker) hurry() {
	calm := w.gathering.calm.Load()
	w.gathering.hurry(w.now)
	if calm {
		w.tellOthers(hurried{})
	}
}

// hurried is that another worker has stopped being calm. It may have been handed
// the beginning of what goes on to come.
type hurried struct{}

func (hurried) handle(w *worker) { w.gathering.hurry(w.now) }

// came is when the packet at hand did: what it has waited by intent is nothing of
// the path's.
func (w *worker) came() mono.Time {
	if w.gathering.now && w.handling.arrived != 0 {
		return min(w.handling.arrived, w.now)
	}
	return w.now
}

// mayWait reports whether a packet is of a kind that nobody waits for, if it is
// from somebody who is known: a check, or RTCP (RFC 7983 §7).
func mayWait(pkt []byte) bool { return pkt[0] < 4 || isMedia(pkt) && rtp.IsRTCP(pkt) }

// isMedia reports whether a packet is RTP or RTCP.
func isMedia(pkt []byte) bool { return pkt[0] >= 128 && pkt[0] < 192 }
