package gate

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Gate is in front of one descriptor. It belongs to one goroutine. Nobody ever
// waits for its epoll instance itself, or takes events from it: the kernel looks
// at the descriptor whenever it is asked about the instance.
type Gate struct {
	fd     int // behind it
	events uint32
	modify func(epoll uintptr) // made once: it allocates nothing
	err    error               // of modify
}

// Open makes the gate of a descriptor, which remains the caller's, and opens
// it. The file is what the runtime's poller is to watch instead; it is the
// caller's to close, and nothing can be read from it.
func (g *Gate) Open(fd int, name string) (*os.File, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	g.fd, g.events = fd, unix.EPOLLIN
	if err = unix.SetNonblock(epoll, true); err == nil { // or os.NewFile keeps it from the poller
		err = g.control(epoll, unix.EPOLL_CTL_ADD)
	}
	if err != nil {
		_ = unix.Close(epoll)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	g.modify = func(epoll uintptr) { g.err = g.control(int(epoll), unix.EPOLL_CTL_MOD) }
	return os.NewFile(uintptr(epoll), name), nil
}

func (g *Gate) control(epoll, op int) error {
	return unix.EpollCtl(epoll, op, g.fd, &unix.EpollEvent{Events: g.events, Fd: int32(g.fd)})
}

// Set says whether the poller is to hear of what can be read, also of what is
// there already. raw is of the file that Open returned.
func (g *Gate) Set(raw syscall.RawConn, open bool) error {
	var events uint32
	if open {
		events = unix.EPOLLIN
	}
	if events == g.events {
		return nil
	}
	g.events, g.err = events, nil
	if err := raw.Control(g.modify); err != nil {
		return err
	}
	return g.err
}
