package dial

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // a peer may still name its certificate so
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// Identity is a certificate, which any number of participants may share.
type Identity struct {
	cert        tls.Certificate
	fingerprint string
}

// NewIdentity makes a certificate as browsers do: ECDSA, P-256, self-signed.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(30 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Identity{
		cert:        tls.Certificate{Certificate: [][]byte{der}, PrivateKey: crypto.PrivateKey(key)},
		fingerprint: fingerprint(sha256.New(), der),
	}, nil
}

func fingerprint(h hash.Hash, der []byte) string {
	h.Write(der)
	digits := strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	pairs := make([]string, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":")
}

// Fingerprint describes the certificate as session-accept does.
func (i *Identity) Fingerprint() *media.Fingerprint {
	return &media.Fingerprint{Hash: "sha-256", Value: i.fingerprint, Setup: "active"}
}

// Keys are what SRTP needs.
type Keys struct {
	Profile               srtp.Profile
	LocalKey, LocalSalt   []byte
	RemoteKey, RemoteSalt []byte
}

// Config says what to connect to.
type Config struct {
	Identity *Identity
	// Send sends one datagram; it may be called from any goroutine, and may
	// lose it.
	Send func([]byte)
	// Remote is what the offer says about the server's certificate.
	Remote *media.Fingerprint
	// Profiles are offered in this order; none means what browsers offer.
	Profiles []srtp.Profile
	// KeepOpen keeps DTLS alive after the handshake, for OpenChannel.
	KeepOpen bool
}

// Conn is one DTLS association.
type Conn struct {
	cfg  Config
	pipe *pipe

	mu      sync.Mutex
	dtls    *dtls.Conn
	channel *Channel
	closed  bool
}

// New makes a connection that waits for Handshake.
func New(cfg Config) *Conn {
	return &Conn{cfg: cfg, pipe: newPipe(cfg.Send)}
}

// Push hands over a datagram that came; it is copied. Any goroutine may call
// it; it never blocks, and loses what nobody reads.
func (c *Conn) Push(b []byte) { c.pipe.push(append([]byte(nil), b...)) }

// Errors of a handshake.
var (
	ErrFingerprint = errors.New("the server's certificate is not the one that was announced")
	ErrSetup       = errors.New("the server wants to be the DTLS client, which Jitsi bridges never do")
)

// Handshake runs the handshake until ctx ends and returns the keys.
func (c *Conn) Handshake(ctx context.Context) (Keys, error) {
	if c.cfg.Remote == nil {
		return Keys{}, errors.New("the offer has no fingerprint")
	}
	if c.cfg.Remote.Setup == "active" {
		return Keys{}, ErrSetup
	}
	conn, err := dtls.ClientWithOptions(c.pipe, nowhere{},
		dtls.WithCertificates(c.cfg.Identity.cert),
		dtls.WithSRTPProtectionProfiles(profiles(c.cfg.Profiles)...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what is believed (RFC 5763 §5)
		dtls.WithLoggerFactory(quiet))
	if err != nil {
		return Keys{}, err
	}
	c.mu.Lock()
	c.dtls = conn
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.silence()
		return Keys{}, context.Canceled
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return Keys{}, err
	}
	keys, err := c.keys(conn)
	if err != nil || !c.cfg.KeepOpen {
		c.silence() // SRTP goes on without it
	}
	return keys, err
}

// browsers' order of preference.
var browserProfiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM,
}

func profiles(wanted []srtp.Profile) []dtls.SRTPProtectionProfile {
	if len(wanted) == 0 {
		return browserProfiles
	}
	out := make([]dtls.SRTPProtectionProfile, len(wanted))
	for i, p := range wanted {
		out[i] = dtls.SRTPProtectionProfile(p)
	}
	return out
}

// keys derives the SRTP keys (RFC 5764 §4.2); we are the client.
func (c *Conn) keys(conn *dtls.Conn) (Keys, error) {
	state, ok := conn.ConnectionState()
	if !ok || len(state.PeerCertificates) == 0 {
		return Keys{}, errors.New("no certificate came")
	}
	if err := check(c.cfg.Remote, state.PeerCertificates[0]); err != nil {
		return Keys{}, err
	}
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	p := srtp.Profile(chosen)
	if !ok || !p.Valid() {
		return Keys{}, errors.New("no SRTP profile was agreed upon")
	}
	k, s := p.KeyLen(), p.SaltLen()
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(k+s))
	if err != nil {
		return Keys{}, err
	}
	return Keys{
		Profile: p, LocalKey: m[:k], RemoteKey: m[k : 2*k],
		LocalSalt: m[2*k : 2*k+s], RemoteSalt: m[2*k+s:],
	}, nil
}

// check compares a certificate with what was announced (RFC 8122 §5).
func check(f *media.Fingerprint, der []byte) error {
	hashes := map[string]func() hash.Hash{"sha-256": sha256.New, "sha-384": sha512.New384, "sha-512": sha512.New, "sha-1": sha1.New}
	h, ok := hashes[strings.ToLower(f.Hash)]
	if !ok {
		return fmt.Errorf("the fingerprint's hash %.20q is not known", f.Hash)
	}
	if !strings.EqualFold(fingerprint(h(), der), f.Value) {
		return ErrFingerprint
	}
	return nil
}

// silence ends the library's part without a word to the server.
func (c *Conn) silence() {
	c.pipe.close()
	c.mu.Lock()
	conn := c.dtls
	c.mu.Unlock()
	if conn != nil {
		go func() { _ = conn.Close() }() // it may wait for its own reader
	}
}

// Close ends the association and its channel, with a goodbye if it is still
// there to say one.
func (c *Conn) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	conn, channel := c.dtls, c.channel
	c.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // first: the association waits for its reader to end
	}
	if channel != nil {
		channel.close()
	}
	c.pipe.close()
}
