//go:build unix

package signal

import (
	"errors"
	"syscall"
)

// writeNow writes what a descriptor takes without waiting.
func writeNow(fd uintptr, b []byte) (int, error) {
	n, err := syscall.Write(int(fd), b)
	if errors.Is(err, syscall.EAGAIN) || err == syscall.EINTR {
		err = nil
	}
	return max(n, 0), err
}
