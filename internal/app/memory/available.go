package memory

import (
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Available is the memory there is for this process.
type Available struct {
	Bytes uint64
	// Container says that a control group gives it to this process alone;
	// otherwise it is the machine's, which others use as well.
	Container bool
}

// unlimited is what no machine has: version 1 of control groups says "no
// limit" by a number near the largest there is.
const unlimited = 1 << 50

// Find reads from the files of a Linux system, root being "/", how much memory
// this process may use: the least limit of its control groups (version 1 or 2)
// and of those around them, or the machine's memory. ok is false if nobody says.
func Find(root fs.FS) (a Available, ok bool) {
	physical := total(root)
	limit := groupLimit(root)
	switch {
	case limit != 0 && (physical == 0 || limit < physical):
		return Available{Bytes: limit, Container: true}, true
	case physical != 0:
		return Available{Bytes: physical}, true
	}
	return Available{}, false
}

// total is the machine's memory in bytes, 0 if unknown.
func total(root fs.FS) uint64 {
	data, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, err := strconv.ParseUint(f[1], 10, 54)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// groupLimit is the least limit of the groups this process is in, 0 if there
// is none. A line of proc/self/cgroup is "number:controllers:path", where
// version 2 has no controllers.
func groupLimit(root fs.FS) (least uint64) {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	note := func(limit uint64) {
		if limit != 0 && (least == 0 || limit < least) {
			least = limit
		}
	}
	for line := range bytes.Lines(data) {
		f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "":
			note(upwards(root, "sys/fs/cgroup", f[2], "memory.max"))
			note(upwards(root, "sys/fs/cgroup/unified", f[2], "memory.max"))
		case strings.Contains(","+f[1]+",", ",memory,"):
			note(upwards(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	return least
}

// upwards is the least limit of a group and those it lies in. A path of which
// parts do not exist is that of the host, seen from inside of a container whose
// own group is at the top.
func upwards(root fs.FS, mount, group, file string) (least uint64) {
	for p := path.Clean("/" + group); ; p = path.Dir(p) {
		if limit := readLimit(root, path.Join(mount, p, file)); limit != 0 && (least == 0 || limit < least) {
			least = limit
		}
		if p == "/" {
			return least
		}
	}
}

// readLimit reads a file with one number; 0 for "max" and for no file.
func readLimit(root fs.FS, name string) uint64 {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
