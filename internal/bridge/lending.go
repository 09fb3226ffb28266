package bridge

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Who sends to whom. A receiver is sent to by its conference's worker, until
// that is busy while another is less so: then some of its receivers get the
// other as their outlet, for as long as they are there. So a conference that one
// core can carry is on one core, and a larger one on as many as it takes.
//
// Nobody is taken back, because nothing is gained by it. When the load has fallen,
// a packet to ten receivers takes all who take part 0.09 ms of CPU time and is
// there after 0.1 ms, whether none, one or all of them are lent
// (BenchmarkLentAtRest); under load both workers together take no longer for a
// packet than one alone (BenchmarkOutlet). And an outlet that has become the
// busier one lends others receivers of its own, which makes both as equal. What it
// would take is a moment at which nothing is on the way to the outlet or waits for
// its flush, as the sealer is the outlet's until then.

const (
	// lendAbove is the busy part of a second from which on a worker lets others
	// send, well before it would have to forward less.
	lendAbove = 0.5
	// lendGap is how much less busy the other must be: below that it is not
	// worth the copying.
	lendGap = 0.15
	// lendEvery is the seconds until what was done shows in what is measured: the
	// rest of this one, and a whole one.
	lendEvery = 2
)

// lending is a worker's part in that.
type lending struct {
	last     mono.Time    // when it gave some away
	sends    atomic.Int64 // to how many receivers it sends, of its own conferences and of others'
	borrowed atomic.Int32 // seconds until it may be given more

	// How busy it was in the last window of its governor, and how long the newest
	// packet had waited, for those whose outlet it is.
	load struct{ busy, wait atomic.Uint64 }
}

// lend lets the least busy other worker send to some receivers, if it should. It
// is called at the end of a second.
func (w *worker) lend() {
	l := &w.lending
	if n := l.borrowed.Load(); n > 0 {
		l.borrowed.Store(n - 1) // others change it only while it is 0
	}
	busy := w.busy.now()
	if busy < lendAbove || l.last != 0 && w.now.Sub(l.last) < lendEvery*time.Second {
		return
	}
	to := w.leastBusy()
	if to == nil || busy-to.busy.now() < lendGap || !to.lending.borrowed.CompareAndSwap(0, lendEvery) {
		return
	}
	l.last = w.now
	// If sending were all there is to do, half of the gap would make them equal.
	w.lendPart(to, (busy-to.busy.now())/2/busy)
}

// leastBusy is another worker, nil if there is none.
func (w *worker) leastBusy() (least *worker) {
	for _, o := range w.b.workers {
		if o != w && (least == nil || o.busy.now() < least.busy.now()) {
			least = o
		}
	}
	return least
}

// lendPart makes another worker the outlet for a part of the receivers that w
// sends to itself, those of the largest conferences first.
func (w *worker) lendPart(to *worker, part float64) {
	var own []*endpoint
	for _, c := range w.conferences {
		for _, ep := range c.order {
			if ep.outlet == nil && ep.sealer != nil {
				own = append(own, ep)
			}
		}
	}
	slices.SortStableFunc(own, func(a, b *endpoint) int { return len(b.c.order) - len(a.c.order) })
	n := int(part * float64(len(own)))
	for _, ep := range own[:n] {
		w.lendTo(ep, to)
	}
	if n > 0 {
		w.b.opt.Log.Info("worker lends receivers to one that is less busy", "worker", w.index, "to", to.index, "receivers", n, "of", len(own))
	}
}

// lendTo makes to the outlet of ep. What was sent before is with the kernel.
func (w *worker) lendTo(ep *endpoint, to *worker) {
	ep.outlet = w.outletTo(to)
	ep.outlet.receivers++
	w.lending.sends.Add(-1)
	to.lending.sends.Add(1)
}

// sender is the worker that sends to ep.
func (ep *endpoint) sender() *worker {
	if ep.outlet != nil {
		return ep.outlet.w
	}
	return ep.w
}

// countSends counts an endpoint that comes, or goes with -1, for who sends to it.
func (ep *endpoint) countSends(n int) {
	if ep.outlet != nil {
		ep.outlet.receivers += n
	}
	ep.sender().lending.sends.Add(int64(n))
}

// tellLoad lets others know how loaded w is.
func (w *worker) tellLoad() {
	busy, wait := w.stress.Window()
	w.lending.load.busy.Store(math.Float64bits(busy))
	w.lending.load.wait.Store(uint64(wait))
}

// askOutlets makes the load of those who send for w count as its own, as far as
// it is w that can see to it that they have less to send.
func (w *worker) askOutlets() {
	for _, o := range w.outlets {
		if o != nil && o.receivers > 0 {
			l, part := &o.w.lending.load, o.part()
			busy, wait := math.Float64frombits(l.busy.Load()), time.Duration(l.wait.Load())
			w.stress.Beside(part*busy, time.Duration(part*float64(wait)))
		}
	}
}

// part is how much the outlet's load counts for who lends to it: fully unless
// the outlet decides for more receivers itself. Then those are to get less
// first, or one large conference there would cost all who once lent it a few
// receivers; only a queue that stands nevertheless is felt here too.
func (o *outlet) part() float64 {
	mine := float64(o.receivers)
	return mine / max(mine, float64(o.w.numEndpoints.Load()))
}
