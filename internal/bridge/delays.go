package bridge

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/delay"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
)

// delays measures how long this worker keeps media: from the kernel's stamp on
// a datagram, so that waiting in the socket counts, to the end of the system
// call that hands the last of its copies to the kernel; and of what that time
// consists. It is one measurement for each received packet that anybody got, however
// many did; and one in each outlet that sends copies of it.
type delays struct {
	rec     *[numParts]delay.Recorder // nil until there is something to record
	waiting []waiting                 // for the flush, in the order in which they were handled
	packet  uint64                    // how many were handled so far
	copies  uint64                    // of media, that this worker has sealed itself

	mu     sync.Mutex // held for a copy, by a reader or, if it is free, by the worker
	copied *[numParts]published
}

// published is what others see of a part.
type published struct{ total, recent delay.Histogram }

// part is a part of the time that a packet is here. Those after the first follow
// one another, and together are the first.
type part int

const (
	inBridge part = iota
	inSocket      // until a read took it: the worker was at something else, or asleep. Or in its mailbox
	inTurn        // until what came with it, and goes first, was handled and sent
	inWork        // until what came of it went to the kernel: its own work, and that for those it is sent with
	inSend        // until the kernel had all that went there together
	numParts
)

// partNames are the names of parts in metrics and the debug tree.
var partNames = [numParts]string{"bridge", "socket", "turn", "work", "send"}

// waiting is packets that came at the same time and whose copies wait for the
// flush. The datagrams of a run that the kernel joined came at the same time.
type waiting struct {
	arrived mono.Time
	read    mono.Time // by this worker, or taken from its mailbox
	begun   mono.Time // as far as is known without a look at the clock for it alone
	packets uint32
}

// maxArrivals bounds the different times of arrival in a turn: a batch has at
// most DefaultMessages, the rest may come from other workers.
const maxArrivals = 32 * netio.DefaultMessages

func (d *delays) init() { d.waiting = make([]waiting, 0, maxArrivals) }

// forwarded notes packets whose copies wait for the flush.
func (d *delays) forwarded(p waiting) { d.waiting = addWaiting(d.waiting, p) }

// addWaiting adds to a list that does not grow beyond its capacity.
func addWaiting(list []waiting, p waiting) []waiting {
	if n := len(list); n > 0 && (list[n-1].arrived == p.arrived || n == cap(list)) {
		list[n-1].packets += p.packets
		return list
	}
	return append(list, p)
}

// sent says that everything that waited is with the kernel now, to which it began
// to go at the time before.
func (d *delays) sent(flushing, now mono.Time) {
	n := len(d.waiting)
	if n == 0 {
		return
	}
	if d.rec == nil { // the first media of this worker
		d.rec = new([numParts]delay.Recorder)
	}
	// Where nothing had to be sent in the end, the last flush was before all this.
	flushing = max(flushing, d.waiting[n-1].begun)
	var alike waiting // packets that were read, and begun with, together
	var packets uint32
	for _, p := range d.waiting {
		d.rec[inBridge].Add(now.Sub(p.arrived), p.packets)
		d.rec[inSocket].Add(p.read.Sub(p.arrived), p.packets)
		if p.begun != alike.begun || p.read != alike.read {
			d.worked(&alike, flushing)
			alike = waiting{read: p.read, begun: p.begun}
		}
		alike.packets += p.packets
		packets += p.packets
	}
	d.worked(&alike, flushing)
	d.rec[inSend].Add(now.Sub(flushing), packets)
	d.waiting = d.waiting[:0]
}

// worked records the parts between read and flush.
func (d *delays) worked(p *waiting, flushing mono.Time) {
	if p.packets == 0 {
		return
	}
	d.rec[inTurn].Add(p.begun.Sub(p.read), p.packets)
	d.rec[inWork].Add(flushing.Sub(p.begun), p.packets)
}

// roll ends a second and lets others see it. A reader is not waited for: it
// sees this second with the next one.
func (d *delays) roll() {
	if d.rec == nil {
		return
	}
	for i := range d.rec {
		d.rec[i].Roll()
	}
	if !d.mu.TryLock() {
		return
	}
	defer d.mu.Unlock()
	if d.copied == nil {
		d.copied = new([numParts]published)
	}
	for i := range d.rec {
		d.copied[i] = published{d.rec[i].Total, d.rec[i].Recent}
	}
}

// mergeInto adds what was published last of a part. Any goroutine may call it.
func (d *delays) mergeInto(total, recent *delay.Histogram, of part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.copied != nil {
		total.Merge(&d.copied[of].total)
		recent.Merge(&d.copied[of].recent)
	}
}

