package bridge

import (
	crand "crypto/rand"
	mrand "math/rand/v2"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// worker is one socket, one goroutine, and all the conferences pinned to it.
// Its fields belong to that goroutine, except mail, count.shared, what a mutex
// guards, and the atomics.
type worker struct {
	b         *Bridge
	index     int
	sock      *netio.Socket
	mail      mailbox
	wheel     *mono.Wheel
	now       mono.Time // of this turn
	read      mono.Time // when what this turn is about was taken in
	handling  waiting   // the packet at hand; its arrival is 0 if that is not known
	published mono.Time
	count     counters
	delays    delays
	busy      busy
	traffic   traffic
	stress    governing
	useless   ages
	gathering gathering
	intake    intake
	alone     mono.Time // since when it has not let go of its core

	random mrand.Source // cryptographic, for transaction ids

	conferences map[string]*conference
	byAddr      map[netip.AddrPort]*endpoint // proved by an authenticated check
	byUfrag     map[string]*endpoint
	foreign     map[netip.AddrPort]int // addresses of other workers' peers
	handing     []*batch
	outlets     []*outlet // by worker, nil for those that were not needed
	lending     lending

	in       *netio.Batch
	letters  []event // spare slice swapped with the mailbox's
	dirty    []*endpoint
	telling  []*telling
	alloc    allocation
	stopping bool

	// Memory for one packet each, used within a call.
	header       rtp.Header // of the packet that came in
	head         outHeaders
	repeat       videoPacket // and its header, of what is sent again
	repeatHeader rtp.Header
	padding      rtp.Egress
	video        videoPacket
	stunBuf      [1500]byte
	rtcpBuf      [1500]byte
	lost         []uint16
	blocks       []rtp.ReportBlock

	numConferences atomic.Int64
	numEndpoints   atomic.Int64
	done           chan struct{}
}

// idleWait bounds a turn, so that published counters are never old.
const idleWait = time.Second

// dontWait makes a read take only what is there.
const dontWait = -1

// tick is what timers of a worker do.
type tick func(now mono.Time)

// forget clears what the last packet and the last decisions have left in the
// worker's memory: with it all that they were about would live on, people who
// have left and their packets, half a megabyte for each encoding.
func (w *worker) forget() {
	w.alloc.forget()
	w.intake.forget()
	w.video, w.repeat, w.repeatHeader = videoPacket{}, videoPacket{}, rtp.Header{}
}

func (w *worker) fire(t *mono.Timer) { t.Owner.(tick)(w.now) }

func newWorker(b *Bridge, index int, sock *netio.Socket) *worker {
	w := &worker{
		b: b, index: index, sock: sock,
		conferences: map[string]*conference{},
		byAddr:      map[netip.AddrPort]*endpoint{},
		byUfrag:     map[string]*endpoint{},
		foreign:     map[netip.AddrPort]int{},
		handing:     make([]*batch, b.opt.Workers),
		outlets:     make([]*outlet, b.opt.Workers),
		done:        make(chan struct{}),
		random:      newRandom(),
		useless:     ages{video: staleAfter, handed: handoverAge, repeated: repeatAge},
		in:          netio.NewBatch(netio.DefaultMessages),
		wheel:       mono.NewWheel(mono.Now()),
	}
	w.mail.max, w.mail.calm, w.mail.wake = b.opt.Limits.Mailbox, &w.gathering.calm, sock.Wake
	w.delays.init()
	w.busy.start(mono.Now())
	w.published = w.busy.ended
	w.stress.Governor = stress.New(w.busy.ended)
	return w
}

// run is the worker's goroutine. A turn is: wait for datagrams, a timer or a
// letter; handle what there is; send everything that came of it at once.
func (w *worker) run() {
	defer close(w.done)
	for !w.stopping {
		w.turn()
		w.giveWay()
	}
	w.shutdown()
}

// mostAlone is for how long a worker that always finds more to do keeps its core to
// itself. Signalling needs it too, on a machine with one core above all: who comes
// while there is too much media waits for an answer. Go's scheduler interrupts after
// 10 ms, and lets others have about 4 before the worker's turn comes again. Of 3,240
// who came at once, with media for several cores, the last was in after 5.8 and 7.7
// seconds instead of 8.8 and 10.4, in runs in turn; a tenth to a fifth fewer of the
// voices were forwarded then.
const mostAlone = 4 * time.Millisecond

// giveWay lets others have the core for a moment, if they have waited for it.
func (w *worker) giveWay() {
	switch now := w.busy.ended; {
	case w.sock.Waited():
		w.alone = now
	case now.Sub(w.alone) >= mostAlone:
		runtime.Gosched()
		w.alone = mono.Now()
	}
}

// packetsPerClock is after how many packets of a large batch the clock is read
// again.
const packetsPerClock = 64

func (w *worker) turn() {
	n, _ := w.wait()
	w.now = mono.Now()
	w.busy.read(w.now, w.sock.Waited())
	w.gathering.end(w.now)
	w.watchStress(n)
	w.count.inc(cTurns)
	w.read = w.now
	// Letters first: whose address is whose is told by letter before anything
	// is sent there, and what comes back may be among these packets.
	w.readMail()
	w.takeIn(n)
	w.wheel.Advance(w.now, w.fire)
	w.govern()
	w.reallocate()
	w.tell()
	w.flush()
	if w.now.Sub(w.published) >= time.Second {
		w.rollSecond()
	}
	w.publish()
}

// Timers that need not be exact are scheduled with others of their kind, so
// that a worker with a thousand silent endpoints wakes fifty times a second and
// not a thousand times. The grain bounds how many fire in one turn as well: a
// turn in which all did would keep media waiting.
const grain = mono.Grain

// nearly schedules a timer at a time, up to half a grain sooner or later.
func (w *worker) nearly(t *mono.Timer, at mono.Time) {
	w.wheel.Schedule(t, (at+mono.Time(grain/2))/mono.Time(grain)*mono.Time(grain))
}

// notBefore schedules a timer at a time, up to a grain later if it is not soon.
func (w *worker) notBefore(t *mono.Timer, at mono.Time) {
	if at.Sub(w.now) > 10*grain {
		at = at.RoundUp(grain)
	}
	w.wheel.Schedule(t, at)
}

// publish lets others see what this worker has counted.
func (w *worker) publish() {
	w.count.own[dropMailbox] = w.mail.refused.Load()
	w.count.own[dropChannelBusy] = w.mail.busy.Load()
	w.count.publish()
	w.busy.publish()
}

// wait blocks in the socket. The order - deadline, mailbox, read - is what
// makes a wake that comes in between impossible to lose.
func (w *worker) wait() (int, error) {
	busy := len(w.dirty) > 0 || len(w.telling) > 0
	if d, ok := w.gathering.begin(w.busy.ended); ok && !busy {
		w.sock.Gather(d)
	} else {
		w.sock.SetDeadline(w.untilTimer(busy))
	}
	if w.mail.pending() {
		w.sock.SetDeadline(dontWait)
	}
	return w.sock.Read(w.in)
}

// untilTimer is how long the worker may wait for datagrams.
func (w *worker) untilTimer(busy bool) time.Duration {
	d := idleWait
	if t := w.wheel.Next(); t != 0 {
		d = min(d, t.Sub(w.busy.ended))
	}
	if d <= 0 || busy {
		return dontWait
	}
	return d
}

func (w *worker) readMail() {
	letters := w.mail.take(w.letters)
	w.collectParcels() // before reports on what was in them, which may be among the letters
	for i, ev := range letters {
		ev.handle(w)
		letters[i] = nil
	}
	w.letters = letters
}

func (w *worker) flush() {
	w.sendParcels()
	w.busy.ended = w.sendOut()
	w.sendBatches()
}

// sendOut hands what is in the arena to the kernel, and returns when that was
// done.
func (w *worker) sendOut() mono.Time {
	sent, dropped, err := w.sock.Flush()
	w.count.add(cPacketsOut, uint64(sent))
	w.count.add(dropSend, uint64(dropped))
	_ = err // counted; the path is best effort, as the network is
	now := mono.Now()
	w.delays.sent(w.sock.Flushing(), now)
	return now
}

// packet is the demultiplexer (RFC 7983 §7). pkt may be changed in place.
func (w *worker) packet(addr netip.AddrPort, pkt []byte, handed bool) {
	if len(pkt) == 0 {
		w.count.inc(dropUnknownKind)
		return
	}
	if ep := w.byAddr[addr]; ep != nil && !ep.forSomebodyElse(pkt) {
		w.gathering.waits = mayWait(pkt)
		if ep.packet(addr, pkt); !w.gathering.waits {
			w.hurry()
		}
		return
	}
	if owner, ok := w.foreign[addr]; ok && !handed && !ice.IsSTUN(pkt) {
		w.handOver(owner, addr, pkt)
		return
	}
	w.firstPacket(addr, pkt, handed)
}

// firstPacket is a packet from an address nobody holds: only a STUN request
// that names one of our user names gets anywhere, and only its message
// integrity binds the address to the peer.
func (w *worker) firstPacket(addr netip.AddrPort, pkt []byte, handed bool) {
	if !ice.IsSTUN(pkt) {
		w.count.inc(dropStranger)
		return
	}
	ufrag, ok := ice.PeekUsername(pkt)
	if !ok {
		w.response(addr, pkt, handed)
		return
	}
	if ep := w.byUfrag[string(ufrag)]; ep != nil {
		w.hurry()
		ep.stun(addr, pkt)
		return
	}
	if owner, ok := ice.WorkerOf(ufrag); ok && !handed && int(owner) != w.index && int(owner) < len(w.b.workers) {
		w.handOver(int(owner), addr, pkt)
		return
	}
	w.count.inc(dropStranger)
}

// response is a STUN message without a user name. The first answer to a check
// of ours may come from an address that is not bound yet.
func (w *worker) response(addr netip.AddrPort, pkt []byte, handed bool) {
	if owner, ok := w.foreign[addr]; ok && !handed {
		w.handOver(owner, addr, pkt)
		return
	}
	w.count.inc(dropStranger)
}

// bind gives addr to ep, for this worker and all others. It refuses when the
// address is another living peer's: a password proves who sent a message, not
// where from, and whoever has one must not take over a neighbour's media.
func (w *worker) bind(addr netip.AddrPort, ep *endpoint) bool {
	if owner, taken := w.foreign[addr]; taken {
		w.b.workers[owner].mail.post(addrWanted(addr)) // for the next time
		return false
	}
	if w.byAddr[addr] != nil && !w.release(addr) {
		return false
	}
	w.byAddr[addr] = ep
	w.tellOthers(addrBound{addr, w.index})
	return true
}

// release takes an address from a peer that is silent and reports whether
// nobody of this worker has it now.
func (w *worker) release(addr netip.AddrPort) bool {
	old := w.byAddr[addr]
	if old == nil {
		return true
	}
	if w.now.Sub(old.heard) < silentAfter {
		return false
	}
	old.forgetAddr(addr)
	delete(w.byAddr, addr)
	return true
}

func (w *worker) unbind(addr netip.AddrPort, ep *endpoint) {
	if w.byAddr[addr] != ep {
		return
	}
	delete(w.byAddr, addr)
	w.tellOthers(addrFree{addr, w.index})
}

func (w *worker) tellOthers(ev event) {
	for _, o := range w.b.workers {
		if o != w {
			o.mail.postAlways(ev)
		}
	}
}

func newRandom() mrand.Source {
	var seed [32]byte
	crand.Read(seed[:]) // never fails, crypto/rand
	return mrand.NewChaCha8(seed)
}

// forSomebodyElse reports whether a packet from an address of ep's is a check
// that names another endpoint: a client may use a port again.
func (ep *endpoint) forSomebodyElse(pkt []byte) bool {
	if pkt[0] >= 4 {
		return false
	}
	ufrag, ok := ice.PeekUsername(pkt)
	return ok && ep.w.byUfrag[string(ufrag)] != ep
}
