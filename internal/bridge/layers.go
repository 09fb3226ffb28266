package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
)

// quality is what of a source is to be sent: an encoding, and of that the
// layers up to these. It is the part of an [alloc.Decision] that lasts.
type quality struct{ encoding, spatial, temporal int }

// nothing is the quality of what is not sent.
var nothing = quality{encoding: simulcast.None}

func qualityOf(d *alloc.Decision) quality { return quality{d.Encoding, d.Spatial, d.Temporal} }

// picture reports whether a layer shows the picture that q does, though perhaps
// at another rate.
func (q quality) picture(l *alloc.Layer) bool {
	return l.Encoding == q.encoding && l.Spatial == q.spatial
}

// position is where q stands in the layers of a source, worst first; -1 if it
// is nothing.
func (q quality) position(layers []alloc.Layer) int {
	at := -1
	for i := range layers {
		if q.picture(&layers[i]) && layers[i].Temporal <= q.temporal {
			at = i
		}
	}
	return at
}

// cost is what q takes, and what the dearest of the layers up to it takes in
// bits and in packets. It is not ok if q is not to be had as it was: it is not
// being sent while another layer is.
func (q quality) cost(layers []alloc.Layer) (has, most alloc.Layer, ok bool) {
	at := q.position(layers)
	if at < 0 {
		return has, most, false
	}
	live := false
	for i := range layers {
		l := &layers[i]
		live = live || l.Active
		if i <= at {
			most.Bitrate, most.Packets = max(most.Bitrate, l.Bitrate), max(most.Packets, l.Packets)
		}
	}
	return layers[at], most, layers[at].Active == live
}

// layerSub chooses the layers that a receiver gets of one stream, where that
// has several in one SSRC: VP9 and AV1. All other codecs are the simulcast
// selector's business alone.
type layerSub struct {
	codec codecKind        // whose selector is in use; codecOther for none
	vp9   *svc.VP9Selector // made with the first packet of the codec
	av1   *svc.AV1Selector // likewise
	asked mono.Time        // when a key frame was last asked for, 0 if none is missing
	wait  time.Duration    // until it may be asked for once more
}

// layered reports whether layers are chosen within the stream of p.
func (p *videoPacket) layered() bool { return p.codec == codecVP9 || p.codec == codecAV1 }

// use takes the selector of a codec into use; true if it is another one.
func (l *layerSub) use(c codecKind) bool {
	if l.codec == c {
		return false
	}
	l.codec = c
	switch {
	case c == codecVP9 && l.vp9 == nil:
		l.vp9 = new(svc.VP9Selector)
	case c == codecAV1 && l.av1 == nil:
		l.av1 = new(svc.AV1Selector)
	}
	return true
}

func (l *layerSub) setTarget(spatial, temporal int) {
	switch l.codec {
	case codecVP9:
		l.vp9.SetTarget(spatial, temporal)
	case codecAV1:
		l.av1.SetTarget(spatial, temporal)
	}
}

func (l *layerSub) restart() {
	switch l.codec {
	case codecVP9:
		l.vp9.Restart()
	case codecAV1:
		l.av1.Restart()
	}
}

func (l *layerSub) forward(p *videoPacket) svc.Decision {
	if l.codec == codecAV1 {
		return l.av1.Forward(&p.av1, p.h.Timestamp, p.h.Marker)
	}
	return l.vp9.Forward(&p.vp9, p.h.Timestamp, p.h.Marker)
}

// again decides about a packet that is sent once more.
func (l *layerSub) again(p *videoPacket) svc.Decision {
	switch {
	case l.codec != p.codec:
	case l.codec == codecVP9:
		return l.vp9.Again(&p.vp9, p.h.Timestamp, p.h.Marker)
	case l.codec == codecAV1:
		return l.av1.Again(&p.av1, p.h.Timestamp, p.h.Marker)
	}
	return svc.Decision{Action: svc.Forward, Marker: p.h.Marker}
}

// counts reports whether packets are being numbered, so that one that is left
// out has to be told to the numbering.
func (l *layerSub) counts() bool {
	switch l.codec {
	case codecVP9:
		return l.vp9.Started()
	case codecAV1:
		return l.av1.Started()
	}
	return true
}

// current is what is being forwarded: None and 0 while it waits for a key
// frame, and 0 and 7 of a codec without layers.
func (l *layerSub) current() (spatial, temporal int) {
	switch l.codec {
	case codecVP9:
		return l.vp9.Current()
	case codecAV1:
		return l.av1.Current()
	}
	return 0, simulcast.AllTemporal
}

// The least time between two key frames that one receiver needs for its layers,
// and what it grows to while they do not help.
const (
	layerKeyEvery   = time.Second
	layerKeyAtLeast = 16 * time.Second
)

// wantsKeyFrame reports whether the sender has to be asked for a key frame now.
// It is asked until one comes; whoever cannot make use of it must not make it
// ask for another at once.
func (l *layerSub) wantsKeyFrame(now mono.Time) bool {
	needs := l.codec == codecVP9 && l.vp9.NeedsKeyFrame() || l.codec == codecAV1 && l.av1.NeedsKeyFrame()
	switch {
	case !needs:
		l.asked = 0
		return false
	case l.asked == 0:
		l.wait = layerKeyEvery
	case now.Sub(l.asked) < l.wait:
		return false
	default:
		l.wait = min(2*l.wait, layerKeyAtLeast)
	}
	l.asked = now
	return true
}

// layerPacket is packet for codecs with layers: the simulcast selector
// chooses the encoding, the other one what to take of it.
func (v *videoSub) layerPacket(p *videoPacket, switched bool) {
	if v.layers.use(p.codec) || switched {
		v.layers.restart()
		v.aim()
	}
	if v.sel.Current() != p.enc.index {
		return
	}
	switch d := v.layers.forward(p); {
	case d.Action == svc.Ignore:
	case d.Action == svc.LeaveOut:
		v.leaveOut(p)
	default:
		if d.Action == svc.Start {
			v.begin(p)
		}
		v.forward(p, &d)
	}
}

// aim tells the layers' selector what is wanted of the encoding that is being
// forwarded. That is not what is wanted of the target while it is another one:
// of a larger one, only some frames; of a smaller one, everything.
func (v *videoSub) aim() {
	spatial, temporal := v.want.spatial, v.want.temporal
	switch current, target := v.sel.Current(), v.sel.Target(); {
	case target == simulcast.None:
		spatial = svc.None
	case current == simulcast.None || current == target:
	case current > target:
		temporal = 0
	default:
		spatial, temporal = svc.All, svc.All
	}
	if v.layers.codec == codecAV1 && v.to.formats.ext.dependency == 0 {
		// Chromium cannot tell without the descriptors what belongs to a picture.
		spatial = min(spatial, 0)
	}
	v.layers.setTarget(spatial, temporal)
}
