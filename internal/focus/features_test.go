package focus

import (
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

func query(t *testing.T, children string) xmpp.Element {
	t.Helper()
	st, err := xmpp.Scan([]byte(`<query xmlns="http://jabber.org/protocol/disco#info">` + children + `</query>`))
	if err != nil {
		t.Fatal(err)
	}
	return st.Element()
}

// TestForgedCapabilities: an answer made so that it hashes like another
// client's must not stand for that client.
func TestForgedCapabilities(t *testing.T) {
	honest := query(t, `<feature var="urn:ietf:rfc:4588"/><feature var="urn:xmpp:jingle:apps:rtp:audio"/>`)
	f, hash := readFeatures(honest)
	if !f.has(featAudio) || hash == "" {
		t.Fatalf("features %b, hash %q", f, hash)
	}
	forged := query(t, `<feature var="urn:ietf:rfc:4588&lt;urn:xmpp:jingle:apps:rtp:audio"/>`)
	if f, got := readFeatures(forged); got != "" || f != 0 {
		t.Errorf("forged: features %b, hash %q", f, got)
	}
	long := query(t, strings.Repeat(`<feature var="a"/>`, maxDiscoItems+1))
	if _, got := readFeatures(long); got != "" {
		t.Error("an answer that was not read whole proves something")
	}
}
