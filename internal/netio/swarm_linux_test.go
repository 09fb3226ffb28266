package netio

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func openSwarm(t testing.TB, n int) (*Swarm, []*Member) {
	t.Helper()
	w, err := NewSwarm(Config{ReadBuffer: 1 << 20, WriteBuffer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	var all []*Member
	for i := range n {
		m, err := w.Open(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		m.Owner = i
		all = append(all, m)
	}
	return w, all
}

// TestSwarm: what members send to each other arrives at the right one, in
// order, in runs, with the time it came.
func TestSwarm(t *testing.T) {
	w, all := openSwarm(t, 20)
	const each = 10
	for i, m := range all {
		to := all[(i+1)%len(all)].LocalAddr()
		for k := range each {
			b := fmt.Appendf(nil, "%d to the next, %d", i, k)
			m.Commit(copy(m.Buffer(100, to), b))
		}
	}
	all[len(all)-1].Flush()
	b := NewBatch(8)
	seen := make([]int, len(all))
	deadline := time.Now().Add(patience)
	for got := 0; got < each*len(all) && time.Now().Before(deadline); {
		n, err := w.Wait(100 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			m := w.Ready(i)
			me := m.Owner.(int)
			for k := range m.Read(b) {
				from := (me + len(all) - 1) % len(all)
				if want := fmt.Sprintf("%d to the next, %d", from, seen[me]); string(b.Packets[k].Data) != want || b.Packets[k].Addr != all[from].LocalAddr() {
					t.Fatalf("member %d got %q of %v, want %q", me, b.Packets[k].Data, b.Packets[k].Addr, want)
				}
				if age := time.Since(time.Unix(0, b.Stamps[k])); age < 0 || age > patience {
					t.Fatalf("came %v ago", age)
				}
				seen[me]++
				got++
			}
		}
	}
	for i, n := range seen {
		if n != each {
			t.Errorf("member %d got %d datagrams of %d", i, n, each)
		}
	}
}

// TestSwarmWake: a wake ends a wait, also one that came before it, and a
// closed member is not heard of again.
func TestSwarmWake(t *testing.T) {
	w, all := openSwarm(t, 2)
	w.Wake()
	if n, err := w.Wait(time.Minute); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	go w.Wake()
	if n, err := w.Wait(time.Minute); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := all[0].WriteTo([]byte("x"), all[1].LocalAddr()); err != nil {
		t.Fatal(err)
	}
	all[1].Close()
	all[1].Close()
	if n, err := w.Wait(time.Millisecond); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := all[1].WriteTo([]byte("x"), all[0].LocalAddr()); err == nil {
		t.Error("a closed member writes")
	}
}

func TestSwarmAllocs(t *testing.T) {
	w, all := openSwarm(t, 2)
	b := NewBatch(4)
	turn := func() {
		for range 4 {
			all[0].Commit(copy(all[0].Buffer(100, all[1].LocalAddr()), "something"))
		}
		all[0].Flush()
		for got := 0; got < 4; {
			n, err := w.Wait(time.Second)
			if n == 0 || err != nil {
				t.Fatal(n, err)
			}
			got += w.Ready(0).Read(b)
		}
	}
	turn()
	allocs.None(t, allocs.Many, turn)
}

// TestSwarmKernelDrops: what does not fit a queue is known.
func TestSwarmKernelDrops(t *testing.T) {
	w, err := NewSwarm(Config{ReadBuffer: 4096, WriteBuffer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m, err := w.Open(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		m.Commit(copy(m.Buffer(1000, m.LocalAddr()), "x") + 999)
		m.Flush()
	}
	if n := m.KernelDrops(); n == 0 || n >= 200 {
		t.Errorf("%d of 200 dropped", n)
	}
}
