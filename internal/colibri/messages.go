package colibri

import (
	"encoding/json"
	"strings"
)

// Limits of a bridge channel message. What exceeds one is refused by
// [ParseMessage].
const (
	MaxMessage = 64 << 10 // bytes
	MaxDepth   = 32       // nested objects and arrays
	MaxNames   = 1000     // entries of a list or map, fields of EndpointStats
	MaxName    = 256      // bytes of a source name, endpoint id or class
)

// Message is one message of the bridge channel: a JSON object whose
// colibriClass is Class. The implementations are the types of this file,
// always by pointer.
type Message interface {
	// Class returns the value of colibriClass.
	Class() string
}

// Unlimited is the value of limits (last-N, heights) that do not limit.
const Unlimited = -1

// List is a list that is written as [] when it is nil: clients iterate over
// it without looking.
type List[T any] []T

// MarshalJSON implements json.Marshaler.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Unknown is a message of a class that we do not know. Receivers ignore it:
// old clients send classes that mean nothing any more.
type Unknown struct{ Name string }

// ClientHello asks for a ServerHello.
type ClientHello struct{}

// ServerHello is the first thing a client hears on a WebSocket.
type ServerHello struct {
	Version string `json:"version,omitempty"`
}

// ReceiverVideoConstraints says which videos a client wants, and how large.
// It updates what the client said before: a field that is nil was missing (or
// null) and keeps its former value; an empty list or map replaces the former.
type ReceiverVideoConstraints struct {
	// LastN is how many sources may be forwarded; Unlimited or 0 and more.
	LastN *int `json:"lastN,omitzero"`
	// SelectedSources come before all others, OnStageSources before these;
	// the order within each matters.
	SelectedSources []string `json:"selectedSources,omitzero"`
	OnStageSources  []string `json:"onStageSources,omitzero"`
	// DefaultConstraints hold for sources that Constraints does not name.
	DefaultConstraints *VideoConstraints           `json:"defaultConstraints,omitzero"`
	Constraints        map[string]VideoConstraints `json:"constraints,omitzero"`
	// AssumedBandwidthBps replaces the bandwidth estimate if it is positive.
	AssumedBandwidthBps *int64 `json:"assumedBandwidthBps,omitzero"`
}

// VideoConstraints limit one source for one receiver.
type VideoConstraints struct {
	// MaxHeight is in pixels: Unlimited, or 0 for "do not send".
	MaxHeight int
	// MaxFrameRate is in frames per second; 0 is no limit. (On the wire -1 is
	// no limit and 0 disables the source; the latter is read as MaxHeight 0.)
	MaxFrameRate float64
}

// LastNChangedEvent is the older form of ReceiverVideoConstraints.LastN;
// clients send it when the channel opens.
type LastNChangedEvent struct {
	LastN int `json:"lastN"`
}

// VideoType says what a video source shows.
type VideoType string

// Video types in the spelling that clients send. None and Disabled both mean
// that the source is muted.
const (
	Camera         VideoType = "camera"
	Desktop        VideoType = "desktop"
	DesktopHighFPS VideoType = "desktop_high_fps"
	None           VideoType = "none"
	Disabled       VideoType = "disabled"
)

// ParseVideoType reads a video type in any case: clients write lower case,
// other bridges upper case.
func ParseVideoType(s string) (VideoType, bool) {
	switch v := VideoType(strings.ToLower(s)); v {
	case Camera, Desktop, DesktopHighFPS, None, Disabled:
		return v, true
	}
	return "", false
}

// SourceVideoType says what one of the sender's sources shows.
type SourceVideoType struct {
	SourceName string    `json:"sourceName"`
	VideoType  VideoType `json:"videoType"`
	EndpointID string    `json:"endpointId,omitempty"` // between bridges only
}

// EndpointVideoType is the form of SourceVideoType for clients with a single
// video source.
//
// COMPAT(mobile apps before multi-stream, as long as they connect).
type EndpointVideoType struct {
	VideoType  VideoType `json:"videoType"`
	EndpointID string    `json:"endpointId,omitempty"`
}

// ReceiverAudioSubscription says which audio sources a client wants. A source
// in Exclude is not wanted; else one in Include is; else All decides.
type ReceiverAudioSubscription struct {
	All     bool         `json:"all"`
	Include List[string] `json:"include"`
	Exclude List[string] `json:"exclude"`
}

// EndpointMessage carries a client's payload to another client or to all.
type EndpointMessage struct {
	From string // set by the bridge; what a client writes there is overwritten
	To   string // "" is everybody else
	// Payload is a JSON object, kept as the bytes that came.
	Payload json.RawMessage
}

// EndpointStats is what a client tells the others about its connection. The
// fields are the clients' business.
type EndpointStats struct {
	From string // set by the bridge
	// Fields holds all fields except colibriClass and from, undecoded.
	Fields map[string]json.RawMessage
}

