package bridge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// twins are two servers that the same happens to at the same time. One of them
// decides about everybody whose budget may have moved, the other only about
// those for whom that may come to something else.
type twins struct {
	t          *testing.T
	fast, slow *slowServer
}

func newTwins(t *testing.T, senders, receivers int) *twins {
	w := &twins{t, newSlowServer(t, senders, receivers), newSlowServer(t, senders, receivers)}
	w.slow.each = append(w.slow.each, func() {
		for _, c := range w.slow.clients {
			c.ep.changed = true
		}
	})
	w.both(func(s *slowServer) {
		for i, c := range s.clients {
			c.kind, c.path.Delay = reportsAll, time.Duration(10+5*i)*time.Millisecond
		}
		m := s.joinMapped()
		m.check = nil // cameras stand still here, and so does the time in their packets
		m.wants(360)
		later := s.w.now.Add(10 * time.Second) // until then it cannot be told of its slots
		s.each = append(s.each, func() {
			if s.w.now == later {
				m.open()
			}
		})
	})
	return w
}

func (w *twins) both(f func(s *slowServer)) {
	f(w.fast)
	f(w.slow)
}

// run lets time pass for both, and compares them all the while.
func (w *twins) run(d time.Duration) {
	w.t.Helper()
	for end := w.fast.w.now.Add(d); w.fast.w.now < end; {
		w.both(func(s *slowServer) { s.step() })
		for i := range w.fast.clients {
			got, want := decided(w.fast.clients[i].ep), decided(w.slow.clients[i].ep)
			if got != want {
				w.t.Fatalf("at %v %s has\n%s\nwho is decided about each time\n%s", w.fast.w.now, w.fast.clients[i].ep.id, got, want)
			}
		}
	}
}

// decided is all that a decision leaves behind.
func decided(ep *endpoint) string {
	text := fmt.Sprintf("forwarded %v, hold %+v, limited %v, ", ep.forwarded.names, ep.bw.hold, ep.affected.limited)
	if ep.affected.last != nil {
		text += "last " + ep.affected.last.id
	}
	b, r := &ep.bw, &ep.ration
	text += fmt.Sprintf(" at %v of %d, %d granted, %d, %v; ration %.3f of %.3f, %v;", b.decided, b.acted, b.granted, b.target, b.drained, r.granted, r.wanted, r.short)
	for _, s := range ep.c.ordered {
		if h := ep.heights[s]; h != 0 {
			text += fmt.Sprintf(" %s %d", s.name, h)
		}
	}
	for _, v := range ep.streams {
		if v.src != nil {
			text += fmt.Sprintf(" %s %+v %v", v.src.name, v.want, v.slow)
		}
	}
	return text
}

// TestSparedDecisions: whatever happens, who is not decided about has what a
// decision would give it, and everything that follows from it is the same.
func TestSparedDecisions(t *testing.T) {
	const senders, receivers, events = 3, 2, 80
	seconds := time.Duration(0)
	w := newTwins(t, senders, receivers)
	r := rand.New(rand.NewPCG(8, 8))
	full := 0.0 // packets a second
	for event := range events {
		who, camera, n, what := r.IntN(senders+receivers+1), r.IntN(senders), r.IntN(1000), r.IntN(12)
		if event == 10 {
			full = float64(w.fast.w.forwards()) / seconds.Seconds()
		}
		w.both(func(s *slowServer) {
			c, film := s.clients[who], s.clients[camera]
			switch what {
			case 0, 1:
				c.wants([]int{0, 90, 180, 360, 720, -1}[n%6])
			case 2:
				c.ep.message(&colibri.ReceiverVideoConstraints{
					OnStageSources: []string{film.ep.id + "-v0"}, DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 180},
					Constraints: map[string]colibri.VideoConstraints{film.ep.id + "-v0": {MaxHeight: 720, MaxFrameRate: float64(n % 2 * 15)}},
				})
			case 3:
				last := n%4 - 1
				c.ep.message(&colibri.ReceiverVideoConstraints{LastN: &last})
			case 4:
				c.limit(200_000 + 8_000*n)
			case 5:
				c.path.Rate = 0
			case 6, 7:
				film.share = 30 + n%200
			case 8:
				film.still = !film.still
			case 9:
				if n%3 == 0 {
					film.ep.c.setSources(film.ep, source.Set{})
				} else if len(film.ep.sources) == 0 {
					film.ep.c.setSources(film.ep, sourcesOf(film.ep.id, film.base))
				}
			case 10:
				film.quiet = !film.quiet
			default:
				if s.cost = 0; n%2 == 0 && full > 0 {
					s.cost = time.Duration((0.8 + float64(n)/500) * float64(time.Second) / full)
				}
			}
		})
		d := time.Duration(r.IntN(500)) * time.Millisecond
		if event%10 == 0 {
			d = 4 * time.Second
		}
		w.run(d)
		seconds += d
	}
	made, would := w.fast.w.count.own[cDecisions], w.slow.w.count.own[cDecisions]
	t.Logf("%d decisions instead of %d in %v", made, would, seconds)
	if made > would*9/10 {
		t.Errorf("%d decisions instead of %d", made, would)
	}
}

