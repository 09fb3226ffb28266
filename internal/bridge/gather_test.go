package bridge

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// calmWorker is a worker that lets datagrams gather, in the hands of a test, and
// somebody who sends to its socket.
type calmWorker struct {
	*bench
	t    *testing.T
	conn *net.UDPConn
	from netip.AddrPort

	egress rtp.Egress // its microphone's
}

func newCalmWorker(t *testing.T) *calmWorker {
	c := &calmWorker{bench: newBench(t, 1, srtp.AEADAES128GCM), t: t}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(c.w.sock.LocalAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c.conn, c.from = conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
	c.w.byAddr[c.from] = c.sender
	c.w.published = mono.Now().Add(time.Hour) // it does not settle by itself
	c.rest()
	return c
}

func (c *calmWorker) rest() { c.w.gathering.calm.Store(true) }

// turn lets somebody send so many packets, and the worker have a turn. It
// reports whether the worker is still calm.
func (c *calmWorker) turn(times int, pkt []byte) bool {
	c.t.Helper()
	for range times {
		if _, err := c.conn.Write(pkt); err != nil {
			c.t.Fatal(err)
		}
	}
	c.w.turn()
	return c.w.gathering.calm.Load()
}

// Packets by their kinds (RFC 7983 §7).
var (
	aCheck  = append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	aReport = append([]byte{0x80, 201, 0, 1}, make([]byte, 20)...)
	aHello  = append([]byte{22, 0xfe, 0xfd}, make([]byte, 20)...)
	aVoice  = append([]byte{0x80, ptOpus, 0, 1}, make([]byte, 20)...)
)

// aCheckOf is a check that names an endpoint.
func aCheckOf(ep *endpoint) []byte {
	name := []byte(ep.agent.Ufrag() + ":x")
	pkt := append(append([]byte(nil), aCheck...), 0, 6, 0, byte(len(name)))
	pkt = append(pkt, append(name, 0, 0, 0)[:(len(name)+3)&^3]...)
	pkt[3] = byte(len(pkt) - len(aCheck))
	return pkt
}

// TestGathering: a worker to which only checks and reports come has a turn a
// grain, with all that have come meanwhile; a letter does not wait.
func TestGathering(t *testing.T) {
	c := newCalmWorker(t)
	for c.turn(3, aReport); c.w.sock.Waited() || c.w.count.own[cPacketsIn] < 3; { // until a batch has room for all
		c.turn(0, nil)
	}
	for c.turn(0, nil); !c.w.sock.Waited(); {
		c.turn(0, nil)
	}
	for i := range 10 {
		before, came := c.w.now, c.w.count.own[cPacketsIn]
		calm := c.turn(3, [][]byte{aCheck, aReport}[i%2])
		if c.w.now/mono.Time(mono.RestGrain) == before/mono.Time(mono.RestGrain) {
			t.Fatalf("two turns in one grain, at %v and %v", before, c.w.now)
		}
		if n := c.w.count.own[cPacketsIn] - came; n != 3 || !calm {
			t.Fatalf("%d packets came, calm %v", n, calm)
		}
	}
	c.w.mail.postAlways(call(func(*worker) {}))
	if c.turn(1, aCheck); c.w.sock.Waited() {
		t.Error("a letter waits for datagrams")
	}
	c.turn(0, nil)
	read := false
	c.w.mail.postCalmly(call(func(*worker) { read = true }))
	// It is not woken, but does not wait when it finds one before it waits.
	if c.turn(0, nil); !read || c.w.sock.Waited() {
		t.Errorf("what is said on a channel was read: %v; waited: %v", read, c.w.sock.Waited())
	}
	c.turn(1, aVoice)
	if d, ok := c.w.gathering.begin(c.w.now); ok {
		t.Errorf("after the first packet of media the worker does not look for %v", d)
	}
}

// TestUrgent: what ends the calm of a worker.
func TestUrgent(t *testing.T) {
	c := newCalmWorker(t)
	w := c.w
	newcomer := aCheckOf(w.conferences[meeting].order[1])
	stranger := netip.MustParseAddrPort("192.0.2.1:1")
	for _, tc := range []struct {
		name    string
		happens func()
		urgent  bool
	}{
		{"a check", func() { w.packet(c.from, aCheck, false) }, false},
		{"a report", func() { w.packet(c.from, aReport, false) }, false},
		{"a handshake", func() { w.packet(c.from, aHello, false) }, true},
		{"media", func() { w.packet(c.from, aVoice, false) }, true},
		{"media that another worker got", func() { w.packet(c.from, aVoice, true) }, true},
		{"a stranger's media", func() { w.packet(stranger, aVoice, false) }, false},
		{"a stranger's check", func() { w.packet(stranger, aCheck, false) }, false},
		{"a newcomer's check", func() { w.packet(stranger, newcomer, false) }, true},
		{"a change", func() {
			m := colibri.EndpointModify{ID: "0000abcd", Create: true, WantTransport: true, Media: offer()}
			if _, err := w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{m}}); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		c.rest()
		tc.happens()
		if urgent := !w.gathering.calm.Load(); urgent != tc.urgent {
			t.Errorf("%s: urgent is %v", tc.name, urgent)
		}
	}
}

// TestUrgentElsewhere: whether a check, a report or media are urgent is for the
// worker to say whose they are; it tells the others when it stops being calm, not
// only when it is next handed something.
func TestUrgentElsewhere(t *testing.T) {
	b := idleWorkers(t, 2)
	w, owner := b.workers[0], b.workers[1]
	addr := netip.MustParseAddrPort("192.0.2.1:5000")
	w.foreign[addr] = 1
	for _, tc := range []struct {
		pkt          []byte
		calm, urgent bool
	}{
		{aReport, true, false}, {aReport, false, true}, {aVoice, true, false}, {aVoice, false, true}, {aHello, true, true},
	} {
		owner.gathering.calm.Store(tc.calm)
		w.gathering.calm.Store(true)
		w.packet(addr, tc.pkt, false)
		if urgent := !w.gathering.calm.Load(); urgent != tc.urgent {
			t.Errorf("a packet that begins with %v for a worker that is calm, %v: urgent is %v", tc.pkt[:2], tc.calm, urgent)
		}
	}
	owner.gathering.calm.Store(true)
	w.gathering.calm.Store(true)
	owner.hurry()
	w.readMail()
	if w.gathering.calm.Load() || w.gathering.urgent != w.now {
		t.Error("a worker is calm although the one that it hands packets to is not")
	}
	owner.hurry()
	if w.hurry(); w.mail.pending() || owner.mail.pending() {
		t.Error("who is in a hurry tells it again")
	}
}

// TestSettling: a worker is calm a second after what was urgent, if enough comes
// to be worth it; what waits by its own choice is no sign of too much to do.
func TestSettling(t *testing.T) {
	now := mono.Time(time.Hour)
	for _, tc := range []struct {
		ago     time.Duration
		came    uint64
		unheard time.Duration // ago
		calm    bool
	}{
		{gatherAfter, 1600, time.Hour, true}, {gatherAfter - 1, 1600, time.Hour, false},
		{time.Hour, gatherFrom, time.Hour, true}, {time.Hour, gatherFrom - 1, time.Hour, false}, {time.Hour, 0, time.Hour, false},
		{gatherSilenceAfter, 50_000, 0, true}, {gatherSilenceAfter - 1, 50_000, 0, false},
		{time.Hour, gatherSilenceFrom, 0, true}, {time.Hour, gatherSilenceFrom - 1, 0, false},
		{time.Hour, gatherFrom, gatherAfter, false}, {time.Hour, gatherFrom, gatherAfter + 1, true},
	} {
		var g gathering
		g.leaveOut(now.Add(-tc.unheard))
		g.hurry(now.Add(-tc.ago))
		g.settle(now, tc.came)
		d, calm := g.begin(now.Add(mono.RestGrain / 4))
		if calm != tc.calm || d != mono.RestGrain*3/4 {
			t.Errorf("%v after something urgent, and %v after silence, with %d datagrams a second: calm %v, for %v", tc.ago, tc.unheard, tc.came, calm, d)
		}
		g.end(now.Add(grain))
		want := map[bool]time.Duration{true: time.Millisecond, false: 15 * time.Millisecond}[tc.calm]
		if got := g.without(15*time.Millisecond, now.Add(grain+time.Millisecond)); got != want {
			t.Errorf("calm %v: waited %v against its will, want %v", calm, got, want)
		}
	}
}
