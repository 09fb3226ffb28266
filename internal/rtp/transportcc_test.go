package rtp

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// slowStatus is a packet as slowTransportCC decodes it.
type slowStatus struct {
	seq   uint16
	ticks int64 // since reference time 0; -1 if it was not received
}

// slowTransportCC decodes the body of a feedback message with the plainest
// possible code: all symbols first, then all deltas.
func slowTransportCC(t *testing.T, body []byte) []slowStatus {
	t.Helper()
	base := binary.BigEndian.Uint16(body[8:])
	count := int(binary.BigEndian.Uint16(body[10:]))
	reference := int64(body[12])<<16 | int64(body[13])<<8 | int64(body[14])
	if reference >= 1<<23 {
		reference -= 1 << 24
	}
	body = body[16:]
	var symbols []int
	for len(symbols) < count {
		c := int(body[0])<<8 | int(body[1])
		body = body[2:]
		switch {
		case c>>15 == 0:
			for range c & 8191 {
				symbols = append(symbols, c>>13)
			}
		case c>>14 == 2:
			for i := 13; i >= 0; i-- {
				symbols = append(symbols, c>>i&1)
			}
		default:
			for i := 12; i >= 0; i -= 2 {
				symbols = append(symbols, c>>i&3)
			}
		}
	}
	var all []slowStatus
	ticks := reference * 256
	for i, s := range symbols[:count] {
		status := slowStatus{base + uint16(i), -1}
		switch s {
		case 1:
			ticks += int64(body[0])
			body = body[1:]
			status.ticks = ticks
		case 2:
			ticks += int64(int16(uint16(body[0])<<8 | uint16(body[1])))
			body = body[2:]
			status.ticks = ticks
		case 3:
			t.Fatal("reserved symbol")
		}
		all = append(all, status)
	}
	if len(body) > 3 {
		t.Fatalf("%d bytes left over", len(body))
	}
	return all
}

// walk decodes a feedback message with TransportCC.
func walk(t *testing.T, tcc TransportCC) []slowStatus {
	t.Helper()
	var all []slowStatus
	for {
		s, ok := tcc.Next()
		if !ok {
			return all
		}
		status := slowStatus{s.Seq, -1}
		if s.Received {
			status.ticks = int64(s.At / tccTick)
		}
		all = append(all, status)
	}
}

// one returns the only packet of a compound.
func one(t testing.TB, buf []byte) RTCP {
	t.Helper()
	c := NewCompound(buf)
	if !c.Next() {
		t.Fatalf("no packet in %x", buf)
	}
	p := c.Packet()
	if c.Next() || c.Malformed() {
		t.Fatalf("more than one packet in %x", buf)
	}
	return p
}

// drain builds all feedback there is and returns what it says; messages are
// decoded by both decoders.
func drain(t *testing.T, r *Recorder, now mono.Time) []slowStatus {
	t.Helper()
	var all []slowStatus
	for r.Pending() {
		buf := r.Build(nil, 1, 2, now)
		if len(buf) > maxFeedbackLen || len(buf)%4 != 0 {
			t.Fatalf("%d bytes", len(buf))
		}
		p := one(t, buf)
		tcc, err := ParseTransportCC(p)
		if err != nil {
			t.Fatal(err)
		}
		if tcc.SenderSSRC != 1 || tcc.MediaSSRC != 2 {
			t.Fatal("SSRCs", tcc.SenderSSRC, tcc.MediaSSRC)
		}
		got, slow := walk(t, tcc), slowTransportCC(t, p.Body)
		if !slices.Equal(got, slow) {
			t.Fatalf("decoders differ:\n%v\n%v", got, slow)
		}
		all = append(all, got...)
	}
	return all
}

