package storm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Self is the process id that stands for this process.
const Self = -1

// ticksPerSecond is USER_HZ, in which /proc counts CPU time. It is 100 on all
// architectures Go runs on.
const ticksPerSecond = 100

func procFile(pid int, name string) []byte {
	who := strconv.Itoa(pid)
	if pid == Self {
		who = "self"
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%s/%s", who, name)) // of a process that ended there is nothing
	return b
}

// CPU is the CPU time a process has used, in seconds; 0 for no process.
func CPU(pid int) float64 {
	if pid == 0 {
		return 0
	}
	b := procFile(pid, "stat")
	// The second field is a name in parentheses that may hold spaces.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond
}

// Memory is the resident memory of a process in bytes; 0 for no process.
func Memory(pid int) int64 {
	if pid == 0 {
		return 0
	}
	return status(pid, "VmRSS:")
}

// PeakMemory is the most resident memory a process ever had, in bytes; 0 for no
// process.
func PeakMemory(pid int) int64 {
	if pid == 0 {
		return 0
	}
	return status(pid, "VmHWM:")
}

// status is a line of a process's status that is a number of KB, in bytes.
func status(pid int, name string) int64 {
	for line := range strings.Lines(string(procFile(pid, "status"))) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
