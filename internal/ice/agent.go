package ice

import (
	"cmp"
	"errors"
	mrand "math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// Timing. Where RFC 8445 and RFC 7675 leave a choice, it favours a connection
// that works early and a loss that is noticed early.
const (
	// ta paces the first checks of signalled candidates (RFC 8445 §14.2);
	// triggered checks go at once.
	ta = 50 * time.Millisecond
	// A check is repeated after 0.25, 0.5, 1, 2, 2, ... s, maxTries times in
	// all. RFC 8445 §14.3 begins with 0.5 s and doubles without end; but there
	// are few checks here, and on a path with loss each repetition that comes
	// early shows a picture early. A nominating check is repeated as quickly.
	rto      = 250 * time.Millisecond
	maxRTO   = 2 * time.Second
	maxTries = 7
	// maxTriesLearnt is the same for learnt candidates while another pair is
	// selected.
	maxTriesLearnt = 4
	// triggerGap is how old an unanswered check is before a request from its
	// peer replaces it; clients may send 20 requests a second.
	triggerGap = 100 * time.Millisecond
	// revalidate is how old a response on a pair in reserve may be before a
	// request on it makes us check again.
	revalidate = 2500 * time.Millisecond
	// Consent checks (RFC 7675 §5.1) go out every 4 to 6 s, unless Config says
	// otherwise. An unanswered one is followed by others after 0.5, 1, 1, ... s,
	// each with a new id.
	consentEvery      = 5 * time.Second
	consentFirstRetry = 500 * time.Millisecond
	consentRetry      = time.Second
	// suspectAfter is how long the selected pair may owe a response before
	// another pair that answers is preferred.
	suspectAfter = time.Second
	// relayPatience is how long a relayed pair waits for a direct one.
	relayPatience = 800 * time.Millisecond
	// settleTime is how long a selected pair that works is kept before one
	// whose network costs less takes its place.
	settleTime = 10 * time.Second
	// Without a response for so long the agent is disconnected, and failed
	// (RFC 7675 §5.1).
	disconnectAfter = 8 * time.Second
	disconnectOwing = 2 * time.Second // of that, at least, it was asked for one
	failAfter       = 30 * time.Second
)

// Limits.
const (
	maxSignalled = 32
	maxLearnt    = 16
	maxReplies   = 16
	maxGone      = 64
)

// Role is an agent's part in an ICE session (RFC 8445 §6.1.1).
type Role uint8

// The two roles. The controlling agent chooses the pair.
const (
	Controlling Role = iota + 1
	Controlled
)

// String returns the role as a word.
func (r Role) String() string {
	switch r {
	case Controlling:
		return "controlling"
	case Controlled:
		return "controlled"
	}
	return "none"
}

// State says how far an agent is.
type State uint8

// The states. Disconnected returns to Connected when the peer answers again;
// Failed is final.
const (
	New          State = iota // the peer's credentials are not known yet
	Checking                  // no pair is valid yet
	Connected                 // there is a selected pair and the peer consents
	Disconnected              // the selected pair has been silent for 8 s
	Failed                    // for 30 s no pair was valid or the peer was silent
)

// String returns the state as a word.
func (s State) String() string {
	return [...]string{"new", "checking", "connected", "disconnected", "failed"}[s]
}

// Config is what an agent starts with.
type Config struct {
	// Ufrag and Pwd are the local credentials, from NewUfrag and NewPwd.
	Ufrag, Pwd string
	// TieBreaker decides who wins if both sides want the same role; 0 means a
	// random one.
	TieBreaker uint64
	// Controlling is the role to begin with: true for the side that offers.
	Controlling bool
	// Consent is the mean time between two consent checks, each of which
	// comes up to a fifth of it sooner or later. 0 is 5 s, the least that
	// RFC 7675 §5.1 wants; Chromium, which takes them for keepalives as well,
	// has 2.5 s.
	Consent time.Duration
	// Rand makes transaction ids and may be shared by all agents of a worker.
	// It has to be a cryptographic generator, as ids protect against forged
	// responses; nil means one of the agent's own, seeded by the system.
	Rand mrand.Source
}

// ErrCredentials is returned for remote credentials that RFC 8839 §5.4 does
// not allow.
var ErrCredentials = errors.New("ice: invalid remote credentials")

// ErrRestart is returned for remote credentials other than those known: an
// ICE restart needs a new Agent.
var ErrRestart = errors.New("ice: remote credentials have changed")

// Agent is one side of an ICE session with one peer. See the package comment.
// It is not safe for concurrent use.
type Agent struct {
	ufrag      string
	local      *key // checks requests
	role       Role
	tieBreaker uint64
	consent    time.Duration // Config.Consent
	resting    bool
	rnd        mrand.Source

	remoteUfrag, remotePwd string
	remote                 *key // protects our requests; nil until SetRemote

	state    State
	now      mono.Time // of the last call that was told the time
	started  mono.Time // when the remote credentials came
	paced    mono.Time // when the next ordinary check may begin
	switched mono.Time // when the selected pair last changed
	deadline mono.Time

	pairs    []*pair
	selected *pair
	pending  int // pairs with a check to be written
	replies  replies

	fresh, gone addrList
	count       Counters
}

// NewAgent returns an agent that answers requests and waits for SetRemote.
func NewAgent(cfg Config) *Agent {
	a := &Agent{
		ufrag: cfg.Ufrag, local: newKey(cfg.Pwd),
		role: Controlled, tieBreaker: cfg.TieBreaker, rnd: cfg.Rand, consent: cmp.Or(cfg.Consent, consentEvery),
	}
	if cfg.Controlling {
		a.role = Controlling
	}
	if a.rnd == nil {
		a.rnd = newSource()
	}
	for a.tieBreaker == 0 {
		a.tieBreaker = a.rnd.Uint64()
	}
	return a
}

// Ufrag returns the local user fragment.
func (a *Agent) Ufrag() string { return a.ufrag }

// Role returns the present role; a conflict may have changed it.
func (a *Agent) Role() Role { return a.role }

// State returns how far the agent is.
func (a *Agent) State() State { return a.state }

// Selected returns the address to send media to: that of the selected pair,
// which is set from the first valid pair on until the agent fails.
func (a *Agent) Selected() (netip.AddrPort, bool) {
	if a.selected == nil || a.state == Failed {
		return netip.AddrPort{}, false
	}
	return a.selected.addr, true
}

// SetRemote tells the peer's credentials and candidates, and begins checks.
// Later calls with the same credentials add candidates. Candidates that cannot
// be used (other than UDP, without a proper address, more than 32) are
// ignored; candidates may be empty.
func (a *Agent) SetRemote(ufrag, pwd string, candidates []media.Candidate, now mono.Time) error {
	if a.state == Failed {
		return ErrFailed
	}
	a.now = now
	if a.remote == nil {
		if !validCredentials(ufrag, pwd) {
			return ErrCredentials
		}
		a.remoteUfrag, a.remotePwd, a.remote = ufrag, pwd, newKey(pwd)
		a.state, a.started = Checking, now
		for _, p := range a.pairs { // requests came before (RFC 8445 §7.3)
			a.begin(p)
		}
	} else if ufrag != a.remoteUfrag || pwd != a.remotePwd {
		return ErrRestart
	}
	for _, c := range candidates {
		if usable(c) {
			a.signalled(c)
		}
	}
	a.settle()
	return nil
}

// usable reports whether checks can be sent to a candidate.
func usable(c media.Candidate) bool {
	ip := c.Addr.Addr()
	return strings.EqualFold(c.Protocol, "udp") && c.Component <= 1 && c.Addr.Port() != 0 && ip.IsValid() &&
		!ip.IsUnspecified() && !ip.IsMulticast() && !ip.Unmap().IsLinkLocalUnicast()
}

// Handle takes a STUN message from the peer: one whose ufrag is this agent's,
// or whose sender is known to belong to it. Everything else is checked here.
// No error means that the message is authentic and was acted upon; an error
// says why it was refused and is for statistics only. pkt is not kept.
func (a *Agent) Handle(now mono.Time, from netip.AddrPort, pkt []byte) error {
	a.now = now
	if a.state == Failed {
		a.count.AfterFailure++
		return ErrFailed
	}
	from = plain(from)
	var m message
	if err := m.parse(pkt); err != nil {
		a.count.Malformed++
		return err
	}
	var err error
	switch m.class {
	case bindingRequest:
		err = a.request(from, &m)
	case bindingSuccess, bindingError:
		err = a.response(from, &m)
	default: // it keeps a NAT binding and wants nothing (RFC 8445 §11)
		err = ErrIndication
	}
	if err == nil {
		a.settle()
	}
	return err
}

// Awaits reports whether pkt looks like the response to a check of this agent
// that has not been answered. It is how responses, which carry no user name,
// are told apart when a peer has several agents. Nothing is authenticated.
func (a *Agent) Awaits(pkt []byte) bool {
	if !IsSTUN(pkt) {
		return false
	}
	_, tx := a.asked(txID(pkt[8:headerSize]))
	return tx != nil
}

// Holds reports whether TakeNewRemotes has returned addr, or will, and the
// agent has not forgotten it.
func (a *Agent) Holds(addr netip.AddrPort) bool {
	p := a.lookup(plain(addr))
	return p != nil && p.announced
}

// plain makes addresses comparable: an IPv4 address has one form, and zones
// are the sender's business.
func plain(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
}

// Deadline returns when Tick has to be called, zero for never. It changes with
// every Handle, SetRemote and Tick.
func (a *Agent) Deadline() mono.Time { return a.deadline }

// Tick does what is due: checks, repetitions, changes of state.
func (a *Agent) Tick(now mono.Time) {
	a.now = now
	if a.state == Failed {
		return
	}
	for _, p := range a.pairs {
		if p.next != 0 && p.next <= now {
			a.continueCheck(p)
		}
	}
	a.settle()
}

// Outgoing writes the next message to be sent into dst, which has MaxMessage
// bytes at least, and returns its length and destination; false if there is
// none. It is to be called after Handle, SetRemote and Tick until then.
func (a *Agent) Outgoing(dst []byte) (n int, to netip.AddrPort, ok bool) {
	if r := a.replies.pop(); r != nil {
		return a.writeReply(dst, r), r.to, true
	}
	if a.pending == 0 {
		return 0, netip.AddrPort{}, false
	}
	for _, p := range a.pairs {
		if p.pending {
			p.pending = false
			a.pending--
			return a.writeCheck(dst, p), p.addr, true
		}
	}
	panic("ice: a pending check has no pair")
}

// TakeNewRemotes returns addresses from which an authentic message has come
// for the first time; the result is valid until the next Handle. From then on
// datagrams from there belong to this peer. A password proves who sent a
// message, not where from: an address that is another living peer's already
// has to stay with that one.
func (a *Agent) TakeNewRemotes() []netip.AddrPort { return a.fresh.take() }

// TakeGoneRemotes returns addresses that TakeNewRemotes has returned and that
// the agent has forgotten since; the result is valid until the next Handle.
func (a *Agent) TakeGoneRemotes() []netip.AddrPort { return a.gone.take() }

// addrList is a list that is handed out and begun anew.
type addrList struct {
	list  []netip.AddrPort
	taken bool
}

func (l *addrList) add(addr netip.AddrPort) {
	if l.taken {
		l.list, l.taken = l.list[:0], false
	}
	if len(l.list) < maxGone {
		l.list = append(l.list, addr)
	}
}

// drop removes an address that was not handed out yet.
func (l *addrList) drop(addr netip.AddrPort) bool {
	for i := range l.list {
		if !l.taken && l.list[i] == addr {
			l.list = append(l.list[:i], l.list[i+1:]...)
			return true
		}
	}
	return false
}

func (l *addrList) take() []netip.AddrPort {
	if l.taken || len(l.list) == 0 {
		return nil
	}
	l.taken = true
	return l.list
}
