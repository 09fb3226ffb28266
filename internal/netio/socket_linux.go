package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio/gate"
)

// Socket is one UDP socket of a worker. See the package comment for who may
// call what.
type Socket struct {
	family int
	local  netip.AddrPort
	fd     int // used within calls of raw only, so that Close waits for it
	gate   gate.Gate
	file   *os.File        // of the gate, with the runtime's poller
	raw    syscall.RawConn // of file
	closed atomic.Bool
	count  counters

	sleeper
	recv receiver
	out  *outbox
	send sender
	one  single

	flushing mono.Time

	armed time.Time // the deadline in force, as far as the owner knows
}

// adopt lets the runtime's poller watch the descriptor, which is the socket's
// from then on if there is no error.
func (s *Socket) adopt(fd int) (err error) {
	if s.file, err = s.gate.Open(fd, "udp"); err != nil {
		return fmt.Errorf("watch udp socket: %w", err)
	}
	if s.raw, err = s.file.SyscallConn(); err == nil {
		// The poller refuses descriptors it cannot watch; find out now.
		err = s.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		s.file.Close()
		return fmt.Errorf("watch udp socket: %w", err)
	}
	s.fd = fd
	s.recv.try = func(uintptr) { s.recv.once(uintptr(fd)) }
	s.recv.wait = func(uintptr) bool { return !s.gather && s.recv.orWait(uintptr(fd)) }
	s.send.call = func(uintptr) { s.send.all(uintptr(fd)) }
	s.one.call = func(uintptr) { s.one.send(uintptr(fd)) }
	return nil
}

// LocalAddr returns the address the socket is bound to.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket. A Read that waits returns net.ErrClosed.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	err := s.file.Close() // when it returns, nobody uses the descriptor any more
	return errors.Join(err, os.NewSyscallError("close", unix.Close(s.fd)))
}

// SetDeadline starts a turn of the owner and says how long the Reads of this
// turn may wait: d from now, without limit if d is 0, not at all if d is
// negative. It forgets earlier wakes; see Wake.
func (s *Socket) SetDeadline(d time.Duration) { s.setDeadline(d) }

// Gather is SetDeadline, except that datagrams do not end a wait, so that they
// gather in the kernel's queue: Read returns after d, or when it is woken, with
// what has come. Nothing of the process runs for a datagram meanwhile, whereas
// one that ends a wait costs some 20 us, most of it the runtime's poller and
// the scheduler. What a Read has left in the queue, because the batch was full,
// is read without waiting. d has to be positive, and so short that the queue
// (Stats.ReadBuffer) holds what comes in it.
func (s *Socket) Gather(d time.Duration) {
	s.setDeadline(d)
	s.gather = true
}

// Wake makes a Read that waits return, and the next one not wait. Any
// goroutine may call it. It is not lost if the owner calls SetDeadline, then
// looks at its mailbox, then calls Read, and others put something into the
// mailbox before they call Wake: either the owner sees it there, or the wake
// comes after SetDeadline and ends the Read.
func (s *Socket) Wake() {
	s.count.wakes.Add(1)
	if s.wake() {
		_ = s.file.SetReadDeadline(past) // fails only once closed
	}
}

var past = time.Unix(1, 0)

// Read takes datagrams that have arrived into b, or waits for the first, until
// the deadline or a wake, when it returns 0 and no error. Datagrams that are
// there already are returned whatever the deadline is. Errors are final:
// net.ErrClosed after Close.
func (s *Socket) Read(b *Batch) (int, error) {
	r := &s.recv
	r.batch = b
	var err error
	// After a wait that brought little there is nothing yet, most likely, and
	// readWait looks before it waits. What gathers is left to.
	late := s.waited && !s.poll && r.messages < len(b.os.headers) || s.gather && !b.os.filled
	s.waited, r.errno = false, unix.EAGAIN
	if !late {
		err = s.raw.Control(r.try)
	}
	if err == nil && r.errno == unix.EAGAIN && !s.poll {
		err = s.readWait()
	}
	if err == nil && r.errno == unix.EAGAIN && late { // readWait may not have come to look
		err = s.raw.Control(r.try)
	}
	r.batch = nil
	switch {
	case err != nil || r.errno == unix.EBADF:
		return 0, s.failed("read", err)
	case r.errno != 0:
		return 0, nil // EAGAIN; or an ICMP error of an earlier send, which is nobody's
	}
	return s.received(b, r.messages), nil
}

