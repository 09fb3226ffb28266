package memory

import "time"

// Look is what the runtime said of itself at one time.
type Look struct {
	At        time.Duration // on any monotonic clock
	Live      uint64        // bytes the last collection found in use
	Roots     uint64        // bytes of stacks and globals it had to look through
	Objects   uint64        // bytes in use or not yet found to be garbage
	Free      uint64        // bytes of the heap that are empty and not given back
	Allocated uint64        // bytes since the start
	CPU       time.Duration // of the process since the start; 0 if unknown
}

// Advice is what is to be done after a look.
type Advice struct {
	// Percent is the new GOGC; 0 leaves it as it is.
	Percent int
	// Trim says that now is the time to give memory back.
	Trim bool
}

const (
	// minPercent is GOGC where the room does not matter: the heap may double.
	minPercent = 100
	// leastLive is what the runtime takes a smaller heap for.
	leastLive = 4 * mb

	// Trimming collects, and what is given back costs a fault when it is needed
	// again. So it must give back a good part, be quiet for some looks, and at
	// this pace the memory must not be needed again within trimWorth.
	trimLeast = 16 * mb
	trimQuiet = 2
	trimWorth = time.Minute
	trimEvery = 2 * time.Minute
	trimCPU   = 0.25 // of one core
)

// Tuner decides, look by look. It is not safe for concurrent use.
type Tuner struct {
	room    uint64
	percent int
	last    Look
	quiet   int // looks in a row
	trimmed time.Duration
	began   bool
}

// NewTuner begins with a plan and the first look.
func NewTuner(p Plan, first Look) *Tuner {
	return &Tuner{room: uint64(max(p.Room, 0)), percent: minPercent, last: first}
}

// Look takes the next look into account, normally one every few seconds.
func (t *Tuner) Look(l Look) Advice {
	a := Advice{Percent: t.newPercent(l), Trim: t.trim(l)}
	t.last = l
	return a
}

// newPercent is the GOGC that leaves the room. Setting it stops all goroutines
// for a moment, and so small changes are left alone.
func (t *Tuner) newPercent(l Look) int {
	if t.room == 0 {
		return 0
	}
	want := percentFor(t.room, l.Live+l.Roots)
	if want*4 > t.percent*3 && want*3 < t.percent*4 {
		return 0
	}
	t.percent = want
	return want
}

// percentFor is GOGC such that the heap may grow by room when live bytes are
// found in use (the runtime's rule: by live * GOGC/100).
func percentFor(room, live uint64) int {
	return int(max(room*100/max(live, leastLive), minPercent))
}

func (t *Tuner) trim(l Look) bool {
	passed := l.At - t.last.At
	if passed <= 0 {
		return false
	}
	gain := l.Free
	if l.Objects > l.Live {
		gain += l.Objects - l.Live
	}
	pace := float64(l.Allocated-t.last.Allocated) / passed.Seconds()
	cpu := (l.CPU - t.last.CPU).Seconds() / passed.Seconds()
	if gain < max(trimLeast, l.Live/4) || pace*trimWorth.Seconds() > float64(gain) || cpu > trimCPU {
		t.quiet = 0
		return false
	}
	t.quiet++
	if t.quiet < trimQuiet || t.began && l.At-t.trimmed < trimEvery {
		return false
	}
	t.quiet, t.trimmed, t.began = 0, l.At, true
	return true
}