// arrive handles a datagram that the kernel took in at the given time.
func (w *worker) arrive(addr netip.AddrPort, pkt []byte, handed bool, arrived mono.Time) {
	read := max(w.read, arrived) // not before: stamps are of another clock
	w.handling = waiting{arrived: arrived, read: read, begun: max(w.now, read), packets: 1}
	w.delays.packet++
	copies, flushes := w.delays.copies, w.sock.Flushes()
	w.packet(addr, pkt, handed)
	if w.sock.Flushes() != flushes { // the arena was full: what went before is out
		w.delays.sent(w.sock.Flushing(), mono.Now())
	}
	if w.delays.copies != copies {
		w.delays.forwarded(w.handling)
	}
}

// busy measures which part of the time a worker does not wait for something to
// do. What the kernel does for it in system calls counts as work.
type busy struct {
	ended mono.Time     // the last turn
	begun mono.Time     // this second
	idle  time.Duration // in this second
	spare time.Duration // since the last read, spent on what can wait
	share atomic.Uint64 // of the last whole second, in millionths
	// Since the start of the worker:
	born  mono.Time
	never time.Duration // in which it was not busy
	total atomic.Int64  // in which it was, until the end of the last turn, nanoseconds
}

// start begins to measure.
func (b *busy) start(now mono.Time) { b.born, b.begun, b.ended = now, now, now }

// read is told when a read has returned and whether it had to wait.
func (b *busy) read(now mono.Time, waited bool) {
	if waited {
		b.wasIdle(now.Sub(b.ended))
	}
}

func (b *busy) wasIdle(d time.Duration) {
	b.idle += d
	b.never += d
}

// publish lets others see how long it was busy.
func (b *busy) publish() { b.total.Store(int64(b.ended.Sub(b.born) - b.never)) }

// spareTime is told of work that would not be done if there were other work.
func (b *busy) spareTime(d time.Duration) {
	b.wasIdle(d)
	b.spare += d
}

// roll ends a second.
func (b *busy) roll(now mono.Time) {
	if d := now.Sub(b.begun); d > 0 {
		work := max(d-b.idle, 0)
		b.share.Store(uint64(1e6 * work / d))
	}
	b.begun, b.idle = now, 0
}

// traffic is how many datagrams came and went in the last second.
type traffic struct{ in, out meter }

type meter struct {
	before    uint64
	perSecond atomic.Uint64
}

// roll ends a second that took d.
func (p *meter) roll(total uint64, d time.Duration) {
	p.perSecond.Store(uint64(float64(total-p.before) / d.Seconds()))
	p.before = total
}

// rollSecond ends a second of all that is measured by the second.
func (w *worker) rollSecond() {
	d := max(w.now.Sub(w.published), time.Second)
	w.published = w.now
	w.delays.roll()
	w.busy.roll(w.busy.ended)
	w.traffic.in.roll(w.count.own[cPacketsIn], d)
	w.traffic.out.roll(w.count.own[cPacketsOut], d)
	w.gathering.settle(w.now, w.traffic.in.perSecond.Load())
	w.publishStress()
	w.lend()
	w.dropUnusedParcels()
}

// Overview is what a bridge does at the moment.
type Overview struct {
	Conferences, Endpoints int
	// Busy is the busiest worker's part of the last second in which it did not
	// wait, 0 to 1.
	Busy float64
	// Stress is the most loaded worker's, 1 for full: with less than that a
	// bridge forwards whatever it is asked for.
	Stress float64
	// Delays are the times media spent here in the last seconds.
	Delays delay.Histogram
	// PacketsIn and PacketsOut are datagrams in the last second.
	PacketsIn, PacketsOut uint64
}

// Overview returns what the workers published last, at most about a second ago. It
// asks no worker, and may be called from any goroutine.
func (b *Bridge) Overview() Overview {
	var l Overview
	var total delay.Histogram
	for _, w := range b.workers {
		w.delays.mergeInto(&total, &l.Delays, inBridge)
		l.Conferences += int(w.numConferences.Load())
		l.Endpoints += int(w.numEndpoints.Load())
		l.Busy = max(l.Busy, w.busy.now())
		level := w.stress.level()
		l.Stress = max(l.Stress, level)
		l.PacketsIn += w.traffic.in.perSecond.Load()
		l.PacketsOut += w.traffic.out.perSecond.Load()
	}
	return l
}

func (b *busy) now() float64 { return float64(b.share.Load()) / 1e6 }
