package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// measured is what was recorded since the last call.
func (w *worker) measured() (packets uint64, least, most time.Duration) {
	rec := &w.delays.rec[inBridge]
	before := rec.Total
	rec.Roll()
	after := rec.Total
	for i := range after.Counts {
		after.Counts[i] -= before.Counts[i]
	}
	return after.Count(), after.Quantile(0), after.Quantile(1)
}

// recorded is how many packets were recorded until the last second ended.
func (d *delays) recorded() uint64 {
	if d.rec == nil {
		return 0
	}
	return d.rec[inBridge].Total.Count()
}

// checkParts checks that what was recorded has parts, and they are all of it.
func (d *delays) checkParts(t *testing.T) {
	t.Helper()
	if d.rec == nil {
		return
	}
	all := &d.rec[inBridge].Total
	sum := all.Sum
	for p := inSocket; p < numParts; p++ {
		if sum -= d.rec[p].Total.Sum; d.rec[p].Total.Count() != all.Count() {
			t.Errorf("%d of %s, %d in all", d.rec[p].Total.Count(), partNames[p], all.Count())
		}
	}
	if sum != 0 {
		t.Errorf("parts lack %v of %v", sum, all.Sum)
	}
}

// warmBench is a bench through which audio has gone, of which nothing was
// measured yet.
func warmBench(t *testing.T, receivers int) (n *bench, e *rtp.Egress, opus []byte) {
	n, e, opus = newBench(t, receivers, srtp.AEADAES128GCM), &rtp.Egress{}, make([]byte, 80)
	n.warm(t, e, 1000, ptOpus, opus, opus)
	n.w.measured()
	return n, e, opus
}

// TestDelayCountsFromArrivalToFlush: one measurement a packet that somebody
// got, which begins where the kernel says and ends with the flush.
func TestDelayCountsFromArrivalToFlush(t *testing.T) {
	n, e, opus := warmBench(t, 5)
	w := n.w

	begin := mono.Now()
	w.arrive(n.addr, n.sealed(t, e, 1000, ptOpus, opus), false, begin.Add(-30*time.Millisecond))
	w.arrive(n.addr, n.sealed(t, e, 1000, ptOpus, opus), false, begin.Add(-30*time.Millisecond))
	w.arrive(n.addr, []byte{0x80, 1, 2}, false, begin.Add(-time.Second)) // nobody gets this
	if packets, _, _ := w.measured(); packets != 0 {
		t.Errorf("%d were measured before the flush", packets)
	}
	w.flush()
	longest := mono.Now().Sub(begin) + 30*time.Millisecond
	packets, least, most := w.measured()
	if packets != 2 || least < 30*time.Millisecond || most > longest+longest/10 {
		t.Errorf("%d were measured, %v to %v; want 2 of 30 ms to %v", packets, least, most, longest)
	}
	w.flush()
	if packets, _, _ := w.measured(); packets != 0 {
		t.Errorf("%d were measured twice", packets)
	}
}

// TestPartsOfDelay: each ends where the next begins, and all are in those of the
// turn that the packet has part in, however it came to be sent.
func TestPartsOfDelay(t *testing.T) {
	n, e, opus := warmBench(t, 5)
	w := n.w
	w.delays.roll()
	const ms = time.Millisecond
	w.read = mono.Now().Add(-100 * ms)
	arrive := func(waited, turn time.Duration) {
		w.now = w.read.Add(turn)
		w.arrive(n.addr, n.sealed(t, e, 1000, ptOpus, opus), false, w.read.Add(-waited))
	}
	arrive(40*ms, 0)
	arrive(30*ms, 0)
	arrive(-5*ms, 20*ms) // a stamp from the future is of now
	arrive(20*ms, 60*ms)
	arrive(10*ms, 70*ms)
	before := *w.delays.rec
	w.flush()
	after := w.busy.ended
	w.delays.roll()
	if w.sock.Flushing() < w.now || w.sock.Flushing() > after {
		t.Errorf("the flush began at %v, not between %v and %v", w.sock.Flushing(), w.now, after)
	}
	work := 5*w.sock.Flushing().Sub(w.read) - (0+0+20+60+70)*ms
	var parts time.Duration
	for p, want := range map[part]time.Duration{inSocket: (40 + 30 + 0 + 20 + 10) * ms, inTurn: (0 + 0 + 15 + 60 + 70) * ms, inWork: work} {
		got := &w.delays.rec[p].Total
		sum := got.Sum - before[p].Total.Sum
		if parts += sum; sum != want {
			t.Errorf("%s took %v, want %v", partNames[p], sum, want)
		}
	}
	send := w.delays.rec[inSend].Total.Sum - before[inSend].Total.Sum
	if all := w.delays.rec[inBridge].Total.Sum - before[inBridge].Total.Sum; parts+send != all || send <= 0 || send > 5*after.Sub(w.sock.Flushing()) {
		t.Errorf("%v before the sending and %v of it are not the %v of all", parts, send, all)
	}
	for p := range numParts {
		if got := w.delays.rec[p].Total.Count() - before[p].Total.Count(); got != 5 {
			t.Errorf("%d of %s were counted, want 5", got, partNames[p])
		}
	}
}

