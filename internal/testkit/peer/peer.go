package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// Peer is one client. Its methods may be called from any goroutine.
type Peer struct {
	cert tls.Certificate
	pipe *pipe

	mu       sync.Mutex
	paths    []*path // in the order of the restarts that made them
	present  int     // index of the one that is in use
	opener   *srtp.Opener
	sealer   *srtp.Sealer
	onRTP    func(pkt []byte)
	onRTCP   func(pkt []byte)
	timer    *time.Timer
	closed   bool
	ready    chan struct{} // closed when ICE has a pair
	isReady  bool
	dtls     *dtls.Conn
	channel  *Channel
	finished sync.WaitGroup
}

// New opens a peer's socket on the loopback interface.
func New() (*Peer, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	p := &Peer{cert: cert, ready: make(chan struct{})}
	first, err := p.newPath()
	if err != nil {
		return nil, err
	}
	p.paths = []*path{first}
	p.pipe = newPipe(p.write)
	p.timer = time.AfterFunc(time.Hour, p.tick)
	return p, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Local describes the peer's half of the transport, as session-accept would.
func (p *Peer) Local() *media.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.describe(p.here())
}

func (p *Peer) describe(x *path) *media.Transport {
	sum := sha256.Sum256(p.cert.Certificate[0])
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return &media.Transport{
		Ufrag: x.ufrag, Pwd: x.pwd,
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: strings.Join(pairs, ":"), Setup: "active"},
	}
}

// Addr is the peer's own address on its present path.
func (p *Peer) Addr() netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.here().conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// OnRTP sets who takes the RTP packets that arrive, decrypted; pkt is the
// callee's to keep. Call it before Connect.
func (p *Peer) OnRTP(f func(pkt []byte)) { p.onRTP = f }

// OnRTCP is OnRTP for RTCP compounds.
func (p *Peer) OnRTCP(f func(pkt []byte)) { p.onRTCP = f }

// Browsers offer the profiles in this order.
var browserProfiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM,
}

// Connect runs ICE and DTLS with what the bridge offered. profiles restricts
// the SRTP protection profiles; none means what browsers offer.
func (p *Peer) Connect(ctx context.Context, remote *media.Transport, profiles ...srtp.Profile) error {
	p.mu.Lock()
	p.here().begin(remote)
	p.mu.Unlock()
	select {
	case <-p.ready:
	case <-ctx.Done():
		return fmt.Errorf("ICE: %w", ctx.Err())
	}
	return p.handshake(ctx, profiles)
}

func (p *Peer) handshake(ctx context.Context, profiles []srtp.Profile) error {
	offered := browserProfiles
	if len(profiles) > 0 {
		offered = nil
		for _, f := range profiles {
			offered = append(offered, dtls.SRTPProtectionProfile(f))
		}
	}
	conn, err := dtls.ClientWithOptions(p.pipe, nowhere{},
		dtls.WithCertificates(p.cert),
		dtls.WithSRTPProtectionProfiles(offered...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithLoggerFactory(quiet{}))
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.dtls = conn
	p.mu.Unlock()
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return p.keys(conn)
}

// keys derives the SRTP contexts (RFC 5764 §4.2); we are the DTLS client.
func (p *Peer) keys(conn *dtls.Conn) error {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return errors.New("no SRTP profile was chosen")
	}
	f := srtp.Profile(chosen)
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no connection state")
	}
	k, s := f.KeyLen(), f.SaltLen()
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(k+s))
	if err != nil {
		return err
	}
	sealer, err := srtp.NewSealer(f, m[:k], m[2*k:2*k+s])
	if err != nil {
		return err
	}
	opener, err := srtp.NewOpener(f, m[k:2*k], m[2*k+s:])
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.sealer, p.opener = sealer, opener
	p.mu.Unlock()
	return nil
}

// Profile is the SRTP profile that was negotiated.
func (p *Peer) Profile() srtp.Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sealer.Profile()
}

func (p *Peer) datagram(x *path, from netip.AddrPort, pkt []byte) {
	p.mu.Lock()
	deaf := x.deaf
	p.mu.Unlock()
	if deaf {
		return
	}
	switch b := pkt[0]; {
	case b < 4:
		p.mu.Lock()
		_ = x.agent.Handle(mono.Now(), from, pkt)
		p.drive()
		p.mu.Unlock()
	case b >= 20 && b < 64:
		p.pipe.push(pkt)
	case b >= 128:
		p.media(pkt)
	}
}

func (p *Peer) media(pkt []byte) {
	rtcp := pkt[1] >= 192 && pkt[1] <= 223
	if rtcp && p.onRTCP == nil || !rtcp && p.onRTP == nil {
		return // nobody to take it: a crowd of peers need not decrypt
	}
	p.mu.Lock()
	var n int
	err := errors.New("no keys yet")
	switch {
	case p.opener == nil:
	case rtcp:
		n, err = p.opener.OpenRTCP(pkt)
	default:
		n, err = p.opener.OpenRTP(pkt)
	}
	p.mu.Unlock()
	if err != nil {
		return
	}
	if f := p.onRTCP; rtcp && f != nil {
		f(pkt[:n])
	}
	if f := p.onRTP; !rtcp && f != nil {
		f(pkt[:n])
	}
}

// write sends a datagram over the present path.
func (p *Peer) write(pkt []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.here().write(pkt)
}

// SendRTP seals and sends a plain RTP packet.
func (p *Peer) SendRTP(pkt []byte) error {
	out := make([]byte, len(pkt)+srtp.MaxOverheadRTP)
	p.mu.Lock()
	n, err := p.sealer.SealRTP(out, pkt)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.write(out[:n])
}

// SendRTCP seals and sends a plain RTCP compound.
func (p *Peer) SendRTCP(pkt []byte) error {
	out := make([]byte, len(pkt)+srtp.MaxOverheadRTCP)
	p.mu.Lock()
	n, err := p.sealer.SealRTCP(out, pkt)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.write(out[:n])
}

// SendRaw sends a datagram as it is over the selected pair.
func (p *Peer) SendRaw(pkt []byte) error { return p.write(pkt) }

// Close ends the peer and waits for its goroutines.
func (p *Peer) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.timer.Stop()
	conn, ch := p.dtls, p.channel
	p.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // first: the association waits for its read to end
	}
	if ch != nil {
		ch.close()
	}
	p.pipe.close()
	for _, x := range p.paths {
		x.conn.Close()
	}
	p.finished.Wait()
}
