package ice

import "net/netip"

// request answers a Binding request (RFC 8445 §7.3).
func (a *Agent) request(from netip.AddrPort, m *message) error {
	// No error response goes to those who do not know the password: they are
	// strangers, and often not where they say they are.
	local, ok := localHalf(m.username)
	if !ok || string(local) != a.ufrag {
		a.count.BadUsername++
		return ErrUsername
	}
	if !m.authentic(a.local) {
		a.count.BadIntegrity++
		return ErrIntegrity
	}
	a.count.Requests++
	if a.replies.full() {
		a.count.RepliesDropped++
		return ErrFull
	}
	r := reply{to: from, id: m.id}
	if m.unknowns > 0 {
		r.code, r.unknown, r.unknowns = codeUnknownAttribute, m.unknown, m.unknowns
		a.replies.push(r)
		return ErrUnknownAttribute
	}
	if a.conflict(m) {
		r.code = codeRoleConflict
		a.replies.push(r)
		return ErrRoleConflict
	}
	a.replies.push(r)
	p := a.learn(from, m.priority)
	a.hear(p)
	p.cost = m.cost
	if m.useCandidate && a.role == Controlled {
		p.nominatedAt = a.now
	}
	a.trigger(p)
	return nil
}

// conflict repairs a role conflict that a request shows (RFC 8445 §7.3.1.1):
// the larger tie-breaker controls. It reports whether it is the peer who has
// to change.
func (a *Agent) conflict(m *message) bool {
	if m.role == 0 || m.role != a.role {
		return false
	}
	a.count.RoleConflicts++
	if larger := a.tieBreaker >= m.tieBreaker; larger == (a.role == Controlling) {
		return true
	}
	a.switchRole()
	return false
}

// switchRole changes sides. What was nominated in the other role counts no
// more.
func (a *Agent) switchRole() {
	a.role = Controlling + Controlled - a.role
	for _, p := range a.pairs {
		p.nominated, p.nominatedAt = false, 0
	}
	if a.role == Controlling && a.selected != nil {
		a.begin(a.selected)
	}
}

// response takes a response to one of our checks (RFC 8445 §7.2.5).
func (a *Agent) response(from netip.AddrPort, m *message) error {
	p, tx := a.asked(m.id)
	if tx == nil {
		a.count.Unexpected++
		return ErrUnexpected
	}
	if !m.authentic(a.remote) {
		a.count.BadIntegrity++
		return ErrIntegrity
	}
	if p.addr != from { // §7.2.5.2.1: the path must be symmetric
		a.count.Asymmetric++
		return ErrUnexpected
	}
	a.count.Responses++
	a.hear(p)
	if m.class == bindingError {
		a.refused(p, tx, m.errorCode)
		return nil
	}
	a.succeeded(p, tx)
	return nil
}

// asked finds the pair and the transaction that a response belongs to.
func (a *Agent) asked(id txID) (*pair, *transaction) {
	for _, p := range a.pairs {
		if tx := p.find(id); tx != nil {
			return p, tx
		}
	}
	return nil, nil
}

// succeeded makes a pair valid and renews the consent.
func (a *Agent) succeeded(p *pair, tx *transaction) {
	if tx.tries == 1 { // else it is not known which one was answered
		sample := a.now.Sub(tx.sent)
		if p.rtt == 0 {
			p.rtt = sample
		}
		p.rtt += (sample - p.rtt) / 8
	}
	nominated := tx.nominate && tx.role == a.role && a.role == Controlling
	p.nominated = p.nominated || nominated
	p.answered, p.owing = a.now, 0
	if tx == &p.tx {
		a.done(p)
	} else {
		*tx = transaction{} // a response that comes twice does not count twice
	}
	isNew := p.state != valid
	p.state = valid
	switch {
	case p != a.selected:
		if isNew {
			a.probeSelected()
		}
	case p.tx.tries == 0:
		p.next = a.consentTime()
	}
}

// refused takes an error response.
func (a *Agent) refused(p *pair, tx *transaction, code int) {
	role := tx.role
	if tx == &p.tx {
		a.done(p)
	} else {
		*tx = transaction{}
	}
	if code != codeRoleConflict {
		a.count.ErrorResponses++
		if p == a.selected {
			p.next = a.now.Add(consentRetry) // and no consent meanwhile
		} else {
			p.state = failed
		}
		return
	}
	// §7.2.5.1. The check is repeated with the pace of ordinary ones, so that a
	// peer that refuses everything does not keep us busy; the tie-breaker must
	// change (§16.1).
	a.count.RoleConflicts++
	if role == a.role {
		a.switchRole()
		a.tieBreaker = a.rnd.Uint64()
	}
	if p.state != valid {
		p.state = waiting
	} else if p.tx.tries == 0 {
		p.next = a.now.Add(ta)
	}
}

// reply is a response that waits for Outgoing.
type reply struct {
	to       netip.AddrPort
	id       txID
	code     uint16 // 0 is success
	unknown  [4]uint16
	unknowns int
}

// replies is a bounded queue.
type replies struct {
	ring  [maxReplies]reply
	first int
	count int
}

func (q *replies) full() bool { return q.count == maxReplies }

func (q *replies) push(r reply) {
	q.ring[(q.first+q.count)%maxReplies] = r
	q.count++
}

// pop returns the oldest reply, valid until the next push, or nil.
func (q *replies) pop() *reply {
	if q.count == 0 {
		return nil
	}
	r := &q.ring[q.first]
	q.first = (q.first + 1) % maxReplies
	q.count--
	return r
}

// writeReply builds a response (RFC 8445 §7.3.1).
func (a *Agent) writeReply(dst []byte, r *reply) int {
	a.count.Replies++
	c := bindingSuccess
	if r.code != 0 {
		c = bindingError
	}
	w := newWriter(dst, c, &r.id)
	switch r.code {
	case 0:
		w.xorMapped(r.to)
	case codeUnknownAttribute:
		w.errorCode(r.code)
		w.unknown(r.unknown[:r.unknowns])
	default:
		w.errorCode(r.code)
	}
	return w.finish(a.local)
}
