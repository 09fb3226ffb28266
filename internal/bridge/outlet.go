package bridge

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// A worker that is busy lets others do the last part of its work, which is most
// of it: sealing and sending. Who does it for a receiver is its outlet.
//
//	worker 0 has the conference                       worker 1 is an outlet of it
//
//	socket - open - ring - choose - write -+- seal - group - socket
//	                                       |
//	                                       +- parcel ------- seal - group - socket
//
// All that is known and decided stays with the conference's worker. A parcel
// holds plain packets, written for their receivers and numbered, each with the
// address it goes to and the receiver's sealer; there is nothing else that an
// outlet knows of anybody. With the first of its packets in a parcel the sealer
// becomes the outlet's, for good: numbers of packets that must not be sealed
// twice stay in one place, and a receiver gets all in order by one socket.

// outlet is a worker's way to send by another one.
type outlet struct {
	home      *worker // whose this is; it alone uses all but back
	w         *worker // who seals and sends; from here only its mailbox is used
	receivers int     // that are sent to by it
	open      *parcel // being filled, nil for none
	packet    uint64  // whose copies were added last, be it to an earlier parcel: it counts once
	away      int     // bytes on their way
	spare     []*parcel
	unused    int                    // how many of them at least, in this second
	back      atomic.Pointer[parcel] // done, to be filled again
}

const (
	// As much as goes into a socket's arena, so that the outlet can make runs as
	// long as the conference's worker would.
	parcelBytes, parcelItems = netio.DefaultArena, 1024
	// mostAway is how many bytes may be on their way to an outlet. Video may
	// take half: an outlet that does not keep up loses that first.
	mostAway = 16 << 20
	// mostSpare bounds the parcels that are kept; see dropUnused.
	mostSpare = 16
)

// parcel is packets on their way to an outlet, in the order in which they are to
// go out. It belongs to whoever has it at the moment.
type parcel struct {
	from     *outlet
	plain    []byte // the packets
	items    []item
	arrivals []waiting // of what the packets are copies of
	worn     *endpoint // one whose keys are used up, nil for none
	posted   mono.Time // by the clocks of the two workers' turns
	sealed   mono.Time
	next     *parcel // on the way back
}

// item is a packet in a parcel.
type item struct {
	to     netip.AddrPort
	stream *srtp.Stream // of RTP, nil for RTCP
	sealer *srtp.Sealer // of RTCP
	ep     *endpoint    // not looked at by the outlet
	size   int
	// The place among all that the endpoint is sent, for its estimate.
	numbered bool
	number   uint16
}

// outletTo is w's way to send by another worker.
func (w *worker) outletTo(other *worker) *outlet {
	if w.outlets[other.index] == nil {
		w.outlets[other.index] = &outlet{home: w, w: other}
	}
	return w.outlets[other.index]
}

// takes reports whether ep can be sent something now. An outlet that is behind
// takes video no more, and later nothing, which is counted.
func (ep *endpoint) takes(video bool) bool {
	return ep.sealer != nil && ep.to.IsValid() && (ep.outlet == nil || ep.outlet.takes(video))
}

func (o *outlet) takes(video bool) bool {
	limit := mostAway
	if video {
		limit /= 2
	}
	if o.away > limit {
		o.collect()
	}
	if o.away > limit {
		o.home.count.inc(dropOutlet)
		return false
	}
	return true
}

// buffer returns memory for a packet of up to n bytes. Without add nothing
// comes of it.
func (o *outlet) buffer(n int) []byte {
	if p := o.open; p != nil && (len(p.plain)+n > parcelBytes || len(p.items) == parcelItems) {
		o.post()
	}
	if o.open == nil {
		o.begin()
	}
	p := o.open
	at := len(p.plain)
	p.plain = slices.Grow(p.plain, n)
	return p.plain[at : at+n : at+n]
}

// add puts the first it.size bytes of the last buffer into the parcel, for ep.
func (o *outlet) add(ep *endpoint, it item) {
	p := o.open
	p.plain = p.plain[:len(p.plain)+it.size]
	it.to, it.ep = ep.to, ep
	p.items = append(p.items, it)
	o.home.count.inc(cLent)
}

