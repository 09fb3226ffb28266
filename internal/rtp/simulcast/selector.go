package simulcast

// None stands for no encoding.
const None = -1

// AllTemporal as a temporal limit lets every layer pass.
const AllTemporal = 7

// FrameInfo is what has to be known of a packet.
type FrameInfo struct {
	Timestamp    uint32 // RTP timestamp: packets of one frame share it
	StartOfFrame bool
	KeyFrame     bool // valid with StartOfFrame
	HasTID       bool
	TID          uint8 // temporal layer
	// LayerSync: the frame depends on frames of temporal layer 0 only (VP8's Y
	// bit), so that its layer can be taken up with it.
	LayerSync bool
	// SwitchUp: no later frame of a higher temporal layer depends on anything
	// before this frame (VP9's U bit), so that all layers can be taken up
	// behind it.
	SwitchUp bool
}

// Selector chooses the encoding that one receiver gets of one source.
//
// It starts and changes encodings at key frames only. While it waits for the
// key frame of the target it forwards what it has: everything when the target
// is a better encoding, the base layer when it is a smaller one, since then
// there is too little bandwidth. A key frame of an encoding between the current
// one and a better target, or of any encoding not above the target when the
// current one is, is taken on the way: key frames of all encodings come at
// about the same time, and the picture changes at once.
//
// Encodings are indices, smallest picture first. The zero value forwards
// nothing and has target 0; call SetTarget.
type Selector struct {
	current  int8 // plus one, so that the zero value has none
	target   int8 // plus one
	temporal uint8
	limit    uint8 // highest temporal layer being forwarded now
	frame    uint32
	seen     bool  // frame is valid
	pending  uint8 // limit allowed from the next frame on
}

// SetTarget says which encoding is wanted, None for nothing, and up to which
// temporal layer. It takes effect at frame borders, except that None ends the
// forwarding at once.
func (s *Selector) SetTarget(encoding int, temporal int) {
	s.target = int8(max(encoding, None) + 1)
	s.temporal = uint8(min(max(temporal, 0), AllTemporal))
	if s.target == 0 {
		s.current = 0
	}
}

// Target returns the encoding wanted, or None.
func (s *Selector) Target() int { return int(s.target) - 1 }

// Current returns the encoding being forwarded, or None.
func (s *Selector) Current() int { return int(s.current) - 1 }

// Temporal returns the highest temporal layer being forwarded.
func (s *Selector) Temporal() int { return int(s.limit) }

// NeedsKeyFrame returns the encoding whose key frame is being waited for. The
// caller asks its sender for one, at a bounded rate, until there is none.
func (s *Selector) NeedsKeyFrame() (encoding int, ok bool) {
	if s.target == 0 || s.current == s.target {
		return None, false
	}
	return s.Target(), true
}

// Restart makes the Selector wait for a key frame again, for instance after
// packets were lost for good or the sender's codec changed. The current
// encoding is forgotten.
func (s *Selector) Restart() { s.current = 0 }

// Forward decides about one packet: whether it goes out, and whether with it
// the stream switches to its encoding. Packets of an encoding are given in the
// order in which they arrive. For packets of the current encoding that are not
// forwarded the caller must tell its SeqMap to drop them.
func (s *Selector) Forward(encoding int, info FrameInfo) (forward, switched bool) {
	if s.target == 0 {
		return false, false
	}
	if info.StartOfFrame && info.KeyFrame && s.accepts(encoding) {
		s.current = int8(encoding + 1)
		s.limit, s.pending = s.wanted(), 0
		s.frame, s.seen = info.Timestamp, true
		return true, true
	}
	if s.current != int8(encoding+1) {
		return false, false
	}
	s.adjust(info)
	return !info.HasTID || info.TID <= s.limit, false
}

// accepts reports whether a key frame of an encoding is a reason to switch.
func (s *Selector) accepts(encoding int) bool {
	e := int8(encoding + 1)
	switch {
	case e == s.current || e > s.target:
		return false
	case s.current == 0 || s.current > s.target:
		return true
	}
	return e > s.current
}

// wanted is up to which temporal layer the current encoding should go.
func (s *Selector) wanted() uint8 {
	switch {
	case s.current > s.target:
		return 0
	case s.current < s.target:
		return AllTemporal
	}
	return s.temporal
}

// adjust moves the temporal limit when a frame begins. It falls at once. It
// rises where the frames above do not depend on ones that were left out, with
// LayerSync by one layer at a time: a frame of layer 1 may need one that was
// left out although a frame of layer 2 did not.
func (s *Selector) adjust(info FrameInfo) {
	if s.seen && int32(info.Timestamp-s.frame) <= 0 {
		return
	}
	s.frame, s.seen = info.Timestamp, true
	wanted := s.wanted()
	switch {
	case info.KeyFrame, wanted < s.limit, !info.HasTID:
		s.limit = wanted
	case s.pending > s.limit: // the last frame allowed more from here on
		s.limit = min(s.pending, wanted)
	}
	s.pending = 0
	if wanted <= s.limit || info.TID > wanted {
		return
	}
	if info.LayerSync && info.TID == s.limit+1 {
		s.limit = info.TID
	}
	if info.SwitchUp && info.TID <= s.limit {
		s.pending = wanted
	}
}
