package signal

import (
	"net"
	"time"

	"github.com/plenum-conf/plenum/internal/netio/nowait"
)

// write sends framed bytes, and waits until they are with the kernel.
func (s *socket) write(b []byte) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	n, err := s.tryLocked(b)
	if err != nil || n == len(b) {
		return err
	}
	if err := s.limitWrite(time.Now().Add(s.sendLimit)); err != nil {
		return err
	}
	if _, err := s.nc.Write(b[n:]); err != nil {
		return err
	}
	return s.limitWrite(time.Time{})
}

// limitWrite sets the deadline of writes.
func (s *socket) limitWrite(t time.Time) error {
	if err := s.nc.SetWriteDeadline(t); err != nil {
		return err
	}
	if s.isParting() { // looked at after setting: close does it the other way round
		return s.nc.SetWriteDeadline(s.until)
	}
	return nil
}

// try sends as many of the bytes as the kernel takes at once; none if somebody
// else is writing.
func (s *socket) try(b []byte) (int, error) {
	if !s.wmu.TryLock() {
		return 0, nil
	}
	defer s.wmu.Unlock()
	return s.tryLocked(b)
}

// tryLocked is try for those who hold wmu.
func (s *socket) tryLocked(b []byte) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	if s.raw == nil {
		return 0, nil
	}
	return nowait.TryWrite(s.raw, b)
}
