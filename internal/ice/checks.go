package ice

import (
	"encoding/binary"

	"github.com/plenum-conf/plenum/internal/mono"
)

// begin starts a new check of a pair.
func (a *Agent) begin(p *pair) {
	p.retire()
	p.tx = transaction{
		id: a.newID(), role: a.role, sent: a.now,
		nominate: p == a.selected && a.role == Controlling,
	}
	if p.state != valid {
		p.state = inProgress
	}
	a.try(p)
}

// try sends the check in progress (again) and plans what follows.
func (a *Agent) try(p *pair) {
	wait := a.retryAfter(p)
	p.tx.tries++
	p.sent = a.now
	p.next = a.now.Add(wait)
	if p.owing == 0 {
		p.owing = a.now
	}
	if !p.pending {
		p.pending = true
		a.pending++
	}
}

// retryAfter is how long to wait for the response to the check of a pair that
// is about to be sent.
func (a *Agent) retryAfter(p *pair) mono.Duration {
	switch {
	case p != a.selected:
		return min(rto<<p.tx.tries, maxRTO)
	case p.tx.nominate && !p.nominated && !a.suspect(p):
		return rto
	case p.owing == 0:
		return consentFirstRetry
	}
	return consentRetry
}

// done ends the check in progress because it was answered.
func (a *Agent) done(p *pair) {
	p.tx, p.next = transaction{}, 0
	a.withdraw(p)
}

// withdraw takes back a check that Outgoing was not asked for yet.
func (a *Agent) withdraw(p *pair) {
	if p.pending {
		p.pending = false
		a.pending--
	}
}

// tries is how often a check of a pair is sent. An address that turns up
// while all is well may be a victim's that somebody pretends to have.
func (a *Agent) tries(p *pair) int {
	if !p.signalled && a.selected != nil {
		return maxTriesLearnt
	}
	return maxTries
}

// continueCheck does what is due for a pair.
func (a *Agent) continueCheck(p *pair) {
	switch {
	case p == a.selected:
		a.begin(p) // consent checks are not repeated, a new one is sent (RFC 7675 §5.1)
	case p.tx.tries == 0:
		a.begin(p)
	case p.tx.tries < a.tries(p):
		a.count.Repeated++
		a.try(p)
	default:
		p.retire()
		p.next, p.state = 0, failed
		a.withdraw(p)
	}
}

// trigger checks a pair because its peer does (RFC 8445 §7.3.1.4).
func (a *Agent) trigger(p *pair) {
	if a.remote == nil {
		return // SetRemote will begin
	}
	if p.tx.tries > 0 {
		if a.now.Sub(p.sent) < triggerGap {
			return
		}
	} else if p.state == valid && (p == a.selected || a.now.Sub(p.answered) < revalidate) {
		return
	}
	a.begin(p)
}

// probeSelected asks the selected pair for a sign of life, because the peer
// has turned up at another address: soon, if it has just given one.
func (a *Agent) probeSelected() {
	p := a.selected
	if p == nil || p.tx.tries > 0 {
		return
	}
	if soon := p.answered.Add(consentFirstRetry); a.now < soon {
		p.next = mono.Earliest(p.next, soon)
		return
	}
	a.begin(p)
}

// startWaiting begins the check of the best waiting pair, if it is time for
// one (RFC 8445 §6.1.4.2). When a direct pair is nominated, the others wait
// until it fails (§8.1.2).
func (a *Agent) startWaiting() {
	if a.remote == nil || a.now < a.paced || a.content() {
		return
	}
	if p := a.bestWaiting(); p != nil {
		a.begin(p)
		a.paced = a.now.Add(ta)
	}
}

// content reports whether nothing better than the selected pair is to be
// expected.
func (a *Agent) content() bool {
	p := a.selected
	return p != nil && p.rank() > 0 && !a.suspect(p) && (p.nominated || p.nominatedAt != 0)
}

func (a *Agent) bestWaiting() (best *pair) {
	for _, p := range a.pairs {
		if p.state == waiting && p.tx.tries == 0 && (best == nil || a.order(p) > a.order(best)) {
			best = p
		}
	}
	return best
}

// restingConsent is how many times as long an agent at rest waits between two
// consent checks: with the longest of them, and the peer's answer to the first
// lost, there is time for another before the consent has run out.
const restingConsent = 3

// Rest says that nothing but checks is sent to the peer for now, or that it is
// again. Who sends nothing needs no consent (RFC 7675 §5.1), and checks only as
// often as is needed to have it when there is something to send.
func (a *Agent) Rest(resting bool) { a.resting = resting }

// consentTime is when the selected pair is checked next.
func (a *Agent) consentTime() mono.Time {
	fifth := a.consent / 5
	if a.resting {
		fifth *= restingConsent
	}
	return a.now.Add(4*fifth + mono.Duration(a.rnd.Uint64()%uint64(2*fifth)))
}

func (a *Agent) newID() (id txID) {
	binary.LittleEndian.PutUint64(id[:], a.rnd.Uint64())
	binary.LittleEndian.PutUint32(id[8:], uint32(a.rnd.Uint64()))
	return id
}

// writeCheck builds the request of a pair's check (RFC 8445 §7.1).
func (a *Agent) writeCheck(dst []byte, p *pair) int {
	a.count.Checks++
	w := newWriter(dst, bindingRequest, &p.tx.id)
	w.username(a.remoteUfrag, a.ufrag)
	w.uint32(attrPriority, learntPriority)
	if p.tx.role == Controlling {
		w.uint64(attrControlling, a.tieBreaker)
	} else {
		w.uint64(attrControlled, a.tieBreaker)
	}
	if p.tx.nominate {
		w.attr(attrUseCandidate, 0)
	}
	return w.finish(a.remote)
}
