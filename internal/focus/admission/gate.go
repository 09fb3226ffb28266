package admission

import (
	"slices"
	"time"
)

// Limits are the bounds within which a Gate moves. Start from DefaultLimits.
type Limits struct {
	// First, Least and Most are how many invitations may be under way: in the
	// beginning, under the greatest pressure, and at all. 1 or more each.
	// Half of them may be such as the server has not made an offer for yet.
	First, Least, Most int
	// Patience is how long an offer counts that has not been answered. After
	// that it waits for its client and not for the server.
	Patience time.Duration
	// Delay is what requests may take, waiting included, before the server
	// counts as busy.
	Delay time.Duration
	// Forget is for how long a measured delay says something.
	Forget time.Duration
}

// DefaultLimits suit a server of a few cores. Least is what a core does within
// Delay, at more than a millisecond for an invitation: if requests take longer
// with as few as that under way they wait for something else, media most of all,
// and people who had to come one by one would have waited for nothing.
func DefaultLimits() Limits {
	return Limits{
		First: 32, Least: 32, Most: 1000,
		Patience: 500 * time.Millisecond, Delay: 50 * time.Millisecond, Forget: 5 * time.Second,
	}
}

// Ticket is somebody's wish to be invited. Room is whatever the caller knows a
// conference by.
type Ticket[R comparable] struct {
	Room R
	Who  string
}

// Gate decides who is invited when. It is not safe for concurrent use.
type Gate[R comparable] struct {
	limits Limits
	window float64 // how many may be under way

	rooms map[R]*room // those in which somebody waits
	turns []R         // the same, in the order in which their turn comes
	waits map[Ticket[R]]struct{}

	under   map[Ticket[R]]time.Time // when the offer was made; zero for not yet
	offers  []offer[R]              // oldest first; answered ones stay until they are the oldest
	opening int                     // of under, those without an offer

	delay    time.Duration // of the server, smoothed
	measured time.Time
	cut      time.Time // when the window was last made smaller
	scarce   bool      // somebody had to wait since the window last changed
}

// room is the queue of one conference.
type room struct{ queue []string }

// offer is one that was made, and has not taken its place for too long.
type offer[R comparable] struct {
	ticket Ticket[R]
	at     time.Time
}

// New returns a gate with nobody in it.
func New[R comparable](l Limits) *Gate[R] {
	l.Least = max(l.Least, 1)
	l.Most = max(l.Most, l.Least)
	return &Gate[R]{
		limits: l, window: float64(min(max(l.First, l.Least), l.Most)),
		rooms: make(map[R]*room), under: make(map[Ticket[R]]time.Time),
		waits: make(map[Ticket[R]]struct{}),
	}
}

// Ask notes that somebody is to be invited. Asking again changes nothing while
// the wish waits, and begins anew when it had been granted before.
func (g *Gate[R]) Ask(t Ticket[R]) {
	g.leave(t)
	if _, asked := g.waits[t]; asked {
		return
	}
	g.waits[t] = struct{}{}
	r := g.rooms[t.Room]
	if r == nil {
		r = &room{}
		g.rooms[t.Room] = r
		g.turns = append(g.turns, t.Room)
	}
	r.queue = append(r.queue, t.Who)
}

// Next names whom to invite now. Call it until it says no: after Ask, Offered,
// Answered and Left, and when Deadline has come.
func (g *Gate[R]) Next(now time.Time) (Ticket[R], bool) {
	g.expire(now)
	if len(g.waits) == 0 {
		return Ticket[R]{}, false
	}
	if len(g.under) >= int(g.window) || g.opening >= max(int(g.window)/2, 1) {
		g.scarce = true
		return Ticket[R]{}, false
	}
	t := g.take()
	g.under[t] = time.Time{}
	g.opening++
	return t, true
}

