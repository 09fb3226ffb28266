package xmpp

import (
	"strings"
	"testing"
)

func TestParseJID(t *testing.T) {
	long := strings.Repeat("a", MaxJIDPart)
	for in, want := range map[string]JID{
		"meet.example":                  {Domain: "meet.example"},
		"Meet.Example.":                 {Domain: "meet.example"},
		"Daily@Conference.meet.example": {Local: "daily", Domain: "conference.meet.example"},
		"a@b/Res Ource/@x":              {Local: "a", Domain: "b", Resource: "Res Ource/@x"},
		"b/r@x":                         {Domain: "b", Resource: "r@x"},
		"[acme]room@c":                  {Local: "[acme]room", Domain: "c"},
		"caf%c3%a9@b":                   {Local: "caf%c3%a9", Domain: "b"},
		"ÄÖ@bücher.example":             {Local: "äö", Domain: "bücher.example"},
		"a\u0308@b":                     {Local: "ä", Domain: "b"},
		"\u212a@b":                      {Local: "k", Domain: "b"}, // the Kelvin sign
		"a@[::1]":                       {Local: "a", Domain: "[::1]"},
		long + "@b":                     {Local: long, Domain: "b"},
	} {
		got, err := ParseJID(in)
		if err != nil || got != want {
			t.Errorf("%.40s: %+v %v", in, got, err)
		}
		if again, err := ParseJID(got.String()); err != nil || again != got {
			t.Errorf("%.40s: not stable: %+v %v", in, again, err)
		}
	}
	for _, in := range []string{
		"", "@b", "a@", "a@/r", "a@b/", "/r", "a b@c", "a\"@b", "a&b@c", "a<@b", "a'@b", "a:b@c",
		"a@b c", "a@b<c", "a\x00@b", "a@b/\x00", "a\xff@b", "\u200b@b", "\u00a0@b", "\ue000@b", "a@b@c",
		long + "a@b", "a@" + long + "a", "a@b/" + long + "a",
	} {
		if j, err := ParseJID(in); err == nil {
			t.Errorf("%.40q is accepted as %+v", in, j)
		}
	}
}

func TestJID(t *testing.T) {
	j := JID{"a", "b", "c"}
	if j.Bare() != (JID{Local: "a", Domain: "b"}) || j.IsBare() || !j.Bare().IsBare() || j.IsZero() || !(JID{}).IsZero() {
		t.Error(j)
	}
	if j.WithResource("x").String() != "a@b/x" || (JID{Domain: "b", Resource: "c"}).String() != "b/c" {
		t.Error(j)
	}
}

func FuzzParseJID(f *testing.F) {
	f.Add("a@b/c")
	f.Add("Ünï\u0308@D/\u212b")
	f.Fuzz(func(t *testing.T, s string) {
		j, err := ParseJID(s)
		if err != nil {
			return
		}
		if again, err := ParseJID(j.String()); err != nil || again != j {
			t.Fatalf("%q: %+v, and again %+v %v", s, j, again, err)
		}
	})
}

func BenchmarkParseJID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseJID("daily@conference.meet.example/0a1b2c3d"); err != nil {
			b.Fatal(err)
		}
	}
}
