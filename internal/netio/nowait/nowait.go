package nowait

import (
	"net"
	"syscall"
)

// Wrap returns a connection that reads and writes what nc does, or nc itself if
// that does not stand for a descriptor, as with TLS. As with nc, one goroutine
// may read while another writes.
func Wrap(nc net.Conn) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	return wrap(nc, raw)
}
