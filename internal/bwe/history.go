package bwe

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Kind says why a packet was sent.
type Kind uint8

// Media is forwarded for the first time, be it audio or video; Padding was
// asked for by NextProbe; RTX is a retransmission. To the estimate all of them
// are the same, load on the path.
const (
	Media Kind = iota
	Padding
	RTX
	numKinds
)

// fate is what is known of a packet.
type fate uint8

const (
	fateNone fate = iota // no packet has this number
	fateSent
	fateLost // reported as not received, so far
	fateReceived
)

// sentPacket is what is remembered of a packet: 8 bytes.
type sentPacket struct {
	at      stamp
	size    uint16
	fate    fate
	cluster uint8 // number of the probe it was sent during, 0 for none
}

// stamp is a time in microseconds modulo 2^32. A history knows which is meant, as
// long as its packets were sent within half an hour.
type stamp uint32

func stampOf(t mono.Time) stamp { return stamp(time.Duration(t) / time.Microsecond) }

const (
	historyMin = 256
	historyMax = 16_384 // 20 Mbit/s in small packets for several seconds
	// historyAge is how long a packet without a report is worth more memory.
	historyAge = 4 * time.Second
)

// history remembers the packets sent last, by transport-wide number. It grows
// while packets that may still be reported would fall out, and never shrinks.
type history struct {
	ring          []sentPacket // length is a power of two; nil before the first packet
	first, newest int64        // unwrapped numbers
	last          mono.Time    // when the newest was sent
}

// sentAt is when a packet was sent, to the microsecond.
func (h *history) sentAt(p *sentPacket) mono.Time {
	since := time.Duration(int32(p.at - stampOf(h.last)))
	return h.last.Add(since * time.Microsecond)
}

// unwrap gives the full number of a packet near the newest one.
func (h *history) unwrap(seq uint16) int64 {
	return h.newest + int64(int16(seq-uint16(h.newest)))
}

func (h *history) slot(n int64) *sentPacket { return &h.ring[n&int64(len(h.ring)-1)] }

// add notes a packet and returns where. A number that is not newer than all
// before is refused with nil: the caller numbers packets in the order of
// sending.
func (h *history) add(seq uint16, at mono.Time, size uint16) *sentPacket {
	if h.ring == nil {
		h.ring = make([]sentPacket, historyMin)
		h.newest = int64(seq) - 1
		h.first = h.newest + 1
	}
	n := h.unwrap(seq)
	if n <= h.newest {
		return nil
	}
	for h.newest < n { // more than once only if numbers were left out
		h.push(h.newest+1, at)
	}
	h.last = at
	s := h.slot(n)
	*s = sentPacket{at: stampOf(at), size: size, fate: fateSent}
	return s
}

// push makes room for the next number.
func (h *history) push(n int64, now mono.Time) {
	for h.wanting(n, now) {
		h.grow()
	}
	*h.slot(n) = sentPacket{}
	h.newest = n
}

// wanting reports whether number n would overwrite a packet whose report may
// still come.
func (h *history) wanting(n int64, now mono.Time) bool {
	old := h.slot(n)
	age := time.Duration(stampOf(now)-old.at) * time.Microsecond
	return len(h.ring) < historyMax && old.fate == fateSent && age < historyAge
}

func (h *history) grow() {
	old := *h
	h.ring = make([]sentPacket, 2*len(old.ring))
	for n := old.oldest(); n <= old.newest; n++ {
		*h.slot(n) = *old.slot(n)
	}
}

// oldest is the lowest number that may be remembered.
func (h *history) oldest() int64 { return max(h.first, h.newest-int64(len(h.ring))+1) }

// find returns the packet that a report is about, nil if it is not known (any
// more).
func (h *history) find(seq uint16) (n int64, p *sentPacket) {
	if h.ring == nil {
		return 0, nil
	}
	n = h.unwrap(seq)
	if n > h.newest || n < h.oldest() {
		return n, nil
	}
	p = h.slot(n)
	if p.fate == fateNone {
		return n, nil
	}
	return n, p
}
