package jingle

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	got = append(bytes.ReplaceAll(got, []byte("><"), []byte(">\n<")), '\n')
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

// offerMessage is a session-initiate with one of everything.
func offerMessage(json bool) *Message {
	transport := &media.Transport{
		Ufrag: "7c9m1", Pwd: "3v0b8k22characterslong",
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: "AA:BB", Setup: "actpass"},
		Candidates: []media.Candidate{
			{Foundation: "1", Component: 1, Protocol: "udp", Priority: 2130706431, ID: "c1",
				Addr: netip.MustParseAddrPort("203.0.113.7:10000"), Type: "host"},
			{Foundation: "2", Component: 1, Protocol: "udp", Priority: 1694498815, ID: "c2",
				Addr: netip.MustParseAddrPort("[2001:db8::7]:10000"), Type: "srflx", Related: netip.MustParseAddrPort("10.0.0.7:10000")},
		},
		ChannelURL: "wss://meet.example/colibri-ws/s1/c77/0a1b2c3d?pwd=a&b",
		SCTPPort:   5000,
	}
	audio := &media.Description{
		Kind: media.Audio, ExtmapAllowMixed: true,
		PayloadTypes: []media.PayloadType{{ID: 111, Name: "opus", ClockRate: 48000, Channels: 2,
			Parameters: []media.Parameter{{Name: "minptime", Value: "10"}, {Value: "111/111"}},
			Feedback:   []media.Feedback{{Type: "transport-cc"}}}},
		HeaderExtensions: []media.HeaderExtension{{ID: 1, URI: media.ExtAudioLevel}},
	}
	video := &media.Description{
		Kind: media.Video,
		PayloadTypes: []media.PayloadType{{ID: 100, Name: "VP8", ClockRate: 90000,
			Feedback: []media.Feedback{{Type: "nack"}, {Type: "nack", Subtype: "pli"}}}},
	}
	lastN := 20
	return &Message{
		Action: SessionInitiate, SID: "8f2c", Initiator: "daily@conference.meet.example/focus",
		Contents: []Content{
			{Name: "audio", Creator: "initiator", Senders: "both", Media: "audio", MaxPtime: 60, Description: audio, RTCPMux: true, Transport: noSCTP(transport)},
			{Name: "video", Creator: "initiator", Senders: "both", Media: "video", Description: video, RTCPMux: true, Transport: noSCTP(transport)},
			{Name: "data", Creator: "initiator", Senders: "both", Media: "application", Transport: transport},
		},
		Bundle: []string{"audio", "video", "data"},
		Sources: []source.Owned{
			{Owner: "jvb", Set: source.Set{Sources: []source.Source{
				{SSRC: 1001, Kind: media.Audio, Name: "jvb-a0", MSID: "mixedmslabel mixedlabelaudio0"}}}},
			{Owner: "ffff0000", Set: source.Set{
				Sources: []source.Source{
					{SSRC: 3001, Kind: media.Video, Name: "ffff0000-v1", MSID: "m<'\">", VideoType: source.Desktop},
					{SSRC: 3002, Kind: media.Video, Name: "ffff0000-v1", MSID: "m<'\">", VideoType: source.Desktop},
				},
				Groups: []source.Group{{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{3001, 3002}}},
			}},
		},
		JSON:         json,
		InitialLastN: &lastN,
		Reason:       &Reason{Condition: "success", Text: "moving"},
		Bridge:       &BridgeSession{ID: "c77", Region: "eu-1", Restart: true, ICERestart: true},
		ICEState:     "failed",
		StartMuted:   &StartMuted{Audio: true},
	}
}

func noSCTP(t *media.Transport) *media.Transport {
	u := *t
	u.SCTPPort = 0
	return &u
}

func TestOfferGolden(t *testing.T) {
	golden(t, "offer.xml", offerMessage(false).Encode())
	golden(t, "offer_json.xml", offerMessage(true).Encode())
}

func parse(t testing.TB, xml []byte, limits Limits) (*Message, error) {
	t.Helper()
	el, err := xmpp.ParseElement(xml)
	if err != nil {
		t.Fatalf("not well-formed: %v\n%s", err, xml)
	}
	return Parse(el, limits)
}

