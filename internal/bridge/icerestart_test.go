package bridge

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// restart asks for new credentials, as the focus would.
func (c *client) restart() *media.Transport {
	c.r.t.Helper()
	return c.r.change(meeting, colibri.EndpointModify{ID: c.id, RestartICE: true}).Endpoints[0].Transport
}

// answer is the client's transport-info.
func (c *client) answer(offered *media.Transport) {
	c.r.t.Helper()
	mine, err := c.Restart(offered)
	if err != nil {
		c.r.t.Fatal(err)
	}
	c.r.change(meeting, colibri.EndpointModify{ID: c.id, Transport: mine})
}

// iceOf looks at an endpoint's ICE.
func (r *rig) iceOf(id string) (generation int, restarting, overlapping bool, names int) {
	r.t.Helper()
	r.inside(func(c *conference) {
		ep := c.endpoints[id]
		generation, restarting, overlapping = ep.agent.generation, ep.next != nil, ep.old != nil
		names = len(c.w.byUfrag)
	})
	return generation, restarting, overlapping, names
}

// uses waits until an endpoint's media takes the path of a generation.
func (c *client) uses(generation int, do func()) {
	c.r.t.Helper()
	c.until("the new path", do, func() bool {
		g, _, _, _ := c.r.iceOf(c.id)
		return g == generation
	})
}

// sent is how many packets of a microphone a client has sent.
func (c *client) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.seqs[c.base])
}

// whole checks that b has heard everything that a has said since b has heard
// it first, each packet once. What a says before the bridge has the keys of its
// session, which it has a moment earlier, nobody can hear. Two sockets are read
// by two goroutines, so that the order of arrival says nothing.
func whole(t *testing.T, a, b *client) {
	t.Helper()
	said := func(h rtp.Header) int { return int(h.Timestamp/960) - 1000 } // which packet it was
	byNumber := func(x, y rtp.Header) int { return int(int16(x.Seq - y.Seq)) }
	sent := a.sent()
	b.until("all packets of "+a.id, nil, func() bool {
		got := b.packets(a.base)
		return len(got) > 0 && len(got) > sent-said(slices.MinFunc(got, byNumber))
	})
	b.mu.Lock()
	got := b.packets(a.base)
	b.mu.Unlock()
	slices.SortFunc(got, byNumber)
	first := got[0]
	for i, h := range got {
		if h.Seq != first.Seq+uint16(i) || said(h) != said(first)+i {
			t.Fatalf("%s: packet %d of %s has number %d, the first, %d, had %d", b.id, said(h), a.id, h.Seq, said(first), first.Seq)
		}
	}
	if n := said(got[len(got)-1]); n != sent {
		t.Errorf("%s heard packet %d last of %d", b.id, n, sent)
	}
}

// converse lets two clients talk until both hear each other.
func converse(a, b *client) func() {
	both := func() { a.audio(30); b.audio(30) }
	for _, way := range [][2]*client{{a, b}, {b, a}} {
		way[1].until("audio", both, func() bool { return len(way[1].packets(way[0].base)) > 0 })
	}
	return both
}

// TestICERestart: while media flows both ways, new credentials are used from
// another socket, three times in a row, and not one packet is lost.
func TestICERestart(t *testing.T) {
	r := newRig(t, 2)
	a, b := r.join(meeting, "aaaaaaaa", 1000), r.join(meeting, "bbbbbbbb", 2000)
	both := converse(a, b)
	for generation := 1; generation <= 3; generation++ {
		before := a.Addr()
		offered := a.restart()
		if offered.Generation != generation || offered.Ufrag == a.offered.Ufrag || offered.Pwd == a.offered.Pwd ||
			len(offered.Candidates) != len(a.offered.Candidates) || offered.ChannelURL != "" {
			t.Fatalf("restart %d: %+v", generation, offered)
		}
		for range 20 { // nothing changes before the client answers
			both()
		}
		if g, restarting, _, _ := r.iceOf(a.id); g != generation-1 || !restarting {
			t.Fatalf("generation %d before the answer, restarting: %v", g, restarting)
		}
		a.answer(offered)
		a.uses(generation, both)
		for range 20 {
			both()
		}
		if a.Addr() == before {
			t.Error("the client did not change its path")
		}
		// Before the next one, which ends the path before this one at once:
		// where workers wait for the processor something may still be on it.
		whole(t, a, b)
		whole(t, b, a)
	}
	// In silence: seconds of talk would be more than a socket takes whose reader
	// waits for the processor.
	a.until("the end of the old agent", nil, func() bool { _, _, old, _ := r.iceOf(a.id); return !old })
	for range 20 {
		both()
	}
	if _, _, _, names := r.iceOf(a.id); names != 2 {
		t.Errorf("%d user names are known", names)
	}
	r.inside(func(c *conference) {
		if ep := c.endpoints[a.id]; len(ep.addrs) != 1 || ep.addrs[0] != ep.to || ep.to != a.Addr() {
			t.Errorf("addresses %v, media goes to %v", ep.addrs, ep.to)
		}
	})
	whole(t, a, b)
	whole(t, b, a)
}

