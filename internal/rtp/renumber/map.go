package renumber

import "slices"

const (
	// MinWindow is how many outgoing numbers, counted from the newest, a Map can
	// map back at first. It is a power of two, as MaxWindow is.
	MinWindow = 64
	// MaxWindow is how many numbers it can map back at most.
	MaxWindow = 1024
	// Epochs is how many epochs, counted from the newest, are remembered.
	Epochs = 8
)

// Map numbers an outgoing stream. The incoming stream may be replaced by
// another one at any time; the time between two such changes is an epoch.
// Within an epoch
//
//   - items are numbered in the order of their incoming numbers,
//   - items that were dropped take no number, so that no receiver misses them,
//   - items that have not arrived keep a number, so that a receiver notices the
//     loss and the item fits in should it come late.
//
// The zero Map has no epoch; call Begin first. Numbers are extended, the
// caller unwraps them.
//
// It works by the difference between incoming and outgoing number, which grows
// by one with every item dropped. Until the first drop it is constant in an
// epoch; afterwards it is kept for each of the newest outgoing numbers, modulo
// 2^16. An epoch must therefore not drop 2^16 items while a window of them is
// forwarded.
//
// A server has one for each pair of a receiver and a source, most of which pass
// a few numbers a second and change seldom: so the window is small at first, and
// whoever knows the pace calls Widen; and past epochs are kept only while the
// window reaches back to them.
type Map struct {
	current   epoch
	past      []epoch // those before it, the oldest first
	count     uint32  // of epochs ever begun
	widened   uint8   // how often
	forwarded bool    // the newest incoming item got a number
	newestIn  int64   // in the current epoch, forwarded or not
	known     int64   // first outgoing number that the window was wide enough for
	diffs     []uint16
}

// epoch describes the outgoing numbers firstOut to lastOut.
type epoch struct {
	firstOut, lastOut int64
	diff              int64 // of the newest item
}

// Begin starts an epoch: the item in of a new incoming stream will get the
// number out, which must be greater than any before. It returns the serial
// number of the epoch; they count up from 0.
func (m *Map) Begin(in, out int64) uint32 {
	if m.count > 0 {
		m.keep()
	}
	m.count++
	m.current = epoch{firstOut: out, lastOut: out - 1, diff: in - out}
	m.newestIn, m.forwarded = in-1, false
	return m.count - 1
}

// keep puts the current epoch to the past ones, and forgets what is too old.
func (m *Map) keep() {
	old, low := 0, m.NewestOut()-m.Window()+1
	for old < len(m.past) && (len(m.past)-old == Epochs-1 || m.past[old].lastOut < low) {
		old++
	}
	m.past = append(slices.Delete(m.past, 0, old), m.current)
}

// Window is how many outgoing numbers, counted from the newest, can be mapped
// back now.
func (m *Map) Window() int64 { return MinWindow << m.widened }

// Widen doubles the window, unless it is MaxWindow. It comes true as numbers are
// assigned: those that were out of the window stay unknown.
func (m *Map) Widen() {
	if m.Window() == MaxWindow {
		return
	}
	if m.count > 0 {
		m.known = max(m.known, m.NewestOut()-m.Window()+1)
	}
	old := m.diffs
	m.widened++
	if old == nil {
		return
	}
	m.diffs = make([]uint16, m.Window())
	for o := m.known; o <= m.NewestOut(); o++ {
		*m.diff(o) = old[o&int64(len(old)-1)]
	}
}

// diff is where the difference for an outgoing number stands.
func (m *Map) diff(out int64) *uint16 { return &m.diffs[out&int64(len(m.diffs)-1)] }

// at is an epoch that is remembered.
func (m *Map) at(number uint32) *epoch {
	if back := m.count - 1 - number; back > 0 {
		return &m.past[len(m.past)-int(back)]
	}
	return &m.current
}

// Epoch returns the serial number of the current epoch; false before the
// first.
func (m *Map) Epoch() (uint32, bool) { return m.count - 1, m.count > 0 }

// NewestOut returns the newest outgoing number assigned, to an item that was
// forwarded or to one that may still come. It is one less than the first
// number if there was none yet.
func (m *Map) NewestOut() int64 { return m.current.lastOut }

