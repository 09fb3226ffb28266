package bridge

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
)

// videoWish is what a receiver has said about the videos it wants.
type videoWish struct {
	known    bool // it has said something, or is taken to have
	lastN    int
	selected []string
	onStage  []string
	standard int // height for sources without a constraint of their own
	heights  map[string]int
}

// thumbnail is the height for sources of which a client says nothing.
const thumbnail = 180

// setConstraints merges what a client says now into what it said before:
// what is missing keeps its value.
func (ep *endpoint) setConstraints(m *colibri.ReceiverVideoConstraints) {
	w := &ep.wish
	if !w.known {
		w.known, w.standard = true, thumbnail
	}
	if m.LastN != nil {
		w.lastN = *m.LastN
	}
	if m.SelectedSources != nil {
		w.selected = m.SelectedSources
	}
	if m.OnStageSources != nil {
		w.onStage = m.OnStageSources
	}
	if m.DefaultConstraints != nil {
		w.standard = m.DefaultConstraints.MaxHeight
	}
	if m.Constraints != nil {
		w.heights = map[string]int{}
		for name, c := range m.Constraints {
			w.heights[name] = c.MaxHeight
		}
	}
	ep.markDirty()
}

func (ep *endpoint) setInitialLastN(n int) {
	if !ep.wish.known {
		ep.wish.lastN = n
	}
}

// checkChannelless gives video to clients that never open a bridge channel:
// without one they could not ask.
func (ep *endpoint) checkChannelless(now mono.Time) {
	if ep.wish.known || ep.channel.opened || ep.securedAt == 0 {
		return
	}
	if now.Sub(ep.securedAt) > ep.w.b.opt.Limits.NoChannel {
		ep.wish.known, ep.wish.standard = true, thumbnail
		ep.markDirty()
	}
}

// markDirty asks for a new allocation before the worker waits again.
func (ep *endpoint) markDirty() {
	if ep.dirty || ep.gone {
		return
	}
	ep.dirty = true
	ep.w.dirty = append(ep.w.dirty, ep)
}

func (c *conference) markAllDirty() {
	for _, ep := range c.order {
		ep.markDirty()
	}
}

// allocationsPerTurn bounds what one change in a large conference may delay
// media by; the rest waits for the next turn, which comes at once.
const allocationsPerTurn = 32

func (w *worker) reallocate() {
	n := min(len(w.dirty), allocationsPerTurn)
	for _, ep := range w.dirty[:n] {
		ep.dirty = false
		if !ep.gone {
			ep.allocate()
		}
	}
	w.dirty = slices.Delete(w.dirty, 0, n)
}

// allocate decides anew what video the endpoint gets.
func (ep *endpoint) allocate() {
	if ep.sealer == nil || !ep.wish.known {
		return
	}
	ordered := ep.prioritized()
	left := ep.wish.lastN
	var names []string
	for _, s := range ordered {
		height := ep.wish.height(s.name)
		if s.off || height == 0 || left == 0 {
			ep.setHeight(s, 0)
			ep.setVideo(s, simulcast.None, 0)
			continue
		}
		left--
		ep.setHeight(s, height)
		ep.setVideo(s, s.choose(height), simulcast.AllTemporal)
		names = append(names, s.name)
	}
	ep.forwarded.names = names
	if names == nil {
		ep.forwarded.names = []string{}
	}
	ep.tellForwarded()
}

func (w *videoWish) height(name string) int {
	if h, ok := w.heights[name]; ok {
		return h
	}
	return w.standard
}

// prioritized lists all video sources of others: on stage, selected, then as
// their senders have spoken.
func (ep *endpoint) prioritized() []*mediaSource {
	var out []*mediaSource
	seen := map[*mediaSource]bool{}
	add := func(s *mediaSource) {
		if s != nil && s.kind == media.Video && s.owner != ep && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	for _, name := range ep.wish.onStage {
		add(ep.c.sources[name])
	}
	for _, name := range ep.wish.selected {
		add(ep.c.sources[name])
	}
	for _, s := range ep.c.byRecency() {
		add(s)
	}
	return out
}

// choose picks the best encoding that is being sent and not above a height;
// the smallest one if all are.
func (s *mediaSource) choose(height int) int {
	now, best, first := s.owner.w.now, simulcast.None, simulcast.None
	for i, e := range s.encodings {
		if !e.live(now) {
			continue
		}
		if first == simulcast.None {
			first = i
		}
		if height == colibri.Unlimited || e.assumedHeight() <= height {
			best = i
		}
	}
	switch {
	case best != simulcast.None:
		return best
	case first != simulcast.None:
		return first
	}
	return 0
}

// assumedHeight is the height the encoding has, or the one clients usually
// send at its place while that is not known.
func (e *encoding) assumedHeight() int {
	if e.height != 0 {
		return e.height
	}
	return thumbnail << e.index
}

// layersChanged is called when an encoding began, ended, or changed its size.
func (s *mediaSource) layersChanged() { s.owner.c.markAllDirty() }

// demand is how large a source is wanted by those who receive it.
type demand struct {
	count map[int]int // height -> receivers
	told  int
	known bool // told is valid
}

// setHeight notes how large ep wants s.
func (ep *endpoint) setHeight(s *mediaSource, height int) {
	old, had := ep.heights[s]
	if had && old == height {
		return
	}
	if s.demand.count == nil {
		s.demand.count = map[int]int{}
	}
	if had {
		s.demand.less(old)
	}
	ep.heights[s] = height
	s.demand.count[height]++
	s.tellDemand()
}

func (d *demand) less(height int) {
	if d.count[height]--; d.count[height] == 0 {
		delete(d.count, height)
	}
}

// dropHeights takes back everything a receiver wanted.
func (ep *endpoint) dropHeights() {
	for s, h := range ep.heights {
		s.demand.less(h)
		delete(ep.heights, s)
		s.tellDemand()
	}
}

// tellDemand tells the sender when the greatest height has changed.
func (s *mediaSource) tellDemand() {
	most := 0
	for h := range s.demand.count {
		if h == colibri.Unlimited || most == colibri.Unlimited {
			most = colibri.Unlimited
		} else {
			most = max(most, h)
		}
	}
	if s.demand.known && s.demand.told == most {
		return
	}
	s.demand.told, s.demand.known = most, true
	s.owner.sendChannel(s.demandMessage())
}

// watchLayers notices encodings that began or ended.
func (c *conference) watchLayers(now mono.Time) {
	for _, s := range c.ordered {
		changed := false
		for _, e := range s.encodings {
			if live := e.live(now); s.kind == media.Video && live != e.wasLive {
				e.wasLive, changed = live, true
			}
		}
		if changed {
			s.layersChanged()
		}
	}
}

// liveFor is how long an encoding counts as being sent after its last packet.
// A still screen sends seldom.
func (e *encoding) live(now mono.Time) bool {
	limit := time.Second
	if e.src.videoType == "desktop" {
		limit = 3 * time.Second
	}
	return e.heard != 0 && now.Sub(e.heard) < limit
}
