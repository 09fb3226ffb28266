package nowait

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is a wrapped connection.
type conn struct {
	net.Conn
	raw syscall.RawConn
}

func wrap(nc net.Conn, raw syscall.RawConn) net.Conn { return &conn{nc, raw} }

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// CloseWrite closes the writing side, as of a TCP connection.
func (c *conn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return syscall.EOPNOTSUPP
}

// Read reads what there is, or waits for it.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	o := newOp(unix.SYS_READ, b)
	defer o.free()
	switch err := c.raw.Read(o.wait); {
	case err != nil:
		return 0, err
	case o.errno != 0:
		return 0, os.NewSyscallError("read", o.errno)
	case o.n == 0:
		return 0, io.EOF
	}
	return o.n, nil
}

// Write writes all, and waits where the kernel takes no more.
func (c *conn) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := write(c.raw, b[done:], true)
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// TryWrite writes as many of the bytes as the kernel takes at once, perhaps
// none. raw is of a descriptor that does not block.
func TryWrite(raw syscall.RawConn, b []byte) (int, error) { return write(raw, b, false) }

func write(raw syscall.RawConn, b []byte, wait bool) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	o := newOp(unix.SYS_WRITE, b)
	defer o.free()
	do := o.try
	if wait {
		do = o.wait
	}
	err := raw.Write(do)
	if err == nil && o.errno != 0 && o.errno != unix.EAGAIN {
		err = os.NewSyscallError("write", o.errno)
	}
	return o.n, err
}

// op is one system call and what came of it.
type op struct {
	trap  uintptr
	b     []byte
	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool // made once
	wait  func(fd uintptr) bool // made once: false lets the poller wait
}

var ops = sync.Pool{New: func() any {
	o := new(op)
	o.try = func(fd uintptr) bool { o.once(fd); return true }
	o.wait = func(fd uintptr) bool { o.once(fd); return o.errno != unix.EAGAIN }
	return o
}}

func newOp(trap uintptr, b []byte) *op {
	o := ops.Get().(*op)
	o.trap, o.b, o.n, o.errno = trap, b, 0, 0
	return o
}

func (o *op) free() {
	o.b = nil
	ops.Put(o)
}

func (o *op) once(fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall(o.trap, fd, uintptr(unsafe.Pointer(&o.b[0])), uintptr(len(o.b)))
		if errno == unix.EINTR {
			continue
		}
		if o.n, o.errno = int(n), errno; errno != 0 {
			o.n = 0
		}
		return
	}
}