// TestPartsWithoutSending: what waited though nothing had to be sent in the end
// has no part below nothing.
func TestPartsWithoutSending(t *testing.T) {
	var d delays
	d.init()
	d.forwarded(waiting{arrived: 1000, read: 3000, begun: 6000, packets: 2})
	d.sent(500, 10_000) // the flush before this
	d.roll()
	for p, want := range map[part]time.Duration{inBridge: 9000, inSocket: 2000, inTurn: 3000, inWork: 0, inSend: 4000} {
		if got := d.copied[p].total; got.Sum != 2*want || got.Max != want {
			t.Errorf("%s took %v, want 2 of %v", partNames[p], got.Sum, want)
		}
	}
}

// TestDelayOfWhatIsHandedOver: the way between two workers counts.
func TestDelayOfWhatIsHandedOver(t *testing.T) {
	n, e, opus := warmBench(t, 2)
	w := n.w
	// What the other worker does with it.
	w.now = mono.Now()
	w.handling.arrived = w.now.Add(-70 * time.Millisecond)
	w.handOver(0, n.addr, n.sealed(t, e, 1000, ptOpus, opus))
	b := w.handing[0]
	w.handing[0] = nil
	b.handle(w)
	w.flush()
	if packets, least, _ := w.measured(); packets != 1 || least < 70*time.Millisecond {
		t.Errorf("%d packets, at least %v; want one of 70 ms", packets, least)
	}
}

// TestDelayEndsWhereArenaIsEmptied: what does not fit the send arena goes out
// before the turn ends, and is measured then.
func TestDelayEndsWhereArenaIsEmptied(t *testing.T) {
	n, e, opus := warmBench(t, 100)
	w := n.w
	const sent = 25 // of which ten fill the arena's 1,024 datagrams
	arrive := func() {
		for range sent {
			w.arrive(n.addr, n.sealed(t, e, 1000, ptOpus, opus), false, mono.Now())
		}
	}
	arrive() // until it has grown to them
	w.flush()
	w.measured()
	arrive()
	if packets, _, _ := w.measured(); packets != 20 {
		t.Errorf("%d were measured before the end of the turn, want 20", packets)
	}
	w.flush()
	if packets, _, _ := w.measured(); packets != sent-20 {
		t.Errorf("%d were measured at the end of the turn, want %d", packets, sent-20)
	}
}

func TestWaitingForTheFlushIsBounded(t *testing.T) {
	var d delays
	d.init()
	for i := range 2 * maxArrivals {
		d.forwarded(waiting{arrived: mono.Time(i), packets: 1})
	}
	if len(d.waiting) != maxArrivals || cap(d.waiting) != maxArrivals {
		t.Errorf("%d of %d", len(d.waiting), cap(d.waiting))
	}
	d.sent(1<<40, 1<<40)
	d.roll()
	if got := d.rec[inBridge].Total.Count(); got != 2*maxArrivals {
		t.Errorf("%d were counted", got)
	}
}

func TestBusy(t *testing.T) {
	const born = mono.Time(time.Hour)
	var b busy
	b.start(born)
	b.read(born+mono.Time(600*time.Millisecond), true) // it waited
	b.ended = born + mono.Time(700*time.Millisecond)
	if b.publish(); b.total.Load() != int64(100*time.Millisecond) {
		t.Errorf("%v in all after a turn", time.Duration(b.total.Load()))
	}
	b.read(born+mono.Time(900*time.Millisecond), false) // a read that did not wait is work
	b.ended = born + mono.Time(time.Second)
	b.roll(b.ended)
	b.spareTime(50 * time.Millisecond) // of the next turn
	b.ended = born + mono.Time(1100*time.Millisecond)
	b.publish()
	if got := b.now(); got != 0.4 || b.total.Load() != int64(450*time.Millisecond) {
		t.Errorf("busy %v, %v in all", got, time.Duration(b.total.Load()))
	}
}