// TestCost: what somebody has of a source, and the most that it takes on the way
// there; unless it is not sent while something else is.
func TestCost(t *testing.T) {
	layer := func(encoding, temporal int, bitrate int64, packets float64, active bool) alloc.Layer {
		return alloc.Layer{Encoding: encoding, Temporal: temporal, Bitrate: bitrate, Packets: packets, Active: active}
	}
	all := []alloc.Layer{layer(0, 0, 100, 15, true), layer(0, 1, 90, 30, true), layer(1, 7, 500, 20, true)}
	idle := slices.Clone(all)
	for i := range idle {
		idle[i].Active = false
	}
	dead := slices.Clone(all)
	dead[2].Active = false
	for _, tc := range []struct {
		name     string
		q        quality
		layers   []alloc.Layer
		has      int64
		bits     int64
		packets  float64
		possible bool
	}{
		{"the best", quality{1, 0, 7}, all, 500, 500, 30, true},
		{"one that takes less than the one before", quality{0, 0, 1}, all, 90, 100, 30, true},
		{"the first", quality{0, 0, 0}, all, 100, 100, 15, true},
		{"nothing is sent", quality{1, 0, 7}, idle, 500, 500, 30, true},
		{"others are sent", quality{1, 0, 7}, dead, 500, 500, 30, false},
		{"there is no such thing", quality{2, 0, 7}, all, 0, 0, 0, false},
		{"there is nothing", quality{0, 0, 7}, nil, 0, 0, 0, false},
	} {
		has, most, ok := tc.q.cost(tc.layers)
		if has.Bitrate != tc.has || most.Bitrate != tc.bits || most.Packets != tc.packets || ok != tc.possible {
			t.Errorf("%s: has %+v, at most %+v, %v", tc.name, has, most, ok)
		}
	}
}

// resting is a large conference in which nothing changes: some have cameras, of
// which nobody but the worker's measurements tells any more, and all want
// thumbnails of 25 of them.
type resting struct {
	*bench
	order    []*endpoint
	cameras  []*mediaSource
	estimate uint64 // that each receiver reports
}

func newResting(t testing.TB, cameras, people int, estimate uint64) *resting {
	t.Helper()
	c := &resting{bench: newBench(t, people-1, srtp.AEADAES128GCM), estimate: estimate}
	home := c.w.conferences[meeting]
	c.order = home.order
	for i, ep := range c.order[:cameras] {
		home.setSources(ep, sourcesOf(ep.id, uint32(1000*(i+1))))
		c.cameras = append(c.cameras, ep.sources[1])
	}
	for i, ep := range c.order {
		ask := &colibri.ReceiverVideoConstraints{
			DefaultConstraints: &colibri.VideoConstraints{}, Constraints: map[string]colibri.VideoConstraints{},
		}
		for j := range min(25, cameras) {
			ask.Constraints[c.cameras[(i+j+1)%cameras].name] = colibri.VideoConstraints{MaxHeight: 180}
		}
		ep.message(ask)
	}
	for range 10 {
		c.second()
	}
	return c
}

// second lets one go by, in which every camera sends and everybody reports.
func (c *resting) second() {
	for tenth := range 10 {
		c.w.now = c.w.now.Add(100 * time.Millisecond)
		c.order[0].c.stir() // as packets do
		for i, s := range c.cameras {
			for _, e := range s.encodings {
				e.heard = c.w.now
				if !e.wasLive {
					e.begun()
				}
				e.load.add((labRates[e.index] + 1000*((i+tenth)%10)) / 80)
			}
		}
		for i, ep := range c.order {
			ep.heard = c.w.now
			if i%10 == tenth {
				ep.receiverEstimate(c.estimate)
			}
		}
		c.w.wheel.Advance(c.w.now, c.w.fire)
		c.w.turnOver()
	}
}

// TestNothingIsDecided: a conference in which nothing changes costs no decision,
// as long as everybody gets everything.
func TestNothingIsDecided(t *testing.T) {
	c := newResting(t, 5, 20, 10_000_000)
	decisions := func() uint64 {
		before := c.w.count.own[cDecisions]
		for range 10 {
			c.second()
		}
		return c.w.count.own[cDecisions] - before
	}
	if n := decisions(); n != 0 {
		t.Errorf("%d decisions about those who have everything", n)
	}
	c.estimate = 500_000
	if n := decisions(); n < 20*4 {
		t.Errorf("%d decisions about those who have not", n)
	}
	c.estimate = 10_000_000
	decisions()
	if n := decisions(); n != 0 {
		t.Errorf("%d decisions about those who have everything again", n)
	}
}

// TestStatsAreNews: a client is told what its connection carries when that has
// changed, and by a channel that is new.
func TestStatsAreNews(t *testing.T) {
	l := newLab(t, 1, 0)
	m := l.joinMapped()
	m.kind, m.remb = reportsREMB, 4_000_000
	m.open()
	for _, step := range []struct {
		name   string
		change func()
		want   int
	}{
		{"at first", func() {}, 1},
		{"when nothing changes", func() {}, 0},
		{"when the estimate falls", func() { m.remb = 2_000_000 }, 1},
		{"when it is much the same", func() { m.remb = 2_100_000 }, 1},
		{"when the channel is new", func() { m.shut(); m.open() }, 1},
		{"when nothing changes again", func() {}, 0},
	} {
		m.stats = 0
		step.change()
		l.run(2 * statsEvery * time.Second)
		if m.read(); m.stats != step.want {
			t.Errorf("%s: told %d times, want %d", step.name, m.stats, step.want)
		}
	}
}

// BenchmarkQuietCrowd is what a second of a large conference costs in which
// nothing changes, beside its media.
func BenchmarkQuietCrowd(b *testing.B) {
	for _, estimate := range []uint64{10_000_000, 3_000_000} {
		b.Run(fmt.Sprintf("%d kbit per s", estimate/1000), func(b *testing.B) {
			c := newResting(b, 30, 300, estimate)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				c.second()
			}
		})
	}
}
