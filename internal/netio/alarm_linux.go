package netio

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Alarm lets one goroutine sleep to some tens of microseconds. time.Sleep
// would be the thing, but waits a whole millisecond at the least where nothing
// else happens, because that is what the runtime tells the kernel.
type Alarm struct {
	file *os.File // a timerfd, in the runtime's poller
	fd   int
	buf  [8]byte
}

// NewAlarm makes an alarm.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &Alarm{file: os.NewFile(uintptr(fd), "timer"), fd: fd}, nil
}

// Sleep returns after d, at once if that is not above 0.
func (a *Alarm) Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(a.fd, 0, &at, nil) == nil {
		_, _ = a.file.Read(a.buf[:])
	}
}

// Close ends the alarm. Its sleeper alone may call it.
func (a *Alarm) Close() { _ = a.file.Close() }
