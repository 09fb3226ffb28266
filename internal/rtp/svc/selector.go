package svc

import "math/bits"

const (
	// None as a spatial layer stands for no video.
	None = -1
	// All as a spatial or temporal layer stands for the highest there is.
	All = 7
)

// Action is what becomes of a packet.
type Action uint8

const (
	// Ignore: nothing is being forwarded; the packet concerns nobody.
	Ignore Action = iota
	// LeaveOut: the packet belongs to a layer that is not wanted. The caller
	// tells its rtp.SeqMap to drop the packet, unless a number is reserved for
	// it, in which case it is forwarded like any other.
	LeaveOut
	// Forward: the packet goes out.
	Forward
	// Start is Forward for the first packet of a new run: the caller calls
	// Switch of its rtp.SeqMap and descriptor rewriter first.
	Start
)

// Decision is what is to be done with a packet.
type Decision struct {
	Action Action
	// Marker is the RTP marker bit of the packet as it goes out.
	Marker bool
	// WriteTargets, for AV1 only: the dependency descriptor has to go out with
	// Targets as its active decode targets, see codec.WriteAV1Targets.
	WriteTargets bool
	Targets      uint32
}

// layer is a spatial and a temporal layer, with everything below.
type layer struct{ spatial, temporal int8 }

// selector is what the selectors of all codecs have in common. They know
// decode targets, each with a spatial and a temporal layer, and keep in intact
// those of which nothing was left out since the stream could be entered. Only
// these can be taken up.
type selector struct {
	target  layer
	wanted  bool // there is a target
	on      bool // current is being forwarded
	started bool // a packet went out since the last Restart
	needs   bool // the goal begins at a key frame
	seen    bool // newest is valid
	current int8 // decode target
	now     layer
	newest  uint32 // RTP timestamp of the newest picture
	intact  uint64 // decode targets
	past    history
}

func (s *selector) setTarget(spatial, temporal int) {
	s.wanted = spatial > None
	s.target = layer{int8(min(max(spatial, 0), All)), int8(min(max(temporal, 0), All))}
}

// fresh is the selector as it waits for a key frame.
func (s *selector) fresh() selector {
	return selector{target: s.target, wanted: s.wanted, needs: s.wanted}
}

// Target returns the layers wanted; None and 0 if nothing is.
func (s *selector) Target() (spatial, temporal int) {
	if !s.wanted {
		return None, 0
	}
	return int(s.target.spatial), int(s.target.temporal)
}

// Current returns the layers being forwarded, the temporal one possibly higher
// than what the stream has; None and 0 while it waits for a key frame.
func (s *selector) Current() (spatial, temporal int) {
	if !s.on {
		return None, 0
	}
	return int(s.now.spatial), int(s.now.temporal)
}

// Started reports whether a run has begun, so that what is not forwarded has to
// be dropped from the numbering.
func (s *selector) Started() bool { return s.started }

// NeedsKeyFrame reports whether the layers wanted can only be had from a key
// frame on. The caller asks the sender for one, at a bounded rate, until it
// is false.
func (s *selector) NeedsKeyFrame() bool { return s.needs }

// lose is for when what is being forwarded does not go on.
func (s *selector) lose(ts uint32) {
	s.on, s.needs = false, true
	s.note(ts, 0)
}

// resync is how far back in time, in ticks of 90 kHz, a packet counts as late;
// what is older than that is taken for a stream that has begun anew.
const resync = 10 * 90000

// order places a picture: 1 is newer than all before, 0 the newest one, -1 an
// older one.
func (s *selector) order(ts uint32) int {
	d := int32(ts - s.newest)
	switch {
	case !s.seen || d > 0 || d < -resync:
		return 1
	case d < 0:
		return -1
	}
	return 0
}

// ladder has the spatial and temporal layer of every decode target.
type ladder struct{ spatial, temporal []uint8 }

// choose decides what the picture at ts and those behind it are forwarded with:
// one of the available targets that is intact and among those allowed.
func (s *selector) choose(l ladder, available, allowed uint64, ts uint32) {
	goal := l.best(available, s.target)
	next := l.reach(s.intact&available&allowed, goal, s.on, s.now)
	if next < 0 {
		s.lose(ts)
		return
	}
	s.on, s.current = true, int8(next)
	s.now = layer{int8(l.spatial[next]), int8(l.temporal[next])}
	s.needs = l.spatial[goal] != l.spatial[next]
}

// wish finds out whether a new target needs a key frame.
func (s *selector) wish(l ladder, available uint64) {
	if !s.wanted || !s.on {
		s.needs = s.wanted
		return
	}
	goal := l.best(available, s.target)
	next := l.reach(l.upTo(s.intact&available, uint8(s.now.spatial)), goal, true, s.now)
	s.needs = next < 0 || l.spatial[next] != l.spatial[goal]
}

// best is the decode target that gives what is wanted: the largest spatial
// layer that is not larger, or the smallest there is; and in it likewise for
// the temporal layer. -1 if none is available.
func (l ladder) best(available uint64, want layer) int {
	best, bestRank := -1, 0
	for rest := available; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if i >= len(l.spatial) {
			break
		}
		rank := fit(l.spatial[i], want.spatial)<<8 | fit(l.temporal[i], want.temporal)
		if best < 0 || rank > bestRank {
			best, bestRank = i, rank
		}
	}
	return best
}

// fit ranks a layer by how well it serves a wish: not above it the higher the
// better, above it the lower the better but worse than any other.
func fit(have uint8, want int8) int {
	if int8(have) <= want {
		return 128 + int(have)
	}
	return 127 - int(have)
}

// upTo returns the targets with a spatial layer not above the given one.
func (l ladder) upTo(targets uint64, spatial uint8) uint64 {
	for rest := targets; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros64(rest); i >= len(l.spatial) || l.spatial[i] > spatial {
			targets &^= 1 << i
		}
	}
	return targets
}

// reach is the usable decode target with which to go on towards the goal: the
// goal itself, or what is best while it cannot be had. A receiver that is to
// get a smaller picture is given the base frame rate of the smallest larger one
// meanwhile, as there is too little bandwidth. -1 if there is none.
func (l ladder) reach(usable uint64, goal int, on bool, now layer) int {
	if goal < 0 || usable == 0 {
		return -1
	}
	want := layer{int8(l.spatial[goal]), int8(l.temporal[goal])}
	if on && now.spatial > want.spatial {
		next := l.best(usable, want)
		if next < 0 || int8(l.spatial[next]) <= want.spatial {
			return next
		}
		return l.best(usable, layer{int8(l.spatial[next]), 0})
	}
	return l.best(usable, want)
}