// addRTP is add for RTP. It returns the size that sealing will make of it.
func (o *outlet) addRTP(ep *endpoint, stream *srtp.Stream, n int, kind bwe.Kind, numbered bool) int {
	o.add(ep, item{stream: stream, size: n, numbered: numbered, number: ep.tccSeq})
	if d := &o.home.delays; kind == bwe.Media && o.packet != d.packet {
		o.packet = d.packet
		o.open.arrivals = addWaiting(o.open.arrivals, o.home.handling)
	}
	return n + ep.sealer.OverheadRTP()
}

func (o *outlet) begin() {
	o.collect()
	if n := len(o.spare); n > 0 {
		o.open, o.spare = o.spare[n-1], o.spare[:n-1]
		o.unused = min(o.unused, n-1)
		return
	}
	o.open = &parcel{from: o, items: make([]item, 0, 64), arrivals: make([]waiting, 0, 256)}
}

// post sends the open parcel off, if there is anything in it.
func (o *outlet) post() {
	p := o.open
	if p == nil || len(p.items) == 0 {
		return
	}
	o.open = nil
	bytes, items := len(p.plain), len(p.items)
	p.posted = o.home.now
	if !o.w.mail.post(p) {
		o.home.count.add(dropOutlet, uint64(items))
		o.keep(p)
		return
	}
	o.away += bytes
}

// collect takes back the parcels that are done. It must come before what
// receivers report on these packets.
func (o *outlet) collect() {
	for p := o.back.Swap(nil); p != nil; {
		next := p.next
		o.away -= len(p.plain)
		if p.worn != nil {
			p.worn.worn = true
		}
		p.correct()
		o.keep(p)
		p = next
	}
}

// tolerated is how much later than it was written a packet may be sealed without
// the estimate being told.
const tolerated = time.Millisecond

// correct tells the estimates when the packets were really sent, if the outlet
// was behind: or the time they waited there would look like a queue on the paths
// of all who are sent to by it.
func (p *parcel) correct() {
	if p.sealed.Sub(p.posted) <= tolerated {
		return
	}
	for i := range p.items {
		if it := &p.items[i]; it.numbered {
			it.ep.bw.est.SentLater(it.number, p.sealed)
		}
	}
}

// keep empties a parcel, so that it holds on to nobody who has left.
func (o *outlet) keep(p *parcel) {
	clear(p.items)
	p.plain, p.items, p.arrivals, p.worn, p.next = p.plain[:0], p.items[:0], p.arrivals[:0], nil, nil
	if len(o.spare) < mostSpare {
		o.spare = append(o.spare, p)
	}
}

// dropUnused ends a second: what spare parcels hold, a megabyte each, is given
// back if all of it went by without them.
func (o *outlet) dropUnused() {
	o.collect()
	o.spare = slices.Delete(o.spare, 0, o.unused)
	o.unused = len(o.spare)
}

// handle implements event, on the outlet's side: what is in the parcel goes out
// with the flush of this turn.
func (p *parcel) handle(w *worker) {
	p.sealed = w.now
	plain := p.plain
	for i := range p.items {
		it := &p.items[i]
		var err error
		if it.stream == nil {
			err = w.sealRTCP(it.sealer, it.to, plain[:it.size])
		} else {
			buf := w.sock.Buffer(it.size+srtp.MaxOverheadRTP, it.to)
			_, err = w.commit(it.stream.Seal(buf, plain[:it.size]))
		}
		if wornOut(err) {
			p.worn = it.ep
		}
		plain = plain[it.size:]
	}
	for _, a := range p.arrivals {
		w.delays.forwarded(a)
	}
	for b := &p.from.back; ; {
		if p.next = b.Load(); b.CompareAndSwap(p.next, p) {
			return
		}
	}
}

// sendParcels ends a turn's part of the outlets.
func (w *worker) sendParcels() {
	for _, o := range w.outlets {
		if o != nil {
			o.post()
		}
	}
}

// collectParcels begins a turn's part of the outlets.
func (w *worker) collectParcels() {
	for _, o := range w.outlets {
		if o != nil {
			o.collect()
		}
	}
}

// dropUnusedParcels ends a second's part of the outlets.
func (w *worker) dropUnusedParcels() {
	for _, o := range w.outlets {
		if o != nil {
			o.dropUnused()
		}
	}
}
