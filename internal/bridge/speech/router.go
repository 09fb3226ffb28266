package speech

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Router chooses whose audio is forwarded when a conference is too large to
// forward everybody's. It has a number of places; a [Voice] that has one is
// routed, whatever its packets hold, until somebody else needs the place more.
//
//   - A free place is taken with the first packet that rises above its voice's
//     own noise.
//   - That of the longest silent voice, if it has said nothing for phraseGap,
//     is taken with the second packet: a click throws nobody out. As long as no more people talk at once than there are places,
//     nobody waits for one.
//   - When all places are held by people who talk, a newcomer has to be louder
//     than one of them for contestPackets packets, and gets the place when that
//     one has ended a word. Only a newcomer who is louder for contestPatience
//     packets cuts in.
//   - The dominant speaker needs to fight for nothing; a place is made for it.
//   - Who has said nothing for holdFor, and sends nothing worth hearing either,
//     gives the place back.
//
// It is not safe for use by several goroutines. Add costs the same whether ten
// or a thousand voices are there: it looks at nothing but its voice, and at the
// places when that voice wants one. It allocates nothing.
type Router struct {
	places int
	on     []*Voice
}

// Verdict is what to do with a packet.
type Verdict uint8

// Verdicts.
const (
	// LeaveOut says that the packet is not to be forwarded.
	LeaveOut Verdict = iota
	// Route says that it is.
	Route
	// Begin says that it is, and that none of the voice was before: what came
	// just before belongs to the word that begins.
	Begin
)

// ContestPackets is how many packets a voice has to be louder than another to
// get its place. A caller that keeps as many packets of those who are not
// routed, and sends them ahead on [Begin], loses nothing of a word by the
// contest.
const ContestPackets = 3

const (
	// wordGap of silence ends a word; the closure of a p or t is shorter.
	wordGap = 120 * mono.Duration(1e6)
	// phraseGap of silence is more than who goes on talking leaves between two
	// words, mostly.
	phraseGap = 250 * mono.Duration(1e6)
	// holdFor is how long after the last word a voice is routed although
	// nobody needs its place: a breath and a thought.
	holdFor = 2 * mono.Duration(1e9)
	// enoughPackets in a row above the noise are a voice, one is a click.
	enoughPackets = 2
	// contestPatience is how many packets long somebody louder waits for a
	// word to end: two seconds of packets of 20 ms.
	contestPatience = 100
	// crowd is how many voices may be routed beyond the places, because the
	// dominant speaker got in while all others were in the middle of a word.
	crowd = 2
)

// NewRouter returns a router with that many places, 1 at least.
func NewRouter(places int) *Router {
	places = max(places, 1)
	return &Router{places: places, on: make([]*Voice, 0, places+crowd)}
}

// SetPlaces changes the number of places, 1 at least. Who has one of those that
// are no more keeps it to the end of a word.
func (r *Router) SetPlaces(places int) { r.places = max(places, 1) }

// Add takes the level of one packet of v as it stands in the header (RFC 6464),
// 0 (loudest) to 127 (silence), or [Unknown], and says what to do with the
// packet. now must not go backwards.
func (r *Router) Add(v *Voice, level uint8, now mono.Time) Verdict {
	if level == Unknown {
		return r.addUnknown(v)
	}
	voiced := v.hear(127-min(level, 127), now)
	switch {
	case v.Routed() && !voiced && r.mayGo(v, now):
		r.drop(v)
		return LeaveOut
	case v.Routed():
		return Route
	case voiced && r.admit(v, now):
		return Begin
	}
	return LeaveOut
}

// addUnknown takes a packet that does not tell how loud it is. Whose packets
// never do gets a place that nobody else wants.
func (r *Router) addUnknown(v *Voice) Verdict {
	switch {
	case v.Routed():
		return Route
	case len(r.on) < r.places:
		r.take(v)
		return Begin
	}
	return LeaveOut
}

// mayGo reports whether a routed voice that says nothing at the moment gives
// its place back.
func (r *Router) mayGo(v *Voice, now mono.Time) bool {
	silent := now.Sub(v.voiced)
	if len(r.on) > r.places && !v.dominant && silent >= wordGap {
		return true
	}
	return silent >= holdFor && v.volume < audible
}

// admit gives v a place if it can have one.
func (r *Router) admit(v *Voice, now mono.Time) bool {
	if len(r.on) >= r.places {
		if v.run < enoughPackets {
			return false
		}
		if oldest := r.longestSilent(); now.Sub(oldest.voiced) >= phraseGap {
			r.drop(oldest)
		} else if !v.dominant && !r.contest(v, now) || v.dominant && !r.squeeze() {
			return false
		}
	}
	r.take(v)
	return true
}

// contest takes the place of somebody who talks for somebody louder.
func (r *Router) contest(v *Voice, now mono.Time) bool {
	weakest, pausing := r.weakest(now)
	if weakest == nil || !v.outdoes(weakest) {
		v.louder = 0
		return false
	}
	v.louder++
	switch {
	case v.louder < ContestPackets:
		return false
	case pausing != nil && v.outdoes(pausing):
		r.drop(pausing)
	case v.louder >= contestPatience:
		r.drop(weakest)
	default:
		return false
	}
	return true
}

// squeeze makes room for the dominant speaker.
func (r *Router) squeeze() bool {
	if len(r.on) < r.places+crowd {
		return true
	}
	weakest, _ := r.weakest(0)
	if weakest != nil {
		r.drop(weakest)
	}
	return weakest != nil
}

// longestSilent returns who spoke longest ago of those who are routed, of
// which there are some.
func (r *Router) longestSilent() *Voice {
	oldest := r.on[0]
	for _, v := range r.on[1:] {
		if v.voiced < oldest.voiced {
			oldest = v
		}
	}
	return oldest
}

// weakest returns the least loud of all who are routed and may lose their
// place, and of those who are between two words; nil if there is none.
func (r *Router) weakest(now mono.Time) (all, pausing *Voice) {
	for _, v := range r.on {
		if v.dominant {
			continue
		}
		if all == nil || v.energy < all.energy {
			all = v
		}
		if now.Sub(v.voiced) >= wordGap && (pausing == nil || v.energy < pausing.energy) {
			pausing = v
		}
	}
	return all, pausing
}

func (r *Router) take(v *Voice) {
	r.on = append(r.on, v)
	v.place, v.louder = len(r.on), 0
}

func (r *Router) drop(v *Voice) {
	last := len(r.on)
	moved := r.on[last-1]
	r.on[v.place-1], moved.place = moved, v.place
	r.on[last-1] = nil
	r.on = r.on[:last-1]
	v.place = 0
}

// Leave takes the place of a voice that will not be heard any more. The voice
// may be added again, as one that was never heard.
func (r *Router) Leave(v *Voice) {
	if v.Routed() {
		r.drop(v)
	}
	*v = Voice{dominant: v.dominant}
}

// Clear takes all places: nobody is routed.
func (r *Router) Clear() {
	for _, v := range slices.Backward(r.on) {
		r.drop(v)
	}
}

// Routed is how many voices are routed, at most two more than there are
// places, and mostly not more than that.
func (r *Router) Routed() int { return len(r.on) }
