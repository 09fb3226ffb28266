package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/media"
)

func TestJSONForm(t *testing.T) {
	list := []Owned{
		{Owner: "ffff0000", Set: Set{
			Sources: []Source{
				{3001, media.Video, "ffff0000-v0", "ffff0000-video-0-1 77aa-1", ""},
				{3002, media.Video, "ffff0000-v0", "ffff0000-video-0-1 77aa-1", Camera},
				{3003, media.Video, "ffff0000-v1", "quo\"te\\\n<&>\uffff", Desktop},
				{2001, media.Audio, "ffff0000-a0", "ffff0000-audio-0-1 1b2c-1", ""},
			},
			Groups: []Group{{FID, media.Video, []uint32{3001, 3002}}},
		}},
		{Owner: "jvb", Set: Set{Sources: []Source{{1, media.Audio, "jvb-a0", "mixedmslabel mixedlabelaudio0", ""}}}},
	}
	want := `{"sources":{"ffff0000":[[{"s":3001,"n":"ffff0000-v0","m":"ffff0000-video-0-1 77aa-1"},` +
		`{"s":3002,"n":"ffff0000-v0","m":"ffff0000-video-0-1 77aa-1"},` +
		`{"s":3003,"n":"ffff0000-v1","m":"quo\"te\\\u000a\u003c\u0026\u003e\uffff","v":"d"}],` +
		`[["f",3001,3002]],[{"s":2001,"n":"ffff0000-a0","m":"ffff0000-audio-0-1 1b2c-1"}]],` +
		`"jvb":[[],[],[{"s":1,"n":"jvb-a0","m":"mixedmslabel mixedlabelaudio0"}]]}}`
	got := AppendJSON(nil, list)
	if string(got) != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	list[0].Set.Sources[1].VideoType = "" // a camera is not written
	back, err := ParseJSON(got, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if back[i].Owner != list[i].Owner || !back[i].Set.Equal(list[i].Set) {
			t.Fatalf("read back %+v\nwant %+v", back[i], list[i])
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	tests := []struct{ name, text string }{
		{"no JSON", `sources`},
		{"wrong type", `{"sources":[]}`},
		{"five lists", `{"sources":{"a":[[],[],[],[],[]]}}`},
		{"negative SSRC", `{"sources":{"a":[[{"s":-1}]]}}`},
		{"SSRC too large", `{"sources":{"a":[[{"s":4294967296}]]}}`},
		{"group of no kind", `{"sources":{"a":[[],[["x",1]]]}}`},
		{"empty group", `{"sources":{"a":[[],[[]]]}}`},
		{"group of words", `{"sources":{"a":[[],[["f","1","2"]]]}}`},
	}
	for _, tt := range tests {
		if got, err := ParseJSON([]byte(tt.text), 10); err == nil {
			t.Errorf("%s: accepted as %+v", tt.name, got)
		}
	}
}

func TestParseJSONBounds(t *testing.T) {
	eleven := `{"sources":{"a":[[` + strings.Repeat(`{"s":1},`, 10) + `{"s":1}]]}}`
	if _, err := ParseJSON([]byte(eleven), 10); !errors.Is(err, ErrTooMany) {
		t.Fatalf("11 sources of 10: %v", err)
	}
	groups := `{"sources":{"a":[[],[` + strings.Repeat(`["f",1,2],`, 10) + `["f",1,2]]]}}`
	if _, err := ParseJSON([]byte(groups), 10); !errors.Is(err, ErrTooMany) {
		t.Fatalf("11 groups of 10: %v", err)
	}
	if _, err := ParseJSON(make([]byte, MaxJSON+1), 10); !errors.Is(err, ErrTooMany) {
		t.Fatalf("a text too long: %v", err)
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"sources":{"a":[[{"s":1,"n":"a-v0","m":"m","v":"d"}],[["f",1,2],["s",1,2,3]],[],[]]}}`))
	f.Add([]byte(`{"sources":{"\u0000\ud800":[[{"s":1}]]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseJSON(text, 50)
		if err != nil {
			return
		}
		again := AppendJSON(nil, list)
		if !json.Valid(again) {
			t.Fatalf("wrote invalid JSON: %s", again)
		}
		if bytes.ContainsAny(again, "<&>\x00\uffff\ufffe") {
			t.Fatalf("wrote what cannot stand within XML: %s", again)
		}
		back, err := ParseJSON(again, 50)
		if err != nil {
			t.Fatalf("cannot read back %s: %v", again, err)
		}
		if fmt.Sprint(back) != fmt.Sprint(list) {
			t.Fatalf("read %v, wrote and read %v", list, back)
		}
		l := NewLedger(DefaultLimits, true)
		for _, o := range list {
			l.Add(o.Owner, o.Set) //nolint:errcheck // must not panic; refusals are expected
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	var list []Owned
	for i := range uint32(500) {
		owner := fmt.Sprintf("%08x", i)
		list = append(list, Owned{Owner: owner, Set: camera(owner, 1+i*100).StripSimulcast()})
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendJSON(buf[:0], list)
	}
}

func TestParseJSONBoundsOwners(t *testing.T) {
	text := `{"sources":{"a":[],"b":[],"c":[]}}`
	if _, err := ParseJSON([]byte(text), 2); !errors.Is(err, ErrTooMany) {
		t.Errorf("three owners where two are allowed: %v", err)
	}
	if _, err := ParseJSON([]byte(text), 3); err != nil {
		t.Error(err)
	}
}
