package media

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// Stream accounts for one SSRC that is received. Its owner tells it of every
// packet with Packet, and of those that were decrypted with Opened.
type Stream struct {
	SSRC    uint32
	Video   bool
	Desktop bool
	Source  string // name, "" while not announced
	Codec   string
	Clock   uint32

	rtp.Receiver
	Nack rtp.NackGenerator

	Started    mono.Time
	Recovered  uint64
	Duplicates uint64
	Frames     uint64
	KeyFrames  uint64
	Height     int
	Switches   int
	Freezes    int
	Frozen     time.Duration
	LongestGap time.Duration

	window   uint64 // bytes since Rate
	heard    bool   // since Reportable was asked
	rate     int64
	lastTS   uint32
	frameAt  mono.Time // when the newest frame began, 0 if its gap would mean nothing
	sample   uint64    // counts units of sampling: frames, or audio packets
	open     bool      // the frame is being looked at
	any      bool
	haveKey  bool
	seen     rtp.DuplicateFilter
	moving   bool      // its gaps count as freezes
	steps    [4]uint32 // of the RTP clock, between the newest pictures; 0 if not known
	keyAsked mono.Time
}

// FreezeAfter is the gap from which a video that should move counts as frozen,
// unless the sender's own pictures follow each other so slowly that three of
// its intervals are longer.
const FreezeAfter = 200 * time.Millisecond

// slowest is the longest interval that is taken for the sender's: that of the
// lowest of three temporal layers of a camera with 30 pictures a second. What
// comes more seldom was left out on the way.
const slowest = 4 * time.Second / 30

// NewStream accounts for an SSRC. Its gaps do not count as freezes before
// Moving says so.
func NewStream(ssrc uint32, video bool, codec string, clock uint32) *Stream {
	return &Stream{SSRC: ssrc, Video: video, Codec: codec, Clock: clock}
}

// Packet notes a packet from what is in its header. It reports whether it is
// one of those to be decrypted, of which there is one frame (audio: packet) in
// every; until the first key frame all are. It reports duplicates too, which
// are to be dropped.
func (s *Stream) Packet(h *rtp.Header, payload int, at mono.Time, every uint64) (open, first bool) {
	if !s.seen.First(h.Seq) {
		s.Duplicates++
		return false, false
	}
	s.Add(h.Seq, h.Timestamp, s.Clock, payload, at)
	s.window += uint64(payload)
	s.heard = true
	if !s.any {
		s.Started = at
	}
	if !s.Video {
		s.any = true
		s.sample++
		return s.sample%every == 0, true
	}
	s.Nack.Add(h.Seq, at)
	if !s.any || int32(h.Timestamp-s.lastTS) > 0 {
		s.frame(h.Timestamp, at)
		s.sample++
		s.open = s.sample%every == 0
	}
	s.any = true
	return !s.haveKey || s.open, true
}

// Reportable reports whether something has come since the last call: only then
// a report block is due (RFC 3550 §6.4).
func (s *Stream) Reportable() bool {
	heard := s.heard
	s.heard = false
	return heard
}

// frame notes the beginning of a new picture.
func (s *Stream) frame(ts uint32, at mono.Time) {
	s.Frames++
	if s.frameAt != 0 {
		gap := at.Sub(s.frameAt)
		s.LongestGap = max(s.LongestGap, gap)
		if s.moving && gap > s.freezeAfter() {
			s.Freezes++
			s.Frozen += gap
		}
		s.steps[s.Frames%uint64(len(s.steps))] = ts - s.lastTS
	}
	s.frameAt, s.lastTS = at, ts
}

// Standstill is Freezes, Frozen and LongestGap as they would be if the next
// picture came now: a picture that stands still until the end is frozen too.
func (s *Stream) Standstill(now mono.Time) (freezes int, frozen, longest time.Duration) {
	freezes, frozen, longest = s.Freezes, s.Frozen, s.LongestGap
	if gap := now.Sub(s.frameAt); s.frameAt != 0 && s.moving && gap > s.freezeAfter() {
		return freezes + 1, frozen + gap, max(longest, gap)
	}
	return freezes, frozen, longest
}

