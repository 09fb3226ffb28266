package bridge

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/colibri"
)

// TestSenderHearsOfRisesAtOnce: more is told in the same turn, less only when
// it has lasted, and what came and went in between not at all.
func TestSenderHearsOfRisesAtOnce(t *testing.T) {
	l := newLab(t, 1, 2)
	s, a, b := l.clients[0].ep.sources[1], l.clients[1].ep, l.clients[2].ep
	if s.demand.known {
		t.Fatal("something was told though nobody has asked")
	}
	ask := func(height int) *colibri.ReceiverVideoConstraints {
		return &colibri.ReceiverVideoConstraints{Constraints: map[string]colibri.VideoConstraints{s.name: {MaxHeight: height}}, DefaultConstraints: &colibri.VideoConstraints{}}
	}
	for i, step := range []struct {
		a, b, told int // what the two ask for from now on, -1 for as before
		run        time.Duration
	}{
		{0, -1, 0, 300 * time.Millisecond}, // not an order to stop
		{-1, 180, 180, 0},
		{720, -1, 720, 0},
		{0, -1, 720, 700 * time.Millisecond}, // turns a page
		{360, -1, 720, 300 * time.Millisecond},
		{720, -1, 720, 2 * time.Second}, // and back
		{180, -1, 720, 900 * time.Millisecond},
		{-1, -1, 180, 500 * time.Millisecond},
		{0, 0, 0, 2 * time.Second},
		{360, -1, 360, 0},
	} {
		if step.a >= 0 {
			a.message(ask(step.a))
		}
		if step.b >= 0 {
			b.message(ask(step.b))
		}
		l.run(step.run + 2*time.Millisecond)
		if s.demand.told != step.told || (i == 0) == s.demand.known {
			t.Fatalf("step %d: told %d, known %v, want %d", i, s.demand.told, s.demand.known, step.told)
		}
	}
}

func TestLarger(t *testing.T) {
	for _, tc := range []struct {
		a, b int
		want bool
	}{{1, 0, true}, {0, 0, false}, {180, 360, false}, {alloc.Unlimited, 2160, true}, {2160, alloc.Unlimited, false}, {alloc.Unlimited, alloc.Unlimited, false}} {
		if larger(tc.a, tc.b) != tc.want {
			t.Errorf("%d > %d is not %v", tc.a, tc.b, tc.want)
		}
	}
}
