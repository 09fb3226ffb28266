package bwe

import (
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// wire is an estimator and the feedback of a receiver, by hand.
type wire struct {
	t   testing.TB
	est *Estimator
	rec rtp.Recorder
	now mono.Time
	seq uint16

	due, frameAt, reportAt mono.Time // see film
}

func newWire(t testing.TB, opt Options) *wire {
	return &wire{t: t, est: New(opt), now: mono.Time(time.Hour), seq: 65_000}
}

// send sends a packet and returns its number.
func (w *wire) send(size int) uint16 {
	seq := w.seq
	w.est.Sent(seq, size, w.now, Media)
	w.seq++
	return seq
}

func (w *wire) wait(d time.Duration) { w.now = w.now.Add(d) }

// messages builds the feedback that is due.
func (w *wire) messages() [][]byte {
	var out [][]byte
	for w.rec.Pending() {
		out = append(out, w.rec.Build(nil, 1, 2, w.now))
	}
	return out
}

func parse(t testing.TB, message []byte) rtp.TransportCC {
	t.Helper()
	c := rtp.NewCompound(message)
	if !c.Next() {
		t.Fatal("no packet")
	}
	fb, err := rtp.ParseTransportCC(c.Packet())
	if err != nil {
		t.Fatal(err)
	}
	return fb
}

func (w *wire) report() {
	for _, m := range w.messages() {
		w.est.Feedback(parse(w.t, m), w.now)
	}
}

// stream sends at a rate for a while, over a path that only takes time, with
// feedback every 50 ms.
func (w *wire) stream(bps int64, d time.Duration) {
	const size = 1000
	gap := time.Duration(size * 8 * int64(time.Second) / bps)
	reported := w.now
	for end := w.now.Add(d); w.now < end; w.wait(gap) {
		w.rec.Add(w.send(size), w.now.Add(20*ms))
		if w.now.Sub(reported) >= 50*ms {
			w.report()
			reported = w.now
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		opt, want Options
	}{
		{Options{}, Options{2_500_000, 30_000, 20_000_000}},
		{Options{Initial: 1e9}, Options{20_000_000, 30_000, 20_000_000}},
		{Options{Min: 5e6}, Options{5_000_000, 5_000_000, 20_000_000}},
		{Options{Min: 100, Max: 50}, Options{100, 100, 100}},
		{Options{Initial: -1, Min: -1, Max: -1}, DefaultOptions()},
	} {
		if got := tc.opt.withDefaults(); got != tc.want {
			t.Errorf("%+v: %+v, want %+v", tc.opt, got, tc.want)
		}
		if e := New(tc.opt); e.Estimate() != tc.want.Initial || e.Deadline() != 0 {
			t.Errorf("%+v: estimate %d, deadline %d", tc.opt, e.Estimate(), e.Deadline())
		}
	}
}

func TestFeedbackCounts(t *testing.T) {
	w := newWire(t, Options{})
	for i := range 1000 { // across the wrap
		seq := w.send(1000)
		if i%10 != 3 {
			w.rec.Add(seq, w.now.Add(20*ms))
		}
		w.wait(2 * ms)
	}
	messages := w.messages()
	for range 2 { // everything twice, the second time last first
		for _, m := range messages {
			w.est.Feedback(parse(t, m), w.now)
		}
		slices.Reverse(messages)
	}
	s := w.est.State().Counters
	if s.Received != 900 || s.Lost != 100 || s.Duplicate != 900 || s.Found != 0 || s.Unknown != 0 {
		t.Errorf("%+v", s)
	}
	if s.FeedbackMessages != uint64(2*len(messages)) || s.Useless != uint64(len(messages)) {
		t.Errorf("%d messages, %d useless, of %d twice", s.FeedbackMessages, s.Useless, len(messages))
	}
	check(t, "loss", w.est.State().Loss, 0.08, 0.12)
	check(t, "estimate", float64(w.est.Estimate()), 2*mbit, 4*mbit)
}

// A packet is reported lost, then it comes.
func TestFeedbackFinds(t *testing.T) {
	w := newWire(t, Options{})
	late := w.send(1000)
	for range 10 {
		w.wait(5 * ms)
		w.rec.Add(w.send(1000), w.now)
	}
	var other rtp.Recorder // says first that it is missing
	other.Add(late-1, w.now)
	other.Add(late+1, w.now)
	for other.Pending() {
		w.est.Feedback(parse(t, other.Build(nil, 1, 2, w.now)), w.now)
	}
	w.rec.Add(late, w.now)
	w.report()
	s := w.est.State().Counters
	if s.Lost != 1 || s.Found != 1 || s.Received != 11 || s.Unknown != 1 {
		t.Errorf("%+v", s)
	}
	if l := &w.est.loss; l.lost != 0 || l.received != 11 {
		t.Errorf("the loss model has %d lost, %d received", l.lost, l.received)
	}
}

// Feedback about what was never sent, or long ago, changes nothing.
func TestFeedbackUnknown(t *testing.T) {
	w := newWire(t, Options{})
	message := func(seq uint16) rtp.TransportCC {
		var r rtp.Recorder
		r.Add(seq, w.now)
		return parse(t, r.Build(nil, 1, 2, w.now))
	}
	w.est.Feedback(message(w.seq), w.now)
	w.stream(mbit, time.Second)
	before := w.est.State()
	for _, seq := range []uint16{w.seq, w.seq + 1, w.seq + 1000, w.seq + 32_000, w.seq - 2000, w.seq - 32_000} {
		w.wait(ms)
		w.est.Feedback(message(seq), w.now)
	}
	after := w.est.State()
	if n := after.Counters.Useless - before.Counters.Useless; n != 6 {
		t.Errorf("%d of 6 useless", n)
	}
	before.Counters, after.Counters = Counters{}, Counters{}
	if before != after {
		t.Errorf("changed from %+v\nto %+v", before, after)
	}
}

// A peer that says the same again and again is soon not listened to, and heard
// again when there is something to say.
func TestFeedbackFlood(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(mbit, time.Second)
	for range 100 {
		w.send(100)
	}
	w.rec.Add(w.seq-1, w.now)
	flood := w.messages()[0]
	for range 1000 {
		w.est.Feedback(parse(t, flood), w.now)
	}
	s := w.est.State().Counters
	if s.Duplicate > 1000 || s.Useless < 900 {
		t.Errorf("%+v", s)
	}
	before := s.Received
	w.stream(mbit, time.Second)
	if got := w.est.State().Counters.Received - before; got < 100 {
		t.Errorf("%d packets reported in a second", got)
	}
}

// However much is lost, the limit for it has the least estimate as its floor,
// or it could not be found back from.
func TestLossLimitHasFloor(t *testing.T) {
	w := newWire(t, Options{Min: 200 * kbit})
	for i := range 5000 {
		seq := w.send(1000)
		if i%20 == 0 {
			w.rec.Add(seq, w.now.Add(20*ms))
			w.report()
		}
		w.wait(10 * ms)
	}
	if got := w.est.loss.limit; got != 200*kbit {
		t.Errorf("limit %v", got)
	}
}

// The receiver's clock is set, forwards and backwards.
func TestClockJump(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(2*mbit, 3*time.Second)
	before := w.est.Estimate()
	for _, offset := range []time.Duration{time.Hour, -time.Hour, 5 * time.Second} {
		w.report()
		w.rec = rtp.Recorder{}
		for range 100 {
			w.rec.Add(w.send(1000), w.now.Add(20*ms+offset))
			w.wait(4 * ms)
		}
		w.report()
	}
	s := w.est.State()
	if s.Counters.ClockJumps < 3 || s.Signal == "overuse" {
		t.Errorf("%d jumps noticed, signal %s", s.Counters.ClockJumps, s.Signal)
	}
	if w.est.Estimate() < before {
		t.Errorf("estimate fell from %d to %d", before, w.est.Estimate())
	}
	if s.Queue > 50*ms {
		t.Errorf("queue of %v", s.Queue)
	}
}

// After a pause the trend begins anew: a different delay is not a slope.
func TestTrendAfterPause(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(mbit, time.Second)
	w.report()
	w.wait(3 * time.Second)
	for range 3 {
		w.rec.Add(w.send(100), w.now.Add(60*ms))
		w.wait(20 * ms)
	}
	w.report()
	if n := w.est.trend.samples; n != 2 {
		t.Errorf("%d samples after a pause and two complete groups", n)
	}
}

// A pause of everything is no congestion.
func TestPause(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(2*mbit, 3*time.Second)
	before := w.est.Estimate()
	w.report()
	if at := w.est.Deadline(); at != 0 {
		t.Errorf("deadline %v after all was reported", at.Sub(w.now))
	}
	w.wait(time.Hour)
	w.stream(2*mbit, 3*time.Second)
	check(t, "estimate", float64(w.est.Estimate()), float64(before), 4*mbit)
	if s := w.est.State().Counters; s.Timeouts+s.Decreases != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRoundTripTime(t *testing.T) {
	w := newWire(t, Options{})
	for range 100 {
		seq := w.send(500)
		w.wait(80 * ms)
		w.rec.Add(seq, w.now)
		w.report()
	}
	if got := w.est.State().RTT; got != 80*ms {
		t.Errorf("round trip time %v, want 80 ms", got)
	}
}

// What waited before it went out was not on the path for as long.
func TestSentLater(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SentLater(7, w.now) // nothing was sent so far
	for range 100 {
		seq, sent := w.send(500), w.now
		w.est.SentLater(seq, sent.Add(30*ms))
		w.est.SentLater(seq, sent.Add(-30*ms))
		w.est.SentLater(seq+1, sent.Add(60*ms))
		w.wait(80 * ms)
		w.rec.Add(seq, w.now)
		w.report()
		w.est.SentLater(seq, w.now)
	}
	if got := w.est.State().RTT; got != 50*ms {
		t.Errorf("round trip time %v, want 50 ms", got)
	}
}

// Without feedback the rate falls in steps to the least, then nothing more is
// due; the deadlines say when.
func TestFeedbackTimeout(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(2*mbit, 2*time.Second)
	w.report()
	start := w.now
	w.send(1000)
	last := w.est.Estimate()
	steps := 0
	for at := w.est.Deadline(); at != 0; at = w.est.Deadline() {
		if steps == 0 {
			check(t, "first step after, s", at.Sub(start).Seconds(), 1.5, 1.6)
		}
		w.now = at
		w.est.Tick(at)
		if w.est.Estimate() >= last {
			t.Fatalf("still %d", last)
		}
		last = w.est.Estimate()
		steps++
	}
	if last != 30*kbit || steps < 15 || steps > 25 {
		t.Errorf("%d after %d steps", last, steps)
	}
}

// Without any feedback ever, as from a receiver that cannot give it, the
// estimate stays.
func TestNoFeedbackEver(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SetDemand(mbit, 5*mbit)
	for range 1000 {
		w.send(1000)
		w.wait(10 * ms)
		if at := w.est.Deadline(); at != 0 {
			t.Fatal("deadline", at)
		}
	}
	if w.est.Estimate() != 2_500_000 {
		t.Error("estimate", w.est.Estimate())
	}
}

func TestSentOutOfOrder(t *testing.T) {
	w := newWire(t, Options{})
	w.est.Sent(10, 100, w.now, Media)
	w.est.Sent(10, 100, w.now, RTX)
	w.est.Sent(9, 100, w.now, Padding)
	w.est.Sent(11, -5, w.now, Padding)
	w.est.Sent(12, 1<<20, w.now, RTX)
	w.est.Sent(13, 100, w.now, 77)
	s := w.est.State().Counters
	want := Counters{MediaPackets: 1, PaddingPackets: 1, RTXPackets: 1, MediaBytes: 100, RTXBytes: 65_535, OutOfOrder: 2}
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

func TestREMB(t *testing.T) {
	w := newWire(t, Options{})
	send := func(bps int64, d time.Duration) {
		for end := w.now.Add(d); w.now < end; w.wait(8 * time.Second * 1000 / time.Duration(bps)) {
			w.send(1000)
		}
	}
	for _, tc := range []struct{ remb, want int64 }{
		{4 * mbit, 4 * mbit}, {mbit, mbit}, {5_000, 30 * kbit}, {1 << 50, 4 * mbit}, {-1, 30 * kbit}, {3 * mbit, 3 * mbit},
	} {
		w.est.REMB(tc.remb, w.now)
		if got := w.est.Estimate(); got != tc.want {
			t.Errorf("REMB of %d gives %d, want %d", tc.remb, got, tc.want)
		}
	}
	w.est.ReceiverReport(128, 60*ms, w.now)
	check(t, "after half was lost", float64(w.est.Estimate()), 2.9*mbit, 3*mbit) // still below what is allowed
	for range 5 {
		w.wait(time.Second)
		w.est.ReceiverReport(128, 60*ms, w.now)
	}
	low := w.est.Estimate()
	check(t, "after half was lost again and again", float64(low), 0.5*mbit, mbit)
	for range 10 {
		send(mbit, time.Second)
		w.est.ReceiverReport(0, 0, w.now)
	}
	check(t, "after ten good seconds", float64(w.est.Estimate()), float64(low)*1.5, 1.6*mbit)
	for range 60 {
		send(mbit, time.Second)
		w.est.ReceiverReport(2, 0, w.now)
	}
	check(t, "with 1 Mbit/s sent", float64(w.est.Estimate()), 1.4*mbit, 1.6*mbit)
	if w.est.State().RTT != 60*ms {
		t.Error("RTT", w.est.State().RTT)
	}
	before := w.est.Estimate()
	w.est.ReceiverReport(13, 0, w.now.Add(time.Second)) // 5 %: neither up nor down
	if w.est.Estimate() != before {
		t.Error("5 % loss changed the estimate")
	}
}

// Who sends transport-wide feedback is not believed its REMB.
func TestREMBIsSpurious(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(2*mbit, time.Second)
	before := w.est.Estimate()
	w.est.REMB(50*kbit, w.now)
	w.est.ReceiverReport(250, time.Second, w.now)
	s := w.est.State()
	if w.est.Estimate() != before || s.Counters.SpuriousREMB != 1 || s.REMB != 0 || s.RTT > 500*ms {
		t.Errorf("estimate %d from %d, %+v", w.est.Estimate(), before, s)
	}
}

func TestState(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SetDemand(mbit, 3*mbit)
	w.stream(2*mbit, 3*time.Second)
	s := w.est.State()
	if !s.Feedback || s.Target != mbit || s.Ideal != 3*mbit || s.Estimate != w.est.Estimate() || s.Signal != "normal" {
		t.Errorf("%+v", s)
	}
	check(t, "delivered", float64(s.Delivered), 1.9*mbit, 2.1*mbit)
	check(t, "offered", float64(s.Offered), 1.9*mbit, 2.1*mbit)
	if s.LossBased != 0 || s.Loss != 0 || s.HistorySize != historyMin {
		t.Errorf("%+v", s)
	}
}
