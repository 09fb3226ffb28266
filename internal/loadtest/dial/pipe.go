package dial

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/logging"
)

// pipe is the net.PacketConn the DTLS library reads and writes.
type pipe struct {
	in   chan []byte
	out  func([]byte)
	done chan struct{}
	once sync.Once

	mu       sync.Mutex
	deadline time.Time
	changed  chan struct{}
}

func newPipe(out func([]byte)) *pipe {
	return &pipe{in: make(chan []byte, 64), out: out, done: make(chan struct{}), changed: make(chan struct{})}
}

func (p *pipe) push(b []byte) {
	select {
	case p.in <- b:
	default:
	}
}

func (p *pipe) close() { p.once.Do(func() { close(p.done) }) }

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		p.mu.Lock()
		deadline, changed := p.deadline, p.changed
		p.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			d := time.Until(deadline)
			if d <= 0 {
				return 0, nil, os.ErrDeadlineExceeded
			}
			late = time.After(d)
		}
		select {
		case pkt := <-p.in:
			return copy(b, pkt), nowhere{}, nil
		case <-p.done:
			return 0, nil, net.ErrClosed
		case <-late:
			return 0, nil, os.ErrDeadlineExceeded
		case <-changed:
		}
	}
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-p.done: // nothing more is to be said
	default:
		p.out(b)
	}
	return len(b), nil
}

// Close implements net.PacketConn.
func (p *pipe) Close() error { p.close(); return nil }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return nowhere{} }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// SetWriteDeadline implements net.PacketConn; writes never wait.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// nowhere stands for the other end, whatever ICE says it is.
type nowhere struct{}

// Network implements net.Addr.
func (nowhere) Network() string { return "udp" }

// String implements net.Addr.
func (nowhere) String() string { return "peer" }

// quiet keeps the libraries from writing to standard error.
var quiet = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
