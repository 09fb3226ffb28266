package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/mono"
)

// A change of layer costs a key frame, for everybody who gets the source. So
// layers fall at once when they do not fit any more, but rise only where there
// is room to spare, and some time after the last fall. A picture that has
// temporal layers first goes without some frames, which costs nobody anything:
// a short shortage does not change its size.

// riseMargin is the room, besides its bitrate, that a better layer than the
// present one needs.
func riseMargin(bitrate int64) int64 { return bitrate * 12 / 100 }

// packetMargin is the same for packets, as a part.
const packetMargin = 0.1

// never is room that there will not be.
const never = int64(1) << 40

const (
	holdFirst = 2 * time.Second
	holdMost  = 8 * time.Second
	// holdMemory: a fall so soon after a rise shows that the rise was a mistake.
	holdMemory = 10 * time.Second
	// lingerFor is how long a picture may be shown with fewer frames because
	// there is too little bandwidth, before a smaller one takes its place.
	lingerFor = 4 * time.Second
)

// hold keeps layers from rising for a while after a fall, longer with each
// rise that was in vain: a source cannot rise more than some seven times a
// minute for long.
type hold struct {
	until mono.Time
	wait  time.Duration
	rose  mono.Time
	// slowed is when a picture last lost frames. That costs no key frame, so
	// that it does not count as a fall; they do not come back in no time either.
	slowed mono.Time
	asked  bool // the receiver has changed its mind: what falls is its own choice
}

func (h *hold) holds(now mono.Time) bool { return now < h.until }

// ask is called when the receiver wants something else: it gets that at once.
func (h *hold) ask() { h.until, h.slowed, h.asked = 0, 0, true }

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

// priceChanges makes every layer above what ep gets now cost more than it
// takes, and lets slower layers of the picture it gets linger. Sources that ep
// has not wanted so far are not held back; nor is the smallest picture of what
// ep shows large and has none of: a key frame is a small price for not looking
// at nothing. It changes a's copy of the offer.
func (ep *endpoint) priceChanges(a *allocation) {
	a.layers = a.layers[:0]
	for i := range a.offered {
		s, from := a.sources[i], len(a.layers)
		a.layers = append(a.layers, a.offered[i].Layers...)
		layers := a.layers[from:len(a.layers):len(a.layers)]
		a.offered[i].Layers = layers
		have, slow := ep.wantOf(s)
		at := have.position(layers)
		for j := range layers {
			l := &layers[j]
			switch {
			case at < 0 && ep.settings.OnStage(s.name) && smallestPicture(layers, j):
				l.Extra = riseMargin(l.Bitrate)
			case j <= at:
				l.Lingers = have.picture(l) && (slow == 0 || ep.w.now.Sub(slow) < lingerFor)
			case ep.mayNotRise(s, have.picture(l)):
				l.Extra = never
			default:
				l.Extra = riseMargin(l.Bitrate)
			}
			if j > at {
				l.ExtraPackets = l.Packets * packetMargin
			}
		}
	}
}

// smallestPicture reports whether layers[i] is one of the smallest picture that
// is being sent.
func smallestPicture(layers []alloc.Layer, i int) bool {
	for j := range layers {
		if layers[j].Active {
			return layers[i].Encoding == layers[j].Encoding && layers[i].Spatial == layers[j].Spatial
		}
	}
	return false
}

// mayNotRise reports whether layers of s above what ep gets are held back.
func (ep *endpoint) mayNotRise(s *mediaSource, samePicture bool) bool {
	if ep.heights[s] == 0 {
		return false
	}
	h, now := &ep.bw.hold, ep.w.now
	return h.slowed != 0 && now.Sub(h.slowed) < holdFirst || !samePicture && h.holds(now)
}

// wantOf is what ep is to get of s, and since when that has been slower than
// it should be (0 if it is not).
func (ep *endpoint) wantOf(s *mediaSource) (q quality, slow mono.Time) {
	if v := ep.videoOf(s); v != nil && v.src == s {
		return v.want, v.slow
	}
	return nothing, 0
}

// watchChanges notes, before they are carried out, what the decisions change
// for the sake of bandwidth.
func (ep *endpoint) watchChanges(a *allocation, res *alloc.Result) {
	h, now := &ep.bw.hold, ep.w.now
	fell, rose, slowed := 0, 0, false
	for i, d := range res.Decisions {
		s, layers := a.sources[i], a.offered[i].Layers
		have, _ := ep.wantOf(s)
		before, after := have.position(layers), qualityOf(&d).position(layers)
		switch {
		case d.MaxHeight == 0 || ep.heights[s] != d.MaxHeight: // it wanted something else
		case after > before && !have.picture(&layers[after]) && layers[after].Active:
			rose++
		case after < before && layers[before].Active:
			if after < 0 || !have.picture(&layers[after]) {
				fell++
			} else {
				slowed = true
			}
		}
	}
	asked := h.asked
	h.asked = false
	if rose > 0 {
		h.rose = now
	}
	ep.w.count.add(cLayersRaised, uint64(rose))
	if asked || res.Target >= res.Ideal || res.Short { // short: it is not the path
		return
	}
	if slowed {
		h.slowed = now
	}
	if fell > 0 {
		ep.w.count.add(cLayersLowered, uint64(fell))
		h.fell(now)
	}
}

// watchSlow notes since when v has had to go without frames.
func (v *videoSub) watchSlow(lingers bool) {
	switch {
	case !lingers:
		v.slow = 0
	case v.slow == 0:
		v.slow = v.to.w.now
	}
}

// load measures what an encoding takes on the path to a receiver, smoothed
// over some seconds.
type load struct {
	bytes     uint64
	perSecond uint64
	seconds   uint8 // full ones that were measured, and one
	packets   packetCount
}

func (l *load) add(n int) {
	l.bytes += uint64(n + packetOverhead)
	l.packets.now++
}

// roll ends a second. The first one was not a full one.
func (l *load) roll() {
	now := l.bytes * 8
	l.bytes = 0
	l.packets.roll(l.seconds < 2)
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
	return usualBitrate(e.assumedHeight())
}

func usualBitrate(height int) int64 {
	switch {
	case height <= 180:
		return 200_000
	case height <= 360:
		return 500_000
	}
	return 1_500_000
}
