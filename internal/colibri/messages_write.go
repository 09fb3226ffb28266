package colibri

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MarshalMessage returns m as it goes over the bridge channel, one line of
// JSON that begins with its colibriClass. It fails for an *Unknown and for
// raw fields that are no JSON; parsed messages never have these.
func MarshalMessage(m Message) ([]byte, error) {
	if u, ok := m.(*Unknown); ok {
		return nil, fmt.Errorf("colibri: a message of the unknown class %q cannot be written", u.Name)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("colibri: writing %s: %w", m.Class(), err)
	}
	head := `{"colibriClass":"` + m.Class() + `"`
	if string(body) == "{}" {
		return []byte(head + "}"), nil
	}
	out := make([]byte, 0, len(head)+len(body))
	out = append(out, head...)
	out = append(out, ',')
	return append(out, body[1:]...), nil
}

// MarshalJSON implements json.Marshaler. The payload is not decoded again.
func (m *EndpointMessage) MarshalJSON() ([]byte, error) {
	return marshalFields(
		field{"from", m.From, m.From == ""},
		field{"to", m.To, false},
		field{"msgPayload", m.Payload, false})
}

// reserved reports whether a field of EndpointStats is not the client's to
// set. Case is ignored because decoders, ours too, may ignore it: a second
// "ColibriClass" would turn the message into another one.
func reserved(name string) bool {
	return strings.EqualFold(name, "from") || strings.EqualFold(name, "colibriClass")
}

// MarshalJSON implements json.Marshaler. Reserved fields are left out: a
// client must not choose who it is.
func (m *EndpointStats) MarshalJSON() ([]byte, error) {
	fields := []field{{"from", m.From, m.From == ""}}
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		if !reserved(name) {
			fields = append(fields, field{name, m.Fields[name], false})
		}
	}
	return marshalFields(fields...)
}

// MarshalJSON implements json.Marshaler: clients expect a string for active.
func (m *EndpointConnectivity) MarshalJSON() ([]byte, error) {
	return marshalFields(
		field{"endpoint", m.Endpoint, false},
		field{"active", strconv.FormatBool(m.Active), false})
}

// MarshalJSON implements json.Marshaler.
func (c VideoConstraints) MarshalJSON() ([]byte, error) {
	return marshalFields(
		field{"maxHeight", c.MaxHeight, false},
		field{"maxFrameRate", c.MaxFrameRate, c.MaxFrameRate == 0})
}

// MarshalJSON implements json.Marshaler. The original bridge writes video
// types in upper case here, and "no RTX" is the string "-1" for clients.
func (m VideoMapping) MarshalJSON() ([]byte, error) {
	rtx := any(m.RTX)
	if m.RTX == 0 {
		rtx = "-1"
	}
	return marshalFields(
		field{"source", m.Source, false},
		field{"owner", m.Owner, false},
		field{"ssrc", m.SSRC, false},
		field{"rtx", rtx, false},
		field{"videoType", strings.ToUpper(string(m.VideoType)), false},
		field{"mid", m.MID, m.MID == ""})
}

// field is one member of an object that is written in a fixed order.
type field struct {
	name  string
	value any
	omit  bool
}

func marshalFields(fields ...field) ([]byte, error) {
	out := []byte{'{'}
	for _, f := range fields {
		if f.omit {
			continue
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}
