package bridge

import (
	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/media"
)

// Who has to be decided anew about when something changes. In a conference of
// hundreds most changes concern few: whoever is decided about in vain takes the
// time of somebody's media.

// affected is what of the last decision about a receiver tells whether a change
// of another's concerns it.
type affected struct {
	limited bool // it gets less than it wants: the order of speech decides who has it
	// last owns the last source that was let in when there was no place for
	// more; nil if there is, or all places are taken by sources it asked for by
	// name.
	last *endpoint
	full bool // it gets the best of all it wants
	// decided is the number of the newest source there was.
	decided uint64
}

// note keeps what of a decision others' changes are judged by.
func (ep *endpoint) note(a *allocation, res *alloc.Result) {
	limit := ep.videoLimit()
	if n := ep.settings.LastN(); limit < 0 || n >= 0 && n < limit {
		limit = n
	}
	ep.affected = affected{limited: res.Target < res.Ideal || res.Short, full: res.Full && !res.Short, decided: ep.c.newest}
	for i, d := range res.Decisions {
		if d.MaxHeight == 0 {
			continue
		}
		limit--
		if s := a.sources[i]; !ep.settings.Prefers(s.name) {
			ep.affected.last = s.owner
		}
	}
	if limit != 0 {
		ep.affected.last = nil
	}
}

// keepsAll reports whether a decision could only be the last one again: ep got
// the best of all it wanted, there is room for that, and only the budget and
// bitrates may be others than they were. Then it is as if it had been made.
//
// So who is on a good path, as most are, is not decided about for as long as
// nothing happens. Who gets less than it wants is, every [reallocateEvery]: what
// it may have depends on time, and on the bitrates of all it might be sent.
func (ep *endpoint) keepsAll() bool {
	if !ep.affected.full {
		return false
	}
	ep.c.refreshVideos()
	var again alloc.Result
	bits, packets := int64(0), 0.0 // at most, while layer is added to layer
	for _, v := range ep.streams {
		if v.src == nil {
			continue
		}
		has, most, ok := v.want.cost(v.src.layers)
		if !ok {
			return false
		}
		bits, packets = bits+most.Bitrate, packets+most.Packets
		again.Target, again.Packets = again.Target+has.Bitrate, again.Packets+has.Packets
	}
	budget := ep.budget()
	if !budget.Holds(bits, packets) {
		return false
	}
	again.Ideal, again.IdealPackets = again.Target, again.Packets
	ep.ration.allocated(&again)
	ep.allocated(budget.Bits, &again)
	return true
}

// markAllDirty is for changes that concern everybody, as that of the number of
// videos.
func (c *conference) markAllDirty() {
	c.videos.stale = true
	for _, ep := range c.order {
		ep.markDirty()
	}
}

// markWantedDirty is for changes of what a source can be had as, or that it
// cannot be had any more. For those who do not want it, nothing else changes by
// that.
func (s *mediaSource) markWantedDirty() {
	s.owner.c.videos.stale = true
	for _, ep := range s.owner.c.order {
		if ep.wants(s) {
			ep.markDirty()
		}
	}
}

// markWantedDirty does so for all that an endpoint sends.
func (ep *endpoint) markWantedDirty() {
	for _, s := range ep.sources {
		s.markWantedDirty()
	}
}

// wants reports whether ep was to get s at all when it was decided last, or may
// want it and waits for a decision. Who is not waiting has no place for what it
// has not been decided about, see couldGet.
func (ep *endpoint) wants(s *mediaSource) bool {
	return ep.heights[s] != 0 || s.number > ep.affected.decided && ep.dirty
}

// markComing is for sources that have come, or are shown again.
func (c *conference) markComing(sources ...*mediaSource) {
	c.videos.stale = true
	if len(sources) == 0 {
		return
	}
	place := c.places()
	for _, ep := range c.order {
		for _, s := range sources {
			if ep.couldGet(s, place) {
				ep.markDirty()
			}
		}
	}
}

// places are the places of endpoints in the order of speech.
func (c *conference) places() map[*endpoint]int {
	out := make(map[*endpoint]int, len(c.order))
	for i, s := range c.talk.detector.Order() {
		out[c.endpoints[s.ID]] = i
	}
	return out
}

// couldGet reports whether another decision might let ep have s, which it does
// not have: it wants it, and has a place for it, or one of somebody's who spoke
// longer ago.
func (ep *endpoint) couldGet(s *mediaSource, place map[*endpoint]int) bool {
	switch last := ep.affected.last; {
	case s.owner == ep || s.off || s.kind != media.Video || !ep.settings.Known() || ep.settings.Height(s.name) == 0:
		return false
	case last == nil || ep.settings.Prefers(s.name):
		return true
	default:
		return place[s.owner] <= place[last]
	}
}

// markSpoken is for a change of the order of speech in which somebody has moved
// to its front: it concerns those who get less than they want, those who do not
// get what that one sends, and those to whom it was the last that they get. It
// sends nothing if it is nil.
func (c *conference) markSpoken(who *endpoint) {
	c.videos.stale = true
	if who == nil {
		return
	}
	place := c.places()
	for _, ep := range c.order {
		// Whose last place is this one's needs to know whose it is now.
		if ep.affected.limited || ep.affected.last == who {
			ep.markDirty()
			continue
		}
		for _, s := range who.sources {
			if ep.heights[s] == 0 && ep.couldGet(s, place) {
				ep.markDirty()
			}
		}
	}
}
