//go:build !linux

package nowait

import (
	"net"
	"syscall"
)

// TryWrite writes nothing: it is left to whoever waits.
func TryWrite(syscall.RawConn, []byte) (int, error) { return 0, nil }

func wrap(nc net.Conn, _ syscall.RawConn) net.Conn { return nc }
