package bridge

import (
	"math/bits"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// layering is what is known of the layers within one encoding: the temporal
// ones of VP8, and the spatial ones, too, of VP9 and AV1. Sizes are known as
// soon as the stream announces them; what each layer takes is measured over
// some seconds, like the encoding as a whole ([load]).
type layering struct {
	meter   svc.Meter
	heights [maxSpatialLayers]int // of the spatial layers announced
	count   int                   // how many these are, 0 while nothing was announced
	loads   [maxSpatialLayers][maxTemporalLayers]layerLoad
	idle    [maxSpatialLayers]uint8 // seconds without a packet
	shape   uint64                  // layers that are offered, see bit
}

// layerLoad is what a spatial layer takes with temporal layers up to one of
// them. The load goes with everything that has to be sent for it.
type layerLoad struct {
	load
	rate float64 // frames per second, smoothed
}

const (
	maxSpatialLayers  = svc.MaxSpatial
	maxTemporalLayers = svc.MaxTemporal
	// idleAfter is how many seconds in a row a spatial layer may be missing: a
	// sender that is short of bandwidth leaves large ones out without a word.
	idleAfter = 2
	// moreFrames is how many times the frames of the layer below a temporal
	// layer must have to be one.
	moreFrames = 1.2
)

// measure counts a packet for its layer, and notices what it announces.
func (e *encoding) measure(p *videoPacket) {
	layered := p.codec == codecVP9 || p.codec == codecAV1 && p.av1.Structure != nil
	if !layered && !p.info.HasTID {
		return
	}
	if e.layers == nil {
		e.layers = new(layering)
	}
	size := len(p.h.Raw) + srtp.MaxOverheadRTP + packetOverhead
	m := &e.layers.meter
	switch {
	case !layered:
		m.AddTemporal(p.info.TID, p.info.StartOfFrame, size)
	case p.codec == codecVP9:
		m.AddVP9(&p.vp9, size)
		e.announcedVP9(p)
	default:
		m.AddAV1(&p.av1, size)
		e.announcedAV1(p)
	}
}

func (e *encoding) announcedVP9(p *videoPacket) {
	s := &p.vp9.Structure
	if !p.vp9.HasStructure || s.SpatialLayers == 0 {
		return
	}
	var heights [maxSpatialLayers]int
	for i := range heights {
		heights[i] = int(s.Height[i])
	}
	e.announced(heights, int(s.SpatialLayers))
}

func (e *encoding) announcedAV1(p *videoPacket) {
	d, s := &p.av1, p.av1.Structure
	if !d.HasActiveTargets {
		return
	}
	var heights [maxSpatialLayers]int
	for i, h := range s.Height {
		heights[i] = int(h)
	}
	count := 0
	for rest := d.ActiveTargets; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros32(rest); i < int(s.DecodeTargets) {
			count = max(count, int(s.TargetSpatial[i])+1)
		}
	}
	e.announced(heights, count)
}

// announced is called when the stream says which spatial layers there are.
// Larger ones begin with this very picture: whoever wants one has to change
// now, not when it has been measured and another key frame is needed.
func (e *encoding) announced(heights [maxSpatialLayers]int, count int) {
	l := e.layers
	clear(heights[min(count, maxSpatialLayers):])
	if l.count == count && l.heights == heights || count == 0 {
		return
	}
	for i := range l.idle {
		if i >= l.count || l.heights[i] != heights[i] {
			l.loads[i] = [maxTemporalLayers]layerLoad{}
		}
		l.idle[i] = 0
	}
	l.heights, l.count = heights, count
	if top := heights[count-1]; top != 0 {
		e.height = top
	}
	e.fresh = true // this may be the key frame for it
	e.src.layersChanged()
	e.src.decideNow()
}

// rollLayers ends a second of measuring. It reports whether other layers are
// offered from now on.
func (e *encoding) rollLayers(now mono.Time) (changed bool) {
	l := e.layers
	if l == nil {
		return false
	}
	if !e.live(now) {
		l.silence()
		return false
	}
	l.meter.Roll(time.Second)
	var active uint8
	for _, m := range l.meter.Layers() {
		if m.Spatial >= maxSpatialLayers || m.Temporal >= maxTemporalLayers {
			continue
		}
		l.loads[m.Spatial][m.Temporal].roll(m)
		if m.Active {
			active |= 1 << m.Spatial
		}
	}
	for i := range l.idle {
		if l.idle[i]++; active>>i&1 != 0 {
			l.idle[i] = 0
		}
	}
	before := l.shape
	l.shape = l.offered()
	return before != l.shape
}

// silence forgets what was measured; the layers themselves may come back.
func (l *layering) silence() {
	heights, count := l.heights, l.count
	l.meter.Reset()
	*l = layering{meter: l.meter, heights: heights, count: count}
}

func (l *layerLoad) roll(m svc.Layer) {
	l.bytes = uint64(m.Bitrate / 8)
	switch l.load.roll(); {
	case l.seconds <= 2:
		l.rate = m.FrameRate
	default:
		l.rate = (l.rate*7 + m.FrameRate*3) / 10
	}
}

