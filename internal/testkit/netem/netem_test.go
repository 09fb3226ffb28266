package netem

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

func TestLink(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name string
		link Link
		size int
		want []time.Duration // arrivals of packets sent at once; -1 is lost
	}{
		{"perfect", Link{}, 1000, []time.Duration{0, 0, 0}},
		{"delay", Link{Delay: 7 * ms}, 1000, []time.Duration{7 * ms, 7 * ms}},
		{"rate", Link{Rate: 8_000_000, Delay: ms}, 1000, []time.Duration{2 * ms, 3 * ms, 4 * ms}},
		{"queue", Link{Rate: 8_000_000, Queue: 2500}, 1000, []time.Duration{1 * ms, 2 * ms, -1}},
		{"loss", Link{Loss: 1}, 1000, []time.Duration{-1, -1}},
	} {
		l := tc.link
		l.rng = NewLink(1).rng
		for i, want := range tc.want {
			at, ok := l.Send(Start, tc.size)
			if got := at.Sub(Start); ok != (want >= 0) || (ok && got != want) {
				t.Errorf("%s, packet %d: %v %v, want %v", tc.name, i, got, ok, want)
			}
		}
	}
}

func TestLinkStatistics(t *testing.T) {
	l := NewLink(3)
	l.Loss, l.Jitter = 0.2, 10*time.Millisecond
	var last mono.Time
	for i := range 10_000 {
		at, ok := l.Send(Start.Add(time.Duration(i)*time.Millisecond), 100)
		if ok && at < last {
			t.Fatal("reordered")
		}
		last = max(last, at)
	}
	if l.Lost < 1800 || l.Lost > 2200 {
		t.Errorf("%d of 10,000 lost, want a fifth", l.Lost)
	}
}

// echo sends back what it gets and ticks every 100 ms.
type echo struct {
	at   mono.Time
	out  [][]byte
	to   []netip.AddrPort
	log  []time.Duration
	from []netip.AddrPort
}

func (e *echo) Deadline() mono.Time { return e.at }
func (e *echo) Tick(now mono.Time) {
	e.at = now.Add(100 * time.Millisecond)
	e.log = append(e.log, now.Sub(Start))
}

func (e *echo) Receive(now mono.Time, from netip.AddrPort, pkt []byte) {
	e.log, e.from = append(e.log, now.Sub(Start)), append(e.from, from)
	if pkt[0] > 0 {
		e.send(from, pkt[0]-1)
	}
}

func (e *echo) send(to netip.AddrPort, n byte) {
	e.out, e.to = append(e.out, []byte{n}), append(e.to, to)
}

func (e *echo) Outgoing(dst []byte) (int, netip.AddrPort, bool) {
	if len(e.out) == 0 {
		return 0, netip.AddrPort{}, false
	}
	n, to := copy(dst, e.out[0]), e.to[0]
	e.out, e.to = e.out[1:], e.to[1:]
	return n, to, true
}

func TestNetwork(t *testing.T) {
	const ms = time.Millisecond
	n := New(1)
	a, b := &echo{}, &echo{at: Start.Add(25 * ms)}
	addrA, addrB, moved := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"),
		netip.MustParseAddrPort("10.0.0.3:3")
	pa, pb := n.Attach(a, addrA), n.Attach(b, addrB)
	pa.Up.Delay, pb.Down.Delay = 10*ms, 5*ms
	taps := 0
	n.Tap = func(mono.Time, netip.AddrPort, netip.AddrPort, []byte) { taps++ }
	a.send(addrB, 2)
	n.After(16*ms, func() { pa.Rebind(moved) })
	if !n.RunUntil(time.Second, func() bool { return len(b.log) == 2 }) {
		t.Fatal("nothing came")
	}
	n.Run(200 * ms)
	if want := []time.Duration{15 * ms}; !slices.Equal(a.log, want) {
		t.Errorf("a: %v, want %v", a.log, want)
	}
	if want := []time.Duration{15 * ms, 25 * ms, 30 * ms, 125 * ms, 225 * ms}; !slices.Equal(b.log, want) {
		t.Errorf("b: %v, want %v", b.log, want)
	}
	if want := []netip.AddrPort{addrA, addrA}; !slices.Equal(b.from, want) || taps != 3 {
		t.Errorf("b heard %v, %d datagrams", b.from, taps)
	}
	b.send(addrA, 0) // nobody has that address any more
	a.send(addrB, 0)
	n.Run(50 * ms)
	if len(a.log) != 1 || b.from[2] != moved {
		t.Errorf("after the move: a %v, b heard %v", a.log, b.from)
	}
	n.Inject(netip.MustParseAddrPort("192.0.2.1:9"), moved, []byte{0})
	n.Run(ms)
	if len(a.log) != 2 {
		t.Error("what was injected did not come")
	}
}