// DominantSpeaker tells clients who speaks.
type DominantSpeaker struct {
	Endpoint string `json:"dominantSpeakerEndpoint"`
	// Previous holds who spoke before, the latest first, at most 10.
	Previous List[string] `json:"previousSpeakers"`
	// Silence is never set unless silence is detected at all.
	Silence bool `json:"silence"`
}

// EndpointConnectivity tells clients whether an endpoint is still heard of.
type EndpointConnectivity struct {
	Endpoint string
	Active   bool // a string on the wire: "true" or "false"
}

// ForwardedSources lists the names of all video sources that the receiver is
// sent now. Once sent it must be kept up to date: clients show a source that
// is missing from it as inactive.
type ForwardedSources struct {
	Sources List[string] `json:"forwardedSources"`
}

// SenderSourceConstraints tells a sender how large its source is wanted by
// anybody: Unlimited, or 0 for nobody. Both fields are mandatory for clients.
type SenderSourceConstraints struct {
	SourceName string `json:"sourceName"`
	MaxHeight  int    `json:"maxHeight"`
}

// ConnectionStats tells a client the bandwidth estimate towards it, in bit/s,
// and whether it gets less video than it asked for because the bridge has too
// much to do. The latter is ours: other clients pass it over.
type ConnectionStats struct {
	EstimatedDownlink int64 `json:"estimatedDownlinkBandwidth"`
	BridgeBusy        bool  `json:"bridgeBusy,omitempty"`
}

// VideoSourcesMap tells a client with SSRC rewriting what the bridge's video
// SSRCs carry from now on. Entries that are not mentioned stay. It must be
// sent before the first packet.
type VideoSourcesMap struct {
	Mapped List[VideoMapping] `json:"mappedSources"`
}

// VideoMapping is one entry of a VideoSourcesMap.
type VideoMapping struct {
	Source    string // name, "0a1b2c3d-v0"
	Owner     string // endpoint id
	SSRC      uint32
	RTX       uint32 // 0: none
	VideoType VideoType
	MID       string // "": the client does not demultiplex by MID
}

// AudioSourcesMap is the VideoSourcesMap of audio.
type AudioSourcesMap struct {
	Mapped List[AudioMapping] `json:"mappedSources"`
}

// AudioMapping is one entry of an AudioSourcesMap.
type AudioMapping struct {
	Source string `json:"source"`
	Owner  string `json:"owner"`
	SSRC   uint32 `json:"ssrc"`
	MID    string `json:"mid,omitempty"`
}

// SyntheticSource tells clients that a source made by a service (translated
// audio) starts or stops at an RTP timestamp.
type SyntheticSource struct {
	SourceName string `json:"sourceName"`
	Sending    bool   `json:"sending"`
	Timestamp  uint32 `json:"timestamp"`
}

// AddReceiver tells another bridge that somebody behind the sender wants a
// source.
type AddReceiver struct {
	BridgeID    string           `json:"bridgeId"`
	SourceName  string           `json:"sourceName"`
	EndpointID  string           `json:"endpointId,omitempty"`
	Constraints VideoConstraints `json:"videoConstraints"`
}

// RemoveReceiver takes an AddReceiver back.
type RemoveReceiver struct {
	BridgeID   string `json:"bridgeId"`
	SourceName string `json:"sourceName,omitempty"`
	EndpointID string `json:"endpointId,omitempty"`
}

// Class implements Message, as do the methods below.
func (m *Unknown) Class() string                 { return m.Name }
func (*ClientHello) Class() string               { return "ClientHello" }
func (*ServerHello) Class() string               { return "ServerHello" }
func (*ReceiverVideoConstraints) Class() string  { return "ReceiverVideoConstraints" }
func (*LastNChangedEvent) Class() string         { return "LastNChangedEvent" }
func (*SourceVideoType) Class() string           { return "SourceVideoTypeMessage" }
func (*EndpointVideoType) Class() string         { return "VideoTypeMessage" }
func (*ReceiverAudioSubscription) Class() string { return "ReceiverAudioSubscription" }
func (*EndpointMessage) Class() string           { return "EndpointMessage" }
func (*EndpointStats) Class() string             { return "EndpointStats" }
func (*DominantSpeaker) Class() string           { return "DominantSpeakerEndpointChangeEvent" }
func (*EndpointConnectivity) Class() string      { return "EndpointConnectivityStatusChangeEvent" }
func (*ForwardedSources) Class() string          { return "ForwardedSources" }
func (*SenderSourceConstraints) Class() string   { return "SenderSourceConstraints" }
func (*ConnectionStats) Class() string           { return "ConnectionStats" }
func (*VideoSourcesMap) Class() string           { return "VideoSourcesMap" }
func (*AudioSourcesMap) Class() string           { return "AudioSourcesMap" }
func (*SyntheticSource) Class() string           { return "SyntheticSourceSendingChangeEvent" }
func (*AddReceiver) Class() string               { return "AddReceiver" }
func (*RemoveReceiver) Class() string            { return "RemoveReceiver" }
