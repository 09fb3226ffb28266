package slots

import (
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Options say what a [Table] is like.
type Options struct {
	// Limit is the greatest number of slots, at most 100.
	Limit int
	// Spare is up to how many slots new ones are made whether or not others are
	// idle. It is what a small conference needs.
	Spare int
	// Linger is how long a source has to be idle before its slot is given away
	// although a new one could be made; 0 for no time at all.
	Linger time.Duration
	// Prefix begins the MIDs, which go on with a number of two digits, so that
	// all are [MIDLen] bytes long: it is one byte. Clients count their own
	// m-lines in plain numbers, so it must not be a digit.
	Prefix string
	// SSRC returns an SSRC that the receiver knows nothing of yet. It is asked
	// once for each slot, and a second time with RTX.
	SSRC func() uint32
	// RTX gives every slot a second SSRC, for retransmissions (RFC 4588).
	RTX bool
}

// MIDLen is the length of every MID in bytes, so that the headers of packets
// are of one length whatever slot they are sent in.
const MIDLen = 3

// Slot is an m-line of the receiver. Its numbers stay as long as the table.
type Slot struct {
	Index int    // from 0, in the order in which slots were made
	SSRC  uint32 // what the receiver knows it by
	RTX   uint32 // its retransmissions, 0 without [Options.RTX]
	MID   []byte // RFC 9143 §15, MIDLen bytes; not to be changed

	source     string
	state      state
	since      mono.Time // idle: since when
	next, prev *Slot     // in the list of its state
	list       *list
}

type state uint8

const (
	busy state = iota // its source is being sent
	idle              // its source may come back
	gone              // its source has gone
)

// Source is the name of the source that has the slot, or had it last.
func (s *Slot) Source() string { return s.source }

// Gone reports whether the slot's last source has gone for good.
func (s *Slot) Gone() bool { return s.state == gone }

// Change says what Take has done.
type Change uint8

// Changes.
const (
	None  Change = iota // there is no slot: all are busy
	Kept                // the source has had its slot, and the receiver knows
	Moved               // the slot was another's, or its source had gone
	Made                // the slot is new
)

// Table is one receiver's slots. Make it with [New].
type Table struct {
	opt   Options
	slots []*Slot
	names map[string]*Slot
	idle  list // the longest idle first
	gone  list // the first that went first
}

// New makes a table without any slot.
func New(o Options) *Table { return &Table{opt: o, names: make(map[string]*Slot)} }

// Slots returns all slots by index. The table keeps it.
func (t *Table) Slots() []*Slot { return t.slots }

// Find returns the slot of a source that was given one and has not lost it,
// whether it is being sent or not; nil if there is none.
func (t *Table) Find(source string) *Slot { return t.names[source] }

// Take gives a source a slot, because it is going to be sent. now must not go
// back. The slot is nil with [None] only.
func (t *Table) Take(source string, now mono.Time) (*Slot, Change) {
	s, change := t.names[source], Kept
	switch {
	case s == nil:
		if s, change = t.free(now); s == nil {
			return nil, None
		}
		delete(t.names, s.source)
		t.names[source], s.source = s, source
	case s.state == gone:
		change = Moved
	}
	s.enter(busy, nil)
	return s, change
}

// free finds a slot that can be given away, or makes one.
func (t *Table) free(now mono.Time) (*Slot, Change) {
	oldest := t.idle.first
	switch {
	case t.gone.first != nil:
		return t.gone.first, Moved
	case len(t.slots) < min(t.opt.Spare, t.opt.Limit):
		return t.grow(), Made
	case oldest != nil && now.Sub(oldest.since) >= t.opt.Linger:
		return oldest, Moved
	case len(t.slots) < t.opt.Limit:
		return t.grow(), Made
	}
	return oldest, Moved
}

// Prepare gives a source that has no slot one that has gone, or a new one, and
// leaves it idle: the receiver is to know it before anybody needs it. The slot
// is nil with [None], as it is if the source has one. now must not go back.
func (t *Table) Prepare(source string, now mono.Time) (s *Slot, change Change) {
	s, change = t.names[source], Moved
	switch {
	case s != nil && s.state != gone:
		return nil, None
	case s != nil:
	case t.gone.first != nil:
		s = t.gone.first
	case len(t.slots) < t.opt.Limit:
		s, change = t.grow(), Made
	default:
		return nil, None
	}
	delete(t.names, s.source)
	t.names[source], s.source, s.since = s, source, now
	s.enter(idle, &t.idle)
	return s, change
}

// Here is how many slots are those of sources that have not gone.
func (t *Table) Here() int { return len(t.slots) - t.gone.n }

// Free is how many slots can be given away: their sources are idle or gone.
func (t *Table) Free() int { return t.idle.n + t.gone.n }

func (t *Table) grow() *Slot {
	s := &Slot{Index: len(t.slots), SSRC: t.opt.SSRC(), MID: []byte(t.opt.Prefix + strconv.Itoa(100 + len(t.slots))[1:])}
	if t.opt.RTX {
		s.RTX = t.opt.SSRC()
	}
	t.slots = append(t.slots, s)
	return s
}

// Idle says that a source is not being sent any more. Those without a slot,
// and those that are idle already, are left as they are.
func (t *Table) Idle(source string, now mono.Time) {
	if s := t.names[source]; s != nil && s.state == busy {
		s.since = now
		s.enter(idle, &t.idle)
	}
}

// Forget says that a source has gone. If it is back before its slot was given
// away it will find it, but has to be told of as if it were new: clients
// forget whose a slot was when its owner leaves.
func (t *Table) Forget(source string) {
	if s := t.names[source]; s != nil && s.state != gone {
		s.enter(gone, &t.gone)
	}
}

// enter puts the slot at the end of a list, nil for none.
func (s *Slot) enter(st state, to *list) {
	if s.list != nil {
		s.list.remove(s)
	}
	if s.state, s.list = st, to; to != nil {
		to.add(s)
	}
}

// list is a doubly linked list, for removal from the middle.
type list struct {
	first, last *Slot
	n           int
}

func (l *list) add(s *Slot) {
	s.prev = l.last
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
	l.n++
}

func (l *list) remove(s *Slot) {
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
	l.n--
}
