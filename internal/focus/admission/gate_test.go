package admission

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// server is a server and its clients in simulated time: it works on one
// invitation after the other, and each client thinks before it answers.
type server struct {
	gate  *Gate[string]
	now   time.Time
	work  func() time.Duration           // for one invitation
	think func(who string) time.Duration // negative: never answers

	queue   []request
	lag     time.Duration // that each request waits for something else
	free    time.Time     // when the server is done with what it works on
	answers []answer
	invited []string
	done    map[string]time.Duration // when somebody had answered, since began
	began   time.Time
	longest int // queue there ever was
}

type request struct {
	t  Ticket[string]
	at time.Time
}

type answer struct {
	t  Ticket[string]
	at time.Time
}

func newServer(l Limits, work time.Duration) *server {
	at := time.Unix(1000, 0)
	return &server{
		gate: New[string](l), now: at, began: at, free: at, done: map[string]time.Duration{},
		work:  func() time.Duration { return work },
		think: func(string) time.Duration { return 20 * time.Millisecond },
	}
}

func (s *server) ask(room string, from, to int) {
	for i := from; i < to; i++ {
		s.gate.Ask(Ticket[string]{room, fmt.Sprintf("%s-%d", room, i)})
	}
}

// step lets a millisecond pass.
func (s *server) step() {
	s.now = s.now.Add(time.Millisecond)
	for len(s.queue) > 0 && !s.free.After(s.now) && s.now.Sub(s.queue[0].at) >= s.lag {
		r := s.queue[0]
		s.queue = s.queue[1:]
		s.free = s.free.Add(s.work())
		s.gate.Took(s.now, s.now.Sub(r.at))
		s.gate.Offered(s.now, r.t)
		if d := s.think(r.t.Who); d >= 0 {
			s.answers = append(s.answers, answer{r.t, s.now.Add(d)})
		}
	}
	if len(s.queue) == 0 && s.free.Before(s.now) {
		s.free = s.now
	}
	s.answers = slices.DeleteFunc(s.answers, func(a answer) bool {
		if a.at.After(s.now) {
			return false
		}
		s.gate.Answered(a.t)
		s.done[a.t.Who] = s.now.Sub(s.began)
		return true
	})
	for {
		t, ok := s.gate.Next(s.now)
		if !ok {
			break
		}
		s.invited = append(s.invited, t.Who)
		s.queue = append(s.queue, request{t, s.now})
	}
	s.longest = max(s.longest, len(s.queue))
}

// run lets time pass until all n have answered, or a minute is over.
func (s *server) run(n int) time.Duration {
	for s.now.Sub(s.began) < time.Minute && len(s.done) < n {
		s.step()
	}
	return s.now.Sub(s.began)
}

// TestStormDrainsAtTheSpeedOfTheServer: whatever the server's speed, five
// hundred get in about as fast as it can work, and its queue stays short.
func TestStormDrainsAtTheSpeedOfTheServer(t *testing.T) {
	const people = 500
	for _, tc := range []struct {
		work  time.Duration
		queue int
	}{{50 * time.Millisecond, 32}, {10 * time.Millisecond, 32}, {2 * time.Millisecond, 80}, {100 * time.Microsecond, 500}} {
		s := newServer(DefaultLimits(), tc.work)
		s.ask("big", 0, people)
		took, ideal := s.run(people), people*tc.work
		if len(s.done) != people {
			t.Fatalf("%v: only %d answered", tc.work, len(s.done))
		}
		if limit := ideal*5/4 + 300*time.Millisecond; took > limit {
			t.Errorf("%v for each: took %v, want at most %v", tc.work, took, limit)
		}
		if s.longest > tc.queue {
			t.Errorf("%v for each: the server's queue was %d long, want at most %d", tc.work, s.longest, tc.queue)
		}
		t.Logf("%v for each: %v (at best %v), queue at most %d, window %d", tc.work, took, ideal, s.longest, s.gate.State().Window)
	}
}

