package colibri

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func ptr[T any](v T) *T { return &v }

// golden holds messages in the exact form in which we write them, and read
// them back.
var golden = []struct {
	wire string
	msg  Message
}{
	{`{"colibriClass":"ClientHello"}`, &ClientHello{}},
	{`{"colibriClass":"ServerHello"}`, &ServerHello{}},
	{`{"colibriClass":"ServerHello","version":"1.2"}`, &ServerHello{Version: "1.2"}},
	{`{"colibriClass":"ReceiverVideoConstraints"}`, &ReceiverVideoConstraints{}},
	{`{"colibriClass":"ReceiverVideoConstraints","lastN":20,"selectedSources":["ffff0000-v0"],"onStageSources":["ffff0000-v1"],"defaultConstraints":{"maxHeight":180},"constraints":{"ffff0000-v1":{"maxHeight":1080,"maxFrameRate":15}},"assumedBandwidthBps":-1}`,
		&ReceiverVideoConstraints{
			LastN: ptr(20), SelectedSources: []string{"ffff0000-v0"}, OnStageSources: []string{"ffff0000-v1"},
			DefaultConstraints:  &VideoConstraints{MaxHeight: 180},
			Constraints:         map[string]VideoConstraints{"ffff0000-v1": {MaxHeight: 1080, MaxFrameRate: 15}},
			AssumedBandwidthBps: ptr(int64(-1)),
		}},
	{`{"colibriClass":"ReceiverVideoConstraints","lastN":0,"selectedSources":[],"onStageSources":[],"constraints":{}}`,
		&ReceiverVideoConstraints{LastN: ptr(0), SelectedSources: []string{}, OnStageSources: []string{}, Constraints: map[string]VideoConstraints{}}},
	{`{"colibriClass":"LastNChangedEvent","lastN":-1}`, &LastNChangedEvent{LastN: Unlimited}},
	{`{"colibriClass":"SourceVideoTypeMessage","sourceName":"0a1b2c3d-v1","videoType":"desktop"}`,
		&SourceVideoType{SourceName: "0a1b2c3d-v1", VideoType: Desktop}},
	{`{"colibriClass":"SourceVideoTypeMessage","sourceName":"0a1b2c3d-v0","videoType":"none","endpointId":"0a1b2c3d"}`,
		&SourceVideoType{SourceName: "0a1b2c3d-v0", VideoType: None, EndpointID: "0a1b2c3d"}},
	{`{"colibriClass":"VideoTypeMessage","videoType":"camera"}`, &EndpointVideoType{VideoType: Camera}},
	{`{"colibriClass":"ReceiverAudioSubscription","all":true,"include":[],"exclude":["ffff0000-a0"]}`,
		&ReceiverAudioSubscription{All: true, Include: List[string]{}, Exclude: List[string]{"ffff0000-a0"}}},
	{`{"colibriClass":"EndpointMessage","to":"ffff0000","msgPayload":{"type":"e2e-ping-request","id":3}}`,
		&EndpointMessage{To: "ffff0000", Payload: json.RawMessage(`{"type":"e2e-ping-request","id":3}`)}},
	{`{"colibriClass":"EndpointMessage","from":"0a1b2c3d","to":"","msgPayload":{"a":1.50,"a":"\u0041"}}`,
		&EndpointMessage{From: "0a1b2c3d", Payload: json.RawMessage(`{"a":1.50,"a":"\u0041"}`)}},
	{`{"colibriClass":"EndpointStats","from":"0a1b2c3d","bitrate":{"upload":900,"download":2100},"connectionQuality":97.4,"serverRegion":"eu-1"}`,
		&EndpointStats{From: "0a1b2c3d", Fields: map[string]json.RawMessage{
			"bitrate": json.RawMessage(`{"upload":900,"download":2100}`), "connectionQuality": json.RawMessage(`97.4`), "serverRegion": json.RawMessage(`"eu-1"`)}}},
	{`{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"ffff0000","previousSpeakers":["aaaa1111"],"silence":false}`,
		&DominantSpeaker{Endpoint: "ffff0000", Previous: List[string]{"aaaa1111"}}},
	{`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"ffff0000","active":"false"}`,
		&EndpointConnectivity{Endpoint: "ffff0000"}},
	{`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"ffff0000","active":"true"}`,
		&EndpointConnectivity{Endpoint: "ffff0000", Active: true}},
	{`{"colibriClass":"ForwardedSources","forwardedSources":["ffff0000-v0","aaaa1111-v1"]}`,
		&ForwardedSources{Sources: List[string]{"ffff0000-v0", "aaaa1111-v1"}}},
	{`{"colibriClass":"ForwardedSources","forwardedSources":[]}`, &ForwardedSources{Sources: List[string]{}}},
	{`{"colibriClass":"SenderSourceConstraints","sourceName":"0a1b2c3d-v0","maxHeight":0}`,
		&SenderSourceConstraints{SourceName: "0a1b2c3d-v0"}},
	{`{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":2500000}`, &ConnectionStats{EstimatedDownlink: 2500000}},
	{`{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":2500000,"bridgeBusy":true}`, &ConnectionStats{EstimatedDownlink: 2500000, BridgeBusy: true}},
	{`{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"ffff0000-v0","owner":"ffff0000","ssrc":501,"rtx":4294967295,"videoType":"CAMERA","mid":"v0"},{"source":"a-v1","owner":"a","ssrc":7,"rtx":"-1","videoType":"DESKTOP_HIGH_FPS"}]}`,
		&VideoSourcesMap{Mapped: List[VideoMapping]{
			{Source: "ffff0000-v0", Owner: "ffff0000", SSRC: 501, RTX: 4294967295, VideoType: Camera, MID: "v0"},
			{Source: "a-v1", Owner: "a", SSRC: 7, VideoType: DesktopHighFPS}}}},
	{`{"colibriClass":"AudioSourcesMap","mappedSources":[{"source":"ffff0000-a0","owner":"ffff0000","ssrc":601,"mid":"a0"}]}`,
		&AudioSourcesMap{Mapped: List[AudioMapping]{{Source: "ffff0000-a0", Owner: "ffff0000", SSRC: 601, MID: "a0"}}}},
	{`{"colibriClass":"SyntheticSourceSendingChangeEvent","sourceName":"ffff0000-a0.en","sending":true,"timestamp":4294967295}`,
		&SyntheticSource{SourceName: "ffff0000-a0.en", Sending: true, Timestamp: 4294967295}},
	{`{"colibriClass":"AddReceiver","bridgeId":"b1","sourceName":"a-v0","videoConstraints":{"maxHeight":-1}}`,
		&AddReceiver{BridgeID: "b1", SourceName: "a-v0", Constraints: VideoConstraints{MaxHeight: Unlimited}}},
	{`{"colibriClass":"RemoveReceiver","bridgeId":"b1","endpointId":"a"}`, &RemoveReceiver{BridgeID: "b1", EndpointID: "a"}},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		out, err := MarshalMessage(g.msg)
		if err != nil || string(out) != g.wire {
			t.Errorf("wrote %s, %v\n want %s", out, err, g.wire)
		}
		in, err := ParseMessage([]byte(g.wire))
		if err != nil || !reflect.DeepEqual(in, g.msg) {
			t.Errorf("read %#v, %v\nwant %#v", in, err, g.msg)
		}
	}
}

