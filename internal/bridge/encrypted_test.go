package bridge

import (
	"crypto/rand"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp"
)

// sealedPart is how much of each test packet clients have encrypted end to end.
const sealedPart = 120

// clearVideo is how many bytes of a VP8 frame Jitsi's clients leave in the
// clear: what a key frame says of its size, and what a delta frame begins with.
func clearVideo(codec string, key bool, payload []byte) []byte {
	const descriptor = 6 // of vp8Frame
	switch {
	case codec == "VP8" && key:
		return payload[:descriptor+10]
	case codec == "VP8":
		return payload[:descriptor+3]
	case codec == "VP9":
		return payload[:3] // its descriptor
	}
	return payload[:1] // the header of a NAL unit, or of an aggregation
}

// TestEncryptedEndToEnd: what clients have encrypted among themselves passes
// through unread and unchanged, whatever it looks like, while layers change and
// numbers are rewritten in front of it.
func TestEncryptedEndToEnd(t *testing.T) {
	for name, tc := range codecCases {
		t.Run(name, func(t *testing.T) {
			_, a, b := pair(t, 180)
			sent := map[string]bool{}
			plain := tc.frame
			tc.frame = func(key bool, n uint16) ([]byte, []byte) {
				payload, dependency := plain(key, n)
				secret := make([]byte, sealedPart)
				rand.Read(secret)
				sent[string(secret)] = true
				return append(clearVideo(name, key, payload), secret...), dependency
			}
			both := func() { a.frame(&tc, 0, true); a.frame(&tc, 2, true); a.frame(&tc, 0, false); a.frame(&tc, 2, false) }
			for i := range 4 {
				b.ask(want([]int{720, 180}[i%2]))
				before := len(b.secretsNow(tc.pt))
				b.until("frames", both, func() bool { return len(b.secrets(tc.pt)) > before+10 })
			}
			got := b.secretsNow(tc.pt)
			for i, secret := range got {
				if !sent[secret] {
					t.Fatalf("packet %d of %d is not what was sent: %x", i, len(got), secret)
				}
				delete(sent, secret) // and nothing comes twice
			}
		})
	}
}

// TestEncryptedVoice: audio passes likewise.
func TestEncryptedVoice(t *testing.T) {
	_, a, b := pair(t, 180)
	var secret [sealedPart]byte
	rand.Read(secret[:])
	speak := func() {
		e := rtp.Egress{SSRC: a.base, PayloadType: ptOpus, Seq: a.nextSeq(a.base)}
		e.Timestamp = uint32(e.Seq) * 960
		e.AddByte(extLevel, 30)
		a.send(&e, secret[:])
	}
	b.until("voice", speak, func() bool { return len(b.packets(a.base)) > 3 })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.packets(a.base) {
		if string(h.Payload()) != string(secret[:]) {
			t.Errorf("got %x", h.Payload())
		}
	}
}

// secretsNow is secrets outside of until.
func (c *client) secretsNow(pt uint8) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets(pt)
}

// secrets is the encrypted parts of all packets of a payload type.
func (c *client) secrets(pt uint8) (out []string) {
	for _, h := range c.packets(1001) {
		if p := h.Payload(); h.PayloadType == pt && len(p) > sealedPart {
			out = append(out, string(p[len(p)-sealedPart:]))
		}
	}
	return out
}
