package bridge

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// idleWorkers makes workers that a test drives by hand.
func idleWorkers(t *testing.T, n int) *Bridge {
	t.Helper()
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), n
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.closeSockets)
	for _, w := range b.workers {
		w.now = mono.Now()
	}
	return b
}

// deliver lets all letters arrive.
func (b *Bridge) deliver() {
	for _, w := range b.workers {
		w.sendBatches()
	}
	for _, w := range b.workers {
		w.readMail()
	}
}

// TestAddressBelongsToOne: a peer with a password cannot take over the
// address of a living neighbour, on its worker or another, but gets it once
// the neighbour is silent.
func TestAddressBelongsToOne(t *testing.T) {
	b := idleWorkers(t, 2)
	w, other := b.workers[0], b.workers[1]
	addr := netip.MustParseAddrPort("192.0.2.1:5000")
	victim, thief := &endpoint{w: w}, &endpoint{w: w}
	far := &endpoint{w: other}
	victim.heard = w.now
	victim.bindAddr(addr)
	b.deliver()
	thief.bindAddr(addr)
	far.bindAddr(addr)
	b.deliver()
	if w.byAddr[addr] != victim || other.byAddr[addr] != nil || other.foreign[addr] != w.index || len(thief.addrs)+len(far.addrs) != 0 {
		t.Fatal("the address was taken over")
	}
	w.now = w.now.Add(silentAfter)
	thief.bindAddr(addr)
	b.deliver()
	if w.byAddr[addr] != thief || len(victim.addrs) != 0 {
		t.Error("the address of a silent peer stays with it")
	}
	victim.dropOldestAddr()
	w.unbind(addr, victim)
	w.unbind(addr, thief)
	b.deliver()
	if len(w.byAddr)+len(other.foreign) != 0 {
		t.Error("the address is still known")
	}
}

// TestAddressOfSilentNeighbour: a client that gets a port which a peer of
// another worker has left without a word need not wait for that one's end.
func TestAddressOfSilentNeighbour(t *testing.T) {
	b := idleWorkers(t, 2)
	w, other := b.workers[0], b.workers[1]
	addr := netip.MustParseAddrPort("192.0.2.1:5000")
	silent, client := &endpoint{w: w}, &endpoint{w: other}
	silent.heard = w.now
	silent.bindAddr(addr)
	b.deliver()
	for range 3 { // as many checks
		client.bindAddr(addr)
		b.deliver()
	}
	if other.byAddr[addr] != nil || w.byAddr[addr] != silent {
		t.Fatal("the address of a living peer was taken")
	}
	w.now = w.now.Add(silentAfter)
	for range 2 {
		client.bindAddr(addr)
		b.deliver()
		b.deliver()
	}
	if other.byAddr[addr] != client || w.byAddr[addr] != nil || w.foreign[addr] != 1 || len(silent.addrs) != 0 {
		t.Error("the address of a silent peer stays with it")
	}
}

// TestAddressLimit: of too many addresses the oldest that is not in use goes.
func TestAddressLimit(t *testing.T) {
	b := idleWorkers(t, 1)
	w := b.workers[0]
	ep := &endpoint{w: w}
	addr := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+i))
	}
	ep.to = addr(0)
	n := b.opt.Limits.AddressesPerEndpoint
	for i := range n + 3 {
		ep.bindAddr(addr(i))
	}
	if len(ep.addrs) != n || len(w.byAddr) != n || w.byAddr[addr(0)] != ep || w.byAddr[addr(3)] != nil {
		t.Errorf("%d addresses, %d known: %v", len(ep.addrs), len(w.byAddr), ep.addrs)
	}
}

// TestHandingOver: what arrives at the wrong worker reaches the right one,
// unless it has waited too long, and is never handed on again.
func TestHandingOver(t *testing.T) {
	b := idleWorkers(t, 2)
	w, owner := b.workers[0], b.workers[1]
	addr := netip.MustParseAddrPort("192.0.2.1:5000")
	w.foreign[addr] = 1
	for range 2*batchPackets + 5 {
		w.packet(addr, []byte{0x80, 1, 2, 3}, false)
	}
	b.deliver()
	if got := owner.count.own[dropStranger]; got != 2*batchPackets+5 {
		t.Errorf("%d packets were looked at", got)
	}
	owner.foreign[addr] = 0
	w.packet(addr, []byte{0x80, 1, 2, 3}, false)
	b.deliver()
	if owner.count.own[cHandedOver] != 0 {
		t.Error("handed back")
	}
	w.packet(addr, make([]byte, netio.MaxDatagram), false)
	w.packet(addr, []byte{0x80, 1, 2, 3}, false)
	owner.now = owner.now.Add(2 * handoverAge)
	b.deliver()
	if got := owner.count.own[dropHandover]; got != 2 {
		t.Errorf("%d late packets were dropped", got)
	}
	for range 2 * maxBatches {
		w.packet(addr, []byte{0x80, 1, 2, 3}, false)
		w.sendBatches()
	}
	if got := w.count.own[dropHandover]; got != maxBatches {
		t.Errorf("%d of %d batches for a worker that stands still were dropped", got, 2*maxBatches)
	}
	b.deliver()
	owner.mail.close()
	w.packet(addr, []byte{0x80, 1, 2, 3}, false)
	b.deliver()
	if w.count.own[dropHandover] != maxBatches+1 || owner.mail.batches.Load() != 0 {
		t.Error("a batch nobody takes was not counted")
	}
}