// TestNothingWaitsWhenIdle: whoever comes alone is invited at once, also after
// a storm that has made the gate narrow.
func TestNothingWaitsWhenIdle(t *testing.T) {
	s := newServer(DefaultLimits(), 50*time.Millisecond)
	one := Ticket[string]{"quiet", "one"}
	s.gate.Ask(one)
	if got, ok := s.gate.Next(s.now); !ok || got != one {
		t.Fatalf("got %v, %v", got, ok)
	}
	s.gate.Answered(one)
	s.ask("big", 0, 100)
	s.run(100)
	if w := s.gate.State().Window; w > 2*DefaultLimits().Least {
		t.Errorf("after a storm on a slow server the window is %d", w)
	}
	s.gate.Ask(one)
	if _, ok := s.gate.Next(s.now); !ok {
		t.Error("had to wait although nobody else was there")
	}
	if d := s.gate.Deadline(); !d.IsZero() {
		t.Errorf("a deadline %v, and nobody waits", d)
	}
}

// TestSlowClientsHoldUpNobody: neither one who never answers nor a hundred of
// them keep others out.
func TestSlowClientsHoldUpNobody(t *testing.T) {
	const people = 300
	for _, tc := range []struct {
		silent int
		within time.Duration
	}{{1, 500 * time.Millisecond}, {100, 3 * time.Second}} {
		s := newServer(DefaultLimits(), time.Millisecond)
		s.think = func(who string) time.Duration {
			var n int
			if _, _ = fmt.Sscanf(who, "big-%d", &n); n < tc.silent {
				return -1
			}
			return 20 * time.Millisecond
		}
		s.ask("big", 0, people)
		took := s.run(people - tc.silent)
		if len(s.done) != people-tc.silent || took > tc.within {
			t.Errorf("%d never answer: %d others were in after %v, want all within %v", tc.silent, len(s.done), took, tc.within)
		}
	}
}

