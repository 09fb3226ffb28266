package svc

import (
	"math/bits"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// AV1Selector chooses the decode target of an AV1 stream by its dependency
// descriptors (AV1 RTP specification, appendix A). The zero value wants
// nothing; call SetTarget.
type AV1Selector struct {
	selector
	structure *codec.AV1Structure
	active    uint32 // decode targets the sender produces
	targets   uint32 // those the receiver can decode
	announce  uint8  // frames that still have to tell it
	held      bool   // something of the newest temporal unit was left out:
	lastHeld  uint16 // the newest frame of that
}

// announcements is how many frames tell a receiver of a change of its active
// decode targets: no reasonable loss hides them all (§A.4).
const announcements = 16

// SetTarget says which layers are wanted: a spatial layer from 0 to All, or
// None for nothing, and a temporal layer from 0 to All. Where the stream has
// less it gives what there is. It takes effect with a later temporal unit,
// except that None ends the forwarding at once.
func (s *AV1Selector) SetTarget(spatial, temporal int) {
	s.setTarget(spatial, temporal)
	switch {
	case !s.wanted:
		s.Restart()
	case s.structure == nil:
		s.needs = true
	default:
		s.wish(s.ladder(), uint64(s.active))
	}
}

// Restart makes the selector wait for a key frame, for instance because the
// stream is another one from here on. The target stays.
func (s *AV1Selector) Restart() { *s = AV1Selector{selector: s.fresh()} }

func (s *AV1Selector) ladder() ladder {
	n := s.structure.DecodeTargets
	return ladder{s.structure.TargetSpatial[:n], s.structure.TargetTemporal[:n]}
}

// Forward decides about a packet with its RTP timestamp and marker, both as
// they came in. d is what codec.ParseAV1 returned, also together with
// ErrNoStructure. Packets are given in the order of their arrival.
func (s *AV1Selector) Forward(d *codec.AV1, ts uint32, marker bool) Decision {
	if !s.wanted {
		return Decision{}
	}
	order := s.order(ts)
	switch {
	case order < 0:
		return s.late(d, ts, marker)
	case order > 0 || d.KeyFrame:
		s.begin(d, ts, order > 0)
	}
	present, switches := masks(d)
	s.notice(d, present)
	if !s.takes(d, present, ts) {
		s.intact &^= present
		s.hold(d.FrameNumber)
		return s.leaveOut()
	}
	if !s.held || int16(d.FrameNumber-s.lastHeld) > 0 {
		s.intact |= switches
	}
	out := Decision{Action: Forward, Marker: marker || s.ends(d, s.now.spatial)}
	s.tell(d, &out)
	if !s.started {
		s.started, out.Action = true, Start
		if d.SpatialID > 0 { // what lies in front of the start will not come
			s.intact &^= s.ladder().upTo(s.intact, d.SpatialID-1)
		}
	}
	return out
}

// notice learns that a spatial layer is being sent although what announced it
// was lost.
func (s *AV1Selector) notice(d *codec.AV1, present uint64) {
	if d.Structure == nil || d.Structure != s.structure {
		return
	}
	if own := ownTargets(d, uint32(present)); own&s.active == 0 {
		s.active |= own
		s.wish(s.ladder(), uint64(s.active))
	}
}

// ownTargets returns which of some decode targets show the spatial layer of d.
func ownTargets(d *codec.AV1, targets uint32) (own uint32) {
	for rest := targets; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros32(rest); d.Structure.TargetSpatial[i] == d.SpatialID {
			own |= 1 << i
		}
	}
	return own
}

// hold notes that a frame was left out.
func (s *AV1Selector) hold(number uint16) {
	if !s.held || int16(number-s.lastHeld) > 0 {
		s.held, s.lastHeld = true, number
	}
}

// Again decides about a packet that has been forwarded before and is sent once
// more: it gets the marker and the decode targets it had.
func (s *AV1Selector) Again(d *codec.AV1, ts uint32, marker bool) Decision {
	c := s.past.at(ts)
	return Decision{
		Action: Forward, Marker: marker || s.ends(d, c.spatial),
		WriteTargets: d.HasActiveTargets && d.Structure != nil && c.spatial != None && d.ActiveTargets != c.targets,
		Targets:      c.targets,
	}
}

// late is for packets of older temporal units, see [VP9Selector].
func (s *AV1Selector) late(d *codec.AV1, ts uint32, marker bool) Decision {
	if !s.started {
		return Decision{}
	}
	return s.Again(d, ts, marker)
}

