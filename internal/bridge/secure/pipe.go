package secure

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
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
	unplugged   bool // nobody reads any more, but what comes is kept

	// sending is held while send runs, so that close can promise that no
	// call of send outlives it.
	sending    sync.Mutex
	sendClosed bool
	last       []byte // the newest datagram sent

	count *traffic
}

// traffic counts datagrams.
type traffic struct {
	received, dropped, sent atomic.Uint64
}

func newPipe(send func([]byte), count *traffic) *pipe {
	p := &pipe{send: send, count: count}
	p.wake.L = &p.mu
	return p
}

// push copies datagram into the queue. It never waits; it drops and counts
// what is not welcome, is too long or does not fit.
func (p *pipe) push(datagram []byte, welcome bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !welcome || p.closed || len(datagram) > MaxDatagram || len(p.queue) >= maxQueue {
		p.count.dropped.Add(1)
		return
	}
	p.queue = append(p.queue, append([]byte(nil), datagram...))
	p.wake.Signal()
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed && !p.interrupted && !p.unplugged {
		p.wake.Wait()
	}
	switch {
	case p.closed || p.unplugged:
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
	p.count.sent.Add(1)
	p.last = append(p.last[:0], b...)
	p.send(b)
	return len(b), nil
}

// unplug takes the pipe away from the library: what it still wants to send goes
// nowhere, and what comes from now on waits for take. It returns the newest
// datagram that was sent; false if the library has closed the pipe by itself.
func (p *pipe) unplug() (last []byte, ok bool) {
	p.sending.Lock()
	p.sendClosed, last = true, p.last
	p.sending.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false
	}
	p.unplugged = true
	p.wake.Broadcast()
	return last, true
}

// take ends a pipe that was unplugged and returns what has come since.
func (p *pipe) take() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.queue
	p.closed, p.queue = true, nil
	return queue
}

// Close implements net.PacketConn. When it returns, send does not run and
// will not be called again.
func (p *pipe) Close() error {
	p.mu.Lock()
	if !p.unplugged {
		p.closed, p.queue = true, nil
		p.wake.Broadcast()
	}
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

// peerAddr stands for the peer: where its datagrams go is ICE's business.
type peerAddr struct{}

// Network implements net.Addr.
func (peerAddr) Network() string { return "dtls" }

// String implements net.Addr.
func (peerAddr) String() string { return "peer" }
