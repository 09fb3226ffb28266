package bwe

import (
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// traffic is an estimator in the middle of a call of 2.5 Mbit/s.
type traffic struct {
	est  *Estimator
	rec  rtp.Recorder
	buf  []byte
	now  mono.Time
	seq  uint16
	loss int // one of so many is lost, 0 for none
}

func newTraffic(loss int) *traffic {
	tr := &traffic{est: New(Options{}), now: mono.Time(time.Hour), buf: make([]byte, 0, 2000), loss: loss}
	tr.est.SetDemand(2*mbit, 8*mbit)
	for range 200 {
		tr.send(25)
		tr.feedback(tr.message())
	}
	return tr
}

// send sends packets over 10 ms each five.
func (tr *traffic) send(n int) {
	for i := range n {
		tr.est.Sent(tr.seq, 1100, tr.now, Media)
		if tr.loss == 0 || int(tr.seq)%tr.loss != 0 {
			tr.rec.Add(tr.seq, tr.now.Add(20*ms))
		}
		tr.seq++
		if i%5 == 4 {
			tr.now = tr.now.Add(16 * ms)
		}
	}
}

func (tr *traffic) message() []byte {
	tr.buf = tr.rec.Build(tr.buf[:0], 1, 2, tr.now)
	return tr.buf
}

func (tr *traffic) feedback(message []byte) {
	c := rtp.NewCompound(message)
	c.Next()
	fb, err := rtp.ParseTransportCC(c.Packet())
	if err != nil {
		panic(err)
	}
	tr.est.Feedback(fb, tr.now)
	if at := tr.est.Deadline(); at != 0 && at <= tr.now {
		tr.est.Tick(tr.now)
		tr.est.NextProbe(tr.now)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, loss := range []int{0, 10} {
		t.Run(fmt.Sprint("one of ", loss, " lost"), func(t *testing.T) {
			tr := newTraffic(loss)
			allocs.None(t, allocs.Many, func() {
				tr.send(25)
				tr.feedback(tr.message())
				tr.est.SetDemand(mbit, 8*mbit)
				_ = tr.est.Estimate()
			})
		})
	}
}

func BenchmarkSent(b *testing.B) {
	tr := newTraffic(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tr.est.Sent(tr.seq, 1100, tr.now, Media)
		tr.seq++
		if i%25 == 24 {
			tr.now = tr.now.Add(80 * ms)
		}
	}
}

// benchmarkFeedback measures messages about 25 packets each, without their
// sending and building.
func benchmarkFeedback(b *testing.B, loss int) {
	tr := newTraffic(loss)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		tr.send(25)
		m := tr.message()
		b.StartTimer()
		tr.feedback(m)
	}
}

func BenchmarkFeedback25(b *testing.B)           { benchmarkFeedback(b, 0) }
func BenchmarkFeedback25With10Loss(b *testing.B) { benchmarkFeedback(b, 10) }

// BenchmarkRoundOf25 is everything for 25 packets: sending, feedback being
// built and parsed, deadlines.
func BenchmarkRoundOf25(b *testing.B) {
	tr := newTraffic(0)
	b.ReportAllocs()
	for b.Loop() {
		tr.send(25)
		tr.feedback(tr.message())
	}
}

// BenchmarkUselessFeedback is a flood of messages that repeat that thousands of
// packets did not come.
func BenchmarkUselessFeedback(b *testing.B) {
	tr := newTraffic(0)
	body := make([]byte, 20)
	base := tr.seq - rtp.MaxTransportCCPackets
	body[8], body[9] = byte(base>>8), byte(base)
	body[10], body[11] = rtp.MaxTransportCCPackets>>8, 0
	body[16], body[17] = 0x1f, 0xff // run of 8191 lost
	body[18], body[19] = 0, 1
	fb, err := rtp.ParseTransportCC(rtp.RTCP{Type: rtp.TypeRTPFB, Count: rtp.FormatTransportCC, Body: body})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.est.Feedback(fb, tr.now)
	}
}

func BenchmarkDeadline(b *testing.B) {
	tr := newTraffic(0)
	b.ReportAllocs()
	for b.Loop() {
		tr.est.SetDemand(mbit, 8*mbit)
		_ = tr.est.Deadline()
	}
}
