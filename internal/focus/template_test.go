package focus

import (
	"bytes"
	"testing"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// What an offer says must not depend on whether its template has been used
// before, by whom, or for whom else.
func TestTemplates(t *testing.T) {
	opts := DefaultOptions()
	opts.SCTP, opts.OpusRED = true, true
	kept := newTemplates(&opts)
	const all = usual | featSCTP | featREMB | featRED | featRewriting | featMIDDemux
	for range 2 {
		for f := range all + 1 {
			x := offer{sid: "s", initiator: "room/focus", json: f.has(featJSON), stay: "b", transport: &media.Transport{Ufrag: "u", SCTPPort: 5000}}
			fresh, again := opts.template(f).sessionInitiate(x).Encode(), kept.of(f).sessionInitiate(x).Encode()
			if !bytes.Equal(again, fresh) {
				t.Fatalf("features %b are offered\n%s\nfrom a template that is kept, and from a fresh one\n%s", f, again, fresh)
			}
		}
	}
	if n := len(kept.made); n != 1<<7 {
		t.Errorf("%d templates are kept, where seven features make a difference", n)
	}
}

// A template is shared by conferences; offers must not write into it.
func TestTemplateStaysAsItIs(t *testing.T) {
	opts := DefaultOptions()
	shape := opts.template(usual)
	before := len(shape.contents)
	m := shape.sessionInitiate(offer{transport: &media.Transport{Ufrag: "u"}, sources: []source.Owned{{Owner: "a"}}})
	m.Contents = append(m.Contents, jingle.Content{Name: "more"})
	m.Contents[0].Name = "other"
	for _, c := range shape.contents {
		if c.Transport != nil || c.Name != c.Media || len(shape.contents) != before {
			t.Errorf("an offer changed its template: %+v", c)
		}
	}
}

// TestOpusDTX: clients are asked for pauses, whether audio is redundant or not,
// unless the operator does not want any.
func TestOpusDTX(t *testing.T) {
	for _, f := range []features{usual, usual | featRED} {
		for _, want := range []string{"1", ""} {
			opts := DefaultOptions()
			opts.OpusRED, opts.OpusDTX = true, want != ""
			got := "none"
			for _, p := range opts.describeAudio(f).PayloadTypes {
				if p.Name == "opus" {
					got = p.Parameter("usedtx")
				}
			}
			if got != want {
				t.Errorf("features %b: usedtx=%q, want %q", f, got, want)
			}
		}
	}
}
