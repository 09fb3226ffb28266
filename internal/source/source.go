package source

import "github.com/plenum-conf/plenum/internal/media"

// VideoType says what a video source shows.
type VideoType string

// Video types as they stand in signalling.
const (
	Camera  VideoType = "camera"
	Desktop VideoType = "desktop"
)

// Source is one SSRC that somebody sends, under the name of the audio or
// video thing it belongs to. The simulcast layers of a camera and their
// retransmission streams are Sources of the same Name (XEP-0339).
type Source struct {
	SSRC      uint32     `json:"ssrc"`
	Kind      media.Kind `json:"kind"`
	Name      string     `json:"name,omitempty"` // "0a1b2c3d-v0"
	MSID      string     `json:"msid,omitempty"`
	VideoType VideoType  `json:"video_type,omitempty"` // "" means Camera
}

// Semantics says what a [Group] of SSRCs means.
type Semantics string

// The two semantics that are used (RFC 5576 §4.2; SIM is Jitsi's and libwebrtc's).
const (
	FID Semantics = "FID" // primary and retransmission, in this order
	SIM Semantics = "SIM" // simulcast encodings, smallest picture first
)

// Group ties SSRCs together. All its members belong to one source name.
type Group struct {
	Semantics Semantics  `json:"semantics"`
	Kind      media.Kind `json:"kind"`
	SSRCs     []uint32   `json:"ssrcs"`
}

// Set is all that one endpoint sends. A Set is immutable once it has been
// handed to somebody: changes make a new one.
type Set struct {
	Sources []Source `json:"sources,omitempty"`
	Groups  []Group  `json:"groups,omitempty"`
}

// Empty reports whether the set has neither sources nor groups.
func (s Set) Empty() bool { return len(s.Sources) == 0 && len(s.Groups) == 0 }
