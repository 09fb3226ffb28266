package bwe

import (
	"math"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// slowTrend keeps all samples and computes everything anew each time, with
// the textbook formula n·Σxy - Σx·Σy over n·Σx² - (Σx)².
type slowTrend struct{ samples []delaySample }

func (s *slowTrend) slope() (float64, bool) {
	if len(s.samples) < trendMin {
		return 0, false
	}
	first := s.samples[0]
	var points []trendPoint
	smoothed := 0.0
	for _, d := range s.samples {
		delay := float64(d.delay()-first.delay()) / 1e6
		smoothed = 0.9*smoothed + 0.1*delay
		points = append(points, trendPoint{float64(d.at-first.at) / 1e6, smoothed})
	}
	points = points[max(0, len(points)-trendWindow):]
	var n, x, y, xx, xy float64
	for _, p := range points {
		px := p.x - points[0].x // or precision goes
		n++
		x += px
		y += p.y
		xx += px * px
		xy += px * p.y
	}
	return (n*xy - x*y) / (n*xx - x*x), true
}

func TestTrendlineAgainstTwin(t *testing.T) {
	for seed := range uint64(20) {
		r := newRand(seed)
		var fast trendline
		var slow slowTrend
		s := delaySample{sent: mono.Time(time.Hour), at: time.Duration(r.Int64N(int64(20 * 24 * time.Hour)))}
		drift := (r.Float64() - 0.5) / 10
		for i := range 400 {
			step := time.Duration(6+r.IntN(40)) * ms
			s.sent = s.sent.Add(step)
			s.at += step + time.Duration(drift*float64(step)) + time.Duration(r.IntN(5)-2)*ms
			fast.add(s)
			slow.samples = append(slow.samples, s)
			a, okA := fast.slope()
			b, okB := slow.slope()
			if okA != okB || math.Abs(a-b) > 1e-6 {
				t.Fatalf("seed %d, sample %d: %v %v, want %v %v", seed, i, a, okA, b, okB)
			}
		}
	}
}

func TestTrendlineOfOneInstant(t *testing.T) {
	var line trendline
	for range 30 {
		line.add(delaySample{sent: 5, at: 7})
	}
	if slope, ok := line.slope(); ok {
		t.Errorf("slope %v through a point", slope)
	}
}

// feedDetector lets the delay change by a share of the time that passes, for
// so many samples, and returns after how many overuse is signalled first.
func feedDetector(line *trendline, d *detector, s *delaySample, share float64, n int) (first int) {
	for i := range n {
		s.sent = s.sent.Add(20 * ms)
		s.at += 20*ms + time.Duration(share*float64(20*ms))
		line.add(*s)
		slope, ok := line.slope()
		if !ok {
			continue
		}
		d.update(slope, line.samples, *s)
		if d.signal == overuse && first == 0 {
			first = i + 1
		}
	}
	return first
}

func TestDetector(t *testing.T) {
	for _, tc := range []struct {
		share  float64 // by how much the delay grows
		signal signal
		within int // samples of 20 ms until overuse
	}{{0, normal, 0}, {0.01, normal, 0}, {0.2, overuse, 20}, {1, overuse, 10}, {-0.3, underuse, 0}} {
		var line trendline
		d := newDetector()
		s := delaySample{sent: 1e9, at: 1e12}
		feedDetector(&line, &d, &s, 0, 100)
		first := feedDetector(&line, &d, &s, tc.share, 25)
		if d.signal != tc.signal {
			t.Errorf("growth %v: %v, want %v (trend %.1f, threshold %.1f)", tc.share, d.signal, tc.signal, d.trend, d.threshold)
		}
		if first > tc.within || (first == 0) != (tc.within == 0) {
			t.Errorf("growth %v: overuse after %d samples, want within %d", tc.share, first, tc.within)
		}
	}
}

// A trend above the threshold that falls is the end of something.
func TestDetectorIgnoresFallingTrend(t *testing.T) {
	for _, tc := range []struct {
		slopes []float64
		want   signal
	}{
		{[]float64{0, 0.05, 0.06, 0.07, 0.08}, overuse},
		{[]float64{0, 0.5, 0.4, 0.3, 0.2}, normal},
		{[]float64{0, 0.5, 0.5}, overuse},
		{[]float64{0, 0.5}, normal}, // once is not enough
	} {
		d := newDetector()
		s := delaySample{sent: 1e9}
		for _, slope := range tc.slopes {
			s.sent = s.sent.Add(8 * ms)
			d.update(slope, 100, s)
		}
		if d.signal != tc.want {
			t.Errorf("%v: %v, want %v", tc.slopes, d.signal, tc.want)
		}
	}
}

func TestThresholdAdapts(t *testing.T) {
	d := newDetector()
	d.trend = 20
	for range 100 {
		d.adapt(20)
	}
	check(t, "threshold under steady noise", d.threshold, 17, 20)
	d.trend = 100
	d.adapt(20)
	check(t, "threshold after an outlier", d.threshold, 17, 20)
	d.trend = 0
	for range 1000 {
		d.adapt(20)
	}
	check(t, "threshold in silence", d.threshold, thresholdMin, thresholdMin)
}

// Groups end 5 ms after their first packet, and their sample is the packet
// with the least delay.
func TestGrouper(t *testing.T) {
	type packet struct{ sent, at time.Duration } // in ms
	for _, tc := range []struct {
		name    string
		packets []packet
		want    []packet
	}{
		{"frames", []packet{{0, 50}, {0, 51}, {0, 52}, {33, 80}, {33, 81}, {66, 120}}, []packet{{0, 50}, {33, 80}}},
		{"limit", []packet{{0, 50}, {5, 51}, {10, 60}}, []packet{{5, 51}}},
		{"spread", []packet{{0, 50}, {4, 52}, {8, 60}, {12, 61}, {14, 70}}, []packet{{4, 52}, {12, 61}}},
		{"from before", []packet{{10, 50}, {3, 10}, {20, 70}}, []packet{{10, 50}}},
		{"one", []packet{{0, 50}}, nil},
	} {
		var g grouper
		var got []packet
		for _, p := range tc.packets {
			if s, ok := g.add(delaySample{sent: mono.Time(p.sent * ms), at: p.at * ms}); ok {
				got = append(got, packet{time.Duration(s.sent) / ms, s.at / ms})
			}
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
			}
		}
	}
}

