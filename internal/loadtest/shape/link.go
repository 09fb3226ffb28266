package shape

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Limits of what a link keeps.
const (
	maxWaiting = 8192
	maxQueued  = 500 * time.Millisecond // of sending at the link's rate
)

// Packet is a datagram on its way.
type Packet struct {
	Data []byte
	Addr netip.AddrPort // whose it is or where it goes: the link does not look at it
	At   mono.Time      // of its arrival
}

// Link is one direction of a network. It belongs to one goroutine.
type Link struct {
	Profile
	// Lost and Overflowed count datagrams: those that vanished, and those
	// for which there was no room.
	Lost, Overflowed uint64

	rng  *rand.Rand
	busy mono.Time // until the last one has been sent
	last mono.Time // when the last one arrives
	ring []Packet
	head int
	n    int
	free [][]byte
}

// NewLink makes a link; those with the same seed lose the same datagrams.
func NewLink(p Profile, seed uint64) *Link {
	return &Link{Profile: p, rng: rand.New(rand.NewPCG(seed, 0x5a)), ring: make([]Packet, 16)}
}

// Push gives the link a copy of a datagram that is sent at now. Times before
// the last one's count as that.
func (l *Link) Push(now mono.Time, data []byte, addr netip.AddrPort) {
	sent := max(now, l.busy)
	if l.Rate > 0 {
		sent = sent.Add(time.Duration(int64(len(data)) * 8 * int64(time.Second) / l.Rate))
	}
	if l.n >= maxWaiting || l.Rate > 0 && sent.Sub(now) > maxQueued {
		l.Overflowed++
		return
	}
	l.busy = sent
	if l.Loss > 0 && l.rng.Float64() < l.Loss {
		l.Lost++
		return
	}
	at := sent.Add(l.Delay)
	if l.Jitter > 0 {
		at = at.Add(time.Duration(l.rng.Int64N(int64(l.Jitter))))
	}
	l.last = max(at, l.last)
	l.insert(Packet{Data: l.keep(data), Addr: addr, At: l.last})
}

func (l *Link) insert(p Packet) {
	if l.n == len(l.ring) {
		larger := make([]Packet, 2*len(l.ring))
		for i := range l.n {
			larger[i] = l.ring[(l.head+i)%len(l.ring)]
		}
		l.ring, l.head = larger, 0
	}
	l.ring[(l.head+l.n)%len(l.ring)] = p
	l.n++
}

// keep copies a datagram into memory that is used again and again.
func (l *Link) keep(data []byte) []byte {
	var b []byte
	if n := len(l.free); n > 0 {
		b, l.free = l.free[n-1], l.free[:n-1]
	}
	return append(b[:0], data...)
}

// Pop returns the next datagram that has arrived by now; false if there is
// none. Its memory is the link's again with the next Push.
func (l *Link) Pop(now mono.Time) (Packet, bool) {
	if l.n == 0 || l.ring[l.head].At > now {
		return Packet{}, false
	}
	p := l.ring[l.head]
	l.ring[l.head] = Packet{}
	l.head = (l.head + 1) % len(l.ring)
	l.n--
	l.free = append(l.free, p.Data)
	return p, true
}

// Deadline is when the next datagram arrives, 0 if none is on its way.
func (l *Link) Deadline() mono.Time {
	if l.n == 0 {
		return 0
	}
	return l.ring[l.head].At
}
