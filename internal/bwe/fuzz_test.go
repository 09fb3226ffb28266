package bwe

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// script reads what a fuzzer wrote; it is 0 behind its end.
type script struct{ data []byte }

func (s *script) byte() int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b)
}

func (s *script) word() int { return s.byte()<<8 | s.byte() }

// fuzzed drives an estimator by a script.
type fuzzed struct {
	script
	t   *testing.T
	est *Estimator
	rec rtp.Recorder
	now mono.Time
	seq uint16
}

// raw is a feedback message with any body the script has.
func (f *fuzzed) raw() {
	n := min(4*(f.byte()%32), len(f.data))
	body := append([]byte(nil), f.data[:n]...)
	f.data = f.data[n:]
	body = append(body, make([]byte, max(0, 20-len(body)))...)
	if f.byte()%2 == 0 { // about what there is
		binary.BigEndian.PutUint16(body[8:], f.seq-uint16(f.byte()))
	}
	p := rtp.RTCP{Type: rtp.TypeRTPFB, Count: rtp.FormatTransportCC, Body: body}
	if fb, err := rtp.ParseTransportCC(p); err == nil {
		f.est.Feedback(fb, f.now)
	}
}

// honest is feedback about what arrived.
func (f *fuzzed) honest() {
	for f.rec.Pending() {
		f.est.Feedback(parse(f.t, f.rec.Build(nil, 1, 2, f.now)), f.now)
	}
}

func (f *fuzzed) send(kind Kind) {
	for range 1 + f.byte()%64 {
		f.est.Sent(f.seq, f.byte()*8, f.now, kind)
		if f.byte()%8 != 0 {
			f.rec.Add(f.seq, f.now.Add(time.Duration(f.byte())*ms))
		}
		f.seq++
	}
}

func (f *fuzzed) tick() {
	f.est.Tick(f.now)
	if at := f.est.Deadline(); at != 0 && at <= f.now {
		f.t.Fatalf("after a tick the deadline is %v ago", f.now.Sub(at))
	}
	if p, ok := f.est.NextProbe(f.now); ok && (p.Bytes <= 0 || p.Bytes > 1e6 || p.PacketSize <= 0 || p.Rate <= 0) {
		f.t.Fatalf("%+v", p)
	}
}

func (f *fuzzed) step() {
	switch op := f.byte(); op % 12 {
	case 0:
		f.raw()
	case 1:
		f.honest()
	case 2:
		f.est.SetDemand(int64(f.word())*1000, int64(f.word())*1000)
	case 3:
		f.est.REMB(int64(f.word())<<(f.byte()%48), f.now)
	case 4:
		f.est.ReceiverReport(uint8(f.byte()), time.Duration(f.word())*ms, f.now)
	case 5:
		f.seq += uint16(f.word())
	case 6:
		if at := f.est.Deadline(); at > f.now {
			f.now = at
		}
		f.tick()
	case 7:
		f.now = f.now.Add(time.Duration(f.word()) * ms)
		f.tick()
	case 8, 9:
		f.now = f.now.Add(time.Duration(f.byte()) * ms)
		f.tick()
	default:
		f.send(Kind(op / 12))
	}
}

func (f *fuzzed) check() {
	e := f.est
	if got := e.Estimate(); got < e.opt.Min || got > e.opt.Max {
		f.t.Fatalf("estimate %d", got)
	}
	for _, v := range []float64{e.aimd.rate, e.loss.limit, e.loss.inherent, e.rate, e.detector.threshold, e.detector.trend, e.legacy.rate} {
		if math.IsNaN(v) || v < 0 && v != e.detector.trend {
			f.t.Fatalf("%v in %+v", v, e.State())
		}
	}
	if len(e.history.ring) > historyMax || e.rtt < 0 || e.rtt > maxRTT || e.queue < 0 {
		f.t.Fatalf("%+v", e.State())
	}
}

// Whatever is sent and reported, and whenever: the bounds hold, and a tick is
// never asked for twice.
func FuzzFeedback(f *testing.F) {
	f.Add([]byte{10, 30, 100, 1, 20, 1, 9, 50, 2, 1, 1, 255, 255, 9, 100, 6, 6, 10, 10, 10, 1, 0, 5})
	f.Add([]byte{10, 63, 8, 50, 8, 50, 1, 2, 0, 0, 255, 255, 6, 6, 6, 6, 7, 8, 8, 6, 6})
	for seed := range uint64(5) {
		r := newRand(seed)
		data := make([]byte, 2000)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		z := fuzzed{script: script{data[:min(len(data), 1<<14)]}, t: t, now: mono.Time(time.Hour)}
		z.est = New(Options{Initial: int64(z.word()) * 1000, Max: int64(z.word()) * 10_000})
		z.seq = uint16(z.word())
		for len(z.data) > 0 {
			z.step()
			z.check()
		}
		_ = z.est.State()
	})
}
