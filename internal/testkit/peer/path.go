package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// path is a socket with an ICE agent: one way to the bridge. The socket and
// the agent change when the peer moves; p.mu protects them.
type path struct {
	p          *Peer
	conn       *net.UDPConn
	agent      *ice.Agent
	ufrag, pwd string
	remote     *media.Transport
	deaf       bool
	moved      bool // it was connected, at another address
}

func (p *Peer) newPath() (*path, error) {
	conn, err := listen()
	if err != nil {
		return nil, err
	}
	x := &path{p: p, conn: conn, ufrag: fmt.Sprintf("u%x", random(4)), pwd: fmt.Sprintf("%x", random(12))}
	x.agent = x.newAgent()
	return x, nil
}

// readBuffer is asked of the kernel, so that nothing is lost while a busy machine
// lets the reader wait.
const readBuffer = 4 << 20

func listen() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(readBuffer) // as much as it grants
	return conn, nil
}

func (x *path) newAgent() *ice.Agent {
	return ice.NewAgent(ice.Config{Ufrag: x.ufrag, Pwd: x.pwd, TieBreaker: 1})
}

// begin reads the path's socket and sends checks; p.mu is held.
func (x *path) begin(remote *media.Transport) {
	x.remote = remote
	x.p.finished.Add(1)
	go x.read(x.conn)
	_ = x.agent.SetRemote(remote.Ufrag, remote.Pwd, remote.Candidates, mono.Now())
	x.p.drive()
}

// read is the goroutine that takes datagrams.
func (x *path) read(conn *net.UDPConn) {
	defer x.p.finished.Done()
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n > 0 {
			x.p.datagram(x, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), append([]byte(nil), buf[:n]...))
		}
	}
}

// drive carries out what the path's agent wants; p.mu is held.
func (x *path) drive() {
	var buf [1500]byte
	for {
		n, to, ok := x.agent.Outgoing(buf[:])
		if !ok {
			break
		}
		if !x.deaf {
			_, _ = x.conn.WriteToUDPAddrPort(buf[:n], to)
		}
	}
	x.agent.TakeNewRemotes()
}

// usable reports whether the bridge can be reached by the path.
func (x *path) usable() bool {
	_, ok := x.agent.Selected()
	return ok && !x.deaf
}

func (x *path) write(pkt []byte) error {
	to, ok := x.agent.Selected()
	if !ok && x.moved {
		return nil // lost on the way, as it is from an address nobody knows
	}
	if !ok {
		return errors.New("not connected")
	}
	if x.deaf {
		return nil
	}
	_, err := x.conn.WriteToUDPAddrPort(pkt, to)
	return err
}

// Move gives the peer another address, as a NAT that has forgotten it would,
// or a phone that leaves the house: nothing reaches the old one any more, and
// checks with the same credentials come from the new one.
func (p *Peer) Move() error {
	conn, err := listen()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.here()
	x.conn.Close()
	x.conn, x.agent, x.moved = conn, x.newAgent(), true
	x.begin(x.remote)
	return nil
}

// Restart answers an ICE restart with the bridge's new transport: it returns
// the peer's half, which has a socket of its own. The old path stays until the
// new one is connected and, to read from, until the end.
func (p *Peer) Restart(remote *media.Transport) (*media.Transport, error) {
	x, err := p.newPath()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paths = append(p.paths, x)
	x.begin(remote)
	t := p.describe(x)
	t.Generation = remote.Generation
	return t, nil
}

// Deafen lets nothing through on the present path from now on, in either
// direction: its network has gone.
func (p *Peer) Deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here().deaf = true
}

// choose makes the newest usable path the present one; p.mu is held.
func (p *Peer) choose() {
	for i := len(p.paths) - 1; i > p.present; i-- {
		if p.paths[i].usable() {
			p.present = i
		}
	}
}

// here is the present path; p.mu is held.
func (p *Peer) here() *path { return p.paths[p.present] }

// drive carries out what the agents want; p.mu is held.
func (p *Peer) drive() {
	var next mono.Time
	for _, x := range p.paths {
		x.drive()
		next = mono.Earliest(next, x.agent.Deadline())
	}
	p.choose()
	if _, ok := p.here().agent.Selected(); ok && !p.isReady {
		p.isReady = true
		close(p.ready)
	}
	if next != 0 && !p.closed {
		p.timer.Reset(max(next.Sub(mono.Now()), time.Millisecond))
	}
}

func (p *Peer) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for _, x := range p.paths {
		x.agent.Tick(mono.Now())
	}
	p.drive()
}
