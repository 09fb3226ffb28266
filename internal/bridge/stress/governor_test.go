package stress

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// chunk is the time over which what arrives in the model is joined.
const chunk = 5 * time.Millisecond

// model is a server whose capacity is given: load is the part of its time that
// everything would take, 3 is three times what it can do.
type model struct {
	g       *Governor
	now     mono.Time
	queue   []mono.Time // arrival of chunks that wait
	arrived mono.Time   // the last chunk
	steps   []float64   // what one video takes in each of its layers
	videos  []int       // that each receiver wants
	load    float64
	audio   float64 // part of the load that is not video
	mics    int     // microphones of a conference; 0: they do not matter
	talk    int     // of them that are heard, if there are places; 0: all
	fixed   float64 // part of the time that everything else takes
	wanted  float64
	granted []float64
	next    []float64 // granted, once that has had its effect
	effect  mono.Time

	all, video, hushed float64
	busy               time.Duration
	longest            time.Duration // wait of anything
	changes            int
}

func newModel(receivers, videos int, load float64) *model {
	m := &model{g: New(0), load: load, audio: 0.15, steps: []float64{7.5, 15, 30}}
	for range receivers {
		m.videos = append(m.videos, videos)
	}
	m.granted = m.allocate(Unlimited)
	m.wanted = sum(m.granted)
	return m
}

// allocate raises the videos of each receiver step by step.
func (m *model) allocate(limit float64) []float64 {
	out := make([]float64, len(m.videos))
	for i, n := range m.videos {
		most := limit * Spread(uint64(i))
		for s, step := range m.steps {
			below := 0.0
			if s > 0 {
				below = m.steps[s-1]
			}
			for range n {
				if limit == Unlimited || out[i]+step-below <= most {
					out[i] += step - below
				}
			}
		}
	}
	return out
}

func sum(all []float64) (total float64) {
	for _, a := range all {
		total += a
	}
	return total
}

// turn is one of the worker: it reads a few chunks, and works on them.
func (m *model) turn() {
	idle := time.Duration(0)
	m.receive()
	if len(m.queue) == 0 {
		idle = m.arrived.Add(chunk).Sub(m.now)
		m.now = m.now.Add(idle)
		m.receive()
	}
	read := m.queue[:min(len(m.queue), 8)]
	m.g.Read(idle, m.now.Sub(read[len(read)-1]))
	m.longest = max(m.longest, m.now.Sub(read[0]))
	if m.next != nil && m.now >= m.effect {
		m.granted, m.next = m.next, nil
	}
	granted := sum(m.granted)
	heard := m.heard()
	cost := m.fixed + m.load*(m.audio*heard+(1-m.audio)*granted/m.wanted)
	for range read {
		d := time.Duration(cost * float64(chunk))
		m.now, m.busy = m.now.Add(d), m.busy+d
		m.video += granted * chunk.Seconds()
		audio := m.wanted * m.audio / (1 - m.audio)
		m.all += (granted + audio*heard) * chunk.Seconds()
		m.hushed += audio * (1 - heard) * chunk.Seconds()
	}
	m.queue = m.queue[len(read):]
	m.govern()
}

// heard is the part of the audio that is forwarded.
func (m *model) heard() float64 {
	v := m.g.Voices()
	if v == Unlimited || v >= m.mics {
		v = m.mics
	}
	if m.talk != 0 {
		v = min(v, m.talk)
	}
	if v == m.mics {
		return 1
	}
	return float64(v) / float64(m.mics)
}

func (m *model) receive() {
	for m.arrived.Add(chunk) <= m.now {
		m.arrived = m.arrived.Add(chunk)
		m.queue = append(m.queue, m.arrived)
	}
}

func (m *model) govern() {
	if !m.g.Due(m.now) {
		return
	}
	if a := m.g.Next(m.now, Traffic{uint64(m.all), uint64(m.video), uint64(m.hushed)}); a != None {
		short := 0
		if m.g.Limit() != Unlimited && sum(m.granted) < m.wanted {
			short = len(m.granted)
		}
		if m.g.Apply(a, m.now, slices.Clone(m.granted), short) {
			m.changes++
			m.next, m.effect = m.allocate(m.g.Limit()), m.now.Add(200*time.Millisecond)
		}
	}
	m.g.Account(sum(m.granted), m.wanted)
}

