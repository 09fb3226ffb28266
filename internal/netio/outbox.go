package netio

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// outbox collects datagrams in one piece of memory and groups them by
// destination into runs that the kernel can send as one message. It begins
// small and grows with what is sent between two flushes.
type outbox struct {
	arena  []byte
	most   int            // bytes that arena may grow to
	used   int            // committed bytes of arena
	open   int            // bytes handed out by the last buffer call
	openTo netip.AddrPort // where they go

	grams []datagram
	runs  []run

	// slots is a hash table from destination to that destination's last run;
	// a slot of an older generation is empty. It has twice as many places as
	// there may be datagrams, which is a power of two.
	slots []slot
	gen   uint32
	mix   [3]uint64 // random odd numbers, so that nobody can choose collisions
}

const (
	maxDatagrams = 1024 // a flush; also the kernel's limit of one sendmmsg

	// What an outbox begins with: enough for a conversation of a few.
	firstDatagrams = 32
	firstArena     = 32 << 10
)

type datagram struct {
	off, size int32
	next      int32 // next of the same run, -1 at its end
}

// run is datagrams to one destination that all have the size of the first,
// except that the last may be shorter.
type run struct {
	to          netip.AddrPort
	first, last int32
	count       int32
	segment     int32 // size of the first
	bytes       int32
	ended       bool // by a shorter datagram
}

type slot struct {
	gen uint32
	run int32
}

// newOutbox makes an outbox whose arena may grow to so many bytes.
func newOutbox(arena int) *outbox {
	o := &outbox{most: arena}
	for i := range o.mix {
		o.mix[i] = rand.Uint64() | 1
	}
	o.allocate(firstDatagrams, min(firstArena, arena))
	return o
}

func (o *outbox) allocate(datagrams, arena int) {
	o.arena = make([]byte, arena)
	o.grams = make([]datagram, 0, datagrams)
	o.runs = make([]run, 0, datagrams)
	o.slots, o.gen = make([]slot, 2*datagrams), 1
}

// grow makes an empty outbox, in which a datagram of n bytes had no room
// before it was emptied, larger, if it may become larger still.
func (o *outbox) grow(n int) {
	datagrams, arena := min(2*cap(o.grams), maxDatagrams), min(max(2*len(o.arena), n), o.most)
	if datagrams > cap(o.grams) || arena > len(o.arena) {
		o.allocate(datagrams, arena)
	}
}

// fits reports whether a datagram of n bytes can be added.
func (o *outbox) fits(n int) bool {
	return len(o.grams) < cap(o.grams) && n <= len(o.arena)-o.used
}

// buffer hands out n bytes for a datagram; what was handed out before and not
// committed is taken back.
func (o *outbox) buffer(n int, to netip.AddrPort) []byte {
	o.open, o.openTo = n, to
	return o.arena[o.used : o.used+n : o.used+n]
}

// commit adds the first n handed out bytes as one datagram.
func (o *outbox) commit(n int) {
	if n > o.open {
		panic("netio: Commit of more than Buffer gave")
	}
	o.open = 0
	if n <= 0 {
		return
	}
	gram := int32(len(o.grams))
	o.grams = append(o.grams, datagram{off: int32(o.used), size: int32(n), next: -1})
	o.used += n
	s := o.slot(o.openTo)
	if s.gen == o.gen && o.extend(&o.runs[s.run], gram) {
		return
	}
	s.gen, s.run = o.gen, int32(len(o.runs))
	o.runs = append(o.runs, run{
		to: o.openTo, first: gram, last: gram, count: 1, segment: int32(n), bytes: int32(n),
	})
}

// extend adds a datagram to a run if the kernel can send it as part of it.
func (o *outbox) extend(r *run, gram int32) bool {
	n := o.grams[gram].size
	if r.ended || n > r.segment || r.count == maxRunSegments || r.bytes+n > maxRunBytes {
		return false
	}
	o.grams[r.last].next = gram
	r.last = gram
	r.count++
	r.bytes += n
	r.ended = n < r.segment
	return true
}

// slot finds the place of a destination in the table. There are at most half
// as many destinations as places, so the search ends.
func (o *outbox) slot(to netip.AddrPort) *slot {
	a := to.Addr().As16()
	h := binary.LittleEndian.Uint64(a[:8])*o.mix[0] ^
		binary.LittleEndian.Uint64(a[8:])*o.mix[1] ^ uint64(to.Port())*o.mix[2]
	h ^= h >> 29
	for i := h * o.mix[0] >> 32; ; i++ {
		s := &o.slots[i&uint64(len(o.slots)-1)]
		if s.gen != o.gen || o.runs[s.run].to == to {
			return s
		}
	}
}

// data returns the bytes of a datagram.
func (o *outbox) data(gram int32) []byte {
	g := &o.grams[gram]
	return o.arena[g.off : g.off+g.size]
}

// reset forgets everything after it was sent.
func (o *outbox) reset() {
	o.used, o.open = 0, 0
	o.grams = o.grams[:0]
	o.runs = o.runs[:0]
	o.gen++
	if o.gen == 0 { // after 4 billion flushes old slots would look new
		clear(o.slots)
		o.gen = 1
	}
}
