package svc

import "github.com/plenum-conf/plenum/internal/rtp/codec"

// VP9Selector chooses the layers of a VP9 stream by its payload descriptors
// (RFC 9628 §4.2). The zero value wants nothing; call SetTarget.
//
// VP9 has no decode targets. Here there is one for each spatial and temporal
// layer, with the number 8*spatial+temporal. To a target of spatial layer s
// belong the frames of layer s, and those below that do not say (Z) that
// nothing above depends on them.
type VP9Selector struct {
	selector
	layers uint8 // spatial layers being sent, 0 while not known
	held   uint8 // spatial layers of the newest picture that were left out
	key    bool  // the newest picture depends on no other
}

const (
	vp9Column = 0x0101010101010101 // a target of every spatial layer
	vp9Row    = 0xff               // all targets of one spatial layer
)

// vp9Ladder describes the 64 decode targets.
var vp9Ladder = newVP9Ladder()

func newVP9Ladder() ladder {
	l := ladder{make([]uint8, 64), make([]uint8, 64)}
	for i := range 64 {
		l.spatial[i], l.temporal[i] = uint8(i/8), uint8(i%8)
	}
	return l
}

// SetTarget says which layers are wanted: a spatial layer from 0 to All, or
// None for nothing, and a temporal layer from 0 to All. Where the stream has
// less it gives what there is. It takes effect with a later picture, except
// that None ends the forwarding at once.
func (s *VP9Selector) SetTarget(spatial, temporal int) {
	s.setTarget(spatial, temporal)
	if !s.wanted {
		s.Restart()
		return
	}
	s.wish(vp9Ladder, s.available())
}

// Restart makes the selector wait for a key frame, for instance because the
// stream is another one from here on. The target stays.
func (s *VP9Selector) Restart() { *s = VP9Selector{selector: s.fresh()} }

// available are the targets of the layers being sent.
func (s *VP9Selector) available() uint64 {
	if s.layers == 0 || s.layers >= codec.MaxVP9SpatialLayers {
		return ^uint64(0)
	}
	return 1<<(8*s.layers) - 1
}

// Forward decides about a packet with its RTP timestamp and marker, both as
// they came in. Packets are given in the order of their arrival.
func (s *VP9Selector) Forward(d *codec.VP9, ts uint32, marker bool) Decision {
	if !s.wanted {
		return Decision{}
	}
	order := s.order(ts)
	switch {
	case order < 0:
		return s.late(d, ts, marker)
	case order > 0 || (d.KeyFrame && !s.started):
		s.begin(d, ts)
	}
	if !s.takes(d, ts) {
		return s.leaveOut()
	}
	out := Decision{Action: Forward, Marker: marker || s.ends(d, s.now.spatial)}
	if !s.started {
		s.started, out.Action = true, Start
		s.intact &^= 1<<(8*d.SID) - 1 // what lies in front of the start will not come
	}
	s.lift(d)
	if marker && s.key && d.SID < uint8(s.now.spatial) {
		s.fewer(d.SID+1, ts)
	}
	return out
}

func (s *selector) leaveOut() Decision {
	if s.started {
		return Decision{Action: LeaveOut}
	}
	return Decision{}
}

// Again decides about a packet that has been forwarded before and is sent once
// more: it gets the marker it had.
func (s *VP9Selector) Again(d *codec.VP9, ts uint32, marker bool) Decision {
	return Decision{Action: Forward, Marker: marker || s.ends(d, s.past.at(ts).spatial)}
}

// late is for packets of older pictures. If a number was kept for them they
// were lost or delayed on the way in, and the receiver may need them; if none
// was, SeqMap refuses them.
func (s *VP9Selector) late(d *codec.VP9, ts uint32, marker bool) Decision {
	if !s.started {
		return Decision{}
	}
	return s.Again(d, ts, marker)
}

// ends reports whether d ends a picture that goes up to a spatial layer.
func (s *VP9Selector) ends(d *codec.VP9, top int8) bool {
	return d.EndOfFrame && int8(d.SID) == top
}

// begin decides what the picture of d is forwarded with.
func (s *VP9Selector) begin(d *codec.VP9, ts uint32) {
	s.newest, s.seen, s.held = ts, true, 0
	if d.HasStructure {
		s.layers = d.Structure.SpatialLayers
	}
	s.key = !d.InterPicture && !d.InterLayer && d.SID == 0
	switch {
	case s.key && (s.started || d.StartOfFrame):
		s.intact = ^uint64(0)
	case !s.started:
		s.lose(ts) // what has been chosen at a key frame did not come
		return
	case !s.on:
		return
	}
	s.choose(vp9Ladder, s.available(), s.allowed(d), ts)
	s.note(ts, 0)
}

// allowed are the targets that can be taken up at the picture of d if they are
// intact. Larger ones begin at a key frame, or where a structure announces a
// layer that comes in addition and predicts from the one below first.
func (s *VP9Selector) allowed(d *codec.VP9) uint64 {
	if s.key || !s.on {
		return ^uint64(0)
	}
	row := uint8(s.now.spatial)
	allowed := uint64(1)<<(8*row)<<8 - 1
	if !d.HasStructure {
		return allowed
	}
	all := uint64(vp9Row)
	for row++; row < codec.MaxVP9SpatialLayers; row++ {
		// What is between may have been of no use for layers above so far.
		all &= s.intact >> (8 * row)
		allowed |= all << (8 * row)
	}
	return allowed
}

// fewer is called when a key frame ended below the current layer.
func (s *VP9Selector) fewer(layers uint8, ts uint32) {
	s.layers = layers
	s.choose(vp9Ladder, s.available(), ^uint64(0), ts)
	s.note(ts, 0)
}

// takes reports whether d goes out, and keeps account of what it means for the
// decode targets if it does not.
func (s *VP9Selector) takes(d *codec.VP9, ts uint32) bool {
	if s.layers != 0 && d.SID >= s.layers { // what announced it was lost
		s.layers = d.SID + 1
		s.wish(vp9Ladder, s.available())
	}
	present := vp9Present(d)
	if !s.decodable(d) {
		s.intact &^= present
	}
	if s.on && s.intact>>s.current&1 == 0 {
		s.lose(ts)
	}
	if s.on && !s.started && present>>s.current&1 != 0 && !d.StartOfFrame {
		s.lose(ts) // its first packet is missing, and no number is kept for it
	}
	if s.on && present>>s.current&1 != 0 {
		return true
	}
	s.intact &^= present
	s.held |= 1 << d.SID
	return false
}

// decodable reports whether nothing was left out that the frame of d depends
// on: older pictures of its layer, the layer below in its own picture.
func (s *VP9Selector) decodable(d *codec.VP9) bool {
	if d.InterPicture && s.intact>>(8*d.SID+d.TID)&1 == 0 {
		return false
	}
	return !d.InterLayer || d.SID == 0 || s.held>>(d.SID-1)&1 == 0
}

// lift makes higher temporal layers usable behind a switching up point.
func (s *VP9Selector) lift(d *codec.VP9) {
	if row := 8 * d.SID; d.SwitchUp && s.intact>>(row+d.TID)&1 != 0 {
		s.intact |= (vp9Row << d.TID & vp9Row) << row
	}
}

// vp9Present are the targets to which the frame of d belongs.
func vp9Present(d *codec.VP9) uint64 {
	row := uint64(vp9Row) << d.TID & vp9Row
	if d.NotForUpper {
		return row << (8 * d.SID)
	}
	return row * vp9Column << (8 * d.SID)
}
