package bridge

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/source"
)

// videos is what a conference offers its receivers, in speech order; it is
// made anew when anything about it has changed.
type videos struct {
	stale   bool
	listed  mono.Time // when it was made
	sources []*mediaSource
	offered []alloc.Source // parallel to sources
}

// allocation is a worker's memory for deciding about one receiver.
type allocation struct {
	engine  alloc.Allocator
	sources []*mediaSource
	offered []alloc.Source
	layers  []alloc.Layer // of the receiver's copy of the offer
	names   []string
}

// forget clears what decisions have left.
func (a *allocation) forget() {
	clear(a.sources[:cap(a.sources)])
	clear(a.offered[:cap(a.offered)])
}

func (ep *endpoint) setConstraints(m *colibri.ReceiverVideoConstraints) {
	ep.c.stir()
	ep.settings.Update(m)
	ep.bw.hold.ask()
	ep.markDirty()
}

func (ep *endpoint) setLastN(n int) {
	ep.c.stir()
	ep.settings.SetLastN(n)
	ep.bw.hold.ask()
	ep.markDirty()
}

func (ep *endpoint) setInitialLastN(n int) {
	if !ep.settings.Known() {
		ep.settings.SetLastN(n)
	}
}

// checkChannelless gives video to clients that never open a bridge channel:
// without one they could not ask.
func (ep *endpoint) checkChannelless(now mono.Time) {
	if ep.settings.Known() || ep.channel.opened || ep.securedAt == 0 {
		return
	}
	if now.Sub(ep.securedAt) > ep.w.b.opt.Limits.NoChannel {
		ep.setConstraints(&colibri.ReceiverVideoConstraints{})
	}
}

// markDirty asks for a new allocation before the worker waits again.
func (ep *endpoint) markDirty() {
	ep.changed = true
	ep.budgetMoved()
}

// budgetMoved does so if nothing has changed but what ep may be sent, and what
// that takes: who has everything keeps it, see keepsAll.
func (ep *endpoint) budgetMoved() {
	if ep.dirty || ep.gone {
		return
	}
	ep.dirty = true
	ep.w.dirty = append(ep.w.dirty, ep)
}

// allocationsPerTurn bounds what one change in a large conference may delay
// media by; the rest waits for the next turn, which comes at once.
const allocationsPerTurn = 32

func (w *worker) reallocate() {
	n := min(len(w.dirty), allocationsPerTurn)
	for _, ep := range w.dirty[:n] {
		ep.reallocate()
	}
	w.dirty = slices.Delete(w.dirty, 0, n)
}

// reallocate decides anew if that is still due.
func (ep *endpoint) reallocate() {
	if !ep.dirty {
		return
	}
	changed := ep.changed
	ep.dirty, ep.changed = false, false
	if ep.takesVideo() && (changed || !ep.keepsAll()) {
		ep.allocate()
	}
}

// takesVideo reports whether the endpoint can be sent video now. Without a way
// to it even a key frame that is there would be lost, and nobody would know:
// DTLS may be over before ICE is.
func (ep *endpoint) takesVideo() bool {
	return !ep.gone && ep.sealer != nil && ep.to.IsValid() && ep.settings.Known() && ep.formats.video
}

// allocate decides anew what video the endpoint gets.
func (ep *endpoint) allocate() {
	ep.w.count.inc(cDecisions)
	a := &ep.w.alloc
	ep.c.offer(a, ep)
	budget := ep.budget()
	if budget.Bits >= 0 || budget.Packets >= 0 {
		ep.priceChanges(a)
	}
	res := a.engine.Run(&ep.settings, a.offered, budget)
	ep.ration.allocated(res)
	ep.watchChanges(a, res)
	ep.note(a, res)
	for i, d := range res.Decisions {
		ep.setHeight(a.sources[i], d.MaxHeight)
		if d.Encoding == simulcast.None { // first, as others may need their slots
			ep.decide(a.sources[i], &d)
		}
	}
	for i, d := range res.Decisions {
		if d.Encoding != simulcast.None && !ep.decide(a.sources[i], &d) {
			ep.affected.full = false
		}
	}
	ep.tellMaps(false)
	a.names = a.names[:0]
	for _, i := range res.Forwarded {
		a.names = append(a.names, a.sources[i].name)
	}
	ep.setForwarded(a.names)
	ep.allocated(budget.Bits, res)
}

// decide carries a decision out, and reports whether there is a stream for that.
func (ep *endpoint) decide(s *mediaSource, d *alloc.Decision) bool {
	v := ep.setVideo(s, qualityOf(d))
	if v != nil {
		v.watchSlow(d.Lingers)
	}
	return v != nil
}

// videoLimit is how many videos the endpoint can be sent at a time.
func (ep *endpoint) videoLimit() int {
	limit := ep.c.lastN
	if n := ep.w.b.opt.Limits.Slots; ep.rewrites() && (limit == alloc.Unlimited || n < limit) {
		return n
	}
	return limit
}

