package bwe

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// path loses packets: a share at random, and what is above a bandwidth.
type path struct{ inherent, bandwidth float64 }

// observe lets a model see one observation at a rate.
func (p path) observe(l *lossModel, rng *rand.Rand, now *mono.Time, rate float64) {
	const size = 1000
	interval := time.Duration(size * 8 / rate * float64(time.Second))
	loss := p.inherent + (1-p.inherent)*congested(rate, p.bandwidth)
	for {
		complete := l.add(*now, size, rng.Float64() >= loss)
		*now = now.Add(interval)
		if complete {
			return
		}
	}
}

// follow lets a sender follow the model for n observations, never above
// unlimited, and returns the mean rate over the last half.
func (p path) follow(l *lossModel, rng *rand.Rand, unlimited float64, n int) float64 {
	now, sum := mono.Time(time.Hour), 0.0
	for i := range n {
		rate := min(l.limit, unlimited)
		if i >= n/2 {
			sum += rate
		}
		p.observe(l, rng, &now, rate)
		l.update(unlimited)
	}
	return sum / float64(n-n/2)
}

func TestLossModel(t *testing.T) {
	const inf = 1e12
	for _, tc := range []struct {
		name      string
		path      path
		unlimited float64
		low, high float64
	}{
		{"clean", path{0, inf}, 3e6, 3e6, 3e6},
		{"1 % at random", path{0.01, inf}, 3e6, 2.9e6, 3e6},
		{"5 % at random", path{0.05, inf}, 3e6, 2.7e6, 3e6},
		{"20 % at random", path{0.2, inf}, 3e6, 1e6, 2.5e6},
		{"50 % at random", path{0.5, inf}, 3e6, 0.2e6, 1.2e6},
		{"policed to a third", path{0, 1e6}, 3e6, 0.85e6, 1.1e6},
		{"policed to a tenth", path{0, 3e5}, 3e6, 2.4e5, 3.6e5},
		{"policed and 3 % at random", path{0.03, 1e6}, 3e6, 0.8e6, 1.15e6},
	} {
		for seed := range uint64(5) {
			l := newLossModel()
			got := tc.path.follow(&l, newRand(seed), tc.unlimited, 200)
			if got < tc.low || got > tc.high {
				t.Errorf("%s, seed %d: mean %.3g, want %.3g to %.3g", tc.name, seed, got, tc.low, tc.high)
			}
		}
	}
}

// A limit goes when losses do.
func TestLossModelRecovers(t *testing.T) {
	l, rng := newLossModel(), newRand(1)
	path{0, 5e5}.follow(&l, rng, 3e6, 40)
	check(t, "limit under losses", l.limit, 4e5, 6e5)
	mean := path{0, 1e12}.follow(&l, rng, 3e6, 120)
	check(t, "mean after losses", mean, 2.9e6, 3e6)
	if !math.IsInf(l.limit, 1) {
		t.Errorf("the limit is still %v", l.limit)
	}
}

// slowScore tries all inherent losses.
func slowScore(l *lossModel, b float64) float64 {
	best := math.Inf(-1)
	high := min(0.9, inherentFixed+inherentBalance/b)
	for p := inherentMin; p <= high; p += 0.0005 {
		sum, w := -inherentPenalty*l.weight*p, 1.0
		for i := range l.count {
			o := l.observations[(l.next-1-i+2*lossWindow)%lossWindow]
			loss := p
			if o.rate > b {
				loss = p + (1-p)*(o.rate-b)/o.rate
			}
			sum += w * (o.lost*math.Log(loss) + o.received*math.Log(1-loss))
			w *= 0.9
		}
		best = max(best, sum)
	}
	return best
}

func TestLossScoreAgainstTwin(t *testing.T) {
	for seed := range uint64(30) {
		rng := newRand(seed)
		l := newLossModel()
		now := mono.Time(time.Hour)
		p := path{rng.Float64() * 0.3, 2e5 + rng.Float64()*4e6}
		for range 1 + rng.IntN(40) {
			p.observe(&l, rng, &now, 1e5+rng.Float64()*4e6)
		}
		l.weigh()
		for range 10 {
			b := 1e5 + rng.Float64()*4e6
			got, _ := l.score(b)
			want := slowScore(&l, b)
			if math.Abs(got-want) > 0.05+0.002*math.Abs(want) {
				t.Fatalf("seed %d: %v for %v, want %v", seed, got, b, want)
			}
		}
	}
}

// Packets that were reported lost and came after all.
func TestLossFound(t *testing.T) {
	l := newLossModel()
	now := mono.Time(time.Hour)
	l.found() // of something older than all
	for i := range 20 {
		l.add(now, 1000, i%2 == 0)
		now = now.Add(10 * ms)
	}
	l.found()
	if l.lost != 9 || l.received != 11 {
		t.Errorf("%d lost, %d received, want 9 and 11", l.lost, l.received)
	}
	for !l.add(now, 1000, true) {
		now = now.Add(10 * ms)
	}
	l.found()
	if o := l.observation(0); o.lost != 8 {
		t.Errorf("%v lost in the complete observation, want 8", o.lost)
	}
	for range 20 {
		l.found()
	}
	if o := l.observation(0); o.lost < 0 || l.lost < 0 {
		t.Errorf("less than nothing lost: %v %d", o.lost, l.lost)
	}
}