// readWait blocks in the poller. The deadline is armed before the wake is
// looked at, so that a wake that comes between is either seen here or moves
// the deadline into the past.
func (s *Socket) readWait() error {
	if err := s.gate.Set(s.raw, !s.gather); err != nil {
		return err
	}
	if err := s.arm(); err != nil {
		return err
	}
	if !s.fallAsleep() {
		return nil
	}
	s.waited, s.recv.messages = true, 0
	err := s.raw.Read(s.recv.wait)
	if err == os.ErrDeadlineExceeded {
		s.recv.errno = unix.EAGAIN
		s.armed = unarmed
		return nil
	}
	return err
}

// slack is how far the deadline in force may be from the one wanted: moving it
// costs more than most turns of a quiet server, and deadlines are of timers
// with a granularity of a millisecond.
const slack = 500 * time.Microsecond

// unarmed is a deadline that is near no other.
var unarmed = time.Unix(1, 0)

// arm sees to it that a wait ends at the deadline. A Wake on another goroutine
// may put it into the past afterwards, which then is noticed by a wait that
// ends at once, and put right by the next.
func (s *Socket) arm() error {
	if s.deadline.IsZero() == s.armed.IsZero() {
		if d := s.deadline.Sub(s.armed); -slack < d && d < slack {
			return nil
		}
	}
	s.armed = s.deadline
	return s.file.SetReadDeadline(s.deadline)
}

// failed gives the error of a call whose descriptor is no longer usable.
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

// Flushing returns when datagrams began to be handed to the kernel last. It is for
// the owner.
func (s *Socket) Flushing() mono.Time { return s.flushing }

// Buffer returns n bytes of the send arena for a datagram to the given
// address. The caller writes it there and calls Commit with its final length;
// without Commit it is not sent. n is at most MaxDatagram.
func (s *Socket) Buffer(n int, to netip.AddrPort) []byte {
	if !s.out.fits(n) {
		s.flush()
		s.out.grow(n)
	}
	return s.out.buffer(n, to)
}

// Commit fixes the length of the datagram of the last Buffer, at most what
// was asked for then; 0 takes it back.
func (s *Socket) Commit(n int) { s.out.commit(n) }

// Pending is how many datagrams were committed since they were last handed to
// the kernel, by Flush or by Buffer to make room. It is for the owner.
func (s *Socket) Pending() int { return len(s.out.grams) }

// Flush sends what was committed. It never blocks. It returns how many
// datagrams were sent and dropped since the last Flush, including those that
// Buffer had to send to make room. The error is not nil only when the socket
// is closed.
func (s *Socket) Flush() (sent, dropped int, err error) {
	err = s.flush()
	sent, dropped = s.send.sent, s.send.dropped
	s.send.sent, s.send.dropped = 0, 0
	return sent, dropped, err
}

// WriteTo sends one datagram at once, outside of the arena. Any goroutine may
// call it. A datagram that the kernel does not take is dropped and counted;
// the error is not nil only when the socket is closed.
func (s *Socket) WriteTo(p []byte, to netip.AddrPort) error {
	_, err := s.write(p, to)
	return err
}

// write is WriteTo that also says whether the kernel took the datagram.
func (s *Socket) write(p []byte, to netip.AddrPort) (sent bool, err error) {
	errno, err := s.one.write(s.raw, s.family, p, to)
	if err != nil {
		return false, s.failed("write", err)
	}
	switch errno {
	case 0:
		s.count.messages.Add(1)
		s.count.sent.Add(1)
		s.count.sentBytes.Add(uint64(len(p)))
	case unix.EAGAIN, unix.ENOBUFS:
		s.count.fullDrops.Add(1)
	default:
		s.count.errorDrops.Add(1)
	}
	return errno == 0, nil
}

// Stats returns a snapshot of the counters. Any goroutine may call it.
func (s *Socket) Stats() Stats {
	st := s.count.stats()
	st.Local = s.local
	_ = s.raw.Control(func(uintptr) { st.KernelDrops = kernelDrops(s.fd) })
	return st
}