// run lets time pass and returns what happened in it.
func (m *model) run(d time.Duration) (busy float64, longest time.Duration, changes int) {
	begun := m.now
	m.busy, m.longest, m.changes = 0, 0, 0
	for m.now < begun.Add(d) {
		m.turn()
	}
	return m.busy.Seconds() / m.now.Sub(begun).Seconds(), m.longest, m.changes
}

func TestConverges(t *testing.T) {
	for _, receivers := range []int{20, 300} {
		for _, videos := range []int{1, 4, 30} {
			for _, load := range []float64{0.3, 0.7, 0.86, 1, 1.2, 1.6, 2.5, 4.5} {
				converges(t, receivers, videos, load)
			}
		}
	}
}

func converges(t *testing.T, receivers, videos int, load float64) {
	m := newModel(receivers, videos, load)
	name := fmt.Sprintf("%d receivers, %d videos, load %v", receivers, videos, load)
	// Twice as much as can be done for as long as it takes to be seen, and then
	// until what waited has been made up for.
	if _, longest, _ := m.run(30 * time.Second); longest > time.Duration(max(load-0.5, 1)*float64(300*time.Millisecond)) {
		t.Errorf("%s: something waited %v in the beginning", name, longest)
	}
	busy, longest, changes := m.run(60 * time.Second)
	if load < 0.88 {
		if m.g.Limit() != Unlimited || m.g.Cuts != 0 || busy < load-0.01 || m.g.Stress() > load+0.05 {
			t.Errorf("%s: limit %v after %d cuts, stress %v", name, m.g.Limit(), m.g.Cuts, m.g.Stress())
		}
		return
	}
	if busy < calm-0.02 || busy > high || longest > standing || changes > 4 {
		t.Errorf("%s: busy %.3f, waited %v, %d changes", name, busy, longest, changes)
	}
	if s := m.g.Stress(); s < load*0.95 || s > load*1.05 {
		t.Errorf("%s: stress %v", name, s)
	}
}

// What is over before anybody could complain changes nothing.
func TestShortBurstChangesNothing(t *testing.T) {
	m := newModel(100, 10, 0.6)
	m.run(5 * time.Second)
	for range 10 {
		m.now = m.now.Add(120 * time.Millisecond) // nothing is read, and all of it waits
		m.run(4 * time.Second)
	}
	if m.g.Cuts != 0 || m.g.Limit() != Unlimited {
		t.Errorf("%d cuts, limit %v", m.g.Cuts, m.g.Limit())
	}
}

// A stall that is over leaves nothing behind after a while, and a load that
// goes takes the limit with it.
func TestRecovers(t *testing.T) {
	for _, load := range []float64{1.2, 2.5, 4.5} {
		m := newModel(200, 10, load)
		m.run(30 * time.Second)
		if m.g.Limit() == Unlimited || !m.g.Thrifty() {
			t.Fatalf("load %v: no limit", load)
		}
		m.load = 0.5
		if m.run(10 * time.Second); sum(m.granted) < 0.99*m.wanted {
			t.Errorf("load %v: after ten seconds with half of what it can do %.0f %% of the video is forwarded", load, 100*sum(m.granted)/m.wanted)
		}
		if m.run(65 * time.Second); m.g.Limit() != Unlimited || m.g.Thrifty() || m.g.Stress() > 0.55 {
			t.Errorf("load %v: limit %v, thrifty %v, stress %v", load, m.g.Limit(), m.g.Thrifty(), m.g.Stress())
		}
	}
	m := newModel(200, 10, 0.6)
	m.now = m.now.Add(3 * time.Second)
	m.run(5 * time.Second)
	if m.run(60 * time.Second); m.g.Limit() != Unlimited {
		t.Errorf("after a stall of three seconds: %d cuts, limit %v", m.g.Cuts, m.g.Limit())
	}
}

// A load that comes and goes must not be followed up and down for ever: each
// rise in vain makes the next come later.
func TestRisesInVainComeLater(t *testing.T) {
	m := newModel(4, 1, 1)
	m.steps = []float64{10, 300} // a server that has to choose between 20 % and 120 %
	m.load = 1.25
	m.run(60 * time.Second)
	cuts := m.g.Cuts
	if _, _, changes := m.run(240 * time.Second); m.g.Cuts-cuts > 4 || changes > 60 {
		t.Errorf("%d cuts, %d changes in four minutes", m.g.Cuts-cuts, changes)
	}
}

