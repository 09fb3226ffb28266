package rtp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func TestNackGenerator(t *testing.T) {
	var g NackGenerator
	due := func(ms int, want ...uint16) {
		t.Helper()
		if got := g.Due(nil, at(ms)); !slices.Equal(got, want) {
			t.Errorf("at %d ms: %v, want %v", ms, got, want)
		}
	}
	if g.Add(65533, at(0)) || g.Deadline() != 0 {
		t.Error("the first packet is no gap")
	}
	if !g.Add(1, at(0)) || g.Deadline() != at(0) {
		t.Error("no gap noticed")
	}
	due(0, 65534, 65535, 0)
	due(0)
	if g.Deadline() != at(150) {
		t.Error("deadline", g.Deadline())
	}
	if g.Add(65535, at(100)) {
		t.Error("a late packet is no gap")
	}
	g.Add(3, at(120))
	due(120, 2)
	due(149)
	due(150, 65534, 0)
	due(280, 2)
	g.GiveUp(1)
	if g.Missing() != 1 {
		t.Error("missing", g.Missing())
	}
	g.Add(2, at(290))
	if g.Deadline() != 0 {
		t.Error("still asking")
	}
}

// TestNackGeneratorAsked: a packet answers a NACK from the time it was asked
// for until it comes or is given up.
func TestNackGeneratorAsked(t *testing.T) {
	var g NackGenerator
	asked := func(when string, want ...uint16) {
		t.Helper()
		var got []uint16
		for seq := uint16(65530); seq != 10; seq++ {
			if g.Asked(seq) {
				got = append(got, seq)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	asked("before anything came")
	g.Add(65533, at(0))
	g.Add(2, at(0))
	asked("missing only")
	g.Due(nil, at(0))
	g.Add(4, at(10))
	asked("asked for", 65534, 65535, 0, 1)
	g.Add(0, at(20))
	asked("one has come", 65534, 65535, 1)
	for ms := 20; ms < 5000; ms += 10 {
		g.Due(nil, at(ms))
	}
	asked("given up")
}

func TestNackGeneratorGivesUp(t *testing.T) {
	var g NackGenerator
	g.Add(1, at(0))
	g.Add(3, at(0))
	asked := 0
	for ms := range 5000 {
		asked += len(g.Due(nil, at(ms)))
	}
	if asked != NackMaxTries || g.Missing() != 0 || g.GivenUp() != 1 {
		t.Errorf("asked %d times, %d missing, %d given up", asked, g.Missing(), g.GivenUp())
	}
	g.Add(5, at(5000))
	g.Add(5+NackResetGap+1, at(5000))
	if want := uint64(1 + 1 + NackResetGap); g.Missing() != 0 || g.GivenUp() != want {
		t.Errorf("after an interruption %d missing, %d given up, want %d", g.Missing(), g.GivenUp(), want)
	}
}

func TestNackGeneratorInterval(t *testing.T) {
	for rtt, want := range map[time.Duration]int{
		0: 150, time.Millisecond: 30, 80 * time.Millisecond: 110, 10 * time.Second: 500,
	} {
		var g NackGenerator
		g.SetRTT(rtt)
		g.Add(1, at(0))
		g.Add(3, at(0))
		g.Due(nil, at(0))
		if g.Deadline() != at(want) {
			t.Errorf("round trip %v: asks again after %v", rtt, g.Deadline().Sub(at(0)))
		}
	}
}

func TestNackGeneratorBounds(t *testing.T) {
	var g NackGenerator
	g.Add(1, at(0))
	g.Add(5, at(0))
	if g.Add(105, at(0)); g.Missing() != 3+99 {
		t.Error("a gap of 99:", g.Missing())
	}
	if gap := g.Add(206, at(0)); gap || g.Missing() != 0 {
		t.Error("a gap of 100:", gap, g.Missing())
	}
	for seq := uint16(206); seq < 2000; seq += 50 {
		g.Add(seq, at(0))
	}
	if g.Missing() != nackMaxList {
		t.Error("unbounded:", g.Missing())
	}
	if got := g.Due(nil, at(0)); got[len(got)-1] != 1955 || !slices.IsSorted(got) {
		t.Error("the newest must be kept:", got)
	}
}

func TestDuplicateFilterAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		var f DuplicateFilter
		seen := map[int64]bool{}
		n, newest := int64(100000), int64(0)
		for range 5000 {
			n += r.Int64N(3)
			if r.IntN(200) == 0 {
				n += r.Int64N(5000)
			}
			k := n
			if r.IntN(3) == 0 {
				k -= r.Int64N(2300)
			}
			want := k > newest-DuplicateWindow && !seen[k]
			if newest == 0 {
				want = true
			}
			seen[k], newest = true, max(newest, k)
			if got := f.First(uint16(k)); got != want {
				t.Fatalf("seed %d: First(%d) = %v, newest %d", seed, k, got, newest)
			}
		}
	}
}

// RFC 3550 A.3: expected, lost and fraction; A.8: jitter.
func TestReceiver(t *testing.T) {
	var r Receiver
	if _, ok := r.Report(1, at(0)); ok {
		t.Error("a report without packets")
	}
	r.SenderReport(SenderInfo{NTP: 0x1234567890abcdef}, at(0))
	for i, seq := range []uint16{65534, 65535, 1, 0, 4} { // 2 and 3 are lost
		r.Add(seq, uint32(i)*1800, 90000, 100, at(20*i)) // as regular as can be
	}
	b, ok := r.Report(7, at(2080))
	want := ReportBlock{SSRC: 7, FractionLost: 2 * 256 / 7, CumulativeLost: 2, HighestSeq: 65536 + 4,
		LSR: 0x567890ab, DLSR: 2<<16 + 65536*80/1000}
	if !ok || b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
	r.Add(5, 6*1800, 90000, 100, at(100+80)) // timestamp 20 ms ahead, arrival 100 ms behind
	r.Add(6, 6*1800, 90000, 100, at(100+80))
	b, _ = r.Report(7, at(3000))
	if b.FractionLost != 0 || b.CumulativeLost != 2 || b.HighestSeq != 65536+6 {
		t.Errorf("second: %+v", b)
	}
	// |D| = 100 ms - 2*20 ms = 60 ms = 5400, then 0.
	if first := 5400.0 / 16; b.Jitter != uint32(first-first/16) {
		t.Errorf("jitter %d, want %v", b.Jitter, first-first/16)
	}
	if s := r.Stats(90000); s.Packets != 7 || s.Bytes != 700 || s.Lost != 2 || s.Jitter == 0 {
		t.Errorf("%+v", s)
	}
	r.Add(6, 6*1800, 90000, 100, at(200))
	r.Add(6, 6*1800, 90000, 100, at(200))
	r.Add(6, 6*1800, 90000, 100, at(200))
	if b, _ = r.Report(7, at(3000)); b.CumulativeLost != -1 || b.FractionLost != 0 {
		t.Errorf("duplicates: %+v", b)
	}
}

func TestRTT(t *testing.T) {
	var r RTT
	for i := range uint32(100) {
		r.Sent(i%4, uint64(i)<<32, at(int(i)*10))
	}
	block := ReportBlock{SSRC: 3, LSR: 99 << 16, DLSR: 65536 / 2}
	if got, ok := r.Reported(block, at(990+500+42)); !ok || got != 42*time.Millisecond || r.Value() != got {
		t.Error(got, ok)
	}
	for name, b := range map[string]ReportBlock{
		"no report seen":   {SSRC: 3, LSR: 0},
		"another SSRC":     {SSRC: 2, LSR: 99 << 16},
		"too old":          {SSRC: 3, LSR: 35 << 16},
		"absurd delay":     {SSRC: 3, LSR: 99 << 16, DLSR: 65536 * 1000},
		"a minute or more": {SSRC: 3, LSR: 51 << 16},
	} {
		now := at(1600)
		if name == "a minute or more" {
			now = at(100000)
		}
		if got, ok := r.Reported(b, now); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
	if len(r.sent) != sentReports {
		t.Error("unbounded:", len(r.sent))
	}
}

func TestRing(t *testing.T) {
	var r Ring
	if _, _, ok := r.Get(0, at(0), time.Hour); ok {
		t.Error("found something in an empty ring")
	}
	buf := make([]byte, 10)
	put := func(seq uint16, ms int) []byte {
		for i := range buf {
			buf[i] = byte(seq)
		}
		return r.Put(buf, seq, at(ms))
	}
	view := put(65530, 0)
	for i := range uint16(RingMinPackets - 1) {
		put(65531+i, int(i))
	}
	if r.Cap() != RingMinPackets {
		t.Error("grew to", r.Cap())
	}
	put(10, 16) // would overwrite the first, which is young
	if r.Cap() != 2*RingMinPackets {
		t.Error("did not grow:", r.Cap())
	}
	got, when, ok := r.Get(65530, at(100), time.Second)
	if !ok || &got[0] != &view[0] || when != at(0) || len(got) != 10 || got[9] != 65530&0xff {
		t.Errorf("%x %v %v", got, when, ok)
	}
	for _, c := range []struct {
		seq uint16
		ms  int
		ok  bool
	}{{65535, 100, true}, {10, 100, true}, {11, 100, false}, {65529, 100, false}, {65530, 1001, false}} {
		if _, _, ok := r.Get(c.seq, at(c.ms), time.Second); ok != c.ok {
			t.Errorf("Get(%d) at %d: %v", c.seq, c.ms, ok)
		}
	}
	if r.Put(make([]byte, RingSlotSize+1), 1, at(0)) != nil || r.Put(nil, 1, at(0)) != nil {
		t.Error("took a packet that does not fit")
	}
	r.Reset()
	if _, _, ok := r.Get(10, at(100), time.Second); ok || r.Cap() != 0 {
		t.Error("not empty after Reset")
	}
}

// A ring holds what is younger than RingKeep, as far as its maximum allows,
// and no more memory than the rate needs.
func TestRingSize(t *testing.T) {
	for _, c := range []struct{ perSecond, capacity int }{{10, 16}, {20, 32}, {100, 128}, {400, 512}, {4000, 512}} {
		var r Ring
		for i := range 3 * c.perSecond {
			now := at(0).Add(time.Duration(i) * time.Second / time.Duration(c.perSecond))
			r.Put([]byte{1}, uint16(i), now)
			oldest := max(0, i-min(c.perSecond, r.Cap())+1)
			if _, _, ok := r.Get(uint16(oldest), now, RingKeep); c.perSecond <= RingMaxPackets && !ok {
				t.Fatalf("%d packets/s: packet %d is gone at %d", c.perSecond, oldest, i)
			}
		}
		if r.Cap() != c.capacity {
			t.Errorf("%d packets/s: room for %d, want %d", c.perSecond, r.Cap(), c.capacity)
		}
	}
}

func TestAccountingAllocations(t *testing.T) {
	var (
		nack NackGenerator
		dup  DuplicateFilter
		rcv  Receiver
		ring Ring
		seq  uint16
		now  mono.Time = at(0)
		lost []uint16
	)
	pkt := make([]byte, 1200)
	round := func() {
		for range 100 {
			if seq%10 != 0 {
				nack.Add(seq, now)
				dup.First(seq)
				rcv.Add(seq, uint32(seq), 90000, 1200, now)
				ring.Put(pkt, seq, now)
			}
			seq++
			now = now.Add(time.Millisecond)
			lost = nack.Due(lost[:0], now)
		}
	}
	for range 20 {
		round()
	}
	allocs.None(t, allocs.Many, round)
}

func BenchmarkIngressAccounting(b *testing.B) {
	var nack NackGenerator
	var dup DuplicateFilter
	var rcv Receiver
	b.ReportAllocs()
	for i := range b.N {
		now := mono.Time(i) * mono.Time(time.Millisecond)
		nack.Add(uint16(i), now)
		dup.First(uint16(i))
		rcv.Add(uint16(i), uint32(i), 90000, 1200, now)
	}
}

func BenchmarkRing(b *testing.B) {
	var ring Ring
	pkt := make([]byte, 1150)
	b.ReportAllocs()
	b.SetBytes(1150)
	for i := range b.N {
		ring.Put(pkt, uint16(i), mono.Time(i)*mono.Time(2*time.Millisecond))
	}
}
