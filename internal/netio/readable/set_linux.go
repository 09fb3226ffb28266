package readable

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio/gate"
)

// Set is the connections of one server. It may be used by any goroutine.
//
// The runtime's own poller waits for the epoll descriptor as it does for every
// other, so that no thread is held, unless the set is calm (see calm.go).
type Set struct {
	fd   int // of epoll
	file *os.File
	raw  syscall.RawConn // of file
	gate gate.Gate       // between the two
	calm calm

	mu     sync.Mutex
	byFD   []*Watch // those that were armed and are not forgotten
	closed bool
	done   chan struct{}
}

// Watch is one connection of a Set.
type Watch struct {
	set    *Set
	waiter Waiter
	raw    syscall.RawConn
	arm    func(fd uintptr) // made once: arming allocates nothing
	failed atomic.Bool      // epoll did not want it
	fd     int              // once known to epoll; before, 0
}

// New makes an empty set. It is to be closed.
func New() (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &Set{fd: fd, done: make(chan struct{})}
	s.calm.init()
	if s.file, err = s.gate.Open(fd, "epoll"); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		_ = unix.Close(fd)
		return nil, err
	}
	go s.run()
	return s, nil
}

// Close ends the waiting; nobody is told anything after it.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.file.Close()
	s.calm.stir()
	<-s.done
	_ = unix.Close(s.fd) // nobody arms any more
}

// Add prepares to watch nc, which must belong to waiter alone and is not armed
// yet.
func (s *Set) Add(nc net.Conn, waiter Waiter) (*Watch, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &Watch{set: s, waiter: waiter, raw: raw}
	w.arm = w.armFD
	return w, nil
}

// Arm lets the waiter be told once of something to read, at once if there is
// something already. It is for whoever owns the reading side, which may pass to
// another before Arm has returned. An error says that the connection is closed,
// or cannot be watched.
func (w *Watch) Arm() error {
	if err := w.raw.Control(w.arm); err != nil {
		return err
	}
	if w.failed.Load() {
		return ErrUnsupported
	}
	return nil
}

func (w *Watch) armFD(fd uintptr) {
	if w.set.arm(w, int(fd)) != nil {
		w.failed.Store(true)
	}
}

func (s *Set) arm(w *Watch, fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	op := unix.EPOLL_CTL_MOD
	if w.fd == 0 {
		op, w.fd = unix.EPOLL_CTL_ADD, fd
		if n := fd + 1 - len(s.byFD); n > 0 {
			s.byFD = append(s.byFD, make([]*Watch, n)...)
		}
		s.byFD[fd] = w
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd)}
	return unix.EpollCtl(s.fd, op, fd, &ev)
}

// Hurry notes that what was read was something that somebody waits for, at the
// time given: more is likely to follow.
func (w *Watch) Hurry(now mono.Time) { w.set.calm.hurry(now) }

// Forget lets go of the waiter, whose connection is closed or about to be.
// Arm is not to be called any more.
func (w *Watch) Forget() {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	if w.fd != 0 && w.set.byFD[w.fd] == w {
		w.set.byFD[w.fd] = nil
	}
}

// batch is how many connections are told of between two looks.
const batch = 128

func (s *Set) run() {
	defer close(s.done)
	var l look
	var ready [batch]Waiter
	wait := func(uintptr) bool { return l.at(s.fd) }
	for s.wait(&l, wait) {
		for _, w := range s.waiters(l.events[:l.n], ready[:0]) {
			w.Readable()
		}
		clear(ready[:])
	}
}

// wait looks until there is something, or the time of a set that is calm has
// come. It reports whether the set is still open.
func (s *Set) wait(l *look, untilSome func(uintptr) bool) bool {
	full, calm := l.n == batch, s.calm.settle(mono.Now(), l.n)
	if l.n = 0; s.gate.Set(s.raw, !calm) != nil {
		return false
	}
	if !calm {
		return s.raw.Read(untilSome) == nil && l.n >= 0
	}
	if !full {
		s.calm.sleep()
	}
	return s.raw.Control(func(uintptr) { l.at(s.fd) }) == nil && l.n >= 0
}

// look is what was found to be readable.
type look struct {
	events [batch]unix.EpollEvent
	n      int // below 0 after an error
}

// at looks at an epoll instance, and reports whether there is something, or an
// error. It does not tell the scheduler, since the call never waits: see
// netio's receiver.
func (l *look) at(epoll int) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&l.events[0])), batch, 0, 0, 0)
	switch errno {
	case 0:
		l.n = int(n)
	case unix.EINTR:
		l.n = 0
	default:
		l.n = -1
	}
	return l.n != 0
}

// waiters finds out who is meant. A descriptor that was closed meanwhile may
// be somebody else's by now, who is then told without need.
func (s *Set) waiters(events []unix.EpollEvent, to []Waiter) []Waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		if fd := int(events[i].Fd); fd < len(s.byFD) && s.byFD[fd] != nil {
			to = append(to, s.byFD[fd].waiter)
		}
	}
	return to
}
