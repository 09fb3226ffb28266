package netio

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Swarm is many UDP sockets, each with a port of its own, that one goroutine
// serves: a load generator needs a port for each participant, since a server
// tells participants apart by their addresses. Its owner alone calls Wait,
// Ready and everything of a [Member] except [Member.WriteTo].
type Swarm struct {
	poll   int // epoll
	wake   int // eventfd
	events []unix.EpollEvent
	ready  []*Member
	byFD   map[int32]*Member
	cfg    Config

	out  *outbox // shared: it holds datagrams of one member at a time
	send sender
	open *Member // whose datagrams are in out
}

// swarmEvents is how many sockets one Wait reports at most; the others come
// first the next time.
const swarmEvents = 512

// NewSwarm makes a swarm without members. Of cfg, Addr and Sockets are
// ignored; buffers are for each member.
func NewSwarm(cfg Config) (*Swarm, error) {
	cfg = cfg.withDefaults()
	w := &Swarm{events: make([]unix.EpollEvent, swarmEvents), byFD: map[int32]*Member{}, cfg: cfg, out: newOutbox(cfg.Arena)}
	var err error
	if w.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if w.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(w.poll, unix.EPOLL_CTL_ADD, w.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(w.wake)})
	}
	if err != nil {
		unix.Close(w.poll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	w.send.init(!cfg.NoOffload)
	return w, nil
}

// Member is one socket of a swarm.
type Member struct {
	// Owner is whatever the swarm's owner needs to find back from the member.
	Owner any

	w      *Swarm
	fd     int
	family int
	local  netip.AddrPort

	mu     sync.Mutex // guards fd against being closed under WriteTo
	closed bool
}

// Open adds a socket that is bound to addr; port 0 lets the kernel choose.
func (w *Swarm) Open(addr netip.AddrPort) (*Member, error) {
	m := &Member{w: w, family: unix.AF_INET6}
	if addr.Addr().Unmap().Is4() {
		m.family = unix.AF_INET
	}
	fd, err := open(m.family)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	m.fd = fd
	if err := m.setup(addr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	w.byFD[int32(fd)] = m
	return m, nil
}

func (m *Member) setup(addr netip.AddrPort) (err error) {
	cfg := &m.w.cfg
	grow(m.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReadBuffer)
	grow(m.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.WriteBuffer)
	if err := bind(m.fd, m.family, addr); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if m.local, err = localAddr(m.fd); err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	_ = unix.SetsockoptInt(m.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) // without it Stamps are zero
	if !cfg.NoOffload {
		_ = unix.SetsockoptInt(m.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(m.w.poll, unix.EPOLL_CTL_ADD, m.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(m.fd)}))
}

// Wait waits until a member has something to read, for d at most; d of 0 or
// less does not wait. It returns how many have; see Ready. A wake ends it too.
func (w *Swarm) Wait(d time.Duration) (int, error) {
	w.ready = w.ready[:0]
	n := w.look()
	if wait := int(max(d, 0) / time.Millisecond); n == 0 && wait > 0 {
		var err error
		if n, err = unix.EpollWait(w.poll, w.events, wait); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, os.NewSyscallError("epoll_wait", err)
		}
	}
	for i := range max(n, 0) {
		if fd := w.events[i].Fd; fd == int32(w.wake) {
			var b [8]byte
			_, _ = unix.Read(w.wake, b[:])
		} else if m := w.byFD[fd]; m != nil {
			w.ready = append(w.ready, m)
		}
	}
	return len(w.ready), nil
}

// look asks what is there now; like [receiver.once] without the scheduler.
func (w *Swarm) look() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.poll), uintptr(unsafe.Pointer(&w.events[0])), uintptr(len(w.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// Ready returns the i-th member of those that the last Wait found.
func (w *Swarm) Ready(i int) *Member { return w.ready[i] }

// Wake ends a Wait, or the next one. Any goroutine may call it.
func (w *Swarm) Wake() {
	_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it is full of wakes otherwise
}

// Close closes the swarm and its members.
func (w *Swarm) Close() {
	for _, m := range w.byFD {
		m.Close()
	}
	unix.Close(w.poll)
	unix.Close(w.wake)
}

// LocalAddr is the address the member is bound to.
func (m *Member) LocalAddr() netip.AddrPort { return m.local }

// KernelDrops is how many datagrams the kernel has thrown away because the
// member's queue was full.
func (m *Member) KernelDrops() uint64 {
	if m.closed {
		return 0
	}
	return kernelDrops(m.fd)
}

// Close takes the member out of the swarm.
func (m *Member) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	if m.w.open == m {
		m.w.open = nil
		m.w.out.reset()
	}
	delete(m.w.byFD, int32(m.fd))
	unix.Close(m.fd)
}

// Read takes what has arrived into b without waiting and returns how many
// datagrams there are. b.Stamps says when the kernel got them.
func (m *Member) Read(b *Batch) int {
	if m.closed {
		return 0
	}
	r := receiver{batch: b}
	r.once(uintptr(m.fd))
	b.count = 0
	if len(b.Stamps) < len(b.Packets) {
		b.Stamps = make([]int64, len(b.Packets))
	}
	for i := range r.messages {
		h := &b.os.headers[i]
		from := b.os.names[i].addrPort()
		if h.Hdr.Flags&unix.MSG_TRUNC != 0 || !from.IsValid() {
			continue
		}
		told := readControl(b.os.control[i][:min(int(h.Hdr.Controllen), controlSize)])
		first := b.count
		b.split(b.os.slab[i*slabSize:i*slabSize+int(h.Len)], told.segment, from, 0)
		for j := first; j < b.count; j++ {
			b.Stamps[j] = told.stamp
		}
	}
	return b.count
}

// Buffer is [Socket.Buffer].
func (m *Member) Buffer(n int, to netip.AddrPort) []byte {
	w := m.w
	fits := w.out.fits(n)
	if w.open != m || !fits {
		w.flush()
		w.open = m
	}
	if !fits {
		w.out.grow(n)
	}
	return w.out.buffer(n, to)
}

// Commit is [Socket.Commit].
func (m *Member) Commit(n int) { m.w.out.commit(n) }

// Flush sends what the member has committed; it never blocks. Another
// member's Buffer does the same.
func (m *Member) Flush() {
	if m.w.open == m {
		m.w.flush()
	}
}

// flush sends what is in the outbox; what the kernel does not take is lost, as
// on any network.
func (w *Swarm) flush() {
	m, d := w.open, &w.send
	w.open = nil
	if m == nil || len(w.out.runs) == 0 || m.closed {
		w.out.reset()
		return
	}
	d.begin(w.out)
	gso := d.useGSO()
	for i := range w.out.runs {
		if gso || w.out.runs[i].count == 1 {
			d.addRun(m.family, w.out, int32(i))
		} else {
			d.addSingles(m.family, w.out, int32(i))
		}
	}
	for next := 0; next < d.messages; {
		d.from, d.to = next, d.messages
		d.all(uintptr(m.fd))
		if d.errno != 0 || d.done == 0 {
			if d.grams[next] > 1 {
				d.paused = gsoPause
			}
			next++
			continue
		}
		next += d.done
	}
	w.out.reset()
}

// WriteTo is [Socket.WriteTo]. Any goroutine may call it.
func (m *Member) WriteTo(p []byte, to netip.AddrPort) error {
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	if m.family == unix.AF_INET && to.Addr().Unmap().Is4() {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().Unmap().As4()}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return net.ErrClosed
	}
	_ = unix.Sendto(m.fd, p, unix.MSG_DONTWAIT, sa) // as lost as on any network
	return nil
}