// ratesFresh is how old the bitrates may be that layers are chosen by.
const ratesFresh = time.Second

// offer fills a with what ep could get.
func (c *conference) offer(a *allocation, ep *endpoint) {
	c.refreshVideos()
	a.sources, a.offered = a.sources[:0], a.offered[:0]
	for i, s := range c.videos.sources {
		if s.owner != ep {
			a.sources = append(a.sources, s)
			a.offered = append(a.offered, c.videos.offered[i])
		}
	}
}

func (c *conference) refreshVideos() {
	if c.videos.stale || c.w.now.Sub(c.videos.listed) >= ratesFresh {
		c.listVideos()
	}
}

func (c *conference) listVideos() {
	v := &c.videos
	v.listed = c.w.now
	v.stale, v.sources, v.offered = false, v.sources[:0], v.offered[:0]
	for _, s := range c.byRecency() {
		if s.kind == media.Video {
			v.sources = append(v.sources, s)
			v.offered = append(v.offered, s.offer(c.w.now))
		}
	}
}

// smallest is the height clients usually send as the smallest encoding.
const smallest = 180

// assumedHeight is the height the encoding has, or the one clients usually
// send at its place while that is not known.
func (e *encoding) assumedHeight() int {
	if e.height != 0 {
		return e.height
	}
	return smallest << e.index
}

// changesPerTick is how many changes of its layers an endpoint makes at most
// between two ticks of its conference that count at once: three encodings that
// begin, and their sizes, with some to spare. Each makes the bridge decide
// anew about everybody who wants the source.
const changesPerTick = 8

// layersChanged is called when an encoding began, ended, or changed its size.
func (s *mediaSource) layersChanged() {
	if s.owner.changes++; s.owner.changes <= changesPerTick {
		s.markWantedDirty()
	}
}

// decideNow is for a picture that is passing by: it does not wait for the end
// of the turn for those who want the source, or for the first of them if they
// are too many.
func (s *mediaSource) decideNow() {
	left := allocationsPerTurn
	for _, ep := range s.owner.c.order {
		if ep.dirty && ep.wants(s) {
			ep.reallocate()
			if left--; left == 0 {
				return
			}
		}
	}
}

// demand is how large a source is wanted by those who receive it, and what
// its sender knows of that.
type demand struct {
	alloc.Demand
	told  int
	known bool      // told is valid
	lower mono.Time // since when less is wanted than was told, 0 if it is not
}

// lowerAfter is how long less must have been wanted before the sender is told.
// Receivers turn pages, and ask one after the other: a sender that stops an
// encoding and begins it again pays with a key frame for everybody.
const lowerAfter = time.Second

// setHeight notes how large ep wants s.
func (ep *endpoint) setHeight(s *mediaSource, height int) {
	before := ep.heights[s]
	if height != 0 {
		ep.heights[s] = height
	} else {
		delete(ep.heights, s) // a thousand receivers of a thousand cameras would keep a million
	}
	s.demand.Change(before, height)
	s.watchDemand()
}

// dropHeights takes back everything a receiver wanted.
func (ep *endpoint) dropHeights() {
	for s, h := range ep.heights {
		delete(ep.heights, s)
		s.demand.Change(h, 0)
		s.watchDemand()
	}
}

// watchDemand tells the sender at once when more is wanted. That less is wanted
// is told by settleDemand, if it lasts.
func (s *mediaSource) watchDemand() {
	d, most := &s.demand, s.demand.Height()
	told := d.told
	if !d.known {
		told = 0
	}
	switch {
	case larger(most, told):
		s.tellDemand(most)
	case d.known && most == told:
		d.lower = 0
	case d.lower == 0:
		d.lower = s.owner.w.now
	}
}

// larger compares heights of which one may be alloc.Unlimited.
func larger(a, b int) bool {
	return b != alloc.Unlimited && (a == alloc.Unlimited || a > b)
}

func (s *mediaSource) settleDemand(now mono.Time) {
	if d := &s.demand; d.lower != 0 && now.Sub(d.lower) >= lowerAfter {
		s.tellDemand(d.Height())
	}
}

func (s *mediaSource) tellDemand(most int) {
	s.demand.told, s.demand.known, s.demand.lower = most, true, 0
	s.owner.sendChannel(s.demandMessage())
}

// watchLayers notices encodings that began or ended.
func (c *conference) watchLayers(now mono.Time) {
	for _, ep := range c.order {
		if ep.changes > changesPerTick {
			ep.markWantedDirty()
		}
		ep.changes = 0
	}
	for _, s := range c.ordered {
		s.settleDemand(now)
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

// An encoding counts as being sent for that long after its last packet. A
// still screen sends seldom.
const (
	cameraLive = time.Second
	screenLive = 3 * time.Second
)

func (e *encoding) live(now mono.Time) bool {
	if e.src.videoType == source.Desktop {
		return e.heard != 0 && now.Sub(e.heard) < screenLive
	}
	return e.heard != 0 && now.Sub(e.heard) < cameraLive && e.behind < stalledAfter
}
