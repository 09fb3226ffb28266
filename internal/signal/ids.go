package signal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
)

// newUUID returns a random version 4 UUID in lower case (RFC 9562 §5.4). It is
// the local part of an anonymous client, whose first eight characters are its
// endpoint id.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// newSMID returns the unguessable name of a resumable session, 192 bits in
// [A-Za-z0-9_-], the only characters that Jitsi clients can paste into a URL
// the second time.
func newSMID() string { return randomText(24) }

// newResource returns a resource for a session.
func newResource() string { return randomText(9) }

// newStreamID returns a stream id (RFC 6120 §4.7.3).
func newStreamID() string { return randomText(15) }

func randomText(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