// Every type of message stands in the golden table, and in newMessage under
// its own class.
func TestGoldenIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range golden {
		seen[g.msg.Class()] = true
		if got := newMessage(g.msg.Class()); reflect.TypeOf(got) != reflect.TypeOf(g.msg) {
			t.Errorf("class %s makes a %T", g.msg.Class(), got)
		}
	}
	if len(seen) != 19 {
		t.Errorf("%d classes", len(seen))
	}
}

// What peers send in other forms than we do.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		wire string
		want Message
	}{
		{`{"colibriClass":"SelectedEndpointsChangedEvent","selectedEndpoints":["a"]}`, &Unknown{"SelectedEndpointsChangedEvent"}},
		{`{"x":[{"y":1}],"lastN":5.9,"colibriClass":"LastNChangedEvent"}`, &LastNChangedEvent{5}},
		{`{"colibriClass":"LastNChangedEvent","lastN":-7}`, &LastNChangedEvent{Unlimited}},
		{`{"colibriClass":"ReceiverVideoConstraints","lastN":null,"selectedSources":null,"onStageSources":null,"defaultConstraints":null,"constraints":null,"assumedBandwidthBps":null}`,
			&ReceiverVideoConstraints{}},
		{`{"colibriClass":"ReceiverVideoConstraints","lastN":1e99,"assumedBandwidthBps":-5.5,"defaultConstraints":{},"constraints":{"a":null,"b":{"maxHeight":180.7},"c":{"maxHeight":720,"maxFrameRate":0},"d":{"maxHeight":720,"maxFrameRate":-1},"e":{"maxHeight":null}}}`,
			&ReceiverVideoConstraints{LastN: ptr(1<<31 - 1), AssumedBandwidthBps: ptr(int64(-1)), DefaultConstraints: &VideoConstraints{MaxHeight: Unlimited},
				Constraints: map[string]VideoConstraints{"b": {MaxHeight: 180}, "c": {}, "d": {MaxHeight: 720}, "e": {MaxHeight: Unlimited}}}},
		{`{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"DESKTOP_HIGH_FPS"}`,
			&SourceVideoType{SourceName: "a-v0", VideoType: DesktopHighFPS}},
		{`{"colibriClass":"ReceiverAudioSubscription"}`, &ReceiverAudioSubscription{All: true}},
		{`{"colibriClass":"ReceiverAudioSubscription","mode":"All","list":["a"]}`, &ReceiverAudioSubscription{All: true}},
		{`{"colibriClass":"ReceiverAudioSubscription","mode":"None"}`, &ReceiverAudioSubscription{}},
		{`{"colibriClass":"ReceiverAudioSubscription","mode":"INCLUDE","list":["a"]}`, &ReceiverAudioSubscription{Include: List[string]{"a"}}},
		{`{"colibriClass":"ReceiverAudioSubscription","mode":"Exclude","list":["a"]}`, &ReceiverAudioSubscription{All: true, Exclude: List[string]{"a"}}},
		{`{"colibriClass":"EndpointMessage","msgPayload":[1]}`, &EndpointMessage{Payload: json.RawMessage(`[1]`)}},
		{`{"colibriClass":"EndpointStats","from":{"evil":1}}`, &EndpointStats{Fields: map[string]json.RawMessage{}}},
		{`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"a","active":true}`, &EndpointConnectivity{"a", true}},
		{`{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"a","owner":"b","ssrc":1,"rtx":"17","videoType":"camera"},{"source":"a","owner":"b","ssrc":1,"rtx":-1,"videoType":"camera"}]}`,
			&VideoSourcesMap{List[VideoMapping]{{Source: "a", Owner: "b", SSRC: 1, RTX: 17, VideoType: Camera}, {Source: "a", Owner: "b", SSRC: 1, VideoType: Camera}}}},
	} {
		got, err := ParseMessage([]byte(c.wire))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n got %#v, %v\nwant %#v", c.wire, got, err, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"a",`, MaxNames+1), ",")
	fields := ""
	for i := range MaxNames + 1 {
		fields += fmt.Sprintf(`,"f%d":{}`, i)
	}
	long := strings.Repeat("n", MaxName+1)
	for name, wire := range map[string]string{
		"nothing":               ``,
		"no JSON":               `hello`,
		"half":                  `{"colibriClass":"ClientHello"`,
		"two":                   `{"colibriClass":"ClientHello"}{}`,
		"list":                  `["colibriClass"]`,
		"null":                  `null`,
		"no class":              `{"lastN":1}`,
		"class is a number":     `{"colibriClass":1}`,
		"long class":            `{"colibriClass":"` + long + `"}`,
		"not UTF-8":             "{\"colibriClass\":\"EndpointMessage\",\"msgPayload\":{\"a\":\"\xff\"}}",
		"too long":              `{"colibriClass":"EndpointMessage","msgPayload":{"a":"` + strings.Repeat("a", MaxMessage) + `"}}`,
		"too deep":              `{"colibriClass":"EndpointMessage","msgPayload":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`,
		"no lastN":              `{"colibriClass":"LastNChangedEvent"}`,
		"lastN is text":         `{"colibriClass":"LastNChangedEvent","lastN":"5"}`,
		"payload missing":       `{"colibriClass":"EndpointMessage","to":""}`,
		"payload null":          `{"colibriClass":"EndpointMessage","to":"","msgPayload":null}`,
		"payload text":          `{"colibriClass":"EndpointMessage","to":"","msgPayload":"{}"}`,
		"to is a list":          `{"colibriClass":"EndpointMessage","to":["a"],"msgPayload":{}}`,
		"unknown video type":    `{"colibriClass":"SourceVideoTypeMessage","sourceName":"a","videoType":"hologram"}`,
		"no video type":         `{"colibriClass":"SourceVideoTypeMessage","sourceName":"a"}`,
		"no source name":        `{"colibriClass":"SourceVideoTypeMessage","videoType":"camera"}`,
		"unknown mode":          `{"colibriClass":"ReceiverAudioSubscription","mode":"Some"}`,
		"too many selected":     `{"colibriClass":"ReceiverVideoConstraints","selectedSources":[` + many + `]}`,
		"too many on stage":     `{"colibriClass":"ReceiverVideoConstraints","onStageSources":[` + many + `]}`,
		"too many constraints":  `{"colibriClass":"ReceiverVideoConstraints","constraints":{` + fields[1:] + `}}`,
		"too many fields":       `{"colibriClass":"EndpointStats"` + fields + `}`,
		"too many included":     `{"colibriClass":"ReceiverAudioSubscription","include":[` + many + `]}`,
		"long name":             `{"colibriClass":"ReceiverVideoConstraints","onStageSources":["` + long + `"]}`,
		"long constrained name": `{"colibriClass":"ReceiverVideoConstraints","constraints":{"` + long + `":{}}}`,
		"long target":           `{"colibriClass":"EndpointMessage","to":"` + long + `","msgPayload":{}}`,
		"SSRC out of range":     `{"colibriClass":"VideoSourcesMap","mappedSources":[{"ssrc":4294967296}]}`,
		"RTX out of range":      `{"colibriClass":"VideoSourcesMap","mappedSources":[{"ssrc":1,"rtx":4294967296}]}`,
		"RTX is text":           `{"colibriClass":"VideoSourcesMap","mappedSources":[{"ssrc":1,"rtx":"x"}]}`,
	} {
		if m, err := ParseMessage([]byte(wire)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: got %#v, %v", name, m, err)
		}
	}
}

