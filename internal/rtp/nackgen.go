package rtp

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/renumber"
)

// How a NackGenerator asks.
const (
	NackMaxTries = 10
	NackResetGap = 100                    // so many missing at once are given up
	nackInterval = 150 * time.Millisecond // while the round trip time is unknown
	nackMin      = 30 * time.Millisecond
	nackMax      = 500 * time.Millisecond
	nackMaxList  = 512
)

// NackGenerator notices missing packets of one incoming SSRC and says when to
// ask for them (RFC 4585 §6.2.1): at once, then again after a little more than
// a round trip, 10 times at most. A gap of 100 packets or more is no loss to be
// repaired but an interruption, after which it starts afresh. At most 512
// packets are asked for at a time; the oldest are given up first.
//
// The zero value is ready and takes no memory until something is missing.
type NackGenerator struct {
	numbers renumber.Unwrapper
	newest  int64
	missing []missing // in ascending order
	retry   time.Duration
	givenUp uint64
}

type missing struct {
	number int64
	next   mono.Time // when to ask
	tries  uint8
}

// SetRTT says how long the round trip to the sender takes, 0 if unknown.
func (g *NackGenerator) SetRTT(rtt time.Duration) {
	g.retry = 0
	if rtt > 0 {
		g.retry = min(max(rtt+rtt/4+10*time.Millisecond, nackMin), nackMax)
	}
}

// Add notes the arrival of a packet, also of one that was retransmitted. It
// reports whether there is something to ask for now that was not before.
func (g *NackGenerator) Add(seq uint16, now mono.Time) (gap bool) {
	started := g.newest != 0
	n := g.numbers.Unwrap(seq, 16)
	switch {
	case !started:
	case n-g.newest > NackResetGap:
		g.givenUp += uint64(n - g.newest - 1 + int64(len(g.missing)))
		g.missing = g.missing[:0]
	case n <= g.newest:
		g.arrived(n)
		return false
	default:
		gap = n > g.newest+1
		g.miss(n, now)
	}
	g.newest = n
	return gap
}

// miss lists everything between the newest packet and n.
func (g *NackGenerator) miss(n int64, now mono.Time) {
	for m := g.newest + 1; m < n; m++ {
		g.missing = append(g.missing, missing{number: m, next: now})
	}
	if over := len(g.missing) - nackMaxList; over > 0 {
		g.givenUp += uint64(over)
		g.missing = slices.Delete(g.missing, 0, over)
	}
}

func (g *NackGenerator) arrived(n int64) {
	if i, found := g.find(n); found {
		g.missing = slices.Delete(g.missing, i, i+1)
	}
}

func (g *NackGenerator) find(n int64) (int, bool) {
	return slices.BinarySearchFunc(g.missing, n, func(m missing, n int64) int {
		return int(m.number - n)
	})
}

// Asked reports whether seq is missing still and has been asked for, so that
// its arrival answers a NACK. It is to be called before Add.
func (g *NackGenerator) Asked(seq uint16) bool {
	if len(g.missing) == 0 {
		return false
	}
	i, found := g.find(g.numbers.Peek(seq, 16))
	return found && g.missing[i].tries > 0
}

// Deadline is when Due will have something to ask for, 0 for never.
func (g *NackGenerator) Deadline() mono.Time {
	var t mono.Time
	for i := range g.missing {
		t = mono.Earliest(t, g.missing[i].next)
	}
	return t
}

// Due appends the sequence numbers to ask for now, in ascending order, and
// counts them as asked for. Write them with AppendNACK.
func (g *NackGenerator) Due(dst []uint16, now mono.Time) []uint16 {
	interval := g.retry
	if interval == 0 {
		interval = nackInterval
	}
	kept := g.missing[:0]
	for _, m := range g.missing {
		if m.next <= now {
			if m.tries == NackMaxTries {
				g.givenUp++
				continue
			}
			dst = append(dst, uint16(m.number))
			m.tries++
			m.next = now.Add(interval)
		}
		kept = append(kept, m)
	}
	g.missing = kept
	return dst
}

// Missing is how many packets are being asked for.
func (g *NackGenerator) Missing() int { return len(g.missing) }

// GivenUp is how many packets have been lost for good: they were asked for in
// vain, or were too many to ask for.
func (g *NackGenerator) GivenUp() uint64 { return g.givenUp }

// GiveUp forgets what is missing before seq, for example once a key frame that
// begins there arrived.
func (g *NackGenerator) GiveUp(seq uint16) {
	n := g.numbers.Peek(seq, 16)
	i := 0
	for i < len(g.missing) && g.missing[i].number < n {
		i++
	}
	g.missing = slices.Delete(g.missing, 0, i)
}