// Where audio alone is too much there is no video left, and that is all.
func TestAudioIsTooMuch(t *testing.T) {
	m := newModel(50, 4, 2)
	m.audio = 0.6
	m.run(60 * time.Second)
	if got := sum(m.granted); got != 0 {
		t.Errorf("%v packets a second of video", got)
	}
	if m.load, m.audio = 0.5, 0.15; true {
		if m.run(120 * time.Second); m.g.Limit() != Unlimited {
			t.Errorf("limit %v", m.g.Limit())
		}
	}
	g := New(0)
	if g.Apply(Cut, mono.Time(time.Second), nil, 0) || g.Limit() != Unlimited {
		t.Errorf("limit %v where there is no video", g.Limit())
	}
}

// Where audio alone is too much only so many voices are forwarded as there is
// time for. All come back only when there is time for all, and video before.
func TestVoices(t *testing.T) {
	for _, tc := range []struct {
		load, audio float64
		voices      int
		swamped     bool
	}{
		{0.8, 0.9, Unlimited, false},
		{1.6, 0.5, Unlimited, false}, // video is enough
		{2, 0.9, 5, false},
		{8, 0.9, 2, false},
		{14, 0.9, 1, false},
		{30, 0.9, 1, true},
	} {
		m := newModel(50, 4, tc.load)
		m.audio, m.mics = tc.audio, 20
		m.run(60 * time.Second)
		busy, longest, _ := m.run(60 * time.Second)
		if m.g.Voices() != tc.voices || m.g.Swamped() != tc.swamped {
			t.Errorf("%+v: %d voices, swamped %v, busy %.2f", tc, m.g.Voices(), m.g.Swamped(), busy)
		}
		if !tc.swamped && longest > 700*time.Millisecond {
			t.Errorf("%+v: something waited %v", tc, longest)
		}
		if s := m.g.Stress(); tc.voices != Unlimited && s < 1 {
			t.Errorf("%+v: stress %v", tc, s)
		}
		m.load = 0.5
		if m.run(400 * time.Second); m.g.Limit() != Unlimited || m.g.Voices() != Unlimited || m.g.Thrifty() {
			t.Errorf("%+v: in the end %d voices, limit %v", tc, m.g.Voices(), m.g.Limit())
		}
	}
}

// TestComesBackSoon: after a storm in which too much was asked for again and
// again, rises that were in vain then do not keep video away for minutes.
func TestComesBackSoon(t *testing.T) {
	m := newModel(200, 10, 3)
	for i := range 60 {
		m.load = []float64{0.5, 4}[i%2]
		m.run(2 * time.Second)
	}
	m.load = 0.5
	if m.run(10 * time.Second); sum(m.granted) < 0.99*m.wanted {
		t.Errorf("%.0f %% of the video is forwarded after ten seconds, patience is %v", 100*sum(m.granted)/m.wanted, m.g.patient)
	}
	if m.run(80 * time.Second); m.g.Limit() != Unlimited {
		t.Errorf("limit %v after a minute and a half", m.g.Limit())
	}
}

// TestUsesTimeAfterStorm: the same where all there is is too much for good.
func TestUsesTimeAfterStorm(t *testing.T) {
	m := newModel(1000, 20, 3)
	for i := range 60 {
		m.load = []float64{2, 6}[i%2]
		m.run(2 * time.Second)
	}
	if m.g.patient < raiseLate/2 {
		t.Fatalf("patience %v: no storm", m.g.patient)
	}
	m.load = 2
	m.run(12 * time.Second)
	if busy, _, _ := m.run(5 * time.Second); busy < 0.72 {
		t.Errorf("busy %.2f after twelve seconds", busy)
	}
}

// TestUsesTimeAfterJoins: what the worker did besides forwarding is over, and how
// often a rise was in vain meanwhile does not keep video away.
func TestUsesTimeAfterJoins(t *testing.T) {
	m := newModel(1000, 20, 5.8)
	m.audio, m.mics, m.talk = 0.655, 20, 1
	for i := range 40 {
		m.fixed = []float64{0.1, 0.9}[i%2]
		m.run(2 * time.Second)
	}
	m.fixed = 0.1
	m.run(5 * time.Second)
	if busy, _, _ := m.run(2 * time.Second); busy < 0.7 {
		t.Errorf("busy %.2f after five seconds, limit %.0f", busy, m.g.Limit())
	}
}

