package secure

import (
	"net"
	"os"
	"sync"
	"time"
)

const (
	// MaxDatagram is the longest datagram in bytes that a session takes. DTLS
	// over a path without IP fragments stays below it.
	MaxDatagram = 2048
	// maxQueue is how many datagrams may wait for the session's goroutine. A
	// handshake flight is 1 to 4 datagrams; a data channel's congestion window
	// keeps bursts below this.
	maxQueue = 64
)

// pipe is the packet connection that the DTLS library reads and writes: a
// bounded queue on the way in, a callback on the way out.
type pipe struct {
	send func([]byte)

	mu          sync.Mutex
	wake        sync.Cond
	queue       [][]byte
	closed      bool
	interrupted bool // a read deadline in the past is set
	received    uint64
	dropped     uint64

	// sending is held while send runs, so that close can promise that no
	// call of send outlives it.
	sending    sync.Mutex
	sendClosed bool
	sent       uint64
}

func (p *pipe) init(send func([]byte)) {
	p.send = send
	p.wake.L = &p.mu
}

// push copies datagram into the queue. It never waits; it drops and counts
// what is not welcome, is too long or does not fit.
func (p *pipe) push(datagram []byte, welcome bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.received++
	if !welcome || p.closed || len(datagram) > MaxDatagram || len(p.queue) >= maxQueue {
		p.dropped++
		return
	}
	p.queue = append(p.queue, append([]byte(nil), datagram...))
	p.wake.Signal()
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed && !p.interrupted {
		p.wake.Wait()
	}
	switch {
	case p.closed:
		return 0, nil, net.ErrClosed
	case p.interrupted:
		return 0, nil, os.ErrDeadlineExceeded
	}
	n := copy(b, p.queue[0])
	p.queue[0] = nil
	p.queue = p.queue[1:]
	if len(p.queue) == 0 {
		p.queue = nil // an idle session keeps no array
	}
	return n, peerAddr{}, nil
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.sendClosed {
		return 0, net.ErrClosed
	}
	p.sent++
	p.send(b)
	return len(b), nil
}

// Close implements net.PacketConn. When it returns, send does not run and
// will not be called again.
func (p *pipe) Close() error {
	p.mu.Lock()
	p.closed = true
	p.queue = nil
	p.wake.Broadcast()
	p.mu.Unlock()

	p.sending.Lock()
	p.sendClosed = true
	p.sending.Unlock()
	return nil
}

// SetReadDeadline implements net.PacketConn for the one use the library makes
// of it: a time long past interrupts a waiting read, the zero time undoes that.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	p.interrupted = !t.IsZero()
	p.wake.Broadcast()
	p.mu.Unlock()
	return nil
}

// SetWriteDeadline implements net.PacketConn; writes never wait.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return peerAddr{} }

// counters returns how many datagrams came, were dropped, and were sent.
func (p *pipe) counters() (received, dropped, sent uint64) {
	p.mu.Lock()
	received, dropped = p.received, p.dropped
	p.mu.Unlock()
	p.sending.Lock()
	sent = p.sent
	p.sending.Unlock()
	return received, dropped, sent
}

// peerAddr stands for the peer: where its datagrams go is ICE's business.
type peerAddr struct{}

// Network implements net.Addr.
func (peerAddr) Network() string { return "dtls" }

// String implements net.Addr.
func (peerAddr) String() string { return "peer" }