// freezeAfter is the gap from which the stream counts as frozen: FreezeAfter,
// or three intervals of what the sender sends at the layer that is forwarded.
// That is the shortest step of the sender's clock between the last pictures:
// layers leave out pictures evenly, and what is lost makes steps longer only.
func (s *Stream) freezeAfter() time.Duration {
	least := uint32(0)
	for _, step := range s.steps {
		if step != 0 && (least == 0 || step < least) {
			least = step
		}
	}
	interval := time.Duration(least) * time.Second / time.Duration(max(s.Clock, 1))
	return max(FreezeAfter, 3*min(interval, slowest))
}

// Pause says that the stream is not expected to move: the gap until its next
// frame means nothing.
func (s *Stream) Pause() { s.frameAt = 0 }

// Moving says whether gaps count as freezes from now on.
func (s *Stream) Moving(is bool) {
	if !is {
		s.Pause()
	}
	s.moving = is
}

// IsMoving reports whether gaps count as freezes.
func (s *Stream) IsMoving() bool { return s.moving }

// Reassign says that the SSRC carries another source from now on (SSRC
// rewriting).
func (s *Stream) Reassign(source string, desktop bool) {
	s.Source, s.Desktop = source, desktop
	s.steps = [4]uint32{}
	s.Pause()
}

// HasKey reports whether the beginning of a key frame was seen.
func (s *Stream) HasKey() bool { return s.haveKey }

// WantsKey reports whether it is time to ask for a key frame, since none came
// for a while; it counts as asked for then.
func (s *Stream) WantsKey(now mono.Time, wait time.Duration) bool {
	if s.haveKey || !s.any || now.Sub(max(s.Started, s.keyAsked)) < wait {
		return false
	}
	s.keyAsked = now
	return true
}

// Opened looks at a decrypted packet. It reports whether it begins a key
// frame, and returns its stamp if it has one.
func (s *Stream) Opened(h *rtp.Header) (key bool, stamp Stamp, stamped bool) {
	payload := h.Payload()
	if s.Video {
		key = isKeyFrame(s.Codec, payload)
		if key {
			s.KeyFrames++
			s.haveKey = true
		}
	}
	if s.Video && !h.Marker {
		return key, stamp, false
	}
	if stamp, stamped = ReadStamp(payload); stamped && s.Video {
		s.picture(int(stamp.Height))
	}
	return key, stamp, stamped
}

// picture notes how high the picture is.
func (s *Stream) picture(height int) {
	if height != s.Height && s.Height != 0 {
		s.Switches++
	}
	s.Height = height
}

// isKeyFrame reports whether a payload begins a key frame, as far as its
// codec says so in the clear.
func isKeyFrame(name string, payload []byte) bool {
	switch name {
	case "VP8":
		d, err := codec.ParseVP8(payload)
		return err == nil && d.StartOfFrame && d.KeyFrame
	case "VP9":
		d, err := codec.ParseVP9(payload)
		return err == nil && d.KeyFrame
	case "H264":
		d, err := codec.ParseH264(payload)
		return err == nil && d.SPS
	case "AV1":
		return len(payload) > 0 && payload[0]&av1Sequence != 0
	}
	return len(payload) > 0 // unknown: any packet will do
}

// Late notes a packet that came as a repetition; false if it had come before.
func (s *Stream) Late(seq uint16, at mono.Time) bool {
	s.Nack.Add(seq, at)
	if !s.seen.First(seq) {
		s.Duplicates++
		return false
	}
	s.Recovered++
	return true
}

// Rate closes a second and returns its bitrate in bit/s.
func (s *Stream) Rate(over time.Duration) int64 {
	if over > 0 {
		s.rate = int64(float64(8*s.window) / over.Seconds())
	}
	s.window = 0
	return s.rate
}

// LastRate is what Rate returned last.
func (s *Stream) LastRate() int64 { return s.rate }
