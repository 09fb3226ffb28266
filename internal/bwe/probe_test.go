package bwe

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// run lets time pass as a worker does, with media at a rate and padding sent
// by pad, until something holds.
func (w *wire) run(d time.Duration, bps int64, pad func(Probe)) {
	const size = 500
	gap := time.Duration(size * 8 * int64(time.Second) / bps)
	next, reported := w.now, w.now
	for end := w.now.Add(d); w.now < end; {
		last := w.now
		w.now = next
		if at := w.est.Deadline(); at != 0 && at < w.now {
			w.now = max(at, last)
		}
		w.est.Tick(w.now)
		if at := w.est.Deadline(); at != 0 && at <= w.now {
			w.t.Fatalf("after a tick the deadline is %v ago", w.now.Sub(at))
		}
		if p, ok := w.est.NextProbe(w.now); ok {
			pad(p)
		}
		if w.now == next {
			w.rec.Add(w.send(size), w.now.Add(20*ms))
			next = next.Add(gap)
		}
		if w.now.Sub(reported) >= 50*ms {
			w.report()
			reported = w.now
		}
	}
}

// pad sends what a probe asks for over a path that only takes time.
func (w *wire) pad(p Probe) {
	for left := p.Bytes; left > 0; left -= p.PacketSize {
		w.est.Sent(w.seq, min(left, p.PacketSize), w.now, Padding)
		w.rec.Add(w.seq, w.now.Add(20*ms))
		w.seq++
	}
}

func TestNoProbeWithoutDemand(t *testing.T) {
	w := newWire(t, Options{})
	none := func(p Probe) { t.Fatalf("%+v", p) }
	w.run(10*time.Second, mbit, none)
	w.est.SetDemand(mbit, 2400*kbit) // less than the estimate
	w.run(10*time.Second, mbit, none)
	w.est.SetDemand(-5, -5)
	w.run(time.Second, mbit, none)
}

// The first probes: three times the estimate, then twice that, up to what is
// wanted, and then no more.
func TestInitialProbes(t *testing.T) {
	for _, tc := range []struct {
		ideal int64
		rates []int64
	}{
		{4 * mbit, []int64{5 * mbit}},
		{12 * mbit, []int64{7_500_000, 15 * mbit}},
		{30 * mbit, []int64{7_500_000, 15 * mbit, 20 * mbit}},
	} {
		w := newWire(t, Options{})
		w.est.SetDemand(mbit, tc.ideal)
		var rates []int64
		sum := map[int64]int{}
		w.run(2*time.Second, mbit, func(p Probe) {
			if n := len(rates); n == 0 || p.Rate > rates[n-1]*5/4 || p.Rate < rates[n-1]/2 {
				rates = append(rates, p.Rate)
			}
			sum[rates[len(rates)-1]] += p.Bytes
			if p.Bytes < probeMinSize || p.PacketSize < probeMinSize || p.PacketSize > probeMaxSize || p.Deadline <= w.now {
				t.Errorf("odd %+v at %v", p, w.now)
			}
			w.pad(p)
		})
		for i, want := range tc.rates {
			if i >= len(rates) {
				t.Errorf("ideal %d: rates %v, want %v", tc.ideal, rates, tc.rates)
				break
			}
			check(t, "rate", float64(rates[i]), 0.8*float64(want), 1.01*float64(want))
			check(t, "bytes a probe", float64(sum[rates[i]]), 5000, float64(want)/8*0.03)
		}
		check(t, "estimate", float64(w.est.Estimate()), min(0.95*float64(tc.ideal), 18*mbit), 20*mbit)
	}
}

// Nobody sends the padding: nothing breaks, and it is asked for again.
func TestProbeIsIgnored(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SetDemand(mbit, 10*mbit)
	asked := 0
	w.run(20*time.Second, 200*kbit, func(Probe) { asked++ })
	if asked < 10 || asked > 200 {
		t.Errorf("asked %d times in 20 s", asked)
	}
	check(t, "estimate", float64(w.est.Estimate()), 2.5*mbit, 3*mbit)
	w.run(6*time.Second, 200*kbit, w.pad)
	check(t, "estimate in the end", float64(w.est.Estimate()), 9*mbit, 20*mbit)
}

// What is wanted rises after a while in which less was wanted: that is not
// left to the next turn of probing now and then, and aims higher.
func TestProbeForNewDemand(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SetDemand(mbit, 8*mbit)
	w.run(6*time.Second, mbit, func(Probe) {}) // ignored
	w.est.SetDemand(mbit, mbit)
	w.run(2*time.Second, mbit, w.pad)
	w.est.SetDemand(mbit, 8*mbit)
	start, rate := w.now, int64(0)
	w.run(time.Second, mbit, func(p Probe) {
		if rate == 0 {
			rate = p.Rate
			check(t, "probe after, s", w.now.Sub(start).Seconds(), 0, 0.1)
		}
		w.pad(p)
	})
	check(t, "rate", float64(rate), 7*mbit, 8*mbit)
}

// Nothing is heard, so nothing is probed, however much is wanted.
func TestNoProbeInSilence(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(mbit, time.Second)
	w.report()
	w.est.SetDemand(mbit, 8*mbit)
	w.wait(ms)
	w.send(100)
	for w.est.State().Counters.Timeouts < 3 {
		w.now = w.est.Deadline()
		w.est.Tick(w.now)
	}
	started := w.est.prober.started
	for range 600 {
		w.wait(50 * ms)
		w.send(100)
		w.est.Tick(w.now)
	}
	if w.est.prober.started != started {
		t.Error("a probe without feedback")
	}
}