// take removes the wish whose turn it is.
func (g *Gate[R]) take() Ticket[R] {
	key := g.turns[0]
	g.turns = g.turns[1:]
	r := g.rooms[key]
	t := Ticket[R]{key, r.queue[0]}
	r.queue = r.queue[1:]
	delete(g.waits, t)
	if len(r.queue) > 0 {
		g.turns = append(g.turns, key)
	} else {
		delete(g.rooms, key)
	}
	return t
}

// Offered says that the server has done its part: the offer is on its way.
func (g *Gate[R]) Offered(now time.Time, t Ticket[R]) {
	if at, ok := g.under[t]; ok && at.IsZero() {
		g.opening--
		g.under[t] = now
		g.offers = append(g.offers, offer[R]{t, now})
	}
}

// Answered says that an invitation was accepted.
func (g *Gate[R]) Answered(t Ticket[R]) {
	if g.leave(t) {
		g.grow()
	}
}

// Left says that somebody need not be invited any more, or that the
// invitation failed.
func (g *Gate[R]) Left(t Ticket[R]) {
	if _, waits := g.waits[t]; !waits {
		g.leave(t)
		return
	}
	delete(g.waits, t)
	r := g.rooms[t.Room]
	r.queue = slices.DeleteFunc(r.queue, func(who string) bool { return who == t.Who })
	if len(r.queue) == 0 {
		delete(g.rooms, t.Room)
		g.turns = slices.DeleteFunc(g.turns, func(r R) bool { return r == t.Room })
	}
}

// leave ends an invitation that is under way and reports whether it was one.
func (g *Gate[R]) leave(t Ticket[R]) bool {
	at, ok := g.under[t]
	if !ok {
		return false
	}
	if at.IsZero() {
		g.opening--
	}
	delete(g.under, t)
	return true
}

// expire takes the places of those who have had them long enough.
func (g *Gate[R]) expire(now time.Time) {
	for len(g.offers) > 0 {
		o := g.offers[0]
		at, under := g.under[o.ticket]
		current := under && at.Equal(o.at)
		if current && now.Sub(at) < g.limits.Patience {
			return
		}
		g.offers = g.offers[1:]
		if current && g.leave(o.ticket) {
			g.grow() // the server is done with it
		}
	}
	g.offers = nil
}

// Deadline is when the mere passing of time may let Next say more; zero for
// never.
func (g *Gate[R]) Deadline() time.Time {
	if len(g.waits) == 0 || len(g.offers) == 0 {
		return time.Time{}
	}
	return g.offers[0].at.Add(g.limits.Patience)
}

// smoothing is how much a new delay counts against those before.
const smoothing = 4

// deepest is the smallest part of a window that one cut leaves.
const deepest = 0.25

// Took says that a request to the server was answered after d, the time it
// waited to be made included.
func (g *Gate[R]) Took(now time.Time, d time.Duration) {
	if now.Sub(g.measured) > g.limits.Forget {
		g.delay = d
	}
	g.delay += (d - g.delay) / smoothing
	g.measured = now
	// One cut needs the time of a request to show in the delay.
	if g.delay > g.limits.Delay && now.Sub(g.cut) > g.delay {
		g.cut = now
		part := float64(g.limits.Delay) / float64(g.delay)
		g.window = max(float64(g.limits.Least), g.window*max(part, deepest))
	}
}

// grow is for each place that became free: while others wait for one and the
// server is quick the window doubles with each round of answers, and grows by
// one when it is not so quick any more.
func (g *Gate[R]) grow() {
	switch {
	case !g.scarce || g.delay > g.limits.Delay:
		return
	case g.delay <= g.limits.Delay/2:
		g.window++
	default:
		g.window += 1 / g.window
	}
	g.window = min(g.window, float64(g.limits.Most))
	g.scarce = len(g.waits) > 0
}

// State is a gate for the debug tree.
type State struct {
	Waiting int           `json:"waiting"`
	Under   int           `json:"under_way"`
	Window  int           `json:"window"`
	Delay   time.Duration `json:"delay_ns"`
}

// State describes the gate.
func (g *Gate[R]) State() State {
	return State{Waiting: len(g.waits), Under: len(g.under), Window: int(g.window), Delay: g.delay}
}