// Random streams with losses, bursts, pauses and reordering: every packet must
// be reported with the time it arrived, and nothing that did not arrive.
func TestRecorderAgainstSlowDecoder(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		var rec Recorder
		arrived := map[uint16]int64{}
		reported := map[uint16]bool{}
		now, seq := mono.Time(time.Hour), uint16(r.Uint32())
		for range 30 {
			n := r.IntN(1 << r.IntN(10))
			for range n {
				seq += step(r)
				now = now.Add(pause(r))
				s := seq - uint16(max(0, r.IntN(20)-16))
				if _, dup := arrived[s]; !dup {
					arrived[s] = int64(now) / int64(tccTick)
				}
				rec.Add(s, now)
			}
			for _, s := range drain(t, &rec, now) {
				want, ok := arrived[s.seq]
				if ok != (s.ticks >= 0) || ok && want != s.ticks {
					t.Fatalf("seed %d: packet %d reported at %d, arrived %v at %d", seed, s.seq, s.ticks, ok, want)
				}
				reported[s.seq] = true
			}
		}
		for s := range arrived {
			if !reported[s] {
				t.Fatalf("seed %d: packet %d was never reported", seed, s)
			}
		}
	}
}

func step(r *rand.Rand) uint16 {
	switch r.IntN(30) {
	case 0:
		return uint16(r.IntN(60))
	case 1, 2, 3:
		return 2
	}
	return 1
}

func pause(r *rand.Rand) time.Duration {
	switch r.IntN(200) {
	case 0:
		return 9 * time.Second // does not fit a delta
	case 1:
		return time.Second
	case 2:
		return 80 * time.Millisecond
	}
	return time.Duration(r.IntN(int(time.Millisecond)))
}

// TestRecorderAhead: what is to be fetched is what the next packet writes.
func TestRecorderAhead(t *testing.T) {
	var r Recorder
	var got unsafe.Pointer
	fetch := func(p unsafe.Pointer) { got = p }
	if r.Ahead(fetch); got != nil {
		t.Error("of an empty recorder something is fetched")
	}
	for i := range 2 * recorderMinCapacity {
		r.Add(uint16(i), at(i))
		if r.Ahead(fetch); got != unsafe.Pointer(r.slot(r.end)) {
			t.Fatal("not the next number's place is fetched")
		}
	}
}

func TestRecorderPolicy(t *testing.T) {
	var r Recorder
	if r.Deadline(FeedbackInterval) != 0 || r.Due(at(0), FeedbackInterval, true) || r.Pending() || r.Build(nil, 1, 2, at(0)) != nil {
		t.Error("an empty recorder wants to report")
	}
	r.Add(1, at(0))
	for _, c := range []struct {
		ms     int
		every  time.Duration
		marker bool
		want   bool
	}{
		{10, FeedbackInterval, true, false}, {19, FeedbackInterval, true, false}, {20, FeedbackInterval, true, true},
		{20, FeedbackInterval, false, false}, {99, FeedbackInterval, false, false}, {100, FeedbackInterval, false, true},
		{100, FeedbackAtRest, false, false}, {959, FeedbackAtRest, false, false}, {960, FeedbackAtRest, false, true},
		{20, FeedbackAtRest, true, true},
	} {
		if got := r.Due(at(c.ms), c.every, c.marker); got != c.want {
			t.Errorf("due after %d ms, every %v, marker %v: %v", c.ms, c.every, c.marker, got)
		}
	}
	if r.Deadline(FeedbackInterval) != at(100) || r.Deadline(FeedbackAtRest) != at(960) {
		t.Error("deadline", r.Deadline(FeedbackInterval), r.Deadline(FeedbackAtRest))
	}
	r.Build(nil, 1, 2, at(50))
	if r.Pending() || r.Deadline(FeedbackInterval) != 0 {
		t.Error("pending after everything was reported")
	}
}

// A jump beyond the window must neither report what did not arrive nor take
// more memory than documented.
func TestRecorderHugeJump(t *testing.T) {
	var r Recorder
	r.Add(0, at(0))
	r.Add(30000, at(1))
	all := drain(t, &r, at(2))
	if len(all) != recorderMaxCapacity || all[len(all)-1].seq != 30000 || all[len(all)-1].ticks < 0 {
		t.Fatalf("%d statuses, last %v", len(all), all[len(all)-1])
	}
	if cap(r.arrivals) > recorderMaxCapacity {
		t.Error("capacity", cap(r.arrivals))
	}
}

