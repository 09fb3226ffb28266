package media

import "net/netip"

// Kind says whether something is audio or video.
type Kind uint8

// The two kinds of media a conference carries.
const (
	Audio Kind = iota + 1
	Video
)

// String returns the word used on the wire: "audio" or "video".
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	}
	return "unknown"
}

// ParseKind is the inverse of [Kind.String]; it returns 0 for anything else.
func ParseKind(s string) Kind {
	switch s {
	case "audio":
		return Audio
	case "video":
		return Video
	}
	return 0
}

// Parameter is one format parameter of a payload type (RFC 8866 §6.15). A
// parameter without a name contributes only its value, as RED's "111/111".
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Feedback is one kind of RTCP feedback a payload type supports (RFC 4585
// §4.2), for example {"nack", "pli"}.
type Feedback struct {
	Type    string `json:"type"`
	Subtype string `json:"subtype,omitempty"`
}

// PayloadType describes one RTP payload type of a session (XEP-0167 §7).
type PayloadType struct {
	ID         uint8       `json:"id"`
	Name       string      `json:"name"` // as in SDP: "opus", "VP8", "rtx"
	ClockRate  uint32      `json:"clock_rate"`
	Channels   uint8       `json:"channels,omitempty"` // 0 means 1
	Parameters []Parameter `json:"parameters,omitempty"`
	Feedback   []Feedback  `json:"feedback,omitempty"`
}

// Parameter returns the value of the named format parameter, or "".
func (p *PayloadType) Parameter(name string) string {
	for _, q := range p.Parameters {
		if q.Name == name {
			return q.Value
		}
	}
	return ""
}

// HeaderExtension maps a number used in RTP headers to what it means (RFC 8285).
type HeaderExtension struct {
	ID  uint8  `json:"id"`
	URI string `json:"uri"`
}

// The header extensions that plenum understands.
const (
	ExtAudioLevel           = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	ExtAbsSendTime          = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	ExtTransportCC          = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	ExtMID                  = "urn:ietf:params:rtp-hdrext:sdes:mid"
	ExtDependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

// Description is what one kind of media may look like in a session.
type Description struct {
	Kind             Kind              `json:"kind"`
	PayloadTypes     []PayloadType     `json:"payload_types,omitempty"`
	HeaderExtensions []HeaderExtension `json:"header_extensions,omitempty"`
	ExtmapAllowMixed bool              `json:"extmap_allow_mixed,omitempty"`
}

// Candidate is one ICE candidate (RFC 8839 §5.1). plenum speaks UDP only.
type Candidate struct {
	Foundation string         `json:"foundation"`
	Component  uint8          `json:"component"`
	Protocol   string         `json:"protocol"` // "udp"; others are kept for the debug tree and otherwise ignored
	Priority   uint32         `json:"priority"`
	Addr       netip.AddrPort `json:"addr"`
	Type       string         `json:"type"`              // "host", "srflx", "prflx", "relay"
	Related    netip.AddrPort `json:"related,omitempty"` // zero when absent
	Generation int            `json:"generation,omitempty"`
	ID         string         `json:"id,omitempty"`
	Network    int            `json:"network,omitempty"`
}

// Fingerprint binds a DTLS certificate to the signalling (RFC 8122).
type Fingerprint struct {
	Hash  string `json:"hash"`  // "sha-256"
	Value string `json:"value"` // upper-case hex pairs joined by colons
	Setup string `json:"setup"` // "actpass", "active" or "passive" (RFC 8842)
}

// Transport is one side's half of an ICE and DTLS association (XEP-0176,
// XEP-0320), with what Jitsi adds to it.
type Transport struct {
	Ufrag       string       `json:"ufrag,omitempty"`
	Pwd         string       `json:"-"` // a secret: never in the debug tree
	Fingerprint *Fingerprint `json:"fingerprint,omitempty"`
	Candidates  []Candidate  `json:"candidates,omitempty"`
	// Generation counts ICE restarts; 0 for the first credentials.
	Generation int `json:"generation,omitempty"`
	// ChannelURL is where the bridge channel's WebSocket is; it holds a
	// password and is empty when the bridge offers none.
	ChannelURL string `json:"-"`
	// SCTPPort is 0 when no data channel is offered.
	SCTPPort int `json:"sctp_port,omitempty"`
}
