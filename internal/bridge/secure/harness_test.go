package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
)

// pair is a session and a client joined by two wires in memory.
type pair struct {
	t       testing.TB
	session *Session
	client  *pipe
	id      *Identity // the client's
	conn    *dtls.Conn

	// The wires deliver datagrams unless a test replaces them with cut to
	// lose, delay and forge.
	wires              sync.Mutex
	toServer, toClient wire

	keys     chan Keys
	closed   chan error
	opened   chan struct{}
	messages chan string
	gone     chan error
}

// wire carries a datagram: a good one calls deliver with it.
type wire func(datagram []byte, deliver func([]byte))

func good(b []byte, deliver func([]byte)) { deliver(b) }
func cut([]byte, func([]byte))            {}

// rewire replaces the wires; nil leaves what is there.
func (p *pair) rewire(toServer, toClient wire) {
	p.wires.Lock()
	defer p.wires.Unlock()
	if toServer != nil {
		p.toServer = toServer
	}
	if toClient != nil {
		p.toClient = toClient
	}
}

// over sends b over the wire that which selects at this moment.
func (p *pair) over(which *wire, b []byte, deliver func([]byte)) {
	p.wires.Lock()
	w := *which
	p.wires.Unlock()
	w(b, deliver)
}

// newPair makes both ends; nothing is sent yet. A test must run inside
// synctest.Test, whose bubble fails when a goroutine is left over.
func newPair(t testing.TB, withChannel bool) *pair {
	t.Helper()
	p := &pair{
		t: t, id: identity(t),
		keys: make(chan Keys, 1), closed: make(chan error, 1),
		opened: make(chan struct{}, 1), messages: make(chan string, 100), gone: make(chan error, 1),
	}
	p.rewire(good, good)
	cfg := Config{
		Identity: identity(t),
		Send:     func(b []byte) { p.over(&p.toClient, b, p.receive) },
		OnKeys:   func(k Keys) { p.keys <- k },
		OnClosed: func(err error) { p.closed <- err },
	}
	if withChannel {
		cfg.Channel = &ChannelConfig{
			OnOpen:    func() { p.opened <- struct{}{} },
			OnMessage: func(m []byte) { p.messages <- string(m) },
			OnClosed:  func(err error) { p.gone <- err },
		}
	}
	p.session = NewSession(cfg)
	p.client = newPipe(func(b []byte) { p.over(&p.toServer, b, p.session.Push) }, new(traffic))
	return p
}

// receive is the client's end of its wire.
func (p *pair) receive(b []byte) { p.client.push(b, true) }

// dial runs the client's handshake with the given profiles, both if none.
func (p *pair) dial(profiles ...dtls.SRTPProtectionProfile) error {
	if len(profiles) == 0 {
		// The order browsers use: the server has to insist on its own.
		profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM}
	}
	return p.dialWith(
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithCertificates(p.id.certificate),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
	)
}

func (p *pair) dialWith(options ...dtls.ClientOption) error {
	options = append(options, dtls.WithInsecureSkipVerify(true), dtls.WithLoggerFactory(quiet{}))
	conn, err := dtls.ClientWithOptions(p.client, peerAddr{}, options...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.conn = conn
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// trust tells the session the client's true fingerprint.
func (p *pair) trust() {
	p.t.Helper()
	if err := p.session.SetRemoteFingerprint("sha-256", p.id.Fingerprint()); err != nil {
		p.t.Fatal(err)
	}
}

// connect makes an established pair.
func (p *pair) connect() Keys {
	p.t.Helper()
	p.trust()
	if err := p.dial(); err != nil {
		p.t.Fatal(err)
	}
	return <-p.keys
}

// finish ends both sides; the bubble checks that nothing is left.
func (p *pair) finish() {
	p.session.Close()
	<-p.session.Done()
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

// clientKeys exports what the client derived, as seen from the server.
func (p *pair) clientKeys(profile Profile) Keys {
	p.t.Helper()
	state, ok := p.conn.ConnectionState()
	if !ok {
		p.t.Fatal("no client state")
	}
	k, s := profile.lengths()
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(k+s))
	if err != nil {
		p.t.Fatal(err)
	}
	return Keys{Profile: profile, RemoteKey: m[:k], LocalKey: m[k : 2*k], RemoteSalt: m[2*k : 2*k+s], LocalSalt: m[2*k+s:]}
}

var identities struct {
	sync.Mutex
	free []*Identity
	next int
}

// identity hands out two certificates in turn: making keys is slow, and a
// client must only differ from its server.
func identity(t testing.TB) *Identity {
	t.Helper()
	identities.Lock()
	defer identities.Unlock()
	for len(identities.free) < 2 {
		id, err := NewIdentity(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		identities.free = append(identities.free, id)
	}
	identities.next++
	return identities.free[identities.next%2]
}

// bubble runs f in simulated time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	identity(t) // keys are made in real time
	synctest.Test(t, f)
}

var _ net.PacketConn = (*pipe)(nil)

// noCertificate is a client that proves nothing.
func noCertificate(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &tls.Certificate{}, nil
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}
