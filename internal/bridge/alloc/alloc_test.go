package alloc

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func ptr[T any](v T) *T { return &v }

// camera is what browsers send: three encodings of three temporal layers.
func camera(name string) Source {
	s := Source{Name: name, Enabled: true}
	for enc, rate := range []int64{150_000, 500_000, 1_500_000} {
		for tid, part := range []int64{40, 60, 100} {
			s.Layers = append(s.Layers, Layer{
				Encoding: enc, Temporal: tid, Height: 180 << enc, FrameRate: 7.5 * float64(int(1)<<tid),
				Bitrate: rate * part / 100, Active: true,
			})
		}
	}
	return s
}

func screen(name string, bps int64) Source {
	return Source{Name: name, Screen: true, Enabled: true, Layers: []Layer{{Height: 1080, FrameRate: 5, Bitrate: bps, Active: true}}}
}

// without returns s with the given encodings not being sent.
func without(s Source, encodings ...int) Source {
	s.Layers = slices.Clone(s.Layers)
	for i := range s.Layers {
		if slices.Contains(encodings, s.Layers[i].Encoding) {
			s.Layers[i].Active, s.Layers[i].Bitrate = false, 0
		}
	}
	return s
}

// lingering returns s for a receiver that has the given encoding.
func lingering(s Source, encoding int) Source {
	s.Layers = slices.Clone(s.Layers)
	for i := range s.Layers {
		s.Layers[i].Lingers = s.Layers[i].Encoding == encoding
	}
	return s
}

func off(s Source) Source {
	s.Enabled = false
	return s
}

// show writes a result like "a=2.2/720 b=-/180": encoding.temporal/height in
// order of the sources, then the order of what is forwarded.
func show(r *Result, sources []Source) string {
	var out []string
	for i, d := range r.Decisions {
		layer := "-"
		if d.Encoding != None {
			layer = fmt.Sprintf("%d.%d", d.Encoding, d.Temporal)
		}
		out = append(out, fmt.Sprintf("%s=%s/%d", sources[i].Name, layer, d.MaxHeight))
	}
	text := strings.Join(out, " ") + " >"
	for _, i := range r.Forwarded {
		text += " " + sources[i].Name
	}
	return text
}

type constraints = map[string]colibri.VideoConstraints