// Who does not talk is no reason to leave out video.
func TestVideoBeforeTheSilent(t *testing.T) {
	m := newModel(50, 4, 3)
	m.audio, m.mics = 0.8, 20
	m.run(60 * time.Second)
	if m.g.Voices() == Unlimited || sum(m.granted) == 0 {
		t.Errorf("%d voices, %v packets a second of video", m.g.Voices(), sum(m.granted))
	}
}

// steps drives a Governor window by window.
func steps(g *Governor, from mono.Time, n int, busy float64, wait func(i int) time.Duration) (now mono.Time, cuts int) {
	now = from
	for i := range n {
		now = now.Add(window)
		g.Read(time.Duration((1-busy)*float64(window)), wait(i))
		if g.Next(now, Traffic{uint64(now), uint64(now), 0}) == Cut {
			cuts++
		}
	}
	return now, cuts
}

func TestWhatMakesACut(t *testing.T) {
	for name, tc := range map[string]struct {
		busy float64
		wait func(i int) time.Duration
		cut  bool
	}{
		"a queue that gets shorter":   {1, func(i int) time.Duration { return max(0, time.Duration(900-40*i)) * time.Millisecond }, false},
		"a queue that stands":         {1, func(int) time.Duration { return 100 * time.Millisecond }, true},
		"a queue for no other reason": {0.5, func(int) time.Duration { return 100 * time.Millisecond }, true},
		"too little time left":        {0.95, func(int) time.Duration { return 0 }, true},
		"some time left":              {0.9, func(int) time.Duration { return 0 }, false},
	} {
		if _, cuts := steps(New(0), 0, 20, tc.busy, tc.wait); (cuts > 0) != tc.cut {
			t.Errorf("%s: %d cuts wanted", name, cuts)
		}
	}
}

func TestPatienceComesBack(t *testing.T) {
	g, all := New(0), []float64{100}
	apply := func(a Action, now mono.Time) { g.Apply(a, now, all, 1) }
	second := mono.Time(time.Second)
	apply(Cut, second)
	apply(Raise, 5*second)
	apply(Cut, 6*second)
	if g.patient != 2*raiseEvery {
		t.Errorf("after a rise in vain: %v", g.patient)
	}
	apply(Raise, 20*second)
	apply(Raise, 70*second)
	if g.patient != raiseEvery {
		t.Errorf("after rises that were right: %v", g.patient)
	}
}

func TestLevelIsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		amounts := make([]float64, 1+r.IntN(20))
		for i := range amounts {
			amounts[i] = float64(r.IntN(100))
		}
		total := sum(amounts) * r.Float64()
		cut := func(level float64) (s float64) {
			for _, a := range amounts {
				s += min(a, level)
			}
			return s
		}
		want := 0.0
		for step := 64.0; step > 1e-6; step /= 2 { // the slow way
			if cut(want+step) <= total {
				want += step
			}
		}
		if got := Level(slices.Clone(amounts), total); math.Abs(cut(got)-total) > 1e-3 || got > want+1e-3 {
			t.Fatalf("%v cut to %v: %v, want %v", amounts, total, got, want)
		}
	}
	if Level(nil, 5) != 0 || Level([]float64{1, 3}, 9) != 3 {
		t.Error("of nothing, or of less than there may be")
	}
}

func TestSpread(t *testing.T) {
	for _, n := range []int{2, 10, 1000} {
		low, high, total := 2.0, 0.0, 0.0
		for i := range n {
			s := Spread(uint64(i))
			low, high, total = min(low, s), max(high, s), total+s
		}
		if low < 0.799 || high > 1.251 || n > 2 && math.Abs(total/float64(n)-1) > 0.03 {
			t.Errorf("%d: %v to %v, mean %v", n, low, high, total/float64(n))
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	m := newModel(10, 3, 2)
	granted := slices.Clone(m.granted)
	now := mono.Time(0)
	allocs.None(t, allocs.Many, func() {
		now = now.Add(window)
		m.g.Read(0, 50*time.Millisecond)
		if a := m.g.Next(now, Traffic{uint64(now), uint64(now) / 2, 0}); a != None {
			m.g.Apply(a, now, granted, 1)
		}
	})
	if m.g.Cuts == 0 {
		t.Error("no cuts")
	}
}