// NewestIn returns the newest incoming number of this epoch, forwarded or not.
func (m *Map) NewestIn() int64 { return m.newestIn }

// NewestInOf returns the newest incoming number of a remembered epoch that got
// an outgoing number; false if there is none.
func (m *Map) NewestInOf(number uint32) (in int64, ok bool) {
	if number >= m.count || number < m.oldest() {
		return 0, false
	}
	low, high := m.bounds(number)
	if low > high {
		return 0, false
	}
	return high + m.diffOf(number, high), true
}

// Next returns the outgoing number of an item of the current epoch that is to
// be forwarded. For an item that is not newer than all before it is the number
// that was kept for it; false if there is none, because it was dropped, lies
// before the epoch or beyond the window.
func (m *Map) Next(in int64) (out int64, ok bool) {
	if m.count == 0 {
		return 0, false
	}
	if in > m.newestIn {
		m.advance(in)
	}
	if in == m.newestIn && m.forwarded {
		return m.NewestOut(), true
	}
	return m.Out(m.count-1, in)
}

// Drop says that an item of the current epoch is not forwarded, so that it
// needs no number. An item that is not newer than all before keeps its number,
// since later ones went out already.
func (m *Map) Drop(in int64) {
	if m.count == 0 || in <= m.newestIn {
		return
	}
	if in > m.newestIn+1 {
		m.advance(in - 1)
	}
	if m.diffs == nil {
		m.keepDiffs()
	}
	m.newestIn, m.forwarded = in, false
	m.current.diff++
}

// advance assigns numbers to all new items up to in.
func (m *Map) advance(in int64) {
	e := &m.current
	out := in - e.diff
	if m.diffs != nil {
		for o := max(e.lastOut+1, out-m.Window()+1); o <= out; o++ {
			*m.diff(o) = uint16(e.diff)
		}
	}
	m.newestIn, m.forwarded, e.lastOut = in, true, out
}

// keepDiffs starts to keep the difference for each outgoing number. Nothing
// was dropped before, or it would have been called before.
func (m *Map) keepDiffs() {
	m.diffs = make([]uint16, m.Window())
	for n := m.oldest(); n < m.count; n++ {
		low, high := m.bounds(n)
		for o := low; o <= high; o++ {
			*m.diff(o) = uint16(m.at(n).diff)
		}
	}
}

// oldest is the oldest epoch that is remembered.
func (m *Map) oldest() uint32 { return m.count - min(m.count, uint32(len(m.past))+1) }

// bounds returns the outgoing numbers of an epoch that can be mapped back.
func (m *Map) bounds(number uint32) (low, high int64) {
	e := m.at(number)
	return max(e.firstOut, m.NewestOut()-m.Window()+1, m.known), e.lastOut
}

// Source returns which item has an outgoing number: its epoch and incoming
// number; false if the number was not assigned or is too old.
func (m *Map) Source(out int64) (number uint32, in int64, ok bool) {
	for number = m.count; number > m.oldest(); number-- {
		low, high := m.bounds(number - 1)
		if low <= out && out <= high {
			return number - 1, out + m.diffOf(number-1, out), true
		}
	}
	return 0, 0, false
}

// Out returns the outgoing number an item of a remembered epoch has; it
// assigns none. False if it has none or the number is too old.
func (m *Map) Out(number uint32, in int64) (out int64, ok bool) {
	if number >= m.count || number < m.oldest() {
		return 0, false
	}
	low, high := m.bounds(number)
	if low > high {
		return 0, false
	}
	for low < high { // incoming numbers grow with outgoing ones
		middle := low + (high-low)/2
		if middle+m.diffOf(number, middle) < in {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low+m.diffOf(number, low) == in
}

// diffOf returns the difference for an outgoing number within the bounds of
// an epoch.
func (m *Map) diffOf(number uint32, out int64) int64 {
	newest := m.at(number).diff
	if m.diffs == nil {
		return newest
	}
	// The difference only grows within an epoch.
	return newest - int64(uint16(newest)-*m.diff(out))
}
