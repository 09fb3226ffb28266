package bridge

import (
	"net"
	"net/netip"
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
