package bridge

import (
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// stillBridge is a bridge whose workers do not run yet, and a socket that sends
// to it.
func stillBridge(t *testing.T, workers int) (*Bridge, *net.UDPConn) {
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), workers
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Start()
		_ = b.Stop(t.Context())
	})
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return b, conn
}

// TestLettersBeforePackets: the answer to a check that another worker has just
// sent is not a stranger's because the letter that says so came with it.
func TestLettersBeforePackets(t *testing.T) {
	b, conn := stillBridge(t, 2)
	answer := append([]byte{0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	if _, err := conn.Write(answer); err != nil {
		t.Fatal(err)
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	addr := netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	for i, end := 0, time.Now().Add(patience); ; i = 1 - i { // the kernel chooses whose socket it is, and when
		if time.Now().After(end) {
			t.Fatal("no packet came")
		}
		w := b.workers[i]
		w.mail.postAlways(addrBound{addr, 1 - i})
		w.turn()
		if w.count.own[cPacketsIn] == 0 {
			continue
		}
		if n := w.count.own[dropStranger]; n != 0 {
			t.Errorf("worker %d dropped %d packets as a stranger's", i, n)
		}
		return
	}
}

// TestGivesWay: a worker that always finds more to do lets others have the core now
// and then, and one that waits for something does not have to.
func TestGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := newCalmWorker(t)
	w := c.w
	for c.turn(1, aVoice); w.sock.Waited(); { // until a read finds something at once
		c.turn(1, aVoice)
	}
	after := func(alone time.Duration) bool {
		var ran atomic.Bool
		go ran.Store(true)
		w.alone = w.busy.ended.Add(-alone)
		w.giveWay()
		return ran.Load()
	}
	if after(mostAlone - 1) {
		t.Error("it gives way before its time is over")
	}
	if !after(mostAlone) {
		t.Error("it keeps the core to itself")
	}
	if w.busy.ended.Sub(w.alone) >= mostAlone {
		t.Error("it gives way all the time")
	}
	for c.turn(0, nil); !w.sock.Waited(); {
		c.turn(0, nil)
	}
	if after(time.Hour) {
		t.Error("it gives way although it has waited")
	}
}