// TestClientsThatThinkForLong: a server that is quick is not kept idle by
// clients that are all slow.
func TestClientsThatThinkForLong(t *testing.T) {
	s := newServer(DefaultLimits(), time.Millisecond)
	s.think = func(string) time.Duration { return 4 * time.Second }
	s.ask("phones", 0, 500)
	if took := s.run(500); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestRoomsTakeTurns: one who comes to a small room does not wait for a storm
// in another.
func TestRoomsTakeTurns(t *testing.T) {
	s := newServer(DefaultLimits(), 10*time.Millisecond)
	s.ask("big", 0, 500)
	for range 100 {
		s.step()
	}
	waiting := s.gate.State().Waiting
	asked := s.now.Sub(s.began)
	s.ask("small", 0, 2)
	s.run(500)
	for _, who := range []string{"small-0", "small-1"} {
		if took := s.done[who] - asked; s.done[who] == 0 || took > 500*time.Millisecond {
			t.Errorf("%s got in after %v, while %d waited elsewhere", who, took, waiting)
		}
	}
	if waiting < 300 {
		t.Fatalf("there was no storm: %d waited", waiting)
	}
	var order []string
	for _, who := range s.invited {
		if who[:3] == "big" {
			order = append(order, who)
		}
	}
	for i, who := range order {
		if want := fmt.Sprintf("big-%d", i); who != want {
			t.Fatalf("%s was invited as number %d: the oldest come first", who, i)
		}
	}
}

// TestPressureRisesAndFalls: when the server becomes busy with other things
// fewer are invited, and when that is over more.
func TestPressureRisesAndFalls(t *testing.T) {
	work := 200 * time.Microsecond
	s := newServer(DefaultLimits(), 0)
	s.work = func() time.Duration { return work }
	s.ask("big", 0, 100_000)
	for range 1000 {
		s.step()
	}
	wide := s.gate.State().Window
	work = 20 * time.Millisecond
	for range 10_000 {
		s.step()
	}
	narrow, queue := s.gate.State().Window, len(s.queue)
	work = 200 * time.Microsecond
	for range 3000 {
		s.step()
	}
	again := s.gate.State().Window
	if wide < 100 || narrow > DefaultLimits().Least || queue > DefaultLimits().Least/2 || again < 100 {
		t.Errorf("window %d, under pressure %d with a queue of %d, then %d", wide, narrow, queue, again)
	}
}

// TestWhatOthersDelay: where media, and not invitations, makes each request wait,
// people do not come in one by one.
func TestWhatOthersDelay(t *testing.T) {
	s := newServer(DefaultLimits(), time.Millisecond)
	s.lag = 4 * DefaultLimits().Delay
	s.ask("big", 0, 1000)
	if took := s.run(1000); took > 15*time.Second {
		t.Errorf("%d are in after %v", len(s.done), took)
	}
}

// plain is a gate as one would write it who has all the time in the world: it
// bounds and orders like Gate, with a window that is given.
type plain struct {
	wishes []Ticket[string]
	under  map[Ticket[string]]time.Time
	last   map[string]int // when a room last had its turn
	turn   int
}

func (p *plain) forget(now time.Time, patience time.Duration) {
	for t, at := range p.under {
		if !at.IsZero() && now.Sub(at) >= patience {
			delete(p.under, t)
		}
	}
}

func (p *plain) next() (Ticket[string], bool) {
	if len(p.wishes) == 0 {
		return Ticket[string]{}, false
	}
	best := 0
	for i, t := range p.wishes {
		if p.last[t.Room] < p.last[p.wishes[best].Room] {
			best = i
		}
	}
	t := p.wishes[best]
	p.wishes = slices.Delete(p.wishes, best, best+1)
	p.turn++
	p.last[t.Room] = p.turn
	p.under[t] = time.Time{}
	return t, true
}

// TestAgainstPlain compares numbers, not the order of rooms: which rooms come
// when is the gate's own business as long as they take turns.
func TestAgainstPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := DefaultLimits()
	g := New[string](l)
	p := &plain{under: map[Ticket[string]]time.Time{}, last: map[string]int{}}
	now := time.Unix(1000, 0)
	for i := range 20_000 {
		x := Ticket[string]{fmt.Sprint(r.IntN(5)), fmt.Sprint(r.IntN(40))}
		_, under := p.under[x]
		waits := slices.Contains(p.wishes, x)
		switch r.IntN(6) {
		case 5:
			g.Offered(now, x)
			if at, ok := p.under[x]; ok && at.IsZero() {
				p.under[x] = now
			}
		case 0, 1:
			g.Ask(x)
			delete(p.under, x)
			if !waits {
				p.wishes = append(p.wishes, x)
			}
		case 2:
			if under {
				g.Answered(x)
				delete(p.under, x)
			}
		case 3:
			g.Left(x)
			delete(p.under, x)
			p.wishes = slices.DeleteFunc(p.wishes, func(t Ticket[string]) bool { return t == x })
		case 4:
			now = now.Add(time.Duration(r.IntN(50)) * time.Millisecond)
			g.Took(now, time.Duration(r.IntN(80))*time.Millisecond)
		}
		p.forget(now, l.Patience)
		for {
			a, ok := g.Next(now)
			if !ok {
				break
			}
			// The twin is asked for the same one, so that both go on alike.
			i := slices.Index(p.wishes, a)
			if i < 0 {
				t.Fatalf("%v is invited and did not ask", a)
			}
			p.wishes[0], p.wishes[i] = p.wishes[i], p.wishes[0]
			p.last = map[string]int{}
			if b, ok := p.next(); !ok || a != b {
				t.Fatalf("%v is invited, the twin says %v, %v", a, b, ok)
			}
		}
		if s := g.State(); s.Waiting != len(p.wishes) || s.Under != len(p.under) || s.Under > l.Most {
			t.Fatalf("step %d: %+v, want %d waiting and %d under way", i, s, len(p.wishes), len(p.under))
		}
		if s := g.State(); s.Waiting > 0 && s.Under < l.Least/2 {
			t.Fatalf("step %d: somebody waits for nothing: %+v", i, s)
		}
	}
}
