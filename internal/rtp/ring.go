package rtp

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Sizes of a Ring.
const (
	RingSlotSize   = 1500 // longest packet that is kept, in bytes
	RingMinPackets = 16
	RingMaxPackets = 512
	// RingKeep is how long a Ring tries to keep packets: as long as receivers
	// ask for them. It grows to do so.
	RingKeep = time.Second
)

// Ring is the history of one source encoding: the newest packets, opened and
// as they came, from which the packets of all receivers are made, now and when
// they are asked for again. It belongs to the worker that owns the source, so
// that no references are counted: what Put and Get return stays valid until
// the packet is overwritten, which is not before RingMinPackets more were put
// in, and must not be kept beyond the current turn.
//
// Memory: it begins with room for 16 packets and doubles, up to 512, whenever a
// packet would be overwritten that is younger than RingKeep. Slots of 1,500
// bytes are allocated 16 at a time as they are first used, up to 750 KiB. The
// zero value is ready and has no memory.
type Ring struct {
	slots []slot // by sequence number; a power of two
	spare [][RingSlotSize]byte
}

type slot struct {
	at   mono.Time
	seq  uint16
	len  uint16
	data *[RingSlotSize]byte
}

// Put copies a packet into the ring and returns the copy, or nil if it is
// empty or longer than RingSlotSize. pkt may be overwritten afterwards.
func (r *Ring) Put(pkt []byte, seq uint16, now mono.Time) []byte {
	if len(pkt) == 0 || len(pkt) > RingSlotSize {
		return nil
	}
	s := r.slot(seq)
	if s == nil || s.len > 0 && s.seq != seq && now.Sub(s.at) < RingKeep && len(r.slots) < RingMaxPackets {
		r.grow()
		s = r.slot(seq)
	}
	if s.data == nil {
		s.data = r.memory()
	}
	s.at, s.seq, s.len = now, seq, uint16(len(pkt))
	return s.data[:copy(s.data[:], pkt)]
}

func (r *Ring) slot(seq uint16) *slot {
	if len(r.slots) == 0 {
		return nil
	}
	return &r.slots[int(seq)&(len(r.slots)-1)]
}

// grow doubles the ring. Packets keep their memory, so that views of them stay
// valid.
func (r *Ring) grow() {
	old := r.slots
	r.slots = make([]slot, max(2*len(old), RingMinPackets))
	for i := range old {
		if old[i].len > 0 {
			*r.slot(old[i].seq) = old[i]
		}
	}
}

// memory returns a slot's memory from the current chunk.
func (r *Ring) memory() *[RingSlotSize]byte {
	if len(r.spare) == 0 {
		r.spare = make([][RingSlotSize]byte, RingMinPackets)
	}
	data := &r.spare[0]
	r.spare = r.spare[1:]
	return data
}

// Get returns the packet with a sequence number, unless it is older than
// maxAge, and when it came.
func (r *Ring) Get(seq uint16, now mono.Time, maxAge time.Duration) (pkt []byte, at mono.Time, ok bool) {
	s := r.slot(seq)
	if s == nil || s.len == 0 || s.seq != seq || now.Sub(s.at) > maxAge {
		return nil, 0, false
	}
	return s.data[:s.len], s.at, true
}

// Reset forgets all packets and gives the memory back.
func (r *Ring) Reset() { *r = Ring{} }

// Cap is how many packets there is room for.
func (r *Ring) Cap() int { return len(r.slots) }