// TestICERestartAfterLoss: the network of a client is gone; a restart from
// another one brings media back, with the same keys and the next numbers.
func TestICERestartAfterLoss(t *testing.T) {
	r := newRig(t, 1)
	a, b := r.join(meeting, "aaaaaaaa", 1000), r.join(meeting, "bbbbbbbb", 2000)
	both := converse(a, b)
	a.Deafen()
	a.mu.Lock()
	heard := len(a.packets(b.base))
	a.mu.Unlock()
	a.answer(a.restart())
	a.uses(1, both)
	a.until("audio on the new path", both, func() bool { return len(a.packets(b.base)) > heard })
	before := a.sent()
	both()
	b.until("audio from the new path", both, func() bool {
		p := b.packets(a.base)
		return p[len(p)-1].Seq >= 1000+uint16(before)
	})
}

// TestICERestartReplaced: a newer restart takes the place of one that is on
// its way, whose answer then changes nothing.
func TestICERestartReplaced(t *testing.T) {
	r := newRig(t, 1)
	a, b := r.join(meeting, "aaaaaaaa", 1000), r.join(meeting, "bbbbbbbb", 2000)
	both := converse(a, b)
	first := a.restart()
	second := a.restart()
	if first.Generation != 1 || second.Generation != 2 || first.Ufrag == second.Ufrag {
		t.Fatalf("generations %d, %d", first.Generation, second.Generation)
	}
	if _, _, _, names := r.iceOf(a.id); names != 3 {
		t.Errorf("%d user names, want those of two endpoints and one restart", names)
	}
	stale := a.Local()
	stale.Generation = first.Generation
	r.change(meeting, colibri.EndpointModify{ID: a.id, Transport: stale})
	if g, restarting, _, _ := r.iceOf(a.id); g != 0 || !restarting || r.own(dropStaleTransport) != 1 {
		t.Errorf("after a stale answer: generation %d, restarting %v", g, restarting)
	}
	a.answer(second)
	a.uses(2, both)
	whole(t, a, b)
	whole(t, b, a)
}

// own reads a counter where it is made.
func (r *rig) own(i counter) (n uint64) {
	r.inside(func(c *conference) { n = c.w.count.own[i] })
	return n
}

// TestICERestartTooEarly: before there is a connection it has no sense.
func TestICERestartTooEarly(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(meeting, "aaaaaaaa", 1000)
	if got := a.restart(); got == nil || got.Generation != 0 {
		t.Errorf("%+v", got)
	}
	if _, restarting, _, names := r.iceOf(a.id); restarting || names != 1 {
		t.Errorf("restarting: %v, %d user names", restarting, names)
	}
}

// TestICERestartGivenUp: a restart nobody answers ends without a trace; but
// while it lasts, it keeps an endpoint whose path is lost, to which nothing is
// sent meanwhile.
func TestICERestartGivenUp(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	ep, names := n.sender, len(n.w.byUfrag)
	ep.connected = n.w.now
	ep.restartICE()
	n.w.now = n.w.now.Add(restartWithin - time.Millisecond)
	ep.iceTick(n.w.now)
	if ep.next == nil || len(n.w.byUfrag) != names+1 {
		t.Fatal("given up too early")
	}
	n.w.now = n.w.now.Add(time.Millisecond)
	ep.iceTick(n.w.now)
	if ep.next != nil || len(n.w.byUfrag) != names || ep.gone {
		t.Fatal("not given up")
	}

	if err := ep.agent.SetRemote("abcd", "0123456789012345678901", nil, n.w.now); err != nil {
		t.Fatal(err)
	}
	n.w.now = n.w.now.Add(15 * time.Second)
	ep.restartICE()
	n.w.now = n.w.now.Add(15 * time.Second)
	ep.iceTick(n.w.now)
	if ep.agent.State() != ice.Failed || ep.gone || ep.to.IsValid() || ep.path.to.Load() != nil {
		t.Fatalf("%v, gone: %v, media goes to %v", ep.agent.State(), ep.gone, ep.to)
	}
	n.w.now = n.w.now.Add(5 * time.Second)
	ep.iceTick(n.w.now)
	if !ep.gone || len(n.w.byUfrag) != names-1 {
		t.Error("an endpoint without any path lives on")
	}
}

