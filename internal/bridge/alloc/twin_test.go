package alloc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plenum-conf/plenum/internal/colibri"
)

// room makes n random sources and the settings of a random receiver.
func room(r *rand.Rand, n int) ([]Source, Settings) {
	sources := make([]Source, n)
	var names []string
	for i := range sources {
		sources[i] = randomSource(r, fmt.Sprint("s", i))
		names = append(names, sources[i].Name)
	}
	names = append(names, "gone")
	some := func() (out []string) {
		for range r.IntN(4) {
			out = append(out, names[r.IntN(len(names))])
		}
		return out
	}
	m := &colibri.ReceiverVideoConstraints{OnStageSources: some(), SelectedSources: some(), Constraints: constraints{}}
	for _, name := range names {
		if r.IntN(3) == 0 {
			m.Constraints[name] = randomConstraints(r)
		}
	}
	if r.IntN(2) == 0 {
		m.DefaultConstraints = ptr(randomConstraints(r))
	}
	s := NewSettings(r.IntN(n+3) - 1)
	s.Update(m)
	return sources, s
}

func randomConstraints(r *rand.Rand) colibri.VideoConstraints {
	heights := []int{Unlimited, 0, 90, 180, 270, 360, 720, 1080}
	c := colibri.VideoConstraints{MaxHeight: heights[r.IntN(len(heights))]}
	if r.IntN(4) == 0 {
		c.MaxFrameRate = []float64{5, 15, 30}[r.IntN(3)]
	}
	return c
}

func randomSource(r *rand.Rand, name string) Source {
	s := Source{Name: name, Enabled: r.IntN(6) > 0, Screen: r.IntN(6) == 0}
	temporal := 1 + r.IntN(3)
	height, rate := []int{90, 180, 270, 540}[r.IntN(4)], []float64{30, 60}[r.IntN(2)]
	alive := r.IntN(5) > 0
	for enc := range r.IntN(4) {
		active := alive && r.IntN(5) > 0
		for tid := range temporal {
			l := Layer{Encoding: enc, Spatial: r.IntN(3), Temporal: tid, Height: height << enc, Active: active, Lingers: r.IntN(8) == 0}
			l.Packets = float64(r.IntN(10<<enc)) * float64(tid+1) // whole, so that sums are exact
			if r.IntN(10) > 0 {
				l.FrameRate = rate / float64(int(1)<<(temporal-1-tid))
			}
			if active {
				l.Bitrate = int64(r.IntN(100_000<<enc)) * int64(tid+1)
			}
			s.Layers = append(s.Layers, l)
		}
	}
	slices.SortStableFunc(s.Layers, func(a, b Layer) int {
		if a.Height != b.Height {
			return a.Height - b.Height
		}
		return int(a.FrameRate*10) - int(b.FrameRate*10)
	})
	return s
}

// slowSource is a source as the twin sees it.
type slowSource struct {
	index  int
	rank   int // the lower the sooner
	stage  bool
	limits colibri.VideoConstraints
	layers []Layer
	has    *Layer
}

// slow decides by the rules in the package's documentation, with lists that
// are searched and sorted again and again.
func slow(s *Settings, sources []Source, budget Budget) (decisions []Decision, forwarded []int) {
	decisions = make([]Decision, len(sources))
	var line []*slowSource
	for i, src := range sources {
		decisions[i] = Decision{Encoding: None}
		one := &slowSource{index: i, rank: 1_000_000 + i, limits: s.standard}
		if c, ok := s.special()[src.Name]; ok {
			one.limits = c
		}
		if p := slices.Index(s.selected, src.Name); p >= 0 {
			one.rank = 1000 + p
		}
		if p := slices.Index(s.onStage, src.Name); p >= 0 {
			one.rank, one.stage = p, true
		}
		if src.Enabled && one.limits.MaxHeight != 0 {
			line = append(line, one)
		}
	}
	slices.SortFunc(line, func(a, b *slowSource) int { return a.rank - b.rank })
	for _, n := range []int{s.lastN, budget.Sources} {
		if n >= 0 && n < len(line) {
			line = line[:n]
		}
	}
	for _, one := range line {
		decisions[one.index].MaxHeight = one.limits.MaxHeight
		one.layers = slowLayers(sources[one.index], one.limits)
	}
	slowDistribute(line, sources, budget)
	for _, one := range line {
		if one.has != nil {
			d := &decisions[one.index]
			d.Encoding, d.Spatial, d.Temporal, d.Lingers = one.has.Encoding, one.has.Spatial, one.has.Temporal, one.has.Lingers
			forwarded = append(forwarded, one.index)
		}
	}
	return decisions, forwarded
}