func TestRecorderAllocations(t *testing.T) {
	var r Recorder
	buf, seq, now := make([]byte, 0, maxFeedbackLen), uint16(0), at(0)
	round := func() {
		for range 100 {
			r.Add(seq, now)
			seq++
			now = now.Add(time.Millisecond)
		}
		buf = r.Build(buf[:0], 1, 2, now)
	}
	round()
	allocs.None(t, allocs.Many, round)
}

// The example chunks of draft-holmer-rmcat-transport-wide-cc-extensions-01
// §3.1.3 and §3.1.4.
func TestChunkExamples(t *testing.T) {
	for _, c := range []struct {
		word uint16
		want []uint8
	}{
		{0b0_00_0000011011101, slices.Repeat([]uint8{0}, 221)},
		{0b0_11_0000000011000, slices.Repeat([]uint8{3}, 24)},
		{0b1_0_01111100011100, []uint8{0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0}},
		{0b1_1_00_11_01_01_01_00_00, []uint8{0, 3, 1, 1, 1, 0, 0}},
	} {
		var got []uint8
		for k := newChunk(c.word); k.left > 0; {
			got = append(got, k.next())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%016b: got %v", c.word, got)
		}
	}
}

func TestParseTransportCCMalformed(t *testing.T) {
	header := []byte{0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}
	for name, body := range map[string][]byte{
		"too short":          {0, 1, 0, 1},
		"no chunk":           {0, 1, 0, 1, 0, 0, 0, 0},
		"reserved symbol":    {0, 1, 0, 1, 0, 0, 0, 0, 0x60, 0x01, 0, 0},
		"reserved in vector": {0, 1, 0, 2, 0, 0, 0, 0, 0xf0, 0x00, 0, 0},
		"delta missing":      {0, 1, 0, 3, 0, 0, 0, 0, 0x20, 0x03, 0, 0},
		"too many packets":   {0, 1, 0x20, 1, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff},
	} {
		pkt := append(slices.Clone(header), body...)
		binary.BigEndian.PutUint16(pkt[2:], uint16(len(pkt)/4-1))
		if tcc, err := ParseTransportCC(one(t, pkt)); err == nil {
			t.Errorf("%s: accepted %+v", name, tcc)
		}
	}
}

// Long runs are measured without being walked over; what is in them is what
// the plain decoder finds.
func TestParseTransportCCLongRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		body := []byte{0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0, 0, 0, 0, 0, 1, 9}
		var chunks []byte
		count, deltas := 0, 0
		for n := 1 + r.IntN(4); n > 0; n-- {
			run, symbol := r.IntN(2000), r.IntN(3)
			chunks = binary.BigEndian.AppendUint16(chunks, uint16(symbol<<13|run))
			count += run
			deltas += run * symbol
		}
		binary.BigEndian.PutUint16(body[10:], uint16(count))
		body = append(body, chunks...)
		body = append(body, make([]byte, deltas)...)
		for i := len(body) - deltas; i < len(body); i++ {
			body[i] = byte(r.Uint32())
		}
		p := RTCP{Type: TypeRTPFB, Count: FormatTransportCC, Body: body}
		tcc, err := ParseTransportCC(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, slow := walk(t, tcc), slowTransportCC(t, body); !slices.Equal(got, slow) {
			t.Fatalf("decoders differ about %d packets", count)
		}
		if deltas > 0 {
			p.Body = body[:len(body)-1]
			if _, err := ParseTransportCC(p); err == nil {
				t.Fatal("a delta is missing and nobody notices")
			}
		}
	}
}

// BenchmarkParseLongRun is a message of 20 bytes about as many packets as one
// may be about.
func BenchmarkParseLongRun(b *testing.B) {
	body := []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x20, 0, 0, 0, 1, 9, 0x1f, 0xff, 0, 1}
	b.ReportAllocs()
	for range b.N {
		if _, err := ParseTransportCC(RTCP{Type: TypeRTPFB, Count: FormatTransportCC, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecorder(b *testing.B) {
	var r Recorder
	buf := make([]byte, 0, maxFeedbackLen)
	b.ReportAllocs()
	for i := range b.N {
		now := mono.Time(i) * mono.Time(time.Millisecond)
		r.Add(uint16(i), now)
		if r.Due(now, FeedbackInterval, false) {
			buf = r.Build(buf[:0], 1, 2, now)
		}
	}
}
