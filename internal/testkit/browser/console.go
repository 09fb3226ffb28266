package browser

import (
	"strings"
	"sync"
)

// consoleLines is how much of a page's console is kept for a failed test.
const consoleLines = 200

// consoleRing keeps the last lines of a page's console.
type consoleRing struct {
	mu    sync.Mutex
	lines []string
}

func (r *consoleRing) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(line) > 600 {
		line = line[:600] + "…"
	}
	r.lines = append(r.lines, line)
	if len(r.lines) > consoleLines {
		r.lines = r.lines[1:]
	}
}

// String returns the kept lines, oldest first.
func (r *consoleRing) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}