// slowLayers lists the layers that come into question.
func slowLayers(s Source, c colibri.VideoConstraints) (out []Layer) {
	var exist []Layer
	for _, l := range s.Layers {
		if l.Active {
			exist = append(exist, l)
		}
	}
	if len(exist) == 0 {
		exist = s.Layers
	}
	best := 0.0
	for _, l := range exist {
		if c.MaxFrameRate == 0 || l.FrameRate <= c.MaxFrameRate {
			best = max(best, min(l.FrameRate, 30))
		}
	}
	for _, l := range exist {
		fast := c.MaxFrameRate > 0 && l.FrameRate > c.MaxFrameRate
		high := c.MaxHeight > 0 && l.Height > c.MaxHeight
		full := l.FrameRate == 0 || l.FrameRate >= best
		small := l.Height < 360 && (c.MaxHeight < 0 || c.MaxHeight > 180)
		lingers := l.Lingers
		l.Lingers = false
		switch {
		case l.Height == exist[0].Height && (!fast || l.FrameRate == exist[0].FrameRate):
			out = append(out, l)
		case l.Height > exist[0].Height && !fast && !high && (s.Screen || full || small):
			out = append(out, l)
		case l.Height > exist[0].Height && !fast && !high && lingers:
			l.Lingers = true
			out = append(out, l)
		}
	}
	return out
}

// goal is the layer an on-stage source has to reach before others are served.
func (one *slowSource) goal(screen bool) int {
	if !screen && one.limits.MaxHeight > 0 && one.limits.MaxHeight <= 180 {
		return -1
	}
	goal := -1
	for i, l := range one.layers {
		if screen || l.Height <= 360 || l.Height == one.layers[0].Height {
			goal = i
		}
	}
	return goal
}

func slowDistribute(line []*slowSource, sources []Source, budget Budget) {
	fits := func(one *slowSource, i int) bool {
		bits, packets := one.layers[i].Bitrate, one.layers[i].Packets
		for _, other := range line {
			if other != one && other.has != nil {
				bits += other.has.Bitrate
				packets += other.has.Packets
			}
		}
		return (budget.Bits < 0 || bits <= budget.Bits) && (budget.Packets < 0 || packets <= budget.Packets)
	}
	at := func(one *slowSource) int {
		for i := range one.layers {
			if one.has == &one.layers[i] {
				return i
			}
		}
		return -1
	}
	again := true
	pass := func(wait bool) {
		again = false
		for _, one := range line {
			goal := one.goal(sources[one.index].Screen)
			var possible []int
			for i := at(one) + 1; i < len(one.layers); i++ {
				if fits(one, i) {
					possible = append(possible, i)
				}
			}
			if len(possible) > 0 {
				to := possible[0]
				if one.stage && one.has == nil {
					for _, i := range possible {
						if i <= goal {
							to = i
						}
					}
				}
				one.has = &one.layers[to]
				again = true
			}
			if wait && one.stage && at(one) < goal {
				break
			}
		}
	}
	for again {
		pass(true)
	}
	if len(line) > 0 && line[0].stage && sources[line[0].index].Screen && line[0].has == nil && len(line[0].layers) > 0 &&
		line[0].layers[0].Bitrate <= budget.Bits+500_000 && (budget.Packets < 0 || line[0].layers[0].Packets <= budget.Packets) {
		line[0].has = &line[0].layers[0]
	}
	for again = true; again; {
		pass(false)
	}
}

func TestTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var alloc Allocator
	chosen := 0
	for round := range 20_000 {
		sources, s := room(r, 1+r.IntN(8))
		budget := Budget{Bits: int64(r.IntN(1_500_000)), Packets: float64(r.IntN(200)), Sources: r.IntN(10) - 1}
		if r.IntN(5) == 0 {
			budget.Bits = -1
		}
		if r.IntN(2) == 0 {
			budget.Packets = -1
		}
		got := alloc.Run(&s, sources, budget)
		decisions, forwarded := slow(&s, sources, budget)
		if !slices.Equal(got.Decisions, decisions) || !slices.Equal(got.Forwarded, forwarded) {
			t.Fatalf("round %d, budget %+v\nsettings %+v\nsources %+v\ngot  %s\nwant %+v, %v",
				round, budget, s, sources, show(got, sources), decisions, forwarded)
		}
		if budget.Bits >= 0 && got.Target > budget.Bits && (len(got.Forwarded) != 1 || got.Target > budget.Bits+oversend) {
			t.Fatalf("round %d: %d bit/s for a budget of %d", round, got.Target, budget.Bits)
		}
		if budget.Packets >= 0 && got.Packets > budget.Packets {
			t.Fatalf("round %d: %v packets/s for a budget of %v", round, got.Packets, budget.Packets)
		}
		chosen += len(got.Forwarded)
		unlimited := budget
		unlimited.Packets = -1
		was := *got
		was.Decisions = slices.Clone(got.Decisions)
		if more := alloc.Run(&s, sources, unlimited); !was.Short && !slices.Equal(more.Decisions, was.Decisions) {
			t.Fatalf("round %d: short is %v\n%+v\n%+v", round, was.Short, was, more)
		}
		if was.Ideal < 0 || budget.Bits < 0 && budget.Packets < 0 && (was.Ideal != was.Target || was.IdealPackets != was.Packets) {
			t.Fatalf("round %d: ideal %d, target %d", round, was.Ideal, was.Target)
		}
	}
	if chosen < 20_000 {
		t.Errorf("only %d choices were compared", chosen)
	}
}

// TestFull: who got the best of everything gets it again, whatever layers take
// by then, as long as the dearest of each source up to that fit together.
func TestFull(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	var alloc Allocator
	full := 0
	for round := range 5000 {
		sources, s := room(r, 1+r.IntN(8))
		budget := Budget{Bits: int64(r.IntN(4_000_000)), Packets: float64(r.IntN(800)), Sources: r.IntN(10) - 1}
		was := alloc.Run(&s, sources, budget)
		if got := was.Full; !got || was.Target != was.Ideal || was.Packets != was.IdealPackets {
			all := alloc.Run(&s, sources, Budget{Unlimited, Unlimited, budget.Sources})
			lingers := slices.ContainsFunc(all.Decisions, func(d Decision) bool { return d.Lingers })
			if got || all.Full == lingers {
				t.Fatalf("round %d: full is %v, %v without a limit; some linger: %v", round, got, all.Full, lingers)
			}
			continue
		}
		full++
		decisions := slices.Clone(was.Decisions)
		budget.Bits, budget.Packets = 0, 0
		for i := range decisions {
			vary(r, sources[i].Layers)
			most := dearest(sources[i].Layers, &decisions[i])
			budget.Bits, budget.Packets = budget.Bits+most.Bitrate, budget.Packets+most.Packets
		}
		if !budget.Holds(budget.Bits, budget.Packets) || budget.Holds(budget.Bits+1, 0) || budget.Holds(0, budget.Packets+1) {
			t.Fatalf("%+v holds more or less than it is", budget)
		}
		if again := alloc.Run(&s, sources, budget); !again.Full || !slices.Equal(again.Decisions, decisions) {
			t.Fatalf("round %d, budget %+v\nwas   %+v\nagain %+v, full %v", round, budget, decisions, again.Decisions, again.Full)
		}
	}
	if full < 1000 {
		t.Errorf("only %d rounds had everything", full)
	}
}

// vary changes what layers take.
func vary(r *rand.Rand, layers []Layer) {
	for i := range layers {
		if l := &layers[i]; l.Active {
			l.Bitrate, l.Packets = l.Bitrate*int64(50+r.IntN(200))/100, float64(r.IntN(200))
		}
	}
}

// dearest is the most that any layer takes up to the one that was chosen.
func dearest(layers []Layer, d *Decision) (most Layer) {
	if d.Encoding == None {
		return most
	}
	for i := range layers {
		l := &layers[i]
		most.Bitrate, most.Packets = max(most.Bitrate, l.Bitrate), max(most.Packets, l.Packets)
		if l.Encoding == d.Encoding && l.Spatial == d.Spatial && l.Temporal == d.Temporal {
			break
		}
	}
	return most
}