// TestMailbox: full and closed boxes refuse, and what must not be lost gets in.
func TestMailbox(t *testing.T) {
	woken := 0
	m := mailbox{max: 2, wake: func() { woken++ }}
	ev := stopWorker{}
	for i, fits := range []bool{true, true, false} {
		if m.post(ev) != fits {
			t.Errorf("letter %d: fits is %v", i, !fits)
		}
	}
	if !m.postAlways(ev) || woken != 1 || !m.pending() {
		t.Errorf("woken %d times", woken)
	}
	if n := len(m.take(nil)); n != 3 || m.pending() {
		t.Errorf("%d letters", n)
	}
	m.post(ev)
	if n := len(m.close()); n != 1 || m.postAlways(ev) || woken != 2 {
		t.Errorf("%d letters were left, woken %d times", n, woken)
	}
}

// TestCalmMail: a calm worker is not woken for what may wait, but for what comes
// after it, and for what may wait when it is calm no more.
func TestCalmMail(t *testing.T) {
	woken := 0
	var calm atomic.Bool
	m := mailbox{max: 9, calm: &calm, wake: func() { woken++ }}
	ev := stopWorker{}
	calm.Store(true)
	if !m.postCalmly(ev) || woken != 0 || !m.pending() {
		t.Errorf("woken %d times for what may wait", woken)
	}
	m.post(ev)
	if m.post(ev); woken != 1 {
		t.Errorf("woken %d times for what does not wait", woken)
	}
	m.take(nil)
	calm.Store(false)
	m.postCalmly(ev)
	if m.postCalmly(ev); woken != 2 {
		t.Errorf("woken %d times in all", woken)
	}
}

// TestConnectivity: an endpoint that falls silent is reported inactive, and
// active when it is back; nobody is told twice.
func TestConnectivity(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	ep := n.sender
	start := n.w.now
	ep.heard = start
	for _, step := range []struct {
		after time.Duration
		heard bool
		want  bool
	}{
		{7 * time.Second, false, true}, {8 * time.Second, false, false},
		{9 * time.Second, false, false}, {10 * time.Second, true, true},
	} {
		now := start.Add(step.after)
		if step.heard {
			ep.heard = now
		}
		ep.checkConnectivity(now)
		if ep.active != step.want {
			t.Errorf("after %v: active %v", step.after, ep.active)
		}
	}
	ep.heard = 0
	ep.checkConnectivity(ep.created.Add(firstTransferWithin))
	if ep.active {
		t.Error("active without ever having been heard")
	}
	if s := string(connectivityMessage("aaaaaaaa", false)); !strings.Contains(s, `"active":"false"`) {
		t.Error(s)
	}
}

// TestAsks: a receiver may ask for three key frames in ten seconds.
func TestAsks(t *testing.T) {
	var a asks
	now, allowed := mono.Time(1e12), 0
	for range 1000 {
		if a.allow(now) {
			allowed++
		}
		now = now.Add(30 * time.Millisecond)
	}
	if allowed != 9 {
		t.Errorf("%d requests were allowed in 30 s", allowed)
	}
}

// TestKeyFramePatience: who does not answer is asked less and less often.
func TestKeyFramePatience(t *testing.T) {
	var k keyRequests
	last := time.Duration(0)
	for range 20 {
		if w := k.wait(0); w < last || w < keyFrameEvery || w > keyFrameAtLeast {
			t.Errorf("after %d in vain: %v", k.vain, w)
		} else {
			last = w
		}
		k.vain++
	}
	if last != keyFrameAtLeast {
		t.Errorf("in the end %v", last)
	}
}

// TestLayouts: how SSRCs and groups become sources.
func TestLayouts(t *testing.T) {
	set := sourcesOf("aaaaaaaa", 1000)
	// The order in which sources are listed means nothing.
	set.Sources[1], set.Sources[5] = set.Sources[5], set.Sources[1]
	got := layouts(&set)
	if len(got) != 2 || got[0].kind != media.Audio || got[0].primary[0] != 1000 {
		t.Fatalf("%+v", got)
	}
	want := layout{kind: media.Video, primary: []uint32{1001, 1002, 1003}, rtx: []uint32{1011, 1012, 1013}}
	if !got[1].equal(&want) {
		t.Errorf("%+v", got[1])
	}
	set = sourcesOf("aaaaaaaa", 1000)
	set.Groups = nil
	if l := layouts(&set)[1]; len(l.primary) != maxEncodings {
		t.Errorf("without groups: %+v", l)
	}
}
