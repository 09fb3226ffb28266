//go:build unix

package loadtest

import (
	"runtime"
	"syscall"
	"time"
)

func usage() syscall.Rusage {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // zeroes tell that it failed
	return u
}

// cpuTime is what this process has used so far, user and system.
func cpuTime() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is the most this process has had in memory, in bytes.
func peakMemory() uint64 {
	n := uint64(max(usage().Maxrss, 0))
	if runtime.GOOS == "linux" {
		n *= 1024 // kilobytes there
	}
	return n
}
