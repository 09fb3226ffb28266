package readable

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Set is the connections of one server. It may be used by any goroutine.
//
// The runtime's own poller waits for the epoll descriptor as it does for every
// other, so that no thread is held.
type Set struct {
	file *os.File
	fd   int // of file

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
	s := &Set{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, done: make(chan struct{})}
	raw, err := s.file.SyscallConn()
	if err != nil {
		_ = s.file.Close()
		return nil, err
	}
	go s.run(raw)
	return s, nil
}

// Close ends the waiting; nobody is told anything after it.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.file.Close()
	<-s.done
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

func (s *Set) run(raw syscall.RawConn) {
	defer close(s.done)
	var events [batch]unix.EpollEvent
	var ready [batch]Waiter
	var n int
	look := func(fd uintptr) bool {
		var err error
		n, err = unix.EpollWait(int(fd), events[:], 0)
		return n > 0 || err != nil && err != unix.EINTR
	}
	for {
		n = 0
		if err := raw.Read(look); err != nil || n <= 0 {
			return
		}
		for _, w := range s.waiters(events[:n], ready[:0]) {
			w.Readable()
		}
		clear(ready[:])
	}
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
