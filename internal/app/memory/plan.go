package memory

import "fmt"

const mb = 1 << 20

// Plan is how the runtime is to use memory.
type Plan struct {
	// Limit is the soft limit (GOMEMLIMIT) in bytes; 0 leaves it as it is.
	Limit int64
	// Room is how much at least may be allocated between two collections, in
	// bytes; 0 leaves GOGC as it is.
	Room int64
	// Why says it in a sentence, for people.
	Why string
}

const (
	// A container is ours: what is left is for the kernel's side of our sockets,
	// which is counted there, and for code. On a machine others live too.
	containerShare = 85
	machineShare   = 75

	minRoom, maxRoom = 8 * mb, 128 * mb

	// unknownRoom is what a system has at least that does not say.
	unknownRoom = 32 * mb
)

// Decide makes the plan for what memory there is (ok as [Find] says). gogc and
// gomemlimit are what the environment sets: what the operator chose, stays.
func Decide(a Available, ok bool, gogc, gomemlimit string) Plan {
	p := Plan{Room: unknownRoom, Why: "nobody says how much memory there is; only the room between collections is chosen"}
	if ok {
		share, what := int64(machineShare), "this machine has"
		if a.Container {
			share, what = containerShare, "this container has"
		}
		p.Limit = int64(a.Bytes) / 100 * share
		p.Room = min(max(p.Limit/8, minRoom), maxRoom)
		p.Why = fmt.Sprintf("%s %s: collected harder above %s, else after %s of new memory at the earliest",
			what, size(a.Bytes), size(uint64(p.Limit)), size(uint64(p.Room)))
	}
	if gomemlimit != "" {
		p.Limit = 0
		p.Why += "; the soft limit is yours (GOMEMLIMIT=" + gomemlimit + ")"
	}
	if gogc != "" {
		p.Room = 0
		p.Why += "; how often is collected is yours (GOGC=" + gogc + ")"
	}
	return p
}

// size writes bytes for people.
func size(n uint64) string {
	if n < 10<<30 {
		return fmt.Sprintf("%d MB", n/mb)
	}
	return fmt.Sprintf("%d GB", n>>30)
}
