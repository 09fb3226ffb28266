package bridge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// TestPacketsAreArrangedByConference compares with the obvious way, for reads of
// all sizes: conferences in the order in which they come, each one's packets,
// and those of nobody who is known, as they came.
func TestPacketsAreArrangedByConference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	w := &worker{byAddr: map[netip.AddrPort]*endpoint{}, in: netio.NewBatch(1)}
	addr := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(i))
	}
	const people, strangers = 20, 5
	rooms := map[netip.AddrPort]int{} // 0 for a stranger
	confs := [6]*conference{{}, {}, {}, {}, {}, {}}
	for i := range people {
		rooms[addr(i)] = 1 + i%len(confs)
		w.byAddr[addr(i)] = &endpoint{c: confs[i%len(confs)]}
	}
	for range 2000 {
		n := rnd.IntN(len(w.in.Packets) + 1)
		var seen []int
		want := map[int][]int32{}
		for i := range n {
			a := addr(rnd.IntN(people + strangers))
			if i > 0 && rnd.IntN(2) == 0 {
				a = w.in.Packets[i-1].Addr // as in a run
			}
			w.in.Packets[i].Addr = a
			room := rooms[a]
			if want[room] == nil {
				seen = append(seen, room)
			}
			want[room] = append(want[room], int32(i))
		}
		w.arrange(n)
		if len(w.intake.first) != len(seen) {
			t.Fatalf("%d conferences, want %d", len(w.intake.first), len(seen))
		}
		for k, first := range w.intake.first {
			var got []int32
			for i := first; i >= 0 && len(got) <= n; i = w.intake.next[i] {
				got = append(got, i)
			}
			if !slices.Equal(got, want[seen[k]]) {
				t.Fatalf("of %d packets %v are handled together, want %v", n, got, want[seen[k]])
			}
		}
	}
}

// rooms are some conferences of one worker, whose senders' audio comes in one
// read, packets of different rooms in turn.
type rooms struct {
	*bench
	all []*bench
	e   rtp.Egress
}

func newRooms(t testing.TB, count, receivers int) *rooms {
	const profile = srtp.AEADAES128GCM
	r := &rooms{bench: newBench(t, receivers, profile)}
	r.all = append(r.all, r.bench)
	for i := 1; i < count; i++ {
		r.all = append(r.all, r.beside(t, fmt.Sprint(meeting, i), uint16(1000+i), receivers, profile))
	}
	for _, room := range r.all {
		room.sender.formats.ext.tcc = 0 // no feedback, which goes by the clock
	}
	for range 8 { // until the arena has grown
		r.read(t, 4)
		r.flush()
	}
	r.w.measured()
	return r
}

func (r *rooms) flush() { r.w.flush() }

// spread gives each receiver an address of its own, or runs would be everybody's.
func (r *rooms) spread() {
	for k, room := range r.all {
		for i, ep := range room.sender.c.order {
			ep.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), uint16(9+k))
		}
	}
}

// read lets so many packets of each room come.
func (r *rooms) read(t testing.TB, each int) {
	n := 0
	for range each {
		for _, room := range r.all {
			pkt := room.sealed(t, &r.e, 1000, ptOpus, opusFrame)
			p := &r.w.in.Packets[n]
			p.Addr, p.Data = room.addr, append(p.Data[:0], pkt...)
			n++
		}
	}
	r.w.now = mono.Now()
	r.w.read = r.w.now
	r.w.takeIn(n)
}

var opusFrame = make([]byte, 80)

// TestNoConferenceWaitsForAnother: what came of one is sent before another's
// packets are handled, if it is enough; but the packets of one wait for each
// other, whatever lay between them, so that they leave in runs.
func TestNoConferenceWaitsForAnother(t *testing.T) {
	for _, tc := range []struct {
		rooms, receivers, each int
		early                  uint64 // packets that are sent before the end of the turn
	}{
		{rooms: 1, receivers: 40, each: 3, early: 0},
		{rooms: 2, receivers: 40, each: 3, early: 3},
		{rooms: 3, receivers: 40, each: 3, early: 6},
		{rooms: 2, receivers: muchWaiting, each: 1, early: 1},
		{rooms: 3, receivers: muchWaiting - 1, each: 1, early: 2}, // two together
		{rooms: 2, receivers: muchWaiting - 1, each: 1, early: 0},
		{rooms: 4, receivers: 5, each: 1, early: 0},
		{rooms: 5, receivers: 5, each: 1, early: 4},
	} {
		t.Run(fmt.Sprintf("%d x %d, %d each", tc.rooms, tc.receivers, tc.each), func(t *testing.T) {
			r := newRooms(t, tc.rooms, tc.receivers)
			r.spread()
			before := r.w.sock.Stats()
			r.read(t, tc.each)
			if early, _, _ := r.w.measured(); early != tc.early {
				t.Errorf("%d packets were on their way before the end of the turn, want %d", early, tc.early)
			}
			r.flush()
			if late, _, _ := r.w.measured(); late != uint64(tc.rooms*tc.each)-tc.early {
				t.Errorf("%d packets were sent at the end of the turn", late)
			}
			sent := r.w.sock.Stats()
			if got, want := sent.Sent-before.Sent, uint64(tc.rooms*tc.receivers*tc.each); got != want {
				t.Errorf("%d datagrams were sent, want %d", got, want)
			}
			if runs := sent.MeanRun(before); sent.GSO && runs != float64(tc.each) {
				t.Errorf("%.2f datagrams in a run, want %d", runs, tc.each)
			}
		})
	}
}

// TestIntakeAllocatesNothing, with what is sent between conferences.
func TestIntakeAllocatesNothing(t *testing.T) {
	r := newRooms(t, 2, muchWaiting)
	step := func() {
		r.read(t, 1)
		r.flush()
	}
	for range 16 << 10 { // until the estimators remember as much as they may, as nobody reports
		step()
	}
	allocs.None(t, allocs.Many, step)
}

// BenchmarkArrange is what it costs a packet to be arranged by conference: to
// find whose it is.
func BenchmarkArrange(b *testing.B) {
	r := newRooms(b, 10, 1)
	n := len(r.w.in.Packets)
	for i := range n {
		r.w.in.Packets[i].Addr = r.all[i%len(r.all)].addr
	}
	b.ReportAllocs()
	for b.Loop() {
		r.w.arrange(n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
}
