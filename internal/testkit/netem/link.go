package netem

import (
	"math/rand/v2"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Link is one direction of a path. The zero Link is perfect. Its fields may
// be changed at any time and count from the next packet on.
type Link struct {
	// Delay is the time from the end of sending to arrival; Jitter adds a
	// random time up to itself. Packets are never reordered.
	Delay, Jitter time.Duration
	// Loss is the share of packets that vanish, 0 to 1.
	Loss float64
	// Rate is in bits a second; 0 means without limit. What cannot be sent at
	// once waits.
	Rate int
	// Queue is how many bytes may wait, 0 means without limit; more is
	// dropped.
	Queue int
	// Sent, Lost and Overflowed count packets.
	Sent, Lost, Overflowed int

	busy mono.Time // when the last packet will have been sent
	last mono.Time // when the last packet arrives
	rng  *rand.Rand
}

// NewLink returns a perfect link with its own random numbers.
func NewLink(seed uint64) *Link {
	return &Link{rng: rand.New(rand.NewPCG(seed, 0))}
}

// Send gives the time of arrival of a packet of so many bytes sent at now;
// false if it does not arrive. Calls must not go back in time.
func (l *Link) Send(now mono.Time, size int) (arrival mono.Time, ok bool) {
	l.Sent++
	start := max(now, l.busy)
	if l.Rate > 0 {
		waiting := int64(start.Sub(now)) * int64(l.Rate) / 8e9
		if l.Queue > 0 && waiting+int64(size) > int64(l.Queue) {
			l.Overflowed++
			return 0, false
		}
		l.busy = start.Add(time.Duration(int64(size) * 8e9 / int64(l.Rate)))
		start = l.busy
	}
	if l.Loss > 0 && l.rng.Float64() < l.Loss {
		l.Lost++
		return 0, false
	}
	arrival = start.Add(l.Delay)
	if l.Jitter > 0 {
		arrival = arrival.Add(time.Duration(l.rng.Int64N(int64(l.Jitter))))
	}
	l.last = max(arrival, l.last)
	return l.last, true
}
