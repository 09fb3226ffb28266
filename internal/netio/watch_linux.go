package netio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watch is what stands between a socket and the runtime's poller, so that the
// poller need not hear of every datagram: an epoll instance with the socket as
// its only member, of which the poller is told that it is readable when there
// is a datagram. The poller keeps what it has been given for good and wakes up
// for all that arrives there, whether somebody waits for it or not; from the
// watch the socket can be taken.
//
// Nobody ever waits for the watch itself, or takes events from it: the kernel
// looks at the socket whenever it is asked about the watch.
type watch struct {
	fd     int // of the socket
	events uint32
	modify func(epoll uintptr) // made once: it allocates nothing
	err    error               // of modify
}

// open makes the watch. The socket remains the caller's.
func (w *watch) open(fd int) (*os.File, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	w.fd, w.events = fd, unix.EPOLLIN
	if err = unix.SetNonblock(epoll, true); err == nil { // or os.NewFile keeps it from the poller
		err = w.control(epoll, unix.EPOLL_CTL_ADD)
	}
	if err != nil {
		_ = unix.Close(epoll)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	w.modify = func(epoll uintptr) { w.err = w.control(int(epoll), unix.EPOLL_CTL_MOD) }
	return os.NewFile(uintptr(epoll), "udp"), nil
}

func (w *watch) control(epoll, op int) error {
	return unix.EpollCtl(epoll, op, w.fd, &unix.EpollEvent{Events: w.events, Fd: int32(w.fd)})
}

// set says whether the poller is to hear of datagrams, also of those that are
// there already. raw is of the file that open returned.
func (w *watch) set(raw syscall.RawConn, datagrams bool) error {
	var events uint32
	if datagrams {
		events = unix.EPOLLIN
	}
	if events == w.events {
		return nil
	}
	w.events, w.err = events, nil
	if err := raw.Control(w.modify); err != nil {
		return err
	}
	return w.err
}
