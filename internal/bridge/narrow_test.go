package bridge

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// TestSuddenlyNarrow: when the path of a receiver becomes narrow, so narrow
// that voices take a third of it, its large picture goes on: it is neither the
// first that goes while the queue is emptied, nor held back afterwards.
func TestSuddenlyNarrow(t *testing.T) {
	l := newLab(t, 4, 1)
	c := l.clients[4]
	c.path.Delay = 20 * time.Millisecond
	c.ep.message(&colibri.ReceiverVideoConstraints{
		OnStageSources: []string{"aaaaaaaa-v0"}, DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 180},
		Constraints: map[string]colibri.VideoConstraints{"aaaaaaaa-v0": {MaxHeight: 720}},
	})
	var last mono.Time
	var gap time.Duration
	c.check = func(h *rtp.Header) {
		if h.SSRC != 1001 {
			return
		}
		if last != 0 {
			gap = max(gap, l.w.now.Sub(last))
		}
		last = l.w.now
	}
	for i := range 6 {
		c.limit(20_000_000)
		l.within(time.Minute, "everything", func() bool { return c.heights[1001] == 720 && len(c.ep.forwarded.names) == 4 })
		l.run(time.Duration(i) * 300 * time.Millisecond)
		c.limit(600_000)
		gap = 0
		c.forget()
		l.run(12 * time.Second)
		d := c.describe()
		t.Logf("still for %v; estimate %d, budget %d, %d videos, %d audio packets of %d missing",
			gap, d.Details.Estimate, d.Budget, len(c.ep.forwarded.names), c.missing, c.audio+c.missing)
		if gap > time.Second {
			t.Errorf("the large picture stood still for %v", gap)
		}
		if 100*c.missing > c.audio {
			t.Errorf("%d of %d audio packets are missing", c.missing, c.audio+c.missing)
		}
	}
}

// TestWayBack: when the path has room for the large picture again, and a
// quarter more, it is back within ten seconds, also where the worker is late
// for the steps of its probes.
func TestWayBack(t *testing.T) {
	const takes = 1_600_000 + 50_000 // with headers, and audio
	for _, tc := range []struct {
		wide, late int // bit/s, ms
	}{{takes * 5 / 4, 0}, {takes * 5 / 4, 4}, {5_000_000, 0}, {5_000_000, 4}} {
		l := newLab(t, 1, 1)
		r := rand.New(rand.NewPCG(1, 2))
		l.asleep = func() bool { return tc.late > 0 && r.IntN(tc.late) > 0 }
		c := l.clients[1]
		c.path.Delay = 20 * time.Millisecond
		c.wants(720)
		var took []time.Duration
		for i := range 6 {
			c.limit(800_000)
			l.run(17*time.Second + time.Duration(i)*740*time.Millisecond)
			c.limit(tc.wide)
			clear(c.heights)
			took = append(took, l.within(20*time.Second, "the large picture", func() bool { return c.heights[1001] == 720 }))
		}
		t.Logf("%d bit/s, late by up to %d ms: %v", tc.wide, tc.late, took)
		if most := slices.Max(took); most > 10*time.Second {
			t.Errorf("it took %v", most)
		}
	}
}

// TestTellsSoonWhatChanged: a client that shows its user what the connection
// carries learns in two seconds that it is something else, and otherwise
// hears of it every ten.
func TestTellsSoonWhatChanged(t *testing.T) {
	l := newLab(t, 1, 1)
	c := l.clients[1]
	c.kind, c.remb = reportsREMB, 2_000_000
	c.wants(180)
	l.run(15 * time.Second)
	told := func() int64 { return c.ep.bw.told }
	if d := told() - 2_000_000; d < -100_000 || d > 100_000 {
		t.Fatalf("told %d", told())
	}
	for _, bps := range []int64{600_000, 2_000_000} {
		c.remb = uint64(bps)
		took := l.within(3*time.Second+200*time.Millisecond, "told", func() bool { return told() == bps })
		t.Logf("%d bit/s were told after %v", bps, took)
	}
	c.remb = 2_200_000
	l.run(5 * time.Second)
	if told() != 2_000_000 {
		t.Errorf("told %d at once, which is hardly more", told())
	}
	l.within(6*time.Second, "told", func() bool { return told() == 2_200_000 })
}