func TestRun(t *testing.T) {
	a, b, c := camera("a"), camera("b"), camera("c")
	all := []Source{a, b, c}
	want := func(h int) *colibri.VideoConstraints { return &colibri.VideoConstraints{MaxHeight: h} }
	for _, tc := range []struct {
		name    string
		says    *colibri.ReceiverVideoConstraints // nil: nothing
		sources []Source
		budget  int64
		limit   int
		want    string
	}{
		{"nothing before the first message", nil, all, -1, -1, "a=-/0 b=-/0 c=-/0 >"},
		{"an empty message means thumbnails", &colibri.ReceiverVideoConstraints{}, all, -1, -1,
			"a=0.2/180 b=0.2/180 c=0.2/180 > a b c"},
		{"unlimited", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(Unlimited)}, all, -1, -1,
			"a=2.2/-1 b=2.2/-1 c=2.2/-1 > a b c"},
		{"height between layers", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(500)}, all[:1], -1, -1,
			"a=1.2/500 > a"},
		{"height below all layers", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(90)}, all[:1], -1, -1,
			"a=0.2/90 > a"},
		{"nothing wanted", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(0)}, all, -1, -1,
			"a=-/0 b=-/0 c=-/0 >"},
		{"on stage first, then selected, in their own order",
			&colibri.ReceiverVideoConstraints{OnStageSources: []string{"x", "c"}, SelectedSources: []string{"b", "c"}, Constraints: constraints{"c": {MaxHeight: 720}}}, all, -1, -1,
			"a=0.2/180 b=0.2/180 c=2.2/720 > c b a"},
		{"last-N", &colibri.ReceiverVideoConstraints{LastN: ptr(1), SelectedSources: []string{"b"}}, all, -1, -1,
			"a=-/0 b=0.2/180 c=-/0 > b"},
		{"last-N 0", &colibri.ReceiverVideoConstraints{LastN: ptr(0)}, all, -1, -1, "a=-/0 b=-/0 c=-/0 >"},
		{"the bridge's own limit is lower", &colibri.ReceiverVideoConstraints{LastN: ptr(3)}, all, -1, 2,
			"a=0.2/180 b=0.2/180 c=-/0 > a b"},
		{"the bridge's own limit is higher", &colibri.ReceiverVideoConstraints{LastN: ptr(1)}, all, -1, 2,
			"a=0.2/180 b=-/0 c=-/0 > a"},
		{"last-N counts who is wanted and enabled",
			&colibri.ReceiverVideoConstraints{LastN: ptr(1), Constraints: constraints{"a": {MaxHeight: 0}}}, []Source{a, off(b), c}, -1, -1,
			"a=-/0 b=-/0 c=0.2/180 > c"},
		{"muted on stage", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"a"}}, []Source{off(a), b}, -1, -1,
			"a=-/0 b=0.2/180 > b"},
		{"frame rate", &colibri.ReceiverVideoConstraints{Constraints: constraints{"a": {MaxHeight: 720, MaxFrameRate: 15}, "b": {MaxHeight: 720, MaxFrameRate: 20}, "c": {MaxHeight: 720, MaxFrameRate: 1}}}, all, -1, -1,
			"a=2.1/720 b=2.1/720 c=0.0/720 > a b c"},
		{"a slower layer of the picture it has", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(720)}, []Source{lingering(a, 2)}, 800_000, -1,
			"a=2.0/720 > a"},
		{"that does not fit either", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(720)}, []Source{lingering(a, 2)}, 599_000, -1,
			"a=1.2/720 > a"},
		{"or is not wanted any more", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(360)}, []Source{lingering(a, 2)}, 800_000, -1,
			"a=1.2/360 > a"},
		{"an encoding is not sent", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(360)}, []Source{without(a, 1), without(b, 0)}, -1, -1,
			"a=0.2/360 b=1.2/360 > a b"},
		{"only too large ones are sent", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(180)}, []Source{without(a, 0)}, -1, -1,
			"a=1.2/180 > a"},
		{"nothing is sent yet", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(360)}, []Source{without(a, 0, 1, 2)}, 0, -1,
			"a=1.2/360 > a"},
		{"no layers are known", &colibri.ReceiverVideoConstraints{}, []Source{{Name: "a", Enabled: true}, b}, -1, -1,
			"a=-/180 b=0.2/180 > b"},
		{"no budget", &colibri.ReceiverVideoConstraints{}, all, 0, -1, "a=-/180 b=-/180 c=-/180 >"},
		{"budget is shared evenly", &colibri.ReceiverVideoConstraints{}, all, 200_000, -1,
			"a=0.0/180 b=0.0/180 c=0.0/180 > a b c"},
		{"budget goes in order", &colibri.ReceiverVideoConstraints{}, all, 250_000, -1,
			"a=0.1/180 b=0.1/180 c=0.0/180 > a b c"},
		{"budget for two", &colibri.ReceiverVideoConstraints{}, all, 130_000, -1, "a=0.0/180 b=0.0/180 c=-/180 > a b"},
		{"the stage comes first", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"c"}, Constraints: constraints{"c": {MaxHeight: 720}}}, all, 560_000, -1,
			"a=0.0/180 b=-/180 c=1.2/720 > c a"},
		{"thumbnails wait for the stage", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"c"}, Constraints: constraints{"c": {MaxHeight: 720}}}, all, 180_000, -1,
			"a=-/180 b=-/180 c=0.2/720 > c"},
		{"but not when it cannot have what is left", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"c"}, Constraints: constraints{"c": {MaxHeight: 720}}}, all, 499_999, -1,
			"a=0.2/180 b=0.2/180 c=0.2/720 > c a b"},
		{"a thumbnail on stage does not hold up others", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"c"}}, all, 180_000, -1,
			"a=0.0/180 b=0.0/180 c=0.0/180 > c a b"},
		{"a screen that nearly fits", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"s"}, DefaultConstraints: want(Unlimited)}, []Source{a, screen("s", 800_000)}, 300_000, -1,
			"a=-/-1 s=0.0/-1 > s"},
		{"a screen that does not fit at all", &colibri.ReceiverVideoConstraints{OnStageSources: []string{"s"}, DefaultConstraints: want(Unlimited)}, []Source{a, screen("s", 800_001)}, 300_000, -1,
			"a=0.2/-1 s=-/-1 > a"},
		{"a screen that nearly fits but is not on stage", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(180)}, []Source{screen("s", 400_000), a}, 300_000, -1,
			"s=-/180 a=0.2/180 > a"},
		{"a layer that takes more than a better one", &colibri.ReceiverVideoConstraints{DefaultConstraints: want(Unlimited)},
			[]Source{{Name: "a", Enabled: true, Screen: true, Layers: []Layer{{Height: 360, Bitrate: 900, Active: true}, {Encoding: 1, Height: 720, Bitrate: 300, Active: true}}}}, 500, -1,
			"a=1.0/-1 > a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewSettings(Unlimited)
			if tc.says != nil {
				s.Update(tc.says)
			}
			var alloc Allocator
			if got := show(alloc.Run(&s, tc.sources, Budget{tc.budget, Unlimited, tc.limit}), tc.sources); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestTotals(t *testing.T) {
	s := NewSettings(Unlimited)
	s.Update(&colibri.ReceiverVideoConstraints{DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 360}})
	var alloc Allocator
	r := alloc.Run(&s, []Source{camera("a"), camera("b"), off(camera("c"))}, Budget{700_000, Unlimited, Unlimited})
	if r.Target != 650_000 || r.Ideal != 1_000_000 {
		t.Errorf("target %d, ideal %d", r.Target, r.Ideal)
	}
}

