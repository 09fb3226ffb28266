package bwe

import (
	"math"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

func TestDecrease(t *testing.T) {
	for _, tc := range []struct {
		name               string
		rate               float64
		delivered, offered float64
		foreign            bool
		want               float64
	}{
		{"full path", 3e6, 1e6, 3e6, false, 0.85e6},
		{"idle path", 3e6, 1e5, 1e5, false, 0.85 * 3e6},
		{"keeps up, rate little above", 1e6, 0.95e6, 1e6, false, 0.85e6},
		{"delivers more than the rate", 1e6, 1.5e6, 1.5e6, false, 1e6},
		{"delivers more than the rate, not all", 1e6, 1.5e6, 3e6, false, 1e6},
		{"nothing known", 1e6, 0, 0, false, 0.85e6},
		{"queue of others", 1e6, 1e6, 1e6, true, 0.95e6},
		{"queue of others, full path", 3e6, 1e6, 3e6, true, 0.85e6},
	} {
		a := aimd{rate: tc.rate}
		m := measured{signal: overuse, delivered: tc.delivered, offered: tc.offered, rtt: 100 * ms, foreign: tc.foreign}
		now := mono.Time(time.Hour)
		if !a.update(now, &m) || math.Abs(a.rate-tc.want) > 1 {
			t.Errorf("%s: %.0f, want %.0f", tc.name, a.rate, tc.want)
		}
	}
}

// A decrease waits until the one before can have had an effect, unless the
// rate is far off.
func TestDecreaseWaits(t *testing.T) {
	for _, tc := range []struct {
		rtt       time.Duration
		delivered float64
		after     time.Duration
	}{
		{100 * ms, 0.9e6, 300 * ms}, {time.Second, 0.9e6, 400 * ms}, {0, 0.9e6, 200 * ms},
		{100 * ms, 0.2e6, 200 * ms}, {time.Second, 0.2e6, 200 * ms},
	} {
		m := measured{signal: overuse, delivered: tc.delivered, offered: 1e6, rtt: tc.rtt}
		now := mono.Time(time.Hour)
		a := aimd{rate: 1e6, decreased: now}
		if a.update(now.Add(tc.after-ms), &m) || a.rate != 1e6 {
			t.Errorf("%+v: decreased too early", tc)
		}
		if !a.update(now.Add(tc.after), &m) {
			t.Errorf("%+v: not decreased", tc)
		}
	}
}

// grow lets time pass with reports each 100 ms.
func grow(a *aimd, m measured, d time.Duration) {
	now := a.updated
	for range d / (100 * ms) {
		now = now.Add(100 * ms)
		a.update(now, &m)
	}
}

func TestIncrease(t *testing.T) {
	for _, tc := range []struct {
		name      string
		known     bool // the capacity
		signal    signal
		rate      float64
		delivered float64
		want      float64
	}{
		{"far from any capacity", false, normal, 1e6, 1e6, 1.51e6},
		{"far, a lot delivered", false, normal, 1e6, 2e6, 1e6 * math.Pow(1.08, 10)},
		{"near the capacity", true, normal, 2e6, 2e6, 2e6 + 10*9600/0.2},
		{"beyond the capacity", true, normal, 2e6, 4e6, 2e6 * math.Pow(1.08, 10)},
		{"near the capacity, slow", true, normal, 2e4, 2.5e4, 2e4 * math.Pow(1.08, 10)},
		{"application limited", false, normal, 1e6, 1e5, 1e6},
		{"nothing known", false, normal, 1e6, 0, 1e6},
		{"queue runs empty", false, underuse, 1e6, 1e6, 1e6},
	} {
		a := aimd{rate: tc.rate, updated: mono.Time(time.Hour)}
		if tc.known {
			a.capacity.observe(tc.rate)
		}
		grow(&a, measured{signal: tc.signal, delivered: tc.delivered, offered: tc.delivered, rtt: 100 * ms}, 10*time.Second)
		if math.Abs(a.rate-tc.want) > 0.01*tc.want {
			t.Errorf("%s: %.0f, want %.0f", tc.name, a.rate, tc.want)
		}
	}
}

func TestCapacity(t *testing.T) {
	var c capacity
	for range 100 {
		c.observe(1.9e6)
		c.observe(2.1e6)
	}
	check(t, "mean", c.mean, 1990, 2010)
	check(t, "upper", c.upper(), 2.1e6, 2.5e6)
	check(t, "lower", c.lower(), 1.5e6, 1.9e6)
	c.observe(5e5)
	check(t, "mean after a drop", c.mean, 500, 500)
	a := aimd{rate: 5e5, capacity: c}
	a.raise(4e5)
	if !a.capacity.known || a.rate != 5e5 {
		t.Error("a probe lowered something")
	}
	a.raise(4e6)
	if a.capacity.known || a.rate != 4e6 {
		t.Error("a probe was not believed")
	}
}

// The queue is told in ms every 100 ms; the state behind it.
func TestDrainer(t *testing.T) {
	repeat := func(q time.Duration, n int) (out []time.Duration) {
		for range n {
			out = append(out, q)
		}
		return out
	}
	for _, tc := range []struct {
		name      string
		queues    []time.Duration
		decreased bool // at the first of them
		want      drainState
	}{
		{"short queue", repeat(90, 100), true, drainIdle},
		{"noticed", repeat(300, 2), true, draining},
		{"not noticed yet", repeat(300, 15), false, drainIdle},
		{"stands for long", repeat(300, 25), false, draining},
		{"does not shrink", repeat(300, 20), true, foreignQueue},
		{"goes on growing, then shrinks", append(repeat(300, 3), append(repeat(900, 10), repeat(500, 8)...)...), true, draining},
		{"empty", append(repeat(300, 10), 30), true, drainIdle},
		{"nearly empty", append(repeat(300, 10), 60), true, draining},
		{"of others, gone", append(repeat(300, 30), 80), true, drainIdle},
		{"of others, left alone", repeat(300, 110), true, foreignQueue},
		{"of others, tried again", repeat(300, 150), true, draining},
	} {
		var d drainer
		now := mono.Time(time.Hour)
		for i, q := range tc.queues {
			d.update(now, q*ms, 50*ms, tc.decreased && i == 0)
			now = now.Add(100 * ms)
		}
		if d.state != tc.want {
			t.Errorf("%s: state %d, want %d", tc.name, d.state, tc.want)
		}
	}
	d := drainer{state: draining}
	if a, b, c := d.share(0), d.share(100*ms), d.share(3*time.Second); a != 1 || b >= a || c >= b || c != drainLeast {
		t.Errorf("shares %v %v %v", a, b, c)
	}
	if d.state = foreignQueue; d.share(time.Second) != 1 {
		t.Error("gives way to the queue of others")
	}
}

func TestProbePlan(t *testing.T) {
	const now = mono.Time(time.Hour)
	ago := func(d time.Duration) mono.Time { return now.Add(-d) }
	base := probeView{now: now, estimate: 1e6, ideal: 9e6, ceiling: 20e6, calm: true}
	with := func(f func(*probeView)) probeView { v := base; f(&v); return v }
	started := prober{tried: true, started: ago(500 * ms), wished: 9e6, failed: 2}
	set := func(f func(*prober)) prober { p := started; f(&p); return p }
	for _, tc := range []struct {
		name string
		p    prober
		v    probeView
		at   mono.Time
		rate float64
	}{
		{"first", prober{}, base, now, 3e6},
		{"first, little wanted", prober{}, with(func(v *probeView) { v.ideal = 1.5e6 }), now, 1.875e6},
		{"first, low ceiling", prober{}, with(func(v *probeView) { v.ceiling = 2e6 }), now, 2e6},
		{"nothing more wanted", prober{}, with(func(v *probeView) { v.ideal = 1e6 }), 0, 0},
		{"at the ceiling", prober{}, with(func(v *probeView) { v.ceiling = 1e6 }), 0, 0},
		{"congested", prober{}, with(func(v *probeView) { v.calm = false }), 0, 0},
		{"under way", prober{state: probeWaiting}, base, 0, 0},
		{"further", set(func(p *prober) { p.follow = 4e6 }), base, now, 4e6},
		{"no further", set(func(p *prober) { p.follow = 0.9e6 }), base, now.Add(4500 * ms), 1.4e6},
		{"after a failure", set(func(p *prober) { p.failed = 1 }), base, now.Add(1500 * ms), 1.4e6},
		{"now and then", started, base, now.Add(4500 * ms), 1.4e6},
		{"more is wanted", set(func(p *prober) { p.wished = 2e6 }), base, now.Add(500 * ms), 3e6},
		{
			"after a drop", set(func(p *prober) { p.before = 4e6 }),
			with(func(v *probeView) { v.lastDecrease = ago(100 * ms) }), now.Add(1900 * ms), 3.4e6,
		},
		{
			"after a decrease", set(func(p *prober) { p.follow = 4e6 }),
			with(func(v *probeView) { v.lastDecrease = ago(100 * ms) }), now.Add(900 * ms), 4e6,
		},
	} {
		at, rate := tc.p.plan(&tc.v)
		if at != tc.at || math.Abs(rate-tc.rate) > 1 {
			t.Errorf("%s: %.0f at %v, want %.0f at %v", tc.name, rate, at.Sub(now), tc.rate, tc.at.Sub(now))
		}
	}
}

// What counts as a drop, and that it is tried only once to get back.
func TestProbeAfterDrop(t *testing.T) {
	now := mono.Time(time.Hour)
	var p prober
	p.onDecrease(now, 3e6, 2.5e6)
	if p.before != 0 {
		t.Error("a step is taken for a drop")
	}
	p.onDecrease(now.Add(time.Second), 2.5e6, 1.9e6)
	if p.before != 3e6 {
		t.Errorf("before the drop: %v", p.before)
	}
	p.start(&probeView{now: now.Add(3 * time.Second), estimate: 1.9e6, ideal: 9e6}, 2.5e6)
	p.onDecrease(now.Add(4*time.Second), 1.9e6, 1.7e6)
	if p.before != 0 {
		t.Errorf("before the drop, after it was tried: %v", p.before)
	}
	p.onDecrease(now.Add(20*time.Second), 1e6, 5e5)
	if p.before != 1e6 {
		t.Errorf("before the next drop: %v", p.before)
	}
}
