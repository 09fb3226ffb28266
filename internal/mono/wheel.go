package mono

import "math/bits"

// Timer is one deadline in a [Wheel]. Its owner embeds it or keeps it as a
// field, sets Owner once, and must not copy it while it is scheduled. The zero
// Timer is ready for use.
type Timer struct {
	// Owner is whatever the function given to Advance needs; the wheel does
	// not look at it.
	Owner any

	next, prev *Timer
	at         uint64 // tick
	slot       int16  // level*slots + index
	on         bool
}

// Scheduled reports whether the timer is in a wheel.
func (t *Timer) Scheduled() bool { return t.on }

const (
	millisecond = Duration(1e6)

	slotBits  = 6
	slots     = 1 << slotBits
	numLevels = (64 + slotBits - 1) / slotBits
)

// Wheel holds the timers of one worker: a hierarchical timing wheel with a
// granularity of one millisecond, or what [NewFineWheel] is told, on which
// scheduling, cancelling and finding the next deadline cost the same however
// many timers there are. It allocates nothing. It is not safe for concurrent
// use.
//
// Time is cut into ticks, and a tick's number into digits of six bits. A timer
// lies on the level of the highest digit in which its tick differs from the
// current one, in the slot of that digit. So everything on a level is due
// before everything on the levels above it; when the current tick reaches a
// slot above level 0, that slot's timers move down.
type Wheel struct {
	tick   Duration
	now    uint64 // current tick: everything up to it has fired
	count  int
	levels [numLevels]level
}

type level struct {
	used  uint64 // bit i is set if heads[i] is not nil
	heads [slots]*Timer
}

// NewWheel returns a wheel whose time begins at now.
func NewWheel(now Time) *Wheel { return NewFineWheel(now, millisecond) }

// NewFineWheel is NewWheel with another granularity, above 0, instead of the
// millisecond.
func NewFineWheel(now Time, tick Duration) *Wheel {
	return &Wheel{tick: tick, now: floor(now, tick)}
}

// floor and ceil give the last tick that begins before or at a time, and the
// first that begins at it or after it.
func floor(t Time, tick Duration) uint64 { return uint64(max(t, 0)) / uint64(tick) }
func ceil(t Time, tick Duration) uint64 {
	return (uint64(max(t, 0)) + uint64(tick) - 1) / uint64(tick)
}

// Len returns how many timers are scheduled.
func (w *Wheel) Len() int { return w.count }

// Schedule lets t fire at the given time, instead of when it was scheduled
// before, if it was; zero means never, as for a deadline, and cancels it. It
// fires in the first Advance whose time is not before at, rounded up to the
// granularity; a time that has passed counts as the next tick.
func (w *Wheel) Schedule(t *Timer, at Time) {
	w.Cancel(t)
	if at == 0 {
		return
	}
	t.at = max(ceil(at, w.tick), w.now+1)
	w.insert(t)
}

// Cancel takes t out of the wheel; it does nothing if t is not in it.
func (w *Wheel) Cancel(t *Timer) {
	if t.on {
		w.remove(t)
	}
}

// insert puts a timer where it belongs, seen from the current tick.
func (w *Wheel) insert(t *Timer) {
	n := 0
	if diff := t.at ^ w.now; diff != 0 {
		n = (bits.Len64(diff) - 1) / slotBits
	}
	i := t.at >> (n * slotBits) % slots
	l := &w.levels[n]
	t.slot = int16(n*slots + int(i))
	t.prev, t.next = nil, l.heads[i]
	if t.next != nil {
		t.next.prev = t
	}
	l.heads[i] = t
	l.used |= 1 << i
	t.on = true
	w.count++
}

func (w *Wheel) remove(t *Timer) {
	l, i := &w.levels[t.slot/slots], t.slot%slots
	if t.prev != nil {
		t.prev.next = t.next
	} else if l.heads[i] = t.next; t.next == nil {
		l.used &^= 1 << i
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.on = nil, nil, false
	w.count--
}

// nextSlot returns the level and first tick of the earliest slot in use.
func (w *Wheel) nextSlot() (n int, at uint64, ok bool) {
	for n = range w.levels {
		if used := w.levels[n].used; used != 0 {
			i := uint64(bits.TrailingZeros64(used))
			high := w.now >> (n * slotBits) >> slotBits << slotBits // shifted twice: 11 levels are 66 bits
			return n, (high | i) << (n * slotBits), true
		}
	}
	return 0, 0, false
}

// Next returns when Advance has to be called next, zero if no timer is
// scheduled. It is never later than the earliest timer (rounded up to the
// granularity) and may be earlier: then that call only sorts.
func (w *Wheel) Next() Time {
	_, at, ok := w.nextSlot()
	if !ok {
		return 0
	}
	return Time(at * uint64(w.tick))
}

// Advance moves the wheel's time on and calls fire for each timer that is due,
// in order of their ticks; the timer is no longer scheduled then. fire
// may schedule and cancel any timer of the wheel, but not call Advance. A time
// before that of the last call changes nothing.
func (w *Wheel) Advance(now Time, fire func(*Timer)) {
	end := floor(now, w.tick)
	for {
		n, at, ok := w.nextSlot()
		if !ok || at > end {
			break
		}
		w.now = at
		l, i := &w.levels[n], at>>(n*slotBits)%slots
		for t := l.heads[i]; t != nil; t = l.heads[i] {
			w.remove(t)
			if t.at > at {
				w.insert(t) // on a lower level: the digit of this one agrees now
			} else {
				fire(t)
			}
		}
	}
	w.now = max(w.now, end)
}
