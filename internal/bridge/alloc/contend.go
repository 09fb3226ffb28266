package alloc

const (
	// preferredHeight is what an on-stage camera gets before others get
	// anything; up to there every frame rate is worth having, above it only
	// the full one.
	preferredHeight = 360
	// thumbnailHeight is the limit up to which a receiver does not want more
	// than a thumbnail, on stage or not.
	thumbnailHeight = 180
	// fullRate is the frame rate that counts as full.
	fullRate = 30
	// oversend is how many bit/s an on-stage screen may exceed the budget by.
	oversend = 500_000
)

// contender is a source that takes part in the distribution.
type contender struct {
	source     int
	stage      bool
	screen     bool
	first, end int // its layers in Allocator.layers, the worst first
	preferred  int // the layer it should reach before others are served; -1: none
	at         int // the layer it has, -1: none
}

// contend adds a contender with the layers that come into question.
func (a *Allocator) contend(i int, s *Source, w *wish) {
	c := contender{source: i, stage: w.stage >= 0, screen: s.Screen, first: len(a.layers), preferred: -1, at: -1}
	f := newFilter(s, w)
	for _, l := range s.Layers {
		if l.Lingers = l.Lingers && !f.keeps(l) && f.mayLinger(l); l.Lingers || f.keeps(l) {
			a.layers = append(a.layers, l)
		}
	}
	c.end = len(a.layers)
	if f.preferred > 0 || s.Screen {
		for j, l := range a.layers[c.first:c.end] {
			if s.Screen || l.Height <= max(f.preferred, f.lowest) {
				c.preferred = j
			}
		}
	}
	a.contenders = append(a.contenders, c)
}

// filter knows which layers of a source come into question for a receiver.
type filter struct {
	screen    bool
	idle      bool    // no layer is active: judge by what may come
	lowest    int     // the lowest height, and
	slowest   float64 // the lowest frame rate at that height
	maxHeight int
	maxRate   float64 // 0: no limit
	full      float64 // the frame rate a layer above preferred needs
	preferred int     // height, 0: none
}

func newFilter(s *Source, w *wish) filter {
	f := filter{screen: s.Screen, idle: true, maxHeight: w.constraints.MaxHeight, maxRate: w.constraints.MaxFrameRate}
	for _, l := range s.Layers {
		f.idle = f.idle && !l.Active
	}
	for _, l := range s.Layers {
		if !f.exists(l) {
			continue
		}
		if f.lowest == 0 {
			f.lowest, f.slowest = l.Height, l.FrameRate
		}
		if !f.tooFast(l) {
			f.full = max(f.full, l.FrameRate)
		}
	}
	f.full = min(f.full, fullRate)
	if !s.Screen && (f.maxHeight == Unlimited || f.maxHeight > thumbnailHeight) {
		f.preferred = preferredHeight
	}
	return f
}

func (f *filter) exists(l Layer) bool { return l.Active || f.idle }

func (f *filter) tooFast(l Layer) bool { return f.maxRate > 0 && l.FrameRate > f.maxRate }

func (f *filter) tooHigh(l Layer) bool { return f.maxHeight != Unlimited && l.Height > f.maxHeight }

// keeps reports whether the layer comes into question. The lowest height
// always does, because a source that is wanted is better sent too large than
// not at all; the same goes for the lowest frame rate of it.
func (f *filter) keeps(l Layer) bool {
	switch {
	case !f.exists(l):
		return false
	case l.Height == f.lowest:
		return l.FrameRate == f.slowest || !f.tooFast(l)
	case f.tooFast(l) || f.tooHigh(l):
		return false
	}
	return f.screen || l.Height < f.preferred || l.FrameRate == 0 || l.FrameRate >= f.full
}

// mayLinger reports whether a layer is no more than the receiver wants.
func (f *filter) mayLinger(l Layer) bool { return f.exists(l) && !f.tooFast(l) && !f.tooHigh(l) }

// distribute raises the contenders layer by layer while the budget lasts: first
// those on stage to what they should reach, then all. What is left when the
// stage cannot be raised any more is the others', or they would see nothing
// for the sake of bandwidth that nobody uses.
func (a *Allocator) distribute(budget Budget) {
	a.raise(&budget, true)
	a.squeeze(&budget)
	a.raise(&budget, false)
}

// raise raises all until nothing fits any more, and takes what that costs from
// the budget; with wait, nobody behind somebody on stage who has not reached
// the preferred layer.
func (a *Allocator) raise(budget *Budget, wait bool) {
	for raised := true; raised; {
		raised = false
		for i := range a.contenders {
			c := &a.contenders[i]
			if to := a.next(c, *budget); to != c.at {
				a.give(c, to, budget)
				raised = true
			}
			if wait && c.stage && c.at < c.preferred {
				break // who is behind the stage waits
			}
		}
	}
}

// give lets c have a layer.
func (a *Allocator) give(c *contender, to int, budget *Budget) {
	budget.Bits -= a.bitrate(c, to) - a.bitrate(c, c.at)
	budget.Packets -= a.packets(c, to) - a.packets(c, c.at)
	c.at = to
}

// next returns the layer to which the budget raises c. Somebody on stage who
// has nothing climbs to the preferred layer at once, others by one step. A
// layer that does not fit is left out; a better one may take less.
func (a *Allocator) next(c *contender, budget Budget) int {
	climb := c.stage && c.at < 0
	best := c.at
	for to := c.at + 1; to < c.end-c.first; to++ {
		if climb && to > c.preferred && best >= 0 {
			break
		}
		if a.bitrate(c, to)-a.bitrate(c, c.at) > budget.Bits {
			continue
		}
		if a.packets(c, to)-a.packets(c, c.at) > budget.Packets {
			a.result.Short = true
			continue
		}
		best = to
		if !climb {
			break
		}
	}
	return best
}

// squeeze gives a screen that is first in line and got nothing its worst
// layer if the budget is nearly enough for that.
func (a *Allocator) squeeze(budget *Budget) {
	if len(a.contenders) == 0 {
		return
	}
	c := &a.contenders[0]
	if !c.stage || !c.screen || c.at >= 0 || c.end == c.first || a.bitrate(c, 0)-oversend > budget.Bits {
		return
	}
	if a.packets(c, 0) > budget.Packets {
		a.result.Short = true
		return
	}
	a.give(c, 0, budget)
}

// bitrate returns what layer i of c takes in bit/s, with what must be left besides.
func (a *Allocator) bitrate(c *contender, i int) int64 {
	if i < 0 {
		return 0
	}
	l := &a.layers[c.first+i]
	return l.Bitrate + l.Extra
}

// packets returns how many a second layer i of c takes, with what must be left
// besides.
func (a *Allocator) packets(c *contender, i int) float64 {
	if i < 0 {
		return 0
	}
	l := &a.layers[c.first+i]
	return l.Packets + l.ExtraPackets
}