// Fields that a message leaves out keep their value; empty ones replace it.
func TestPartialUpdate(t *testing.T) {
	sources := []Source{camera("a"), camera("b")}
	var alloc Allocator
	s := NewSettings(1)
	for _, step := range []struct {
		says *colibri.ReceiverVideoConstraints
		want string
	}{
		{&colibri.ReceiverVideoConstraints{}, "a=0.2/180 b=-/0 > a"},
		{&colibri.ReceiverVideoConstraints{LastN: ptr(2)}, "a=0.2/180 b=0.2/180 > a b"},
		{&colibri.ReceiverVideoConstraints{OnStageSources: []string{"b"}}, "a=0.2/180 b=0.2/180 > b a"},
		{&colibri.ReceiverVideoConstraints{Constraints: constraints{"b": {MaxHeight: 720}}}, "a=0.2/180 b=2.2/720 > b a"},
		{&colibri.ReceiverVideoConstraints{DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 360}}, "a=1.2/360 b=2.2/720 > b a"},
		{&colibri.ReceiverVideoConstraints{SelectedSources: []string{"a"}, OnStageSources: []string{}}, "a=1.2/360 b=2.2/720 > a b"},
		{&colibri.ReceiverVideoConstraints{SelectedSources: []string{"b", "a", "b"}}, "a=1.2/360 b=2.2/720 > b a"},
		{&colibri.ReceiverVideoConstraints{Constraints: constraints{}}, "a=1.2/360 b=1.2/360 > b a"},
		{&colibri.ReceiverVideoConstraints{}, "a=1.2/360 b=1.2/360 > b a"},
	} {
		s.Update(step.says)
		if got := show(alloc.Run(&s, sources, Unbounded()), sources); got != step.want {
			t.Errorf("got  %s\nwant %s", got, step.want)
		}
	}
	s.SetLastN(0)
	if got := show(alloc.Run(&s, sources, Unbounded()), sources); got != "a=-/0 b=-/0 >" || s.LastN() != 0 || !s.Known() {
		t.Errorf("after last-N 0: %s", got)
	}
}

// What goes when a server is short of packets: large pictures, then frames, then
// whole videos in reverse order of speech, the stage last.
func TestShortOfPackets(t *testing.T) {
	one := func(name string) Source {
		s := camera(name)
		for i := range s.Layers {
			s.Layers[i].Packets = s.Layers[i].FrameRate * float64(1+s.Layers[i].Encoding)
		}
		return s
	}
	sources := []Source{one("a"), one("b"), one("c")}
	var s Settings
	s.Update(&colibri.ReceiverVideoConstraints{
		LastN: ptr(Unlimited), OnStageSources: []string{"c"},
		Constraints:        constraints{"c": {MaxHeight: 360}},
		DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 360},
	})
	var alloc Allocator
	for _, step := range []struct {
		packets float64
		want    string
		short   bool
	}{
		{-1, "a=1.2/360 b=1.2/360 c=1.2/360 > c a b", false},
		{180, "a=1.2/360 b=1.2/360 c=1.2/360 > c a b", false},
		{179, "a=1.2/360 b=0.2/360 c=1.2/360 > c a b", true},
		{120, "a=0.2/360 b=0.2/360 c=1.2/360 > c a b", true},
		{90, "a=0.1/360 b=0.1/360 c=1.2/360 > c a b", true},
		{75, "a=0.0/360 b=0.0/360 c=1.2/360 > c a b", true},
		{70, "a=0.0/360 b=-/360 c=1.2/360 > c a", true},
		{60, "a=-/360 b=-/360 c=1.2/360 > c", true},
		{30, "a=-/360 b=-/360 c=0.2/360 > c", true},
		{7.5, "a=-/360 b=-/360 c=0.0/360 > c", true},
		{0, "a=-/360 b=-/360 c=-/360 >", true},
	} {
		r := alloc.Run(&s, sources, Budget{Unlimited, step.packets, Unlimited})
		if got := show(r, sources); got != step.want || r.Short != step.short || r.IdealPackets != 180 {
			t.Errorf("%v packets/s: %s, short %v, ideal %v; want %s", step.packets, got, r.Short, r.IdealPackets, step.want)
		}
	}
	for i := range sources[1].Layers {
		sources[1].Layers[i].ExtraPackets = 10 // b has nothing so far
	}
	if got := show(alloc.Run(&s, sources, Budget{Unlimited, 75, Unlimited}), sources); got != "a=0.1/360 b=-/360 c=1.2/360 > c a" {
		t.Errorf("with what has to be left besides: %s", got)
	}
}

