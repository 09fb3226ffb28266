package e2e

import (
	"strings"
	"testing"
)

// likes is the part of an address that changes which codecs a page likes.
func likes(codecs ...string) string {
	return "&config.videoQuality.codecPreferenceOrder=" + jsObject(codecs)
}

// codecs: every codec gets to the other side, and all change to one that
// everybody knows when somebody comes who does not know it.
func codecs(t *testing.T, s *stage) {
	for _, name := range []string{"VP9", "AV1", "H264"} {
		t.Run(name, func(t *testing.T) {
			here := &stage{a: s.a, b: s.b.For(t)}
			ada := here.enter(t, "Codec"+name, "Ada", likes(name, "VP8"))
			bea := here.enter(t, "Codec"+name, "Bea", likes(name, "VP8"))
			seeIn(t, name, ada, bea)
			if name != "VP9" {
				return
			}
			cleo := here.enter(t, "Codec"+name, "Cleo", likes("VP8"))
			seeIn(t, "VP8", ada, bea, cleo)
			cleo.do(t, "plenum.conference.leave()")
			seeIn(t, name, ada, bea)
		})
	}
}

// seeIn waits until all see each other in that codec.
func seeIn(t *testing.T, codec string, all ...*actor) {
	t.Helper()
	for _, p := range all {
		for _, source := range others(p, face, all) {
			p.until(t, "see.received(%q).then(r => r.codec === %q)", source, strings.ToLower(codec))
		}
	}
	meet(t, face, all...)
}
