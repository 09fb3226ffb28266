package loadtest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
)

// worker is one goroutine with the media of some participants.
type worker struct {
	swarm *netio.Swarm
	alarm *netio.Alarm
	batch *netio.Batch
	wheel *mono.Wheel
	peers map[*peer]struct{}
	every uint64 // Plan.OpenOneIn

	now  mono.Time // of this turn
	wall int64     // the same moment, nanoseconds since 1970

	pace  time.Duration
	look  mono.Time     // when the sockets are looked at next
	woke  mono.Time     // since when it works
	busy  time.Duration // since the last change of pace
	since mono.Time
	spent atomic.Int64 // nanoseconds worked altogether

	total tally
	delay record.Histogram
	gone  mediaSum // of streams whose sessions have ended

	mu    sync.Mutex
	box   []func()
	ended bool
	done  chan struct{}
}

// tally is what a worker counts for all its peers together.
type tally struct {
	packetsIn, packetsOut, bytesIn, bytesOut, late uint64
	kernelDrops                                    uint64 // of peers that have ended
}

// grain is how exactly a worker sends: people know nothing of each other, so
// what they send must not come in bursts, which would be what a server's
// measured delay is made of. A fifth of this makes half of that half (ARCHITECTURE.md,
// "A video packet crosses"), and takes 40 % more of the generator's CPU time and a tenth
// more of the server's, in which less comes together. A worker that comes late sends all that is
// due without a pause, each participant's in one call, as each has a socket: a
// coarser grain would save next to nothing then (timers were 3 % of what 3,240
// took who came at once).
const grain = 500 * time.Microsecond

// How often a worker looks at its sockets: seldom when it has much to do, so
// that each look finds more.
const (
	paceIdle = time.Millisecond
	paceBusy = 10 * time.Millisecond
	paceSpan = 200 * time.Millisecond // over which busy is measured
)

// socketBuffer is each participant's receive queue: a key frame in a large
// room, and a pause of the collector.
const socketBuffer = 1 << 20

func newWorker(openOneIn int) (*worker, error) {
	swarm, err := netio.NewSwarm(netio.Config{ReadBuffer: socketBuffer, WriteBuffer: 256 << 10})
	if err != nil {
		return nil, err
	}
	alarm, err := netio.NewAlarm()
	if err != nil {
		swarm.Close()
		return nil, err
	}
	now := mono.Now()
	return &worker{
		swarm: swarm, alarm: alarm, batch: netio.NewBatch(16), wheel: mono.NewFineWheel(now, grain), woke: now, peers: map[*peer]struct{}{},
		every: uint64(max(openOneIn, 1)), pace: paceIdle, done: make(chan struct{}),
	}, nil
}

// do lets the worker call f; it is dropped when the worker has ended. Any
// goroutine may call it.
func (w *worker) do(f func()) {
	w.mu.Lock()
	w.box = append(w.box, f)
	w.mu.Unlock()
	w.swarm.Wake()
}

// ask is do that waits for f; false if the worker has ended.
func (w *worker) ask(f func()) bool {
	ran := make(chan struct{})
	w.do(func() { f(); close(ran) })
	select {
	case <-ran:
		return true
	case <-w.done:
		return false
	}
}

// run is the worker's goroutine. It sends when something is due, and looks at
// the sockets once in a pace.
func (w *worker) run() {
	defer close(w.done)
	defer w.alarm.Close()
	defer w.swarm.Close()
	for {
		w.clock(mono.Now())
		if w.mailbox() {
			return
		}
		w.wheel.Advance(w.now, w.fire)
		now := mono.Now()
		if left := w.look.Sub(now); left > 0 {
			w.worked(now)
			w.alarm.Sleep(min(left, w.untilNext(now)))
			w.woke = mono.Now()
		} else if w.read(now) != nil {
			return
		}
	}
}

// untilNext is how long no timer is due.
func (w *worker) untilNext(now mono.Time) time.Duration {
	const forever = 100 * time.Millisecond
	if next := w.wheel.Next(); next != 0 {
		return min(forever, next.Sub(now))
	}
	return forever
}

// read waits until something has arrived or is due, and takes what is there.
// That takes some time if it is much: meanwhile others send what they have to.
func (w *worker) read(now mono.Time) error {
	w.worked(now)
	n, err := w.swarm.Wait(w.untilNext(now))
	if err != nil {
		return err
	}
	w.woke = mono.Now()
	w.look = w.woke.Add(w.pace)
	w.clock(w.woke)
	for i := range n {
		w.swarm.Ready(i).Owner.(*peer).read()
		if now := mono.Now(); now >= w.wheel.Next() {
			w.clock(now)
			w.wheel.Advance(now, w.fire)
		}
	}
	return nil
}

// clock sets the time of the turn.
func (w *worker) clock(now mono.Time) {
	w.now, w.wall = now, time.Now().UnixNano()
}

// monotonic converts a time stamp of the kernel.
func (w *worker) monotonic(stamp int64) mono.Time {
	if stamp == 0 {
		return w.now
	}
	return w.now.Add(min(time.Duration(stamp-w.wall), 0))
}

// mailbox carries out what others want; it reports whether the worker is to
// end.
func (w *worker) mailbox() bool {
	w.mu.Lock()
	box := w.box
	w.box = nil
	w.mu.Unlock()
	for _, f := range box {
		f()
	}
	return w.ended
}

// worked ends a stretch of work, and finds a pace for how much there is of it.
func (w *worker) worked(now mono.Time) {
	d := now.Sub(w.woke)
	w.busy += d
	w.spent.Add(int64(d))
	span := now.Sub(w.since)
	if span < paceSpan {
		return
	}
	switch share := float64(w.busy) / float64(span); {
	case share > 0.5:
		w.pace = paceBusy
	case share > 0.3:
		w.pace = paceBusy / 2
	case share > 0.15:
		w.pace = paceBusy / 5
	default:
		w.pace = paceIdle
	}
	w.busy, w.since = 0, now
}

// The kinds of timers a peer has, besides lineTimer.
type (
	sendTimer  struct{ m *peer }
	houseTimer struct{ m *peer }
)

func (w *worker) fire(t *mono.Timer) {
	switch o := t.Owner.(type) {
	case sendTimer:
		o.m.send()
	case houseTimer:
		o.m.house()
	case lineTimer:
		o.m.fireLine()
	}
}

// stop ends the worker and waits for it.
func (w *worker) stop() {
	w.do(func() {
		for m := range w.peers {
			m.close()
		}
		w.ended = true
	})
	<-w.done
}
