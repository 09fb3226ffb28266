package focus

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/focus/admission"
)

// lobby is where participants of all conferences wait to be invited. Its
// methods may be called by every conference's goroutine and never block.
type lobby struct {
	mu    sync.Mutex
	gate  *admission.Gate[*owner]
	timer *time.Timer
}

func newLobby(l admission.Limits) *lobby { return &lobby{gate: admission.New[*owner](l)} }

// ticket names an invitation of o's.
func (o *owner) ticket(who string) admission.Ticket[*owner] {
	return admission.Ticket[*owner]{Room: o, Who: who}
}

// change lets f change something about the gate and tells those who may be
// invited now, except who: for it the answer is true.
func (l *lobby) change(who admission.Ticket[*owner], f func(now time.Time)) (granted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	f(now)
	for {
		t, ok := l.gate.Next(now)
		switch {
		case !ok:
			l.arm(now)
			return granted
		case t == who:
			granted = true
		case !t.Room.mail.post(event{do: func(c *conference, now time.Time) { c.onAdmitted(now, t.Who) }}):
			l.gate.Left(t)
		}
	}
}

// arm sets the timer; the caller holds mu.
func (l *lobby) arm(now time.Time) {
	at := l.gate.Deadline()
	switch {
	case at.IsZero() && l.timer != nil:
		l.timer.Stop()
	case at.IsZero():
	case l.timer == nil:
		l.timer = time.AfterFunc(at.Sub(now), l.tick)
	default:
		l.timer.Reset(at.Sub(now))
	}
}

func (l *lobby) tick() { l.change(admission.Ticket[*owner]{}, func(time.Time) {}) }

func (l *lobby) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}

func (l *lobby) state() admission.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gate.State()
}

// admit implements outside.
func (o *owner) admit(who string) bool {
	t, l := o.ticket(who), o.f.lobby
	return l.change(t, func(time.Time) { l.gate.Ask(t) })
}

// offered implements outside.
func (o *owner) offered(who string) {
	t, l := o.ticket(who), o.f.lobby
	l.change(t, func(now time.Time) { l.gate.Offered(now, t) })
}

// settled implements outside.
func (o *owner) settled(who string, answered bool) {
	t, l := o.ticket(who), o.f.lobby
	l.change(t, func(time.Time) {
		if answered {
			l.gate.Answered(t)
		} else {
			l.gate.Left(t)
		}
	})
}

// took notes how long a bridge needed for a request.
func (l *lobby) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gate.Took(time.Now(), d)
}

// The conference's side: a participant holds a ticket from when it is to be
// invited until it has accepted, or need not any more.

// queueUp has p invited as soon as the server has time for it.
func (c *conference) queueUp(p *participant) {
	c.tickets++
	p.ticket = p.nick + "/" + strconv.FormatUint(c.tickets, 10)
	p.stage = waiting
	if c.out.admit(p.ticket) {
		c.admitted(p)
	}
}

// onAdmitted is told that the holder of a ticket may be invited, if there is
// one any more.
func (c *conference) onAdmitted(now time.Time, ticket string) {
	c.now = now
	nick, _, _ := strings.Cut(ticket, "/")
	if p := c.people[nick]; p != nil && p.ticket == ticket {
		c.admitted(p)
	}
}

// admitted invites p, if that still makes sense: a bridge may have failed
// meanwhile, after which everybody is invited anew, or p may be alone by now.
func (c *conference) admitted(p *participant) {
	p.stage = idle
	if c.phase != running || c.repair != nil || len(c.people) < c.opts.MinParticipants {
		c.settle(p, false)
		return
	}
	c.allocate(p)
}

// settle gives p's ticket back.
func (c *conference) settle(p *participant, answered bool) {
	if p.ticket != "" {
		c.out.settled(p.ticket, answered)
		p.ticket = ""
	}
}