// TestAddressChange: a client's address changes without a word; media goes on
// both ways, in the same session.
func TestAddressChange(t *testing.T) {
	for name, workers := range map[string]int{"one worker": 1, "two workers": 2} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, workers)
			a, b := r.join(meeting, "aaaaaaaa", 1000), r.join(meeting, "bbbbbbbb", 2000)
			both := converse(a, b)
			for range 3 {
				if err := a.Move(); err != nil {
					t.Fatal(err)
				}
				start, said := time.Now(), a.sent()
				b.until("audio from the new address", both, func() bool {
					p := b.packets(a.base)
					return len(p) > 0 && p[len(p)-1].Seq > 1000+uint16(said)
				})
				a.mu.Lock()
				heard := len(a.packets(b.base))
				a.mu.Unlock()
				a.until("audio at the new address", both, func() bool { return len(a.packets(b.base)) > heard })
				t.Logf("back after %v", time.Since(start))
			}
		})
	}
}

// TestPathChangeBandwidth: the estimate of another path begins anew; a good
// one goes on when a restart has found another path in the same network.
func TestPathChangeBandwidth(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	n := newBench(t, 1, srtp.AEADAES128GCM)
	ep := n.sender
	for _, tc := range []struct {
		name      string
		start     int64
		to        string
		restarted bool
		anew      bool
	}{
		{"low", 100_000, "192.0.2.1:2", true, true},
		{"good", 9_000_000, "192.0.2.1:2", true, false},
		{"another network", 9_000_000, "192.0.2.2:1", true, true},
		{"another binding", 9_000_000, "192.0.2.1:2", false, true},
	} {
		ep.to, ep.connected = at("192.0.2.1:1"), n.w.now
		o := bwe.DefaultOptions()
		want := o.Initial
		o.Initial = tc.start
		ep.bw.est = bwe.New(o)
		ep.bw.hold.until = n.w.now.Add(time.Hour)
		ep.selected(at(tc.to), tc.restarted)
		if !tc.anew {
			want = tc.start
		}
		if got := ep.bw.est.Estimate(); got != want || ep.bw.hold.holds(n.w.now) == tc.anew {
			t.Errorf("%s: %d bit/s, want %d; held: %v", tc.name, got, want, ep.bw.hold.holds(n.w.now))
		}
	}
}

// TestFollowsMedia: media that comes from another proved address for half a
// second is answered there; a packet in between from where media goes, or one
// that is not authentic, makes it stay.
func TestFollowsMedia(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	ep, start := n.sender, n.w.now
	home, away := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	n.prove(t, ep, home, away)
	if ep.to != home {
		t.Fatalf("media goes to %v", ep.to)
	}
	for _, step := range []struct {
		after time.Duration
		from  netip.AddrPort
		want  netip.AddrPort
	}{
		{0, home, home}, {100, away, home}, {590, away, home}, {595, home, home}, // it was only the order
		{600, away, home}, {1090, away, home}, {1100, away, away},
		{1110, home, away}, {1600, home, away}, {1605, away, away}, {1610, home, away},
	} {
		n.w.now, n.addr = start.Add(step.after*time.Millisecond), step.from
		var e rtp.Egress
		n.packet(t, &e, 1000, ptOpus, []byte("opus"))
		n.w.packet(home, []byte{0x80, ptOpus, 9, 9, 0, 0, 0, 0, 0, 0, 3, 0xe8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, false)
		n.w.now = n.w.now.Add(2 * time.Millisecond) // the wheel's resolution is one
		n.w.wheel.Advance(n.w.now, n.w.fire)
		if ep.to != step.want {
			t.Fatalf("after %d ms, media from %v: it goes to %v", step.after, step.from, ep.to)
		}
	}
}

// prove lets a client connect to an endpoint from several addresses.
func (n *bench) prove(t *testing.T, ep *endpoint, addrs ...netip.AddrPort) {
	t.Helper()
	mine := ep.describe(ep.agent)
	if err := ep.agent.SetRemote("abcd", "0123456789012345678901", nil, n.w.now); err != nil {
		t.Fatal(err)
	}
	here := netip.MustParseAddrPort("192.0.2.100:10000")
	for _, addr := range addrs {
		c := ice.NewAgent(ice.Config{Ufrag: "abcd", Pwd: "0123456789012345678901", TieBreaker: 1})
		bridge := media.Candidate{Component: 1, Protocol: "udp", Addr: here, Type: "host", Priority: 1}
		if err := c.SetRemote(mine.Ufrag, mine.Pwd, []media.Candidate{bridge}, n.w.now); err != nil {
			t.Fatal(err)
		}
		var buf [1500]byte
		for range 3 {
			for size, _, ok := c.Outgoing(buf[:]); ok; size, _, ok = c.Outgoing(buf[:]) {
				if err := ep.agent.Handle(n.w.now, addr, buf[:size]); err != nil {
					t.Fatal(err)
				}
				ep.bindAddr(addr)
			}
			for size, _, ok := ep.agent.Outgoing(buf[:]); ok; size, _, ok = ep.agent.Outgoing(buf[:]) {
				_ = c.Handle(n.w.now, here, buf[:size])
			}
		}
	}
	ep.driveICE()
}