// A message that is just within the limits is accepted.
func TestLimitsAreReachable(t *testing.T) {
	names := strings.TrimSuffix(strings.Repeat(`"a",`, MaxNames), ",")
	nested := strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1)
	for _, wire := range []string{
		`{"colibriClass":"ReceiverVideoConstraints","selectedSources":[` + names + `]}`,
		`{"colibriClass":"EndpointMessage","msgPayload":` + nested + `}`,
		`{"colibriClass":"EndpointMessage","msgPayload":{"a":"` + strings.Repeat(`[{\"`, 1000) + `"}}`,
	} {
		if _, err := ParseMessage([]byte(wire)); err != nil {
			t.Error(err)
		}
	}
}

// A client cannot speak in somebody else's name.
func TestStamp(t *testing.T) {
	for _, wire := range []string{
		`{"colibriClass":"EndpointMessage","from":"victim","to":"","msgPayload":{"from":"kept"}}`,
		`{"colibriClass":"EndpointStats","from":"victim","payload":{"from":"kept"}}`,
	} {
		m, err := ParseMessage([]byte(wire))
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *EndpointMessage:
			m.From = "sender"
		case *EndpointStats:
			m.From = "sender"
		}
		out, err := MarshalMessage(m)
		if err != nil || strings.Contains(string(out), "victim") || !strings.Contains(string(out), `"from":"sender"`) || !strings.Contains(string(out), `{"from":"kept"}`) {
			t.Errorf("%s, %v", out, err)
		}
	}
	forged := &EndpointStats{From: "sender", Fields: map[string]json.RawMessage{"from": json.RawMessage(`"victim"`), "colibriClass": json.RawMessage(`"EndpointMessage"`), "ColibriClass": json.RawMessage(`"AddReceiver"`), "FROM": json.RawMessage(`"victim"`)}}
	if out, err := MarshalMessage(forged); err != nil || string(out) != `{"colibriClass":"EndpointStats","from":"sender"}` {
		t.Errorf("%s, %v", out, err)
	}
}

