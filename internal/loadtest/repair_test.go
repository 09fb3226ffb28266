package loadtest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/media"
)

// roundTrip lets the agent of a peer find a bridge that is so far away.
func roundTrip(t *testing.T, m *peer, rtt time.Duration) {
	t.Helper()
	near, far := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	at := func(a netip.AddrPort) []media.Candidate {
		return []media.Candidate{{Component: 1, Protocol: "udp", Type: "host", Addr: a, Priority: 1}}
	}
	pwd := strings.Repeat("b", 32)
	bridge := ice.NewAgent(ice.Config{Ufrag: "bridge", Pwd: pwd, Controlling: true})
	if err := bridge.SetRemote(m.agent.Ufrag(), strings.Repeat("p", 32), at(near), m.w.now); err != nil {
		t.Fatal(err)
	}
	if err := m.agent.SetRemote("bridge", pwd, at(far), m.w.now); err != nil {
		t.Fatal(err)
	}
	drain := func(a *ice.Agent) (all [][]byte) {
		a.Tick(m.w.now)
		for {
			b := make([]byte, 1500)
			n, _, ok := a.Outgoing(b)
			if !ok {
				return all
			}
			all = append(all, b[:n])
		}
	}
	for range 100 {
		out, in := drain(m.agent), drain(bridge)
		m.w.clock(m.w.now.Add(rtt / 2))
		for _, b := range out {
			_ = bridge.Handle(m.w.now, near, b)
		}
		for _, b := range in {
			_ = m.agent.Handle(m.w.now, far, b)
		}
	}
	if got := m.agent.RTT(); got < rtt*9/10 || got > rtt*11/10 {
		t.Fatalf("the agent measures %v instead of %v", got, rtt)
	}
}

// TestRepairsByRoundTrip: what is missing is asked for again after a little
// more than a round trip (RFC 4585 §6.2.1), not after a time for all.
func TestRepairsByRoundTrip(t *testing.T) {
	for rtt, want := range map[time.Duration]time.Duration{20 * time.Millisecond: 35 * time.Millisecond, 200 * time.Millisecond: 260 * time.Millisecond} {
		m, _ := fuzzPeer(t)
		roundTrip(t, m, rtt)
		s := lmedia.NewStream(1, true, "VP8", 90000)
		m.order = append(m.order, s)
		begin := m.w.now
		s.Nack.Add(1, begin)
		s.Nack.Add(3, begin)
		var asked []time.Duration
		for d := time.Duration(0); len(asked) < 2 && d < time.Second; d += time.Millisecond {
			before := m.count.NacksOut
			m.rtcpDue(begin.Add(d))
			if m.count.NacksOut > before {
				asked = append(asked, d)
			}
		}
		if len(asked) < 2 || asked[1] < want*9/10 || asked[1] > want*11/10 {
			t.Errorf("with a round trip of %v it asks after %v, not %v", rtt, asked, want)
		}
	}
}

// TestUplinkStart: a sender begins with as much as a browser does.
func TestUplinkStart(t *testing.T) {
	m, _ := fuzzPeer(t)
	if got := m.up.Estimate(); got != 300_000 {
		t.Errorf("%d bit/s", got)
	}
}