// spatial is how many spatial layers the encoding has, at least one.
func (l *layering) spatial() int {
	if l == nil {
		return 1
	}
	return min(max(l.count, 1), maxSpatialLayers)
}

func layerBit(spatial, temporal int) uint64 { return 1 << (spatial*maxTemporalLayers + temporal) }

// offered finds the layers that receivers can be offered one by one: those
// that have been measured, and have more frames than the one below.
func (l *layering) offered() (shape uint64) {
	for s := range l.spatial() {
		if l.idle[s] > idleAfter {
			continue
		}
		last := 0.0
		for t := range maxTemporalLayers {
			if m := &l.loads[s][t]; m.seconds >= 2 && m.rate > last*moreFrames {
				shape |= layerBit(s, t)
				last = m.rate
			}
		}
	}
	return shape
}

// rate is how many frames a second the stream has.
func (l *layering) rate() (most float64) {
	if l == nil {
		return 0
	}
	for rest := l.shape; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		most = max(most, l.loads[i/maxTemporalLayers][i%maxTemporalLayers].rate)
	}
	return most
}

// height is that of a spatial layer, as far as it is known, otherwise each is
// taken for half of the next.
func (e *encoding) layerHeight(spatial int) int {
	if e.layers != nil && e.layers.heights[spatial] != 0 {
		return e.layers.heights[spatial]
	}
	return e.assumedHeight() >> (e.layers.spatial() - 1 - spatial)
}

// offer describes a source to the allocator.
func (s *mediaSource) offer(now mono.Time) alloc.Source {
	s.layers = s.layers[:0]
	for i, e := range s.encodings {
		live := e.live(now)
		for spatial := range e.layers.spatial() {
			s.offerSpatial(e, spatial, alloc.Layer{
				Encoding: i, Spatial: spatial, Temporal: simulcast.AllTemporal, Height: e.layerHeight(spatial), Active: live,
			}, now)
		}
	}
	slices.SortStableFunc(s.layers, func(a, b alloc.Layer) int { return a.Height - b.Height })
	return alloc.Source{Name: s.name, Screen: s.videoType == source.Desktop, Enabled: !s.off, Layers: s.layers}
}

// offerSpatial adds the temporal layers of a spatial layer, or all of them as
// one while they have not been measured. The highest one is offered as all
// that there are.
func (s *mediaSource) offerSpatial(e *encoding, spatial int, one alloc.Layer, now mono.Time) {
	l := e.layers
	var mask uint64
	if l != nil {
		mask = l.shape >> (spatial * maxTemporalLayers) & (1<<maxTemporalLayers - 1)
		if l.spatial() > 1 && l.idle[spatial] > idleAfter {
			one.Active = false
		}
	}
	if mask == 0 || !one.Active {
		one.Bitrate = e.bitrate(now)
		if l.spatial() > 1 && one.Active {
			one.Bitrate = usualBitrate(one.Height)
		}
		one.Packets = packetRate(&one, &e.load)
		s.layers = append(s.layers, one)
		return
	}
	count := bits.OnesCount64(mask)
	for above := count - 1; mask != 0; mask &= mask - 1 {
		t := bits.TrailingZeros64(mask)
		one.Bitrate, one.Temporal = int64(l.loads[spatial][t].perSecond), t
		if count > 1 { // else there is no choice
			one.FrameRate = s.rate.nominal / float64(int(1)<<above)
		}
		if above == 0 {
			one.Temporal = simulcast.AllTemporal
		}
		one.Packets = packetRate(&one, &e.load)
		s.layers = append(s.layers, one)
		above--
	}
}

// frameRate is the frame rate of a source, as a number that does not change
// with every second's count: what a receiver may have depends on it.
type frameRate struct {
	nominal float64
	off     uint8 // seconds in a row in which it was something else
}

// frameRates are those that cameras and screens are set to.
var frameRates = []float64{1, 2, 3.75, 5, 7.5, 10, 12.5, 15, 20, 25, 30, 50, 60}

const (
	// rateTolerance is how far the count may be off before it counts as other.
	rateTolerance = 1.3
	// rateSettles is for how many seconds in a row that has to be so.
	rateSettles = 3
)

// update takes the frames counted in a second.
func (r *frameRate) update(counted float64) {
	if counted == 0 {
		return
	}
	if r.nominal != 0 && counted < r.nominal*rateTolerance && counted*rateTolerance > r.nominal {
		r.off = 0
		return
	}
	if r.off++; r.nominal != 0 && r.off < rateSettles {
		return
	}
	r.off, r.nominal = 0, frameRates[0]
	for _, f := range frameRates {
		if max(f/counted, counted/f) < max(r.nominal/counted, counted/r.nominal) {
			r.nominal = f
		}
	}
}

// rollLayers ends a second of measuring for all encodings of a source.
func (s *mediaSource) rollLayers(now mono.Time) {
	changed, rate, before := false, 0.0, s.rate.nominal
	for _, e := range s.encodings {
		changed = e.rollLayers(now) || changed
		if e.live(now) {
			rate = max(rate, e.layers.rate())
		}
	}
	s.rate.update(rate)
	if changed || s.rate.nominal != before {
		s.layersChanged()
	}
}
