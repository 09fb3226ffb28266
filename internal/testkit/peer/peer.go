package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// Peer is one client. Its methods may be called from any goroutine.
type Peer struct {
	identity *dial.Identity

	mu       sync.Mutex
	paths    []*path // in the order of the restarts that made them
	present  int     // index of the one that is in use
	opener   *srtp.Opener
	sealer   *srtp.Sealer
	dtls     *dial.Conn // nil before Connect
	onRTP    func(pkt []byte)
	onRTCP   func(pkt []byte)
	timer    *time.Timer
	closed   bool
	ready    chan struct{} // closed when ICE has a pair
	isReady  bool
	finished sync.WaitGroup
}

// New opens a peer's socket on the loopback interface.
func New() (*Peer, error) {
	identity, err := dial.NewIdentity()
	if err != nil {
		return nil, err
	}
	p := &Peer{identity: identity, ready: make(chan struct{})}
	first, err := p.newPath()
	if err != nil {
		return nil, err
	}
	p.paths = []*path{first}
	p.timer = time.AfterFunc(time.Hour, p.tick)
	return p, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Local describes the peer's half of the transport, as session-accept would.
func (p *Peer) Local() *media.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.describe(p.here())
}

func (p *Peer) describe(x *path) *media.Transport {
	return &media.Transport{Ufrag: x.ufrag, Pwd: x.pwd, Fingerprint: p.identity.Fingerprint()}
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

// Connect runs ICE and DTLS with what the bridge offered. profiles restricts
// the SRTP protection profiles; none means what browsers offer.
func (p *Peer) Connect(ctx context.Context, remote *media.Transport, profiles ...srtp.Profile) error {
	conn := dial.New(dial.Config{
		Identity: p.identity, Remote: remote.Fingerprint, Profiles: profiles, KeepOpen: true,
		Send: func(pkt []byte) { _ = p.write(pkt) }, // a lost datagram
	})
	p.mu.Lock()
	p.dtls = conn
	p.here().begin(remote)
	p.mu.Unlock()
	select {
	case <-p.ready:
	case <-ctx.Done():
		return fmt.Errorf("ICE: %w", ctx.Err())
	}
	keys, err := conn.Handshake(ctx)
	if err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return p.use(keys)
}

func (p *Peer) use(k dial.Keys) error {
	sealer, err := srtp.NewSealer(k.Profile, k.LocalKey, k.LocalSalt)
	if err != nil {
		return err
	}
	opener, err := srtp.NewOpener(k.Profile, k.RemoteKey, k.RemoteSalt)
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
	deaf, conn := x.deaf, p.dtls
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
	case b >= 20 && b < 64 && conn != nil:
		conn.Push(pkt)
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
	conn := p.dtls
	p.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	for _, x := range p.paths {
		x.conn.Close()
	}
	p.finished.Wait()
}
