package secure

import (
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // registers SHA-384 and SHA-512 with package crypto
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

// hashes are the functions a remote fingerprint may use. SHA-1 is accepted by
// some bridges still; no client sends it, and RFC 8122 §5 forbids it to new ones.
var hashes = map[string]crypto.Hash{
	"sha-256": crypto.SHA256,
	"sha-384": crypto.SHA384,
	"sha-512": crypto.SHA512,
}

// fingerprint is what signalling said about the peer's certificate. The zero
// value means that nothing was said yet, and matches no certificate.
type fingerprint struct {
	hash   crypto.Hash
	digest string // raw bytes; a string so that values compare with ==
}

// parseFingerprint reads the two parts of an a=fingerprint line (RFC 8122 §5).
// Case does not matter in either.
func parseFingerprint(hash, value string) (fingerprint, error) {
	h, ok := hashes[strings.ToLower(hash)]
	if !ok {
		return fingerprint{}, fmt.Errorf("%w: hash %.16q", ErrFingerprint, hash)
	}
	if len(value) != 3*h.Size()-1 {
		return fingerprint{}, fmt.Errorf("%w: %d characters for %s", ErrFingerprint, len(value), hash)
	}
	pairs := strings.Split(value, ":")
	if len(pairs) != h.Size() {
		return fingerprint{}, fmt.Errorf("%w: not hex pairs joined by colons", ErrFingerprint)
	}
	digest, err := hex.DecodeString(strings.Join(pairs, ""))
	if err != nil || len(digest) != h.Size() {
		return fingerprint{}, fmt.Errorf("%w: not hex pairs joined by colons", ErrFingerprint)
	}
	return fingerprint{hash: h, digest: string(digest)}, nil
}

func (f fingerprint) known() bool { return f.hash != 0 }

// matches reports whether der, a DER certificate, has this fingerprint. The
// comparison takes constant time: an attacker could otherwise search for a
// certificate byte by byte.
func (f fingerprint) matches(der []byte) bool {
	if !f.known() || len(der) == 0 {
		return false
	}
	h := f.hash.New()
	h.Write(der)
	return subtle.ConstantTimeCompare(h.Sum(nil), []byte(f.digest)) == 1
}

// fingerprintOf returns the SHA-256 fingerprint of a DER certificate in the
// form of RFC 8122 §5.
func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	out := make([]byte, 0, 3*len(sum))
	for i, b := range sum {
		if i > 0 {
			out = append(out, ':')
		}
		out = fmt.Appendf(out, "%02X", b)
	}
	return string(out)
}
