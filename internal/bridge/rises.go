package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
)

// A change of layer costs a key frame, for everybody who gets the source. So
// layers fall at once when they do not fit any more, but rise only where there
// is room to spare, and some time after the last fall.

// riseMargin is the room, besides its bitrate, that a better layer than the
// present one needs.
func riseMargin(bitrate int64) int64 { return bitrate * 15 / 100 }

// never is room that there will not be.
const never = int64(1) << 40

const (
	holdFirst = 2 * time.Second
	holdMost  = 10 * time.Second
	// holdMemory: a fall so soon after a rise shows that the rise was a mistake.
	holdMemory = 10 * time.Second
)

// hold keeps layers from rising for a while after a fall, longer with each
// rise that was in vain: a source cannot rise more than some six times a
// minute for long.
type hold struct {
	until mono.Time
	wait  time.Duration
	rose  mono.Time
	asked bool // the receiver has changed its mind: what falls is its own choice
}

func (h *hold) holds(now mono.Time) bool { return now < h.until }

// ask is called when the receiver wants something else: it gets that at once.
func (h *hold) ask() { h.until, h.asked = 0, true }

func (h *hold) fell(now mono.Time) {
	switch {
	case h.holds(now): // the same fall goes on
	case h.rose != 0 && now.Sub(h.rose) < holdMemory:
		h.wait = min(2*max(h.wait, holdFirst/2), holdMost)
	default:
		h.wait = holdFirst
	}
	h.until = now.Add(h.wait)
}

// priceRises makes every layer above what ep gets now cost more than it takes.
// Sources that ep has not wanted so far are not held back. It changes a's
// copy of the offer.
func (ep *endpoint) priceRises(a *allocation) {
	held := ep.bw.hold.holds(ep.w.now)
	a.layers = a.layers[:0]
	for i := range a.offered {
		s, from := a.sources[i], len(a.layers)
		_, wanted := ep.heights[s]
		have := ep.targetOf(s)
		above := have == simulcast.None
		for _, l := range a.offered[i].Layers {
			if above {
				l.Extra = riseMargin(l.Bitrate)
				if held && wanted && ep.heights[s] != 0 {
					l.Extra = never
				}
			}
			above = above || l.Encoding == have
			a.layers = append(a.layers, l)
		}
		a.offered[i].Layers = a.layers[from:len(a.layers):len(a.layers)]
	}
}

// targetOf is the encoding of s that ep is to get, or None.
func (ep *endpoint) targetOf(s *mediaSource) int {
	if v := ep.out[s.ssrc]; v != nil && v.src == s {
		return v.sel.Target()
	}
	return simulcast.None
}

// watchChanges notes, before they are carried out, what the decisions change
// for the sake of bandwidth.
func (ep *endpoint) watchChanges(a *allocation, res *alloc.Result) {
	h, now := &ep.bw.hold, ep.w.now
	fell, rose := 0, 0
	for i, d := range res.Decisions {
		s := a.sources[i]
		before := ep.targetOf(s)
		switch {
		case d.MaxHeight == 0 || ep.heights[s] != d.MaxHeight: // it wanted something else
		case d.Encoding > before && s.encodings[d.Encoding].live(now):
			rose++
		case d.Encoding < before && before < len(s.encodings) && s.encodings[before].live(now):
			fell++
		}
	}
	asked := h.asked
	h.asked = false
	if rose > 0 {
		h.rose = now
	}
	ep.w.count.add(cLayersRaised, uint64(rose))
	if fell > 0 && !asked && res.Target < res.Ideal {
		ep.w.count.add(cLayersLowered, uint64(fell))
		h.fell(now)
	}
}

// load measures what an encoding takes on the path to a receiver, smoothed
// over some seconds.
type load struct {
	bytes     uint64
	perSecond uint64
	seconds   uint8 // full ones that were measured, and one
}

func (l *load) add(n int) { l.bytes += uint64(n + packetOverhead) }

// roll ends a second. The first one was not a full one.
func (l *load) roll() {
	now := l.bytes * 8
	l.bytes = 0
	switch {
	case l.seconds == 0 && now == 0:
	case l.seconds == 0:
		l.seconds = 1
	case l.seconds == 1:
		l.seconds, l.perSecond = 2, now
	default:
		l.perSecond = (l.perSecond*7 + now*3) / 10
	}
}

// bitrate is what the encoding takes in bit/s, or what clients usually send of
// that size while it has not been measured.
func (e *encoding) bitrate(now mono.Time) int64 {
	switch {
	case !e.live(now):
		e.load = load{}
		return 0
	case e.load.seconds >= 2:
		return int64(e.load.perSecond)
	}
	h := e.assumedHeight()
	switch {
	case h <= 180:
		return 200_000
	case h <= 360:
		return 500_000
	}
	return 1_500_000
}
