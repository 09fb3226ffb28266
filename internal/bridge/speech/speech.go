package speech

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	// MaxPrevious is how many earlier speakers are told to clients.
	MaxPrevious = 10

	decisionInterval = 300 * mono.Duration(1e6)
	// idleAfter is how long a level lasts when no other follows; one frame of
	// silence is assumed for each such time. Opus frames last 20 ms.
	idleAfter = 40 * mono.Duration(1e6)
	// sleepAfter without any level the detector has no deadline.
	sleepAfter = 15 * mono.Duration(1e9)
)

// Detector tells who speaks in one conference. It is not safe for use by
// several goroutines.
type Detector struct {
	order    []*Speaker // who spoke last comes first; who never spoke, in order of joining
	dominant *Speaker
	next     mono.Time // the next decision; 0: asleep
	heard    mono.Time // the last level of anybody
}

// Speaker is somebody who may speak. The pointer is the caller's handle.
type Speaker struct {
	ID string // the endpoint's

	levels levels
	spoken bool // has been dominant
	scores scores
}

// New returns a detector without speakers.
func New() *Detector { return &Detector{} }

// Join adds somebody, behind all others in the order.
func (d *Detector) Join(id string) *Speaker {
	s := &Speaker{ID: id}
	d.order = append(d.order, s)
	return s
}

// Leave forgets s. If s was dominant nobody is until somebody speaks.
func (d *Detector) Leave(s *Speaker) {
	if i := slices.Index(d.order, s); i >= 0 {
		d.order = slices.Delete(d.order, i, i+1)
	}
	if d.dominant == s {
		d.dominant = nil
	}
}

// Add takes the level of one audio packet of s as it stands in the header:
// 0 (loudest) to 127 (silence), in -dBov (RFC 6464 §3). Greater values count
// as 127. now must not go backwards.
func (d *Detector) Add(s *Speaker, level uint8, now mono.Time) {
	s.levels.add(127-min(level, 127), now)
	d.heard = now
	if d.next == 0 {
		d.next = now.Add(decisionInterval)
	}
}

// Deadline returns when Tick wants to be called; 0 while everybody is silent
// for long.
func (d *Detector) Deadline() mono.Time { return d.next }

// Tick decides who is dominant if it is time for that, and reports whether
// somebody else is now.
func (d *Detector) Tick(now mono.Time) (changed bool) {
	if d.next == 0 || now < d.next {
		return false
	}
	d.next = now.Add(decisionInterval)
	if now.Sub(d.heard) >= sleepAfter {
		d.next = 0
	}
	winner := d.decide(now)
	if winner == d.dominant {
		return false
	}
	d.dominant = winner
	winner.spoken = true
	i := slices.Index(d.order, winner)
	copy(d.order[1:], d.order[:i])
	d.order[0] = winner
	return true
}

// decide returns who should be dominant: of all that beat the present
// dominant speaker on every scale, the one who does so most clearly on the
// medium one. Without a dominant speaker silence has to be beaten.
func (d *Detector) decide(now mono.Time) *Speaker {
	holder := silence
	if d.dominant != nil {
		d.dominant.evaluate(now)
		holder = d.dominant.scores
	}
	winner, best := d.dominant, mediumLead
	for _, s := range d.order {
		if s == d.dominant {
			continue
		}
		s.evaluate(now)
		if lead := s.scores.medium - holder.medium; lead > best && s.scores.beats(holder) {
			winner, best = s, lead
		}
	}
	return winner
}

// Dominant returns who has the floor, nil before anybody spoke.
func (d *Detector) Dominant() *Speaker { return d.dominant }

// Order returns all speakers, who spoke last first. The slice is the
// detector's: read it before the next Join, Leave or Tick.
func (d *Detector) Order() []*Speaker { return d.order }

// AppendPrevious appends the ids of those who had the floor before, the
// latest first, at most MaxPrevious.
func (d *Detector) AppendPrevious(ids []string) []string {
	n := 0
	for _, s := range d.order {
		if !s.spoken || n == MaxPrevious {
			break // who never spoke stands behind all who did
		}
		if s != d.dominant {
			ids = append(ids, s.ID)
			n++
		}
	}
	return ids
}
