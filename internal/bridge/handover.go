package bridge

import (
	"net/netip"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// The kernel spreads datagrams over the workers' sockets by a hash of the
// addresses, which knows nothing of who owns a peer. What lands on the wrong
// socket is copied into a batch, one a turn and destination, and posted.

const (
	batchBytes   = 64 << 10
	batchPackets = 64
	// maxBatches may wait for one worker, so that one that stands still for a
	// moment does not cost memory without end.
	maxBatches = 256
)

// batch holds copies of datagrams on their way to another worker.
type batch struct {
	buf [batchBytes]byte
	at  [batchPackets]struct {
		addr     netip.AddrPort
		from, to int
		arrived  mono.Time
	}
	n, used int
	begun   mono.Time
}

// handoverAge is how old a batch may become: media that has waited longer for
// a stalled worker is worth nothing.
const handoverAge = 200 * time.Millisecond

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) room(size int) bool { return b.n < batchPackets && b.used+size <= batchBytes }

func (b *batch) add(addr netip.AddrPort, pkt []byte, arrived mono.Time) {
	e := &b.at[b.n]
	e.addr, e.from, e.arrived = addr, b.used, arrived
	b.used += copy(b.buf[b.used:], pkt)
	e.to = b.used
	b.n++
}

// handOver copies pkt for worker to. Nothing is sent before the end of the turn.
func (w *worker) handOver(to int, addr netip.AddrPort, pkt []byte) {
	if !mayWait(pkt) && !isMedia(pkt) || !w.b.workers[to].gathering.calm.Load() {
		w.gathering.hurry(w.now)
	}
	b := w.handing[to]
	if b != nil && !b.room(len(pkt)) {
		w.sendBatch(to)
		b = nil
	}
	if b == nil {
		b = batches.Get().(*batch)
		b.n, b.used, b.begun = 0, 0, w.now
		w.handing[to] = b
	}
	b.add(addr, pkt, w.handling.arrived)
	w.count.inc(cHandedOver)
}

func (w *worker) sendBatch(to int) {
	b := w.handing[to]
	w.handing[to] = nil
	box := &w.b.workers[to].mail
	if box.batches.Add(1) > maxBatches || !box.post(b) {
		box.batches.Add(-1)
		w.count.add(dropHandover, uint64(b.n))
		batches.Put(b)
	}
}

// sendBatches ends a turn's handing over.
func (w *worker) sendBatches() {
	for to, b := range w.handing {
		if b != nil {
			w.sendBatch(to)
		}
	}
}

// handle implements event: the packets are treated as if they had arrived
// here, except that nothing is handed over twice.
func (b *batch) handle(w *worker) {
	w.mail.batches.Add(-1)
	if w.now.Sub(b.begun) > w.useless.handed {
		w.count.add(dropHandover, uint64(b.n))
		batches.Put(b)
		return
	}
	for i := range b.n {
		e := &b.at[i]
		w.arrive(e.addr, b.buf[e.from:e.to], true, e.arrived)
	}
	batches.Put(b)
}

// addrBound tells a worker that packets from addr belong to worker owner.
type addrBound struct {
	addr  netip.AddrPort
	owner int
}

func (e addrBound) handle(w *worker) { w.foreign[e.addr] = e.owner }

// addrWanted asks the owner of an address to let go of it if its peer there is
// silent: a client may get a port again that another one had.
type addrWanted netip.AddrPort

func (e addrWanted) handle(w *worker) {
	if addr := netip.AddrPort(e); w.release(addr) {
		w.tellOthers(addrFree{addr, w.index})
	}
}

// addrFree takes back an addrBound, unless another worker has bound it since.
type addrFree addrBound

func (e addrFree) handle(w *worker) {
	if w.foreign[e.addr] == e.owner {
		delete(w.foreign, e.addr)
	}
}
