package ice

import (
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// pairState is the state of a pair (RFC 8445 §6.1.2.6). Nothing is ever
// frozen: there is one component.
type pairState uint8

const (
	waiting pairState = iota
	inProgress
	valid // also while it is checked again
	failed
)

func (s pairState) String() string {
	return [...]string{"waiting", "in-progress", "valid", "failed"}[s]
}

// pair is our one local candidate and a remote one.
type pair struct {
	addr      netip.AddrPort
	kind      string // of the remote candidate, as on the wire
	priority  uint32 // of the remote candidate
	signalled bool   // else learnt from a request
	cost      int    // of the peer's network, as it says; -1 if it does not
	announced bool   // by TakeNewRemotes

	state       pairState
	nominated   bool      // controlling: a check with USE-CANDIDATE was answered
	nominatedAt mono.Time // controlled: when the peer last sent USE-CANDIDATE

	heard    mono.Time // last authentic message
	answered mono.Time // last response: the consent
	owing    mono.Time // when the first check was sent that had no response since; 0 if none
	sent     mono.Time // last check, repetitions included
	rtt      time.Duration

	tx      transaction // in progress, if tries > 0
	old     [3]transaction
	next    mono.Time // when the check is repeated or the next one begins; 0 never
	pending bool      // Outgoing has to write tx
}

// transaction is one check and its repetitions.
type transaction struct {
	id       txID
	role     Role // that we claimed
	nominate bool // with USE-CANDIDATE
	tries    int
	sent     mono.Time // the first time
}

// find returns the transaction in progress or recently given up that has this
// id.
func (p *pair) find(id txID) *transaction {
	if p.tx.tries > 0 && p.tx.id == id {
		return &p.tx
	}
	for i := range p.old {
		if p.old[i].tries > 0 && p.old[i].id == id {
			return &p.old[i]
		}
	}
	return nil
}

// retire keeps the transaction in progress among the old ones, so that a late
// response still counts.
func (p *pair) retire() {
	if p.tx.tries > 0 {
		copy(p.old[1:], p.old[:])
		p.old[0] = p.tx
		p.tx = transaction{}
	}
}

// rank tells direct pairs from relayed ones.
func (p *pair) rank() int {
	if p.kind == "relay" {
		return 0
	}
	return 1
}

const (
	hostPriority   = 126<<24 | 65535<<8 | 255 // of our candidate (RFC 8445 §5.1.2.1)
	learntPriority = 110<<24 | 65535<<8 | 255 // of what the peer would learn from our check (§7.1.1)
)

// order is the priority of a pair (RFC 8445 §6.1.2.3).
func (a *Agent) order(p *pair) uint64 {
	g, d := uint64(hostPriority), uint64(p.priority)
	if a.role == Controlled {
		g, d = d, g
	}
	o := min(g, d)<<32 + 2*max(g, d)
	if g > d {
		o++
	}
	return o
}

// lookup returns the pair with a remote address, or nil.
func (a *Agent) lookup(addr netip.AddrPort) *pair {
	for _, p := range a.pairs {
		if p.addr == addr {
			return p
		}
	}
	return nil
}

// signalled adds a candidate that the peer has told. If it was learnt from a
// check already, what the peer says about it is better (RFC 8838 §11.4).
func (a *Agent) signalled(c media.Candidate) {
	addr := plain(c.Addr)
	p := a.lookup(addr)
	if p == nil || !p.signalled {
		if a.countPairs(true) >= maxSignalled {
			a.count.TooMany++
			return
		}
	}
	if p == nil {
		p = &pair{addr: addr, cost: -1}
		a.pairs = append(a.pairs, p)
	}
	p.signalled, p.kind, p.priority = true, c.Type, c.Priority
}

// learn returns the pair for the sender of an authentic request, which may be
// a peer-reflexive candidate (RFC 8445 §7.3.1.3).
func (a *Agent) learn(addr netip.AddrPort, priority uint32) *pair {
	if p := a.lookup(addr); p != nil {
		return p
	}
	if a.countPairs(false) >= maxLearnt {
		a.evict()
	}
	p := &pair{addr: addr, kind: "prflx", priority: priority, cost: -1}
	a.pairs = append(a.pairs, p)
	return p
}

func (a *Agent) countPairs(signalled bool) int {
	n := 0
	for _, p := range a.pairs {
		if p.signalled == signalled {
			n++
		}
	}
	return n
}

// evict forgets the learnt pair that was silent for longest.
func (a *Agent) evict() {
	oldest := -1
	for i, p := range a.pairs {
		if !p.signalled && p != a.selected && (oldest < 0 || p.heard < a.pairs[oldest].heard) {
			oldest = i
		}
	}
	p := a.pairs[oldest] // there are maxLearnt > 1
	a.withdraw(p)
	if p.announced && !a.fresh.drop(p.addr) {
		a.gone.add(p.addr)
	}
	a.pairs = append(a.pairs[:oldest], a.pairs[oldest+1:]...)
	a.count.Evicted++
}

// hear notes an authentic message from a pair's address.
func (a *Agent) hear(p *pair) {
	p.heard = a.now
	if !p.announced {
		p.announced = true
		a.fresh.add(p.addr)
	}
}