func TestReceiverClock(t *testing.T) {
	const tick = 64 * ms
	for _, start := range []time.Duration{0, -clockWrap / 2, clockWrap/2 - tick} {
		var c receiverClock
		first := c.unwrap(start)
		last := first
		for i := range 100 {
			at := start + time.Duration(i)*clockWrap/10
			for at >= clockWrap/2 { // as it comes in messages
				at -= clockWrap
			}
			got := c.unwrap(at)
			if i > 0 && got-last != clockWrap/10 {
				t.Fatalf("step %d from %v is %v", i, start, got-last)
			}
			if back := c.unwrap(at - 3*tick); back != got-3*tick {
				t.Fatalf("back by %v, want %v", got-back, 3*tick)
			}
			last = got
		}
		if first < 0 {
			t.Errorf("begins at %v", first)
		}
	}
}

func TestBaseDelay(t *testing.T) {
	var b baseDelay
	at := func(s, delay time.Duration) delaySample {
		return delaySample{sent: mono.Time(s * time.Second), at: s*time.Second + delay*ms}
	}
	for s := range time.Duration(8) {
		b.add(at(1+s, 30))
	}
	b.add(at(9, 20))
	if got := b.above(at(10, 50)); got != 30*ms {
		t.Errorf("50 ms are %v above 20 ms", got)
	}
	for s := range time.Duration(9) { // the route changes
		b.add(at(10+s, 70))
	}
	if got := b.above(at(19, 75)); got != 55*ms {
		t.Errorf("soon after a change: %v above", got)
	}
	for s := range time.Duration(12) {
		b.add(at(20+s, 70))
	}
	if got := b.above(at(33, 75)); got != 5*ms {
		t.Errorf("long after a change: %v above", got)
	}
	if got := b.above(at(33, 10)); got != 0 {
		t.Errorf("below the base: %v above", got)
	}
}

// The mean over complete buckets against one over a list of everything.
func TestRateMeterAgainstTwin(t *testing.T) {
	for seed := range uint64(20) {
		r := newRand(seed)
		var m rateMeter
		type amount struct {
			bucket int64
			size   int
		}
		var all []amount
		at := time.Duration(r.Int64N(int64(time.Hour)))
		for range 2000 {
			at += time.Duration(r.IntN(30)) * ms
			if r.IntN(300) == 0 {
				at += time.Second // what was before does not count any more
				all = nil
			}
			size := r.IntN(1500)
			when := at - time.Duration(max(0, r.IntN(100)-80))*ms // some are late
			if len(all) == 0 {
				when = at
			}
			m.add(when, size)
			all = append(all, amount{int64(when / rateBucket), size})
			newest := int64(at / rateBucket)
			span := min(newest-all[0].bucket, rateSpan)
			sum := 0
			for _, a := range all {
				if a.bucket >= newest-span && a.bucket < newest {
					sum += a.size
				}
			}
			want := float64(sum) * 8 / (float64(span) * rateBucket.Seconds())
			got, ok := m.rate()
			if m.current != newest {
				continue // only late ones lately
			}
			if ok != (newest-all[0].bucket >= rateWarm) || (ok && math.Abs(got-want) > 1) {
				t.Fatalf("seed %d: %v %v, want %v", seed, got, ok, want)
			}
		}
	}
}