// ends reports whether d ends a temporal unit that goes up to a spatial layer.
func (s *AV1Selector) ends(d *codec.AV1, top int8) bool {
	return d.EndOfFrame && d.Structure != nil && int8(d.SpatialID) == top
}

// begin decides what the temporal unit of d is forwarded with.
func (s *AV1Selector) begin(d *codec.AV1, ts uint32, newer bool) {
	s.held = s.held && !newer
	s.newest, s.seen = ts, true
	if d.Structure == nil {
		return
	}
	if (d.KeyFrame || d.Structure != s.structure) && !s.enter(d, ts) {
		return
	}
	if d.HasActiveTargets {
		s.active = d.ActiveTargets
	}
	if !s.started && !d.KeyFrame {
		s.lose(ts) // what has been chosen at a key frame did not come
		return
	}
	s.intact |= s.entered(d)
	l, allowed := s.ladder(), ^uint64(0)
	if !s.covered(d) {
		allowed = l.upTo(allowed, uint8(s.now.spatial))
	}
	s.choose(l, uint64(s.active), allowed, ts)
	s.describe(ts, d.HasStructure)
}

// enter takes up a new structure. Behind the key frame that brings it nothing
// depends on anything before; without that a receiver has to wait for the next.
func (s *AV1Selector) enter(d *codec.AV1, ts uint32) bool {
	s.structure, s.intact, s.on = d.Structure, 0, false
	s.active = uint32(1<<d.Structure.DecodeTargets - 1)
	if !d.KeyFrame || (s.held && s.started) {
		s.lose(ts)
		return false
	}
	s.intact = uint64(s.active)
	return true
}

// entered are the decode targets that can be taken up with d: it is decodable
// since it depends on nothing or belongs to what is being forwarded (§A.7).
func (s *AV1Selector) entered(d *codec.AV1) uint64 {
	present, switches := masks(d)
	if d.FrameDiffCount == 0 || (s.on && present>>s.current&1 != 0) {
		return switches
	}
	return 0
}

// covered reports whether a larger picture can be taken up at d although it
// may not begin at once: what the current target shows is part of it.
func (s *AV1Selector) covered(d *codec.AV1) bool {
	if d.FrameDiffCount == 0 || !s.on {
		return true
	}
	goal := s.ladder().best(uint64(s.active), s.target)
	for i := range s.structure.Templates {
		t := &s.structure.Templates[i]
		if int8(t.SpatialID) == s.now.spatial && t.TemporalID == 0 && goal >= 0 &&
			t.DTIs.Of(int(s.current)) != codec.DTINotPresent && t.DTIs.Of(goal) == codec.DTINotPresent {
			return false
		}
	}
	return true
}

// takes reports whether d goes out.
func (s *AV1Selector) takes(d *codec.AV1, present uint64, ts uint32) bool {
	if d.Structure == nil || d.Structure != s.structure {
		s.unknown(ts)
	}
	if !s.on || present>>s.current&1 == 0 {
		return false
	}
	if !s.started && !d.StartOfFrame {
		s.lose(ts) // its first packet is missing, and no number is kept for it
	}
	return s.on
}

// unknown is called for a frame that may be part of any decode target.
func (s *AV1Selector) unknown(ts uint32) {
	s.intact = 0
	if s.on {
		s.lose(ts)
	}
}

// masks returns the decode targets to which the frame of d belongs, and those
// that can be switched to with it.
func masks(d *codec.AV1) (present, switches uint64) {
	if d.Structure == nil {
		return 0, 0
	}
	return uint64(d.DTIs.Present()), uint64(d.DTIs.Switch())
}

// describe finds which decode targets a receiver can decode: those whose
// frames all belong to the current one. told means that the receiver learns it
// anyway, from a key frame.
func (s *AV1Selector) describe(ts uint32, told bool) {
	if !s.on {
		return
	}
	targets := s.active
	for i := range s.structure.Templates {
		if p := s.structure.Templates[i].DTIs.Present(); p>>s.current&1 == 0 {
			targets &^= p
		}
	}
	if !told && targets != s.targets {
		s.announce = announcements
	}
	s.targets = targets
	s.note(ts, targets)
}

// tell adds the active decode targets to what the receiver is told of them.
func (s *AV1Selector) tell(d *codec.AV1, out *Decision) {
	out.WriteTargets, out.Targets = d.HasActiveTargets && d.ActiveTargets != s.targets, s.targets
	if s.announce > 0 && d.StartOfFrame {
		s.announce--
		out.WriteTargets = out.WriteTargets || !d.HasActiveTargets
	}
}
