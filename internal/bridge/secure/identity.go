package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Validity is how long an [Identity] may be used: the NotAfter of its
// certificate. WebRTC clients trust the fingerprint and ignore the dates, but
// a process that lives longer should make a new Identity for new sessions.
const Validity = 7 * 24 * time.Hour

// Identity is a self-signed certificate with its private key, made for one
// process and never written anywhere. It is immutable and may be shared by
// any number of sessions and goroutines.
type Identity struct {
	certificate tls.Certificate
	fingerprint string
	expires     time.Time
}

// NewIdentity makes an ECDSA P-256 key and a certificate for it that names
// nobody: the subject would be visible to everyone on the path (RFC 8827
// §6.5). now is the wall clock; the certificate starts a day earlier, for
// peers whose clocks are wrong.
func NewIdentity(now time.Time) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("secure: making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("secure: making a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(Validity),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("secure: making a certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: fingerprintOf(der),
		expires:     template.NotAfter,
	}, nil
}

// Fingerprint returns the certificate's SHA-256 fingerprint as it stands in
// signalling: 32 upper-case hex pairs joined by colons (RFC 8122 §5). The
// hash's name is "sha-256".
func (id *Identity) Fingerprint() string { return id.fingerprint }

// Expires returns the certificate's NotAfter.
func (id *Identity) Expires() time.Time { return id.expires }