// A probe makes a queue for a moment, which is no reason for a decrease; if it
// stays, it is.
func TestProbeShadow(t *testing.T) {
	w := newWire(t, Options{})
	w.stream(mbit, 2*time.Second)
	w.report()
	w.est.SetDemand(mbit, 8*mbit)
	w.est.Tick(w.now)
	if w.est.prober.state != probeSending {
		t.Fatal("no probe")
	}
	queue := 30 * ms
	for _, tc := range []struct {
		d    time.Duration
		want time.Duration
	}{{250 * ms, 0}, {500 * ms, queue}} {
		for end := w.now.Add(tc.d); w.now < end; w.wait(10 * ms) {
			w.rec.Add(w.send(1000), w.now.Add(20*ms+queue))
		}
		w.report()
		if got := w.est.State().Queue; got != tc.want {
			t.Errorf("%v later: queue %v, want %v", tc.d, got, tc.want)
		}
	}
}

// TestProbeReachesItsRate: on a path that only takes time a probe shows the
// rate it was asked for, though the worker is late for each of its steps, and
// whatever frames come in between.
func TestProbeReachesItsRate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		late  time.Duration // at most, for each step
		frame int           // bytes of a frame of the media, each 33 ms
	}{
		{"in time", 0, 2000},
		{"late", 3 * ms, 2000},
		{"very late", 8 * ms, 2000},
		{"large frames", 0, 20_000},
		{"large frames, late", 3 * ms, 20_000},
	} {
		for seed := range uint64(50) {
			w, rng := newWire(t, Options{}), newRand(seed)
			w.film(time.Second+time.Duration(rng.Int64N(int64(33*ms))), tc.frame, 0, rng)
			w.est.SetDemand(2*mbit, 8*mbit)
			before := w.est.prober.finished
			for w.est.prober.finished == before {
				w.film(filmStep, tc.frame, tc.late, rng)
			}
			p := &w.est.prober
			if p.last < 0.97*p.rate || p.last > p.rate || p.failed != 0 {
				t.Errorf("%s, seed %d: a probe for %.0f shows %.0f", tc.name, seed, p.rate, p.last)
			}
		}
	}
}

const filmStep = 100 * time.Microsecond

// film lets time pass with a video, and a worker that is late for what an
// estimator wants.
func (w *wire) film(d time.Duration, frame int, late time.Duration, rng *rand.Rand) {
	for end := w.now.Add(d); w.now < end; w.wait(filmStep) {
		if at := w.est.Deadline(); at != 0 && at <= w.now && w.due == 0 {
			w.due = w.now.Add(time.Duration(rng.Int64N(int64(late) + 1)))
		}
		if w.due != 0 && w.now >= w.due {
			w.due = 0
			w.est.Tick(w.now)
			if p, ok := w.est.NextProbe(w.now); ok {
				w.pad(p)
			}
		}
		if w.now >= w.frameAt {
			w.frameAt = w.now.Add(33 * ms)
			for left := frame; left > 0; left -= packetSize {
				w.rec.Add(w.send(packetSize), w.now.Add(20*ms))
			}
		}
		if w.now >= w.reportAt {
			w.reportAt = w.now.Add(50 * ms)
			w.report()
		}
	}
}

func TestNextProbeOnce(t *testing.T) {
	w := newWire(t, Options{})
	w.est.SetDemand(mbit, 10*mbit)
	w.stream(mbit, 200*ms)
	w.report()
	w.est.Tick(w.now)
	if _, ok := w.est.NextProbe(w.now); !ok {
		t.Fatal("no probe")
	}
	if p, ok := w.est.NextProbe(w.now); ok {
		t.Errorf("again %+v", p)
	}
	w.now = w.est.Deadline()
	w.est.Tick(w.now)
	if _, ok := w.est.NextProbe(w.now.Add(time.Second)); ok {
		t.Error("a probe after its deadline")
	}
}

func TestProbeMeasure(t *testing.T) {
	send := func(n int, gap, arrivalGap time.Duration) *probeResult {
		p := prober{state: probeWaiting, id: 3}
		for i := range n {
			d := time.Duration(i)
			p.onReceived(&sentPacket{size: 1000, cluster: 3}, delaySample{mono.Time(d * gap), d * arrivalGap})
			p.onReceived(&sentPacket{size: 9999, cluster: 2}, delaySample{mono.Time(d * gap), d * arrivalGap}) // of another
		}
		return &p.result
	}
	for _, tc := range []struct {
		name        string
		result      *probeResult
		sent        int
		jitter      time.Duration
		rate        float64
		full, valid bool
	}{
		{"as sent", send(11, 2*ms, 2*ms), 11, 0, 4e6, false, true},
		{"faster than sent", send(11, 2*ms, ms), 11, 0, 4e6, false, true},
		{"half as fast", send(11, 2*ms, 4*ms), 11, 0, probeSaturatedShare * 2e6, true, true},
		{"slower by jitter", send(11, 2*ms, 2500*time.Microsecond), 11, 5 * ms, 4e6, false, true},
		{"all at once at the end", send(11, 2*ms, 0), 11, 0, 4e6, false, true},
		{"a few lost", send(9, 2*ms, 2*ms), 11, 0, 4e6, false, true},
		{"most lost", send(5, 2*ms, 2*ms), 11, 0, 0, false, false},
		{"sent in one go", send(11, 0, 2*ms), 11, 0, 0, false, false},
		{"nothing came", send(0, 0, 0), 11, 0, 0, false, false},
	} {
		rate, full := tc.result.measure(tc.sent, 4e6, tc.jitter)
		if rate != tc.rate || full != tc.full {
			t.Errorf("%s: %v %v, want %v %v", tc.name, rate, full, tc.rate, tc.full)
		}
	}
}
