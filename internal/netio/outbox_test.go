package netio

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// twin groups datagrams the obvious way: it looks for the destination's last
// run by going through all of them.
type twin struct{ runs []twinRun }

type twinRun struct {
	to    netip.AddrPort
	sizes []int
}

func (w *twin) add(to netip.AddrPort, n int) {
	for i := len(w.runs) - 1; i >= 0; i-- {
		r := &w.runs[i]
		if r.to != to {
			continue
		}
		total := n
		for _, s := range r.sizes {
			total += s
		}
		if last := r.sizes[len(r.sizes)-1]; last == r.sizes[0] && n <= last && len(r.sizes) < 64 && total <= 65_000 {
			r.sizes = append(r.sizes, n)
			return
		}
		break
	}
	w.runs = append(w.runs, twinRun{to, []int{n}})
}

// grown is an outbox that has become as large as it may.
func grown(arena int) *outbox {
	o := newOutbox(arena)
	for cap(o.grams) < maxDatagrams || len(o.arena) < arena {
		o.grow(1)
	}
	return o
}

func TestOutboxGroupsLikeTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	o := newOutbox(DefaultArena)
	for round := range 50 {
		var w twin
		var wrote []string
		missing := 0 // bytes that did not fit any more
		sizes := []int{1100, 1100, 1100, 1101, 60, 1 + rng.IntN(3000)}
		peers := 1 + rng.IntN(40)
		for len(w.runs) < 500 {
			n := sizes[rng.IntN(len(sizes))]
			if !o.fits(n + 10) {
				missing = n + 10
				break
			}
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(peers))}), 1000)
			text := fmt.Sprintf("%v %d", to, len(wrote))
			n = max(n, len(text))
			copy(o.buffer(n+10, to), text)
			o.commit(n)
			w.add(to, n)
			wrote = append(wrote, text)
		}
		compare(t, round, o, &w, wrote)
		o.reset()
		if missing > 0 {
			o.grow(missing)
		}
	}
	if len(o.arena) < 500_000 || cap(o.grams) != maxDatagrams {
		t.Errorf("the outbox has grown to %d bytes and %d datagrams", len(o.arena), cap(o.grams))
	}
}

func compare(t *testing.T, round int, o *outbox, w *twin, wrote []string) {
	t.Helper()
	if len(o.runs) != len(w.runs) {
		t.Fatalf("round %d: %d runs, want %d", round, len(o.runs), len(w.runs))
	}
	seen := 0
	for i, r := range o.runs {
		var sizes []int
		for g := r.first; g >= 0; g = o.grams[g].next {
			data := o.data(g)
			if text := wrote[g]; string(data[:len(text)]) != text {
				t.Fatalf("round %d: datagram %d holds %q, want %q", round, g, data[:len(text)], text)
			}
			sizes = append(sizes, len(data))
			seen++
		}
		if r.to != w.runs[i].to || !slices.Equal(sizes, w.runs[i].sizes) {
			t.Fatalf("round %d, run %d: %v %v, want %v", round, i, r.to, sizes, w.runs[i])
		}
	}
	if seen != len(wrote) {
		t.Fatalf("round %d: %d datagrams in runs, want %d", round, seen, len(wrote))
	}
}

func TestRunsAreLimited(t *testing.T) {
	for _, tc := range []struct {
		size, count int
		want        []int32
	}{
		{10, 200, []int32{64, 64, 64, 8}},
		{1300, 120, []int32{50, 50, 20}},
		{65_507, 2, []int32{1, 1}},
	} {
		o := grown(DefaultArena)
		for range tc.count {
			o.buffer(tc.size, netip.AddrPort{})
			o.commit(tc.size)
		}
		var got []int32
		for _, r := range o.runs {
			got = append(got, r.count)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%d datagrams of %d bytes: runs of %v, want %v", tc.count, tc.size, got, tc.want)
		}
	}
}

func TestOutboxGenerationWraps(t *testing.T) {
	o := newOutbox(minArena)
	to := netip.MustParseAddrPort("192.0.2.1:1")
	add := func() {
		o.buffer(5, to)
		o.commit(5)
	}
	add() // leaves a slot of generation 1
	o.gen = ^uint32(0)
	o.reset()
	if add(); len(o.runs) != 1 || o.runs[0].count != 1 {
		t.Errorf("runs %+v", o.runs)
	}
}

func TestCommitMoreThanBufferPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	o := newOutbox(minArena)
	o.buffer(5, netip.AddrPort{})
	o.commit(6)
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		size, segment, room, want, dropped int
	}{
		{0, 0, 4, 0, 0},
		{100, 0, 4, 1, 0},
		{100, 100, 4, 1, 0},
		{100, 40, 4, 3, 0},
		{100, 500, 4, 1, 0},
		{100, -1, 4, 1, 0},
		{100, 10, 4, 4, 6},
	} {
		b := &Batch{Packets: make([]Packet, tc.room)}
		dropped := b.split(make([]byte, tc.size), tc.segment, netip.AddrPort{}, time.Second)
		if b.count != tc.want || dropped != tc.dropped {
			t.Errorf("%+v: %d packets, %d dropped", tc, b.count, dropped)
		}
		for _, p := range b.Packets[:b.count] {
			if p.Waited != time.Second {
				t.Errorf("%+v: waited %v", tc, p.Waited)
			}
			if cap(p.Data) != len(p.Data) {
				t.Errorf("%+v: a packet of %d bytes can grow into the next", tc, len(p.Data))
			}
		}
	}
}

func TestUsableAddresses(t *testing.T) {
	var in []netip.Addr
	for _, s := range []string{"::1", "127.0.0.1", "10.0.0.1", "fe80::1", "169.254.3.4", "203.0.113.9",
		"2001:db8::9", "fd00::1", "224.0.0.1", "0.0.0.0", "10.0.0.1"} {
		in = append(in, netip.MustParseAddr(s))
	}
	want := "[203.0.113.9 2001:db8::9 10.0.0.1 fd00::1 127.0.0.1 ::1]"
	if got := fmt.Sprint(usable(append(in, netip.Addr{}))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if all, err := LocalAddresses(); err != nil || len(all) == 0 {
		t.Errorf("LocalAddresses = %v, %v", all, err)
	}
}