// TestDelayIsPublished: on real sockets, in metrics, overview and debug tree.
func TestDelayIsPublished(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRig(t, 1, func(o *Options) { o.Metrics = reg })
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 0)
	b.until("audio", func() { a.audio(30) }, func() bool { return len(b.packets(1000)) > 3 })
	r.inside(func(c *conference) { c.w.rollSecond() })
	l := r.Overview()
	if n, p := l.Delays.Count(), l.Delays.Quantile(0.5); n < 3 || p <= 0 || p > patience || l.Endpoints != 2 || l.Conferences != 1 || l.PacketsOut == 0 {
		t.Errorf("%d packets, median %v; %+v", n, p, l)
	}
	s := r.State().(State)
	if d := s.Delay.Total; d.Packets < 3 || d.P50 == "0s" || d.Max == "0s" || s.Workers[0].MeanRun < 1 {
		t.Errorf("state %+v, mean run %v", s.Delay, s.Workers[0].MeanRun)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			if h == nil {
				continue
			}
			for _, l := range m.GetLabel() {
				if l.GetName() == "part" {
					sums[l.GetValue()] = h.GetSampleSum()
				}
			}
			if f.GetName() == "bridge_delay_seconds" {
				sums[""] = h.GetSampleSum()
			}
			last := h.GetBucket()[len(h.GetBucket())-1]
			if h.GetSampleCount() < 3 || h.GetSampleSum() < 0 || len(h.GetBucket()) != len(delayBounds) || last.GetCumulativeCount() < 3 {
				t.Errorf("metric %v", m)
			}
		}
	}
	all := sums[""]
	delete(sums, "")
	for _, p := range partNames[inSocket:] {
		all -= sums[p]
		if s.Workers[0].Delay.Parts[p].Packets < 3 {
			t.Errorf("state of %s is %+v", p, s.Delay.Parts[p])
		}
	}
	if len(sums) != int(numParts)-1 || math.Abs(all) > 1e-6 {
		t.Errorf("parts %v lack %v", sums, all)
	}
}

// TestCountersAreOfTheMoment: what is read of a worker holds all of its last
// turn, and not of its last second only: who divides CPU time by packets needs
// both of one moment.
func TestCountersAreOfTheMoment(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRig(t, 1, func(o *Options) { o.Metrics = reg })
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 0)
	r.inside(func(c *conference) { c.w.published = c.w.now.Add(time.Hour) }) // no second ends
	b.until("audio", func() { a.audio(30) }, func() bool { return len(b.packets(1000)) > 3 })
	r.inside(func(*conference) {}) // a turn after theirs has begun
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "bridge_audio_packets_forwarded_total" {
			if n := f.GetMetric()[0].GetCounter().GetValue(); n < 4 {
				t.Errorf("%v packets were counted; more than three have come", n)
			}
			return
		}
	}
	t.Error("there is no metric")
}

// BenchmarkDelay is what measuring costs a received packet, of which eight are
// in a flush: told to be waiting, recorded with its parts, and an eighth of the look
// at the clock before the flush.
func BenchmarkDelay(b *testing.B) {
	var d delays
	d.init()
	b.ReportAllocs()
	now := mono.Time(time.Hour)
	for i := 0; b.Loop(); i++ {
		now += 1000
		d.forwarded(waiting{now - 30_000, now.RoundUp(8000) - 20_000, now.RoundUp(8000) - 10_000, 1})
		if i%8 == 7 {
			d.sent(mono.Now(), now)
		}
	}
}

// TestTimersThatNeedNotBeExact: they fire together, keep their pace, and never
// before what they were promised.
func TestTimersThatNeedNotBeExact(t *testing.T) {
	start := mono.Time(time.Hour)
	w := &worker{wheel: mono.NewWheel(start), now: start}
	fired := map[mono.Time]int{}
	var timers [500]mono.Timer
	for i := range timers {
		timers[i].Owner = tick(func(now mono.Time) {
			fired[now]++
			w.nearly(&timers[i], now.Add(time.Second))
		})
		w.nearly(&timers[i], start.Add(time.Duration(i)*2*time.Millisecond+time.Second))
	}
	for d := time.Duration(0); d < 11*time.Second; d += time.Millisecond {
		w.now = start.Add(d)
		w.wheel.Advance(w.now, w.fire)
	}
	turns := 0
	for _, n := range fired {
		if turns++; n > 15 {
			t.Errorf("%d fired in one turn", n)
		}
	}
	if turns < 9*50 || turns > 11*50 {
		t.Errorf("%d turns in ten seconds, want 50 in each", turns)
	}
	for _, d := range []time.Duration{0, time.Millisecond, 150 * time.Millisecond, 201 * time.Millisecond, 5 * time.Second} {
		var at mono.Time
		var timer mono.Timer
		timer.Owner = tick(func(now mono.Time) { at = now })
		begun := w.now
		w.notBefore(&timer, begun.Add(d))
		for at == 0 {
			w.now = w.now.Add(time.Millisecond)
			w.wheel.Advance(w.now, func(t *mono.Timer) {
				if t == &timer {
					w.fire(t)
				}
			})
		}
		if late := at.Sub(begun.Add(d)); late < 0 || late > grain+time.Millisecond || d < 10*grain && late > time.Millisecond {
			t.Errorf("what was due after %v came %v late", d, late)
		}
	}
}
