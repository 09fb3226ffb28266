package colibri

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrMessage is wrapped by every error of [ParseMessage]: the message must be
// dropped, the channel may go on.
var ErrMessage = errors.New("colibri: bad message")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMessage}, args...)...)
}

// ParseMessage reads one message. Fields that the class does not have are
// ignored, numbers may have a fraction, and a class that nobody knows yields
// *Unknown. The result keeps no reference to data. Errors wrap [ErrMessage].
func ParseMessage(data []byte) (Message, error) {
	if err := precheck(data); err != nil {
		return nil, err
	}
	var head struct {
		Class string `json:"colibriClass"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, bad("%v", err)
	}
	if head.Class == "" || len(head.Class) > MaxName {
		return nil, bad("no colibriClass")
	}
	m := newMessage(head.Class)
	if m == nil {
		return &Unknown{Name: head.Class}, nil
	}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, bad("%s: %v", head.Class, err)
	}
	if c, ok := m.(checker); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("%w (in %s)", err, head.Class)
		}
	}
	return m, nil
}

// newMessage returns an empty message of a class, nil if nobody knows it.
func newMessage(class string) Message {
	switch class {
	case "ClientHello":
		return new(ClientHello)
	case "ServerHello":
		return new(ServerHello)
	case "ReceiverVideoConstraints":
		return new(ReceiverVideoConstraints)
	case "LastNChangedEvent":
		return new(LastNChangedEvent)
	case "SourceVideoTypeMessage":
		return new(SourceVideoType)
	case "VideoTypeMessage":
		return new(EndpointVideoType)
	case "ReceiverAudioSubscription":
		return new(ReceiverAudioSubscription)
	case "EndpointMessage":
		return new(EndpointMessage)
	case "EndpointStats":
		return new(EndpointStats)
	case "DominantSpeakerEndpointChangeEvent":
		return new(DominantSpeaker)
	case "EndpointConnectivityStatusChangeEvent":
		return new(EndpointConnectivity)
	case "ForwardedSources":
		return new(ForwardedSources)
	case "SenderSourceConstraints":
		return new(SenderSourceConstraints)
	case "ConnectionStats":
		return new(ConnectionStats)
	case "VideoSourcesMap":
		return new(VideoSourcesMap)
	case "AudioSourcesMap":
		return new(AudioSourcesMap)
	case "SyntheticSourceSendingChangeEvent":
		return new(SyntheticSource)
	case "AddReceiver":
		return new(AddReceiver)
	case "RemoveReceiver":
		return new(RemoveReceiver)
	}
	return nil
}

// precheck bounds a message before anything is made of it. UTF-8 is checked
// because payloads are passed on as they are, and a browser closes its
// WebSocket on a text frame that is not UTF-8 (RFC 6455 §8.1).
func precheck(data []byte) error {
	switch {
	case len(data) > MaxMessage:
		return bad("%d bytes", len(data))
	case !utf8.Valid(data):
		return bad("not UTF-8")
	case depth(data) > MaxDepth:
		return bad("nested too deeply")
	}
	return nil
}

// depth returns how deeply objects and arrays nest, if data is JSON.
func depth(data []byte) int {
	level, deepest := 0, 0
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// checker is a message with lists or names that need bounds.
type checker interface{ check() error }

// names checks lists of names.
func names(lists ...[]string) error {
	for _, list := range lists {
		if len(list) > MaxNames {
			return bad("%d names", len(list))
		}
		for _, n := range list {
			if len(n) > MaxName {
				return bad("a name of %d bytes", len(n))
			}
		}
	}
	return nil
}

func (m *ReceiverVideoConstraints) check() error {
	if len(m.Constraints) > MaxNames {
		return bad("%d constraints", len(m.Constraints))
	}
	for name := range m.Constraints {
		if len(name) > MaxName {
			return bad("a name of %d bytes", len(name))
		}
	}
	return names(m.SelectedSources, m.OnStageSources)
}

func (m *ReceiverAudioSubscription) check() error { return names(m.Include, m.Exclude) }
func (m *EndpointMessage) check() error           { return names([]string{m.From, m.To}) }
func (m *DominantSpeaker) check() error           { return names([]string{m.Endpoint}, m.Previous) }
func (m *EndpointConnectivity) check() error      { return names([]string{m.Endpoint}) }
func (m *ForwardedSources) check() error          { return names(m.Sources) }
func (m *SenderSourceConstraints) check() error   { return names([]string{m.SourceName}) }
func (m *SyntheticSource) check() error           { return names([]string{m.SourceName}) }
func (m *AddReceiver) check() error {
	return names([]string{m.BridgeID, m.SourceName, m.EndpointID})
}
func (m *RemoveReceiver) check() error {
	return names([]string{m.BridgeID, m.SourceName, m.EndpointID})
}

func (m *SourceVideoType) check() error {
	if m.VideoType == "" || m.SourceName == "" {
		return bad("a field is missing")
	}
	return names([]string{m.SourceName, m.EndpointID})
}

func (m *EndpointVideoType) check() error {
	if m.VideoType == "" {
		return bad("a field is missing")
	}
	return names([]string{m.EndpointID})
}

func (m *EndpointStats) check() error {
	if len(m.Fields) > MaxNames {
		return bad("%d fields", len(m.Fields))
	}
	return names([]string{m.From})
}

func (m *VideoSourcesMap) check() error {
	if len(m.Mapped) > MaxNames {
		return bad("%d sources", len(m.Mapped))
	}
	for _, v := range m.Mapped {
		if v.VideoType == "" {
			return bad("a field is missing")
		}
		if err := names([]string{v.Source, v.Owner, v.MID}); err != nil {
			return err
		}
	}
	return nil
}

func (m *AudioSourcesMap) check() error {
	if len(m.Mapped) > MaxNames {
		return bad("%d sources", len(m.Mapped))
	}
	for _, v := range m.Mapped {
		if err := names([]string{v.Source, v.Owner, v.MID}); err != nil {
			return err
		}
	}
	return nil
}

// limit reads a number where negative means Unlimited. Clients' numbers are
// all floating point.
func limit(f float64) int {
	switch {
	case f < 0:
		return Unlimited
	case f > math.MaxInt32:
		return math.MaxInt32
	}
	return int(f)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *ReceiverVideoConstraints) UnmarshalJSON(data []byte) error {
	var wire struct {
		LastN              *float64                     `json:"lastN"`
		SelectedSources    []string                     `json:"selectedSources"`
		OnStageSources     []string                     `json:"onStageSources"`
		DefaultConstraints *VideoConstraints            `json:"defaultConstraints"`
		Constraints        map[string]*VideoConstraints `json:"constraints"`
		AssumedBandwidth   *float64                     `json:"assumedBandwidthBps"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*m = ReceiverVideoConstraints{
		SelectedSources:    wire.SelectedSources,
		OnStageSources:     wire.OnStageSources,
		DefaultConstraints: wire.DefaultConstraints,
	}
	if wire.LastN != nil {
		n := limit(*wire.LastN)
		m.LastN = &n
	}
	if wire.AssumedBandwidth != nil {
		bps := int64(min(max(*wire.AssumedBandwidth, -1), 1e12))
		m.AssumedBandwidthBps = &bps
	}
	if wire.Constraints != nil {
		m.Constraints = make(map[string]VideoConstraints, len(wire.Constraints))
	}
	for name, c := range wire.Constraints {
		if c != nil { // null says nothing about the source
			m.Constraints[name] = *c
		}
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler. A missing height is unlimited.
func (c *VideoConstraints) UnmarshalJSON(data []byte) error {
	wire := struct {
		MaxHeight    float64 `json:"maxHeight"`
		MaxFrameRate float64 `json:"maxFrameRate"`
	}{Unlimited, Unlimited}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*c = VideoConstraints{MaxHeight: limit(wire.MaxHeight)}
	switch {
	case wire.MaxFrameRate == 0:
		c.MaxHeight = 0
	case wire.MaxFrameRate > 0:
		c.MaxFrameRate = wire.MaxFrameRate
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *LastNChangedEvent) UnmarshalJSON(data []byte) error {
	wire := struct {
		LastN *float64 `json:"lastN"`
	}{}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	if wire.LastN == nil {
		return errors.New("no lastN")
	}
	m.LastN = limit(*wire.LastN)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler; see [ParseVideoType].
func (v *VideoType) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	parsed, ok := ParseVideoType(s)
	if !ok {
		return fmt.Errorf("video type %.32q", s)
	}
	*v = parsed
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
//
// COMPAT(clients and bridges that still say mode and list): All, None,
// Include and Exclude become the three fields.
func (m *ReceiverAudioSubscription) UnmarshalJSON(data []byte) error {
	var wire struct {
		All     *bool    `json:"all"`
		Include []string `json:"include"`
		Exclude []string `json:"exclude"`
		Mode    string   `json:"mode"`
		List    []string `json:"list"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*m = ReceiverAudioSubscription{All: wire.All == nil || *wire.All, Include: wire.Include, Exclude: wire.Exclude}
	switch strings.ToLower(wire.Mode) {
	case "", "all":
	case "none":
		*m = ReceiverAudioSubscription{}
	case "include":
		*m = ReceiverAudioSubscription{Include: wire.List}
	case "exclude":
		*m = ReceiverAudioSubscription{All: true, Exclude: wire.List}
	default:
		return fmt.Errorf("mode %.32q", wire.Mode)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler. Clients drop a message whose
// payload is no object; so do we.
func (m *EndpointMessage) UnmarshalJSON(data []byte) error {
	var wire struct {
		From    string          `json:"from"`
		To      string          `json:"to"`
		Payload json.RawMessage `json:"msgPayload"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	if len(wire.Payload) == 0 || wire.Payload[0] != '{' && wire.Payload[0] != '[' {
		return errors.New("msgPayload is no object")
	}
	*m = EndpointMessage{From: wire.From, To: wire.To, Payload: wire.Payload}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *EndpointStats) UnmarshalJSON(data []byte) error {
	*m = EndpointStats{}
	if err := json.Unmarshal(data, &m.Fields); err != nil {
		return err
	}
	if from, ok := m.Fields["from"]; ok {
		_ = json.Unmarshal(from, &m.From) // what a client writes there has no meaning
	}
	maps.DeleteFunc(m.Fields, func(name string, _ json.RawMessage) bool { return reserved(name) })
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *EndpointConnectivity) UnmarshalJSON(data []byte) error {
	var wire struct {
		Endpoint string `json:"endpoint"`
		Active   any    `json:"active"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*m = EndpointConnectivity{Endpoint: wire.Endpoint, Active: wire.Active == "true" || wire.Active == true}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *VideoMapping) UnmarshalJSON(data []byte) error {
	var wire struct {
		Source    string    `json:"source"`
		Owner     string    `json:"owner"`
		SSRC      uint32    `json:"ssrc"`
		RTX       any       `json:"rtx"`
		VideoType VideoType `json:"videoType"`
		MID       string    `json:"mid"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	rtx, err := optionalSSRC(wire.RTX)
	if err != nil {
		return err
	}
	*m = VideoMapping{wire.Source, wire.Owner, wire.SSRC, rtx, wire.VideoType, wire.MID}
	return nil
}

// optionalSSRC reads an SSRC that is a number, or -1 or missing for none.
func optionalSSRC(v any) (uint32, error) {
	f := -1.0
	switch v := v.(type) {
	case nil:
	case float64:
		f = v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("SSRC %.32q", v)
		}
		f = float64(n)
	default:
		return 0, fmt.Errorf("SSRC of type %T", v)
	}
	if f < 0 {
		return 0, nil
	}
	if f > math.MaxUint32 {
		return 0, fmt.Errorf("SSRC %v", f)
	}
	return uint32(f), nil
}