func TestMarshalNil(t *testing.T) {
	for want, m := range map[string]Message{
		`{"colibriClass":"ForwardedSources","forwardedSources":[]}`:                                                                 &ForwardedSources{},
		`{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"a","previousSpeakers":[],"silence":false}`: &DominantSpeaker{Endpoint: "a"},
		`{"colibriClass":"VideoSourcesMap","mappedSources":[]}`:                                                                     &VideoSourcesMap{},
		`{"colibriClass":"ReceiverAudioSubscription","all":false,"include":[],"exclude":[]}`:                                        &ReceiverAudioSubscription{},
	} {
		if out, err := MarshalMessage(m); err != nil || string(out) != want {
			t.Errorf("%s, %v", out, err)
		}
	}
	if _, err := MarshalMessage(&Unknown{"X"}); err == nil {
		t.Error("an unknown message was written")
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, g := range golden {
		f.Add([]byte(g.wire))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMessage(data)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatalf("error %v does not wrap ErrMessage", err)
			}
			return
		}
		if _, ok := m.(*Unknown); ok {
			return
		}
		// Whatever we read we can write, and read again.
		out, err := MarshalMessage(m)
		if err != nil {
			t.Fatalf("%#v: %v", m, err)
		}
		if len(out) > MaxMessage {
			return // numbers may grow when they are written
		}
		if again, err := ParseMessage(out); err != nil || again.Class() != m.Class() {
			t.Fatalf("%s\nread again: %#v, %v", out, again, err)
		}
	})
}

func BenchmarkParseConstraints(b *testing.B) {
	wire := []byte(golden[4].wire)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMessage(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalEndpointMessage(b *testing.B) {
	m := &EndpointMessage{From: "0a1b2c3d", Payload: json.RawMessage(`{"type":"e2e-ping-request","id":3}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := MarshalMessage(m); err != nil {
			b.Fatal(err)
		}
	}
}
