package bridge

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/source"
)

// newCouncil is a conference in which everybody sees the last that spoke. They
// have spoken one after the other, the last one last.
func newCouncil(t *testing.T, people int, lastN func(i int) int) *lab {
	t.Helper()
	l := newLab(t, people, 0)
	for i, c := range l.clients {
		n := lastN(i)
		c.kind, c.still, c.ep.bw.started = reportsNothing, true, 1 // the path is no limit
		c.ep.message(&colibri.ReceiverVideoConstraints{LastN: &n})
	}
	for i := range l.clients {
		l.speaks(i)
	}
	return l
}

// speaks lets one of all speak until it has the floor.
func (l *lab) speaks(who int) {
	l.t.Helper()
	c := l.clients[who].ep.c
	for round := range 500 {
		l.w.now = l.w.now.Add(20 * time.Millisecond)
		for i, p := range l.clients {
			level := uint8(roomNoise)
			if i == who && round >= 25 {
				level = voice
			}
			p.ep.heard = l.w.now
			c.heardLevel(p.ep, level)
		}
		l.w.wheel.Advance(l.w.now, l.w.fire)
		if c.talk.floor == l.clients[who].ep {
			return
		}
	}
	l.t.Fatalf("%d does not get the floor", who)
}

// decisions runs what changes something, and counts who is decided about anew.
func (l *lab) decisions(change func()) int {
	l.w.turnOver()
	change()
	n := len(l.w.dirty)
	l.w.turnOver()
	return n
}

// TestDecidesAboutWhoIsConcerned: a change costs decisions about those whom it
// concerns, and not one about everybody.
func TestDecidesAboutWhoIsConcerned(t *testing.T) {
	const people, seen = 12, 3
	l := newCouncil(t, people, func(int) int { return seen })
	c := l.clients[0].ep.c
	camera := func(i int) *mediaSource { return l.clients[i].ep.sources[1] }
	guest := *sourcesOfCamera("zzzzzzzz", 90_000)
	for _, tc := range []struct {
		name   string
		change func()
		want   int
	}{
		{"a microphone comes", func() {
			c.setSources(l.clients[0].ep, source.Set{Sources: sourcesOf(l.clients[0].ep.id, 1000).Sources[:1]})
		}, 0},
		{"a camera that nobody has a place for", func() { c.setSources(l.clients[0].ep, guest) }, 0},
		{"it goes", func() { c.setSources(l.clients[0].ep, source.Set{}) }, 0},
		{"the camera of a silent one is muted", func() { l.clients[1].ep.setVideoType(camera(1), colibri.None) }, 0},
		{"and shown again", func() { l.clients[1].ep.setVideoType(camera(1), colibri.Camera) }, 0},
		{"its layers change", func() { camera(1).layersChanged() }, 0},
		{"that of the speaker is muted", func() { l.clients[11].ep.setVideoType(camera(11), colibri.None) }, people - 1},
		{"and shown again", func() { l.clients[11].ep.setVideoType(camera(11), colibri.Camera) }, people - 1},
		// To those three who sent the three seen and to the others alike it is
		// among the last three, but for the fourth: only the three see it.
		{"the layers of the fourth change", func() { camera(8).layersChanged() }, 3},
		{"who is seen by all others speaks", func() { l.speaks(10) }, 0},
		// For all but these three the order is 10, 11, 9 now.
		{"the last one seen speaks", func() { l.speaks(9) }, people - 3},
	} {
		if got := l.decisions(tc.change); got != tc.want {
			t.Errorf("%s: %d decisions, want %d", tc.name, got, tc.want)
		}
	}
}

// sourcesOfCamera is a camera without a microphone.
func sourcesOfCamera(id string, base uint32) *source.Set {
	s := sourcesOf(id, base)
	s.Sources = s.Sources[1:]
	return &s
}

// TestWhoIsNotConcerned: whatever happens, a decision about everybody would
// have come to the same.
func TestWhoIsNotConcerned(t *testing.T) {
	const people = 8
	r := rand.New(rand.NewPCG(4, 4))
	l := newCouncil(t, people, func(i int) int { return i - 1 }) // no limit, none, 1, ...
	c, spared := l.clients[0].ep.c, 0
	for step := range 600 {
		who := r.IntN(people)
		ep := l.clients[who].ep
		change := [...]func(){
			func() { l.speaks(who) },
			func() { c.setSources(ep, source.Set{}) },
			func() { c.setSources(ep, sourcesOf(ep.id, uint32(1000*(who+1)))) },
			func() {
				for _, s := range ep.sources {
					ep.setVideoType(s, []colibri.VideoType{colibri.None, colibri.Camera, colibri.Desktop}[r.IntN(3)])
				}
			},
			func() {
				name := l.clients[r.IntN(people)].ep.id + "-v0"
				ep.message(&colibri.ReceiverVideoConstraints{
					OnStageSources: []string{name}, DefaultConstraints: &colibri.VideoConstraints{MaxHeight: []int{0, 180, 720}[r.IntN(3)]},
				})
			},
		}[r.IntN(5)]
		spared += people - l.decisions(change)
		if r.IntN(3) > 0 {
			continue // what is known of the last decision has to do for the next change
		}
		for _, ep := range c.order {
			before := maps.Clone(ep.heights)
			c.videos.stale = true
			ep.markDirty()
			l.w.turnOver()
			for _, s := range c.ordered {
				if before[s] != ep.heights[s] {
					t.Fatalf("step %d: %s was to get %s in %d lines and should in %d", step, ep.id, s.name, before[s], ep.heights[s])
				}
			}
		}
	}
	t.Logf("%d decisions were spared", spared)
	if spared < 300 {
		t.Errorf("%d decisions were spared", spared)
	}
}
