//go:build !linux

package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Socket is one UDP socket of a worker; on this system a plain one, for
// development. See the package comment for who may call what, and the Linux
// implementation for the contract of each method.
type Socket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	closed atomic.Bool
	count  counters

	sleeper
	out           *outbox
	sent, dropped int
	flushing      mono.Time
}

// batchOS is the memory of a batch.
type batchOS struct{ slab []byte }

func (b *batchOS) init(int) { b.slab = make([]byte, 65_536) }

// Listen opens one socket, however many were asked for.
func Listen(cfg Config) ([]*Socket, error) {
	cfg = cfg.withDefaults()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(cfg.Addr))
	if err != nil {
		return nil, fmt.Errorf("listen on udp %v: %w", cfg.Addr, err)
	}
	s := &Socket{conn: conn, out: newOutbox(cfg.Arena)}
	s.local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = conn.SetReadBuffer(cfg.ReadBuffer)   // the default stays
	_ = conn.SetWriteBuffer(cfg.WriteBuffer) // the default stays
	return []*Socket{s}, nil
}

// LocalAddr returns the address the socket is bound to.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket. A Read that waits returns net.ErrClosed.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	return s.conn.Close()
}

// SetDeadline starts a turn of the owner; negative d means not to wait.
func (s *Socket) SetDeadline(d time.Duration) { s.setDeadline(d) }

// Gather is SetDeadline here: a wait ends with the first datagram.
func (s *Socket) Gather(d time.Duration) { s.setDeadline(d) }

// Wake makes a Read that waits return, and the next one not wait.
func (s *Socket) Wake() {
	s.count.wakes.Add(1)
	if s.wake() {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // fails only once closed
	}
}

// Read takes one datagram into b.
func (s *Socket) Read(b *Batch) (int, error) {
	deadline := s.deadline
	s.waited = false
	if s.poll || s.state.Load() == stateWoken {
		deadline = time.Now().Add(time.Millisecond)
	}
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return 0, s.failed("read", err)
	}
	if !s.poll && !s.fallAsleep() {
		return 0, nil
	}
	s.waited = true // as far as is known
	n, from, err := s.conn.ReadFromUDPAddrPort(b.os.slab)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil
	case errors.Is(err, net.ErrClosed):
		return 0, net.ErrClosed
	case err != nil:
		return 0, nil // an ICMP error of an earlier send, which is nobody's
	}
	b.count = 0
	b.split(b.os.slab[:n], 0, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()), 0)
	s.count.reads.Add(1)
	s.count.received.Add(uint64(b.count))
	s.count.receivedBytes.Add(uint64(n))
	return b.count, nil
}

func (s *Socket) failed(what string, err error) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return fmt.Errorf("%s udp socket: %w", what, err)
}

// Waited reports whether the last Read had to wait. It is for the owner.
func (s *Socket) Waited() bool { return s.waited }

// Flushes says how often datagrams were handed to the kernel: at Flush, and
// whenever Buffer had to make room. The owner sees by it that what it
// committed earlier is on its way.
func (s *Socket) Flushes() uint64 { return s.count.flushes.Load() }

// Flushing returns when datagrams began to be handed to the kernel last.
func (s *Socket) Flushing() mono.Time { return s.flushing }

// Buffer returns n bytes for a datagram to the given address.
func (s *Socket) Buffer(n int, to netip.AddrPort) []byte {
	if !s.out.fits(n) {
		_ = s.flush() // the next Flush reports it
		s.out.grow(n)
	}
	return s.out.buffer(n, to)
}

// Commit fixes the length of the datagram of the last Buffer.
func (s *Socket) Commit(n int) { s.out.commit(n) }

// Pending is how many datagrams were committed since the last flush.
func (s *Socket) Pending() int { return len(s.out.grams) }

// Flush sends what was committed.
func (s *Socket) Flush() (sent, dropped int, err error) {
	err = s.flush()
	sent, dropped = s.sent, s.dropped
	s.sent, s.dropped = 0, 0
	return sent, dropped, err
}

func (s *Socket) flush() error {
	defer s.out.reset()
	s.flushing = mono.Now()
	for i := range s.out.runs {
		r := &s.out.runs[i]
		for g := r.first; g >= 0; g = s.out.grams[g].next {
			ok, err := s.write(s.out.data(g), r.to)
			switch {
			case err != nil:
				return err
			case ok:
				s.sent++
			default:
				s.dropped++
			}
		}
	}
	s.count.flushes.Add(1)
	return nil
}

// WriteTo sends one datagram at once.
func (s *Socket) WriteTo(p []byte, to netip.AddrPort) error {
	_, err := s.write(p, to)
	return err
}

func (s *Socket) write(p []byte, to netip.AddrPort) (sent bool, err error) {
	_, err = s.conn.WriteToUDPAddrPort(p, to)
	switch {
	case errors.Is(err, net.ErrClosed):
		return false, net.ErrClosed
	case err != nil:
		s.count.errorDrops.Add(1)
		return false, nil
	}
	s.count.messages.Add(1)
	s.count.sent.Add(1)
	s.count.sentBytes.Add(uint64(len(p)))
	return true, nil
}

// Stats returns a snapshot of the counters.
func (s *Socket) Stats() Stats {
	st := s.count.stats()
	st.Local = s.local
	return st
}