func TestRoundTrip(t *testing.T) {
	for _, json := range []bool{false, true} {
		want := offerMessage(json)
		got, err := parse(t, want.Encode(), DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		if json { // the JSON form is sorted by owner
			want.Sources[0], want.Sources[1] = want.Sources[1], want.Sources[0]
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("json=%v: read back\n%+v\nwant\n%+v", json, got, want)
		}
	}
}

func TestEveryExtensionNamesItsNamespace(t *testing.T) {
	plain := map[string]bool{ // of the namespace of their parents, and found by clients without it
		"content": true, "payload-type": true, "parameter": true, "candidate": true, "rtcp-mux": true,
		"reason": true, "success": true, "text": true,
	}
	for _, json := range []bool{false, true} {
		xml := string(offerMessage(json).Encode())
		for _, part := range strings.Split(xml, "<")[1:] {
			tag, _, _ := strings.Cut(part, ">")
			name, rest, _ := strings.Cut(strings.TrimSuffix(tag, "/"), " ")
			if strings.HasPrefix(part, "/") || plain[name] {
				continue
			}
			if !strings.HasPrefix(rest, `xmlns="`) {
				t.Errorf("<%s has no xmlns", part)
			}
		}
	}
}

func TestAcceptFromClient(t *testing.T) {
	xml, err := os.ReadFile("testdata/accept.xml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := parse(t, bytes.TrimSpace(xml), DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set := m.Sources[0].Set
	if len(m.Sources) != 1 || m.Sources[0].Owner != "" || len(set.Sources) != 7 || len(set.Groups) != 4 {
		t.Fatalf("sources %+v", m.Sources)
	}
	if *m.InitialLastN != 20 || len(m.Contents) != 3 || len(m.Bundle) != 3 {
		t.Fatalf("message %+v", m)
	}
	tr := m.Contents[0].Transport
	if tr.Ufrag != "9uB6" || tr.Fingerprint.Setup != "active" || len(tr.Candidates) != 1 {
		t.Fatalf("transport %+v: want the credentials and the one candidate with an address", tr)
	}
	if _, err := source.NewLedger(source.DefaultLimits, true).Add("0a1b2c3d", set); err != nil {
		t.Fatalf("a browser's sources are refused: %v", err)
	}
}

func TestSourcesOutsideOfDescriptions(t *testing.T) {
	m, err := parse(t, []byte(`<jingle xmlns="urn:xmpp:jingle:1" action="addsource" sid="s"><content name="audio">`+
		`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="5"/></content></jingle>`), DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if m.Action != SourceAdd || len(m.Sources) != 1 || m.Sources[0].Set.Sources[0].Kind != media.Audio {
		t.Fatalf("got %+v", m)
	}
}

func TestParseBounds(t *testing.T) {
	src := `<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="5"/>`
	grp := `<ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="SIM">` + src + `</ssrc-group>`
	desc := func(s string) string {
		return `<content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">` + s + `</description></content>`
	}
	tests := []struct{ name, inner, want string }{
		{"sources", desc(strings.Repeat(src, 10_000)), "sources"},
		{"groups", desc(strings.Repeat(grp, 65)), "groups"},
		{"sources in a group", desc(`<ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="SIM">` + strings.Repeat(src, 65) + `</ssrc-group>`), "in a group"},
		{"sources in JSON", `<json-message xmlns="http://jitsi.org/jitmeet">{"sources":{"a":[[` + strings.Repeat(`{"s":1},`, 64) + `{"s":1}]]}}</json-message>`, "sources"},
		{"two JSON messages", strings.Repeat(`<json-message xmlns="http://jitsi.org/jitmeet">{"sources":{"a":[[`+strings.Repeat(`{"s":1},`, 32)+`{"s":1}]]}}</json-message>`, 2), "sources"},
		{"contents", strings.Repeat(`<content/>`, 17), "contents"},
		{"group members", `<group semantics="BUNDLE">` + strings.Repeat(`<content/>`, 17) + `</group>`, "group members"},
		{"payload types", desc(strings.Repeat(`<payload-type id="1"/>`, 129)), "payload types"},
		{"extensions", desc(strings.Repeat(`<rtp-hdrext/>`, 33)), "header extensions"},
		{"parameters", desc(`<payload-type id="1">` + strings.Repeat(`<parameter/>`, 33) + `</payload-type>`), "parameters"},
		{"candidates", `<content><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1">` + strings.Repeat(`<candidate/>`, 65) + `</transport></content>`, "candidates"},
		{"SSRC 0", desc(strings.ReplaceAll(src, `"5"`, `"0"`)), "not valid"},
		{"SSRC too large", desc(strings.ReplaceAll(src, `"5"`, `"4294967296"`)), "not valid"},
		{"SSRC negative", desc(strings.ReplaceAll(src, `"5"`, `"-5"`)), "not valid"},
		{"payload type 128", desc(`<payload-type id="128"/>`), "number"},
		{"clock rate", desc(`<payload-type id="8" clockrate="x"/>`), "clock rate"},
		{"last-n", `<content name="video"><initial-last-n value="x"/></content>`, "initial-last-n"},
		{"broken JSON", `<json-message xmlns="http://jitsi.org/jitmeet">{</json-message>`, "compact sources"},
	}
	for _, tt := range tests {
		_, err := parse(t, []byte(`<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="s">`+tt.inner+`</jingle>`), DefaultLimits)
		var refusal *Error
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Text, tt.want) {
			t.Errorf("%s: got %v, want a refusal with %q", tt.name, err, tt.want)
		}
	}
	for _, head := range []string{`action="x"`, `sid="x"`, `action="x" sid="` + strings.Repeat("s", 257) + `"`} {
		if _, err := parse(t, []byte(`<jingle xmlns="urn:xmpp:jingle:1" `+head+`/>`), DefaultLimits); err == nil {
			t.Errorf("<jingle %s/> was accepted", head)
		}
	}
}

func TestSession(t *testing.T) {
	type step struct {
		do   func(*Session)
		msg  Message
		want string // condition; "" is allowed
	}
	accept := func(s *Session) { s.Accept() }
	steps := []step{
		{nil, Message{Action: SessionAccept, SID: "one"}, "item-not-found"},
		{nil, Message{Action: SessionAccept, SID: ""}, "item-not-found"},
		{func(s *Session) { s.Start("one") }, Message{Action: SessionAccept, SID: "one"}, ""},
		{nil, Message{Action: SourceAdd, SID: "one"}, "unexpected-request"},
		{nil, Message{Action: SessionInitiate, SID: "one"}, "feature-not-implemented"},
		{accept, Message{Action: SourceAdd, SID: "one"}, ""},
		{nil, Message{Action: SessionAccept, SID: "one"}, "unexpected-request"},
		{nil, Message{Action: SourceAdd, SID: "two"}, "item-not-found"},
		{func(s *Session) { s.Start("two") }, Message{Action: SourceAdd, SID: "one"}, "gone"},
		{nil, Message{Action: SessionTerminate, SID: "two"}, ""},
		{func(s *Session) { s.End() }, Message{Action: SessionTerminate, SID: "two"}, "gone"},
		{accept, Message{Action: SourceRemove, SID: "two"}, "gone"},
	}
	var s Session
	for i, st := range steps {
		if st.do != nil {
			st.do(&s)
		}
		got := ""
		if e := s.Check(&st.msg); e != nil {
			got = e.Condition
		}
		if got != st.want {
			t.Errorf("step %d (%s %s in state %s): %q, want %q", i, st.msg.Action, st.msg.SID, s.State, got, st.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(offerMessage(false).Encode())
	f.Add(offerMessage(true).Encode())
	if accept, err := os.ReadFile("testdata/accept.xml"); err == nil {
		f.Add(bytes.TrimSpace(accept))
	}
	f.Fuzz(func(t *testing.T, xml []byte) {
		el, err := xmpp.ParseElement(xml)
		if err != nil {
			return
		}
		m, err := Parse(el, DefaultLimits)
		if err != nil {
			return
		}
		again := m.Encode()
		back, err := parse(t, again, Limits{Contents: 64, PayloadTypes: 512, Extensions: 512, Candidates: 512, Sources: 512})
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, again)
		}
		if back.Action != m.Action || back.SID != m.SID || len(m.Sources) > 0 && len(back.Sources) == 0 {
			t.Fatalf("read %+v, then %+v", m, back)
		}
	})
}

func BenchmarkRefuseTenThousandSources(b *testing.B) {
	xml := []byte(`<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="s">` +
		`<content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">` +
		strings.Repeat(`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="5"/>`, 10_000) + `</description></content></jingle>`)
	el, err := xmpp.ParseElement(xml)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(el, DefaultLimits); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkOfferOf100(b *testing.B) {
	m := offerMessage(false)
	for i := range uint32(100) {
		owner := fmt.Sprintf("%08x", i)
		m.Sources = append(m.Sources, source.Owned{Owner: owner, Set: source.Set{
			Sources: []source.Source{
				{SSRC: 10 * i, Kind: media.Audio, Name: owner + "-a0", MSID: owner + "-audio-0-1 x"},
				{SSRC: 10*i + 1, Kind: media.Video, Name: owner + "-v0", MSID: owner + "-video-0-1 x"},
				{SSRC: 10*i + 2, Kind: media.Video, Name: owner + "-v0", MSID: owner + "-video-0-1 x"},
			},
			Groups: []source.Group{{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{10*i + 1, 10*i + 2}}},
		}})
	}
	for _, json := range []bool{false, true} {
		b.Run(fmt.Sprintf("json=%v", json), func(b *testing.B) {
			m.JSON = json
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(len(m.Encode())))
			}
		})
	}
}