// The older message alone starts no video.
func TestLastNBeforeConstraints(t *testing.T) {
	s := NewSettings(Unlimited)
	s.SetLastN(5)
	if s.Known() {
		t.Error("known")
	}
	s.Update(&colibri.ReceiverVideoConstraints{})
	if s.LastN() != 5 {
		t.Errorf("last-N %d", s.LastN())
	}
}

func TestNoAllocations(t *testing.T) {
	sources, s := room(rand.New(rand.NewPCG(1, 1)), 50)
	var alloc Allocator
	alloc.Run(&s, sources, Budget{3_000_000, Unlimited, Unlimited})
	allocs.None(t, allocs.Many, func() { alloc.Run(&s, sources, Budget{3_000_000, Unlimited, Unlimited}) })
}

func TestDemand(t *testing.T) {
	var d Demand
	for i, step := range []struct {
		before, now, want int
		changed           bool
	}{
		{0, 180, 180, true},
		{0, 180, 180, false},
		{0, 720, 720, true},
		{180, 360, 720, false},
		{720, 720, 720, false},
		{720, 0, 360, true},
		{0, Unlimited, Unlimited, true},
		{360, 1080, Unlimited, false},
		{Unlimited, 0, 1080, true},
		{1080, 0, 180, true},
		{180, 0, 0, true},
		{0, 0, 0, false},
		{180, 0, 0, false}, // more than was ever wanted: no harm
	} {
		if h, changed := d.Change(step.before, step.now); h != step.want || changed != step.changed {
			t.Errorf("step %d: %d, %v", i, h, changed)
		}
	}
}

// The twin remembers what each receiver wants and looks at all of them.
func TestDemandTwin(t *testing.T) {
	heights := []int{Unlimited, 0, 0, 90, 180, 360, 720, 1080, 2160}
	r := rand.New(rand.NewPCG(4, 4))
	var d Demand
	wants := make([]int, 20)
	last := 0
	for range 5000 {
		i, h := r.IntN(len(wants)), heights[r.IntN(len(heights))]
		got, changed := d.Change(wants[i], h)
		wants[i] = h
		most := 0
		for _, w := range wants {
			if w == Unlimited || most == Unlimited {
				most = Unlimited
			} else {
				most = max(most, w)
			}
		}
		if got != most || changed != (most != last) {
			t.Fatalf("got %d, %v; want %d", got, changed, most)
		}
		last = most
	}
}

func benchmarkRun(b *testing.B, n int, budget int64) {
	sources, s := room(rand.New(rand.NewPCG(1, 1)), n)
	var alloc Allocator
	b.ReportAllocs()
	for b.Loop() {
		alloc.Run(&s, sources, Budget{budget, Unlimited, Unlimited})
	}
}

func BenchmarkRun20(b *testing.B)           { benchmarkRun(b, 20, 3_000_000) }
func BenchmarkRun500(b *testing.B)          { benchmarkRun(b, 500, 3_000_000) }
func BenchmarkRun500Unlimited(b *testing.B) { benchmarkRun(b, 500, -1) }

func TestAsked(t *testing.T) {
	var s Settings
	if s.Asked() != nil {
		t.Error("something is asked for before anything was said")
	}
	lastN := 2
	s.Update(&colibri.ReceiverVideoConstraints{
		LastN: &lastN, OnStageSources: []string{"a"}, Constraints: map[string]colibri.VideoConstraints{"a": {MaxHeight: 720}, "b": {}},
	})
	got := s.Asked()
	if want := (Asked{LastN: 2, OnStage: []string{"a"}, Heights: map[string]int{"a": 720, "b": 0}, Others: standardHeight}); !reflect.DeepEqual(*got, want) {
		t.Errorf("asked for %+v, want %+v", *got, want)
	}
	got.Heights["a"], got.OnStage[0] = 0, "x"
	if again := s.Asked(); again.Heights["a"] != 720 || again.OnStage[0] != "a" {
		t.Error("what was returned is not a copy")
	}
}
