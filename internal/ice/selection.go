package ice

import (
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// settle brings everything in line after something has happened.
func (a *Agent) settle() {
	a.startWaiting()
	if a.role == Controlling {
		a.nominate()
	} else {
		a.follow()
	}
	a.updateState()
	a.updateDeadline()
}

// nominate chooses the selected pair as the controlling agent (RFC 8445 §8.1.1).
func (a *Agent) nominate() {
	current := a.selected
	if current == nil {
		if p := a.best(func(*pair) bool { return true }); p != nil && a.now >= a.patience(p) {
			a.choose(p)
		}
		return
	}
	if a.suspect(current) {
		a.checkReserve()
		if p := a.best(func(p *pair) bool { return p.answered >= current.owing }); p != nil {
			a.choose(p)
		}
		return
	}
	if p := a.best(func(p *pair) bool { return a.better(p, current) }); p != nil {
		a.choose(p)
	}
}

// best returns the valid pair, other than the selected one, of the highest
// rank and priority that has a property.
func (a *Agent) best(has func(*pair) bool) (best *pair) {
	for _, p := range a.pairs {
		if p.state != valid || p == a.selected || !has(p) {
			continue
		}
		if best == nil || p.rank() > best.rank() || (p.rank() == best.rank() && a.order(p) > a.order(best)) {
			best = p
		}
	}
	return best
}

// patience is until when a pair has to wait for a better one to be valid.
func (a *Agent) patience(p *pair) mono.Time {
	if p.rank() > 0 {
		return p.answered
	}
	return a.started.Add(relayPatience)
}

// suspect reports whether a pair owes a response for longer than is usual.
func (a *Agent) suspect(p *pair) bool {
	return p.owing != 0 && a.now >= a.suspectAt(p)
}

func (a *Agent) suspectAt(p *pair) mono.Time {
	return p.owing.Add(max(suspectAfter, 2*p.rtt))
}

// checkReserve looks for another way when the selected pair does not answer.
func (a *Agent) checkReserve() {
	for _, p := range a.pairs {
		if p.state == valid && p != a.selected && p.tx.tries == 0 && p.answered < a.selected.owing {
			a.begin(p)
		}
	}
}

// better reports whether a pair that has just answered is worth leaving a
// selected one that works: it is direct and that one is relayed, or it costs
// the peer much less and the dust has settled.
func (a *Agent) better(p, current *pair) bool {
	if p.answered != a.now {
		return false
	}
	if p.rank() != current.rank() {
		return p.rank() > current.rank()
	}
	const muchLess = 100 // Wi-Fi against cellular, but not wired against Wi-Fi
	return p.cost >= 0 && current.cost-p.cost >= muchLess && a.now.Sub(a.switched) >= settleTime
}

// Prefer tells the controlling agent that the peer has been sending from addr
// instead of the selected pair's address for a while: for reasons of its own
// it has changed its path. A valid pair with that address becomes the selected
// one; if it has not been checked for some time, it is, and a repeated Prefer
// selects it. The caller has to have authenticated what came from there. It
// reports whether there is something to send.
func (a *Agent) Prefer(now mono.Time, addr netip.AddrPort) bool {
	p := a.lookup(plain(addr))
	if p == nil || p == a.selected || p.state != valid || a.role != Controlling || a.state == Failed {
		return false
	}
	a.now = now
	switch {
	case p.owing == 0 && now.Sub(p.answered) < revalidate:
		a.choose(p)
	case p.tx.tries == 0:
		a.begin(p)
	}
	a.settle()
	return true
}

// follow chooses the selected pair as the controlled agent: the one that the
// peer has nominated last (RFC 8445 §7.3.1.5), and until then any valid one.
func (a *Agent) follow() {
	var best *pair
	for _, p := range a.pairs {
		if p.state == valid && p.nominatedAt != 0 && (best == nil || p.nominatedAt > best.nominatedAt) {
			best = p
		}
	}
	if best == nil && a.selected == nil {
		best = a.best(func(*pair) bool { return true })
	}
	if best != nil && best != a.selected {
		a.choose(best)
	}
}

// choose makes a pair the selected one. The controlling agent tells the peer
// at once, with a check that nominates it.
func (a *Agent) choose(p *pair) {
	if old := a.selected; old != nil {
		a.count.Switches++
		old.nominated = false
		if old.tx.tries == 0 {
			old.next = 0
		}
	}
	a.selected, a.switched = p, a.now
	if a.role == Controlling {
		a.begin(p)
	} else if p.tx.tries == 0 {
		p.next = a.consentTime()
	}
}

// updateState derives the state from the selected pair.
func (a *Agent) updateState() {
	switch {
	case a.remote == nil:
	case a.selected == nil:
		if a.now.Sub(a.started) >= failAfter {
			a.fail()
		}
	default:
		switch p := a.selected; {
		case a.now.Sub(p.answered) >= failAfter:
			a.fail()
		case p.owing != 0 && a.now >= p.disconnectAt():
			a.state = Disconnected
		default:
			a.state = Connected
		}
	}
}

// disconnectAt is when a pair that owes a response has not worked for too long.
// One of an agent at rest may have been asked a moment ago.
func (p *pair) disconnectAt() mono.Time {
	return max(p.answered.Add(disconnectAfter), p.owing.Add(disconnectOwing))
}

// fail ends the agent: nothing is sent any more (RFC 7675 §5.1).
func (a *Agent) fail() {
	a.state = Failed
	a.replies.count = 0
	a.pending = 0
	for _, p := range a.pairs {
		p.pending, p.next = false, 0
	}
}

// updateDeadline finds the next moment at which Tick has something to do.
func (a *Agent) updateDeadline() {
	a.deadline = 0
	if a.remote == nil || a.state == Failed {
		return
	}
	var at mono.Time
	for _, p := range a.pairs {
		at = mono.Earliest(at, p.next)
	}
	if !a.content() && a.bestWaiting() != nil {
		at = mono.Earliest(at, max(a.paced, a.now+1))
	}
	for _, limit := range a.limits() {
		if limit > a.now {
			at = mono.Earliest(at, limit)
		}
	}
	a.deadline = at
}

// limits are the moments at which waiting alone changes something.
func (a *Agent) limits() [3]mono.Time {
	p := a.selected
	if p == nil {
		return [3]mono.Time{a.started.Add(failAfter), a.started.Add(relayPatience)}
	}
	limits := [3]mono.Time{p.answered.Add(failAfter)}
	if p.owing != 0 {
		limits[1], limits[2] = p.disconnectAt(), a.suspectAt(p)
	}
	return limits
}

// age is for statistics: how long ago something was, zero if never.
func (a *Agent) age(t mono.Time) time.Duration {
	if t == 0 {
		return 0
	}
	return a.now.Sub(t)
}
