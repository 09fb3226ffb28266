package shape

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Profile
		err  string
	}{
		{text: "loss=2%", want: Profile{Loss: 0.02}},
		{text: "loss=2%, delay=50ms,jitter=5ms,rate=600k", want: Profile{Loss: 0.02, Delay: 50 * time.Millisecond, Jitter: 5 * time.Millisecond, Rate: 600_000}},
		{text: "rate=2.5M", want: Profile{Rate: 2_500_000}},
		{text: "loss=0.02", err: "percentage"},
		{text: "loss=101%", err: "percentage"},
		{text: "loss=NaN%", err: "percentage"},
		{text: "delay=50", err: "50ms"},
		{text: "delay=1h", err: "10s"},
		{text: "rate=12", err: "600k"},
		{text: "rate=k", err: "600k"},
		{text: "rate=", err: "600k"},
		{text: "speed=1", err: "loss, delay, jitter and rate"},
		{text: "loss=1%,loss=2%", err: "twice"},
		{text: "bad", err: "such as loss=2%"},
		{text: "", err: "such as loss=2%"},
	} {
		got, err := Parse(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: %v, want an error with %q", tc.text, err, tc.err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%q: %+v, %v", tc.text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q, and that is %+v, %v", tc.text, got, again, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("loss=2%,delay=50ms,jitter=1ms,rate=600k")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil || p == (Profile{}) {
			return
		}
		if p.Loss < 0 || p.Loss > 1 || p.Delay < 0 || p.Jitter < 0 || p.Rate < 0 {
			t.Fatalf("%q: %+v", text, p)
		}
		again, err := Parse(p.String())
		if err != nil || again.Rate != p.Rate || again.Delay != p.Delay {
			t.Fatalf("%q is written %q: %+v, %v", text, p, again, err)
		}
	})
}

// TestLink compares arrivals with the test network's link, which was written
// for other tests: what one lets pass must come at the same time in the other.
func TestLink(t *testing.T) {
	for _, p := range []Profile{
		{}, {Delay: 30 * time.Millisecond}, {Rate: 1_000_000}, {Rate: 64_000, Delay: 5 * time.Millisecond},
	} {
		l, twin := NewLink(p, 1), netem.Link{Delay: p.Delay, Rate: int(p.Rate), Queue: int(p.Rate / 16)}
		now, size := netem.Start, 0
		for i := range 2000 {
			now = now.Add(time.Duration(i%7) * time.Millisecond)
			size = 100 + i*37%1000
			want, ok := twin.Send(now, size)
			before := l.n
			l.Push(now, make([]byte, size), netip.AddrPort{})
			if l.n == before {
				if ok {
					t.Fatalf("%v, datagram %d: lost", p, i)
				}
				continue
			}
			if got := l.ring[(l.head+l.n-1)%len(l.ring)].At; !ok || got.Sub(want).Abs() > time.Duration(i+1) {
				t.Fatalf("%v, datagram %d: arrives at %v, want %v (%v)", p, i, got, want, ok)
			}
		}
	}
}

// TestPop: datagrams come in order, whole, when they are due and not before;
// the share that is lost is the one asked for.
func TestPop(t *testing.T) {
	const n = 20_000
	l := NewLink(Profile{Loss: 0.1, Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, 7)
	now, last, got := netem.Start, -1, 0
	for i := range n {
		now = now.Add(time.Millisecond)
		l.Push(now, []byte{byte(i), byte(i >> 8)}, netip.AddrPort{})
		if d := l.Deadline(); d != 0 && d.Sub(now) > 30*time.Millisecond {
			t.Fatal("a deadline beyond delay and jitter")
		}
		for {
			p, ok := l.Pop(now)
			if !ok {
				break
			}
			k := int(p.Data[0]) | int(p.Data[1])<<8
			if k <= last || p.At > now {
				t.Fatalf("%d after %d, %v early", k, last, p.At.Sub(now))
			}
			last = k
			got++
		}
	}
	if lost := float64(l.Lost) / n; lost < 0.09 || lost > 0.11 || got < n*8/10 {
		t.Errorf("%v lost, %d came", lost, got)
	}
}

func TestBounds(t *testing.T) {
	l := NewLink(Profile{Delay: time.Hour}, 1)
	for range 3 * maxWaiting {
		l.Push(netem.Start, nil, netip.AddrPort{})
	}
	if l.n != maxWaiting || l.Overflowed != 2*maxWaiting {
		t.Error(l.n, l.Overflowed)
	}
	slow := NewLink(Profile{Rate: 80_000}, 1)
	for range 100 { // a second each ten
		slow.Push(netem.Start, make([]byte, 1000), netip.AddrPort{})
	}
	if slow.n < 5 || slow.n > 7 {
		t.Errorf("%d wait, want half a second of them", slow.n)
	}
}

func TestLinkAllocs(t *testing.T) {
	l, now, b := NewLink(Profile{Loss: 0.05, Delay: 10 * time.Millisecond}, 1), mono.Time(1e9), make([]byte, 1200)
	turn := func() {
		now = now.Add(time.Millisecond)
		l.Push(now, b, netip.AddrPort{})
		for {
			if _, ok := l.Pop(now); !ok {
				return
			}
		}
	}
	for range 1000 {
		turn()
	}
	allocs.None(t, allocs.Many, turn)
}
