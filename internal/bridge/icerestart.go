package bridge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// An ICE restart in place is make before break (RFC 8445 §2.4): a second agent
// with credentials of its own connects beside the one in use, which carries
// media until then. DTLS, keys, SSRCs and sequence numbers know nothing of it.
// A peer has three agents at most: one coming, one in use, one going.
const (
	// restartWithin is how long the peer and the network have to connect the
	// new agent.
	restartWithin = 20 * time.Second
	// restartOverlap is how long the replaced agent goes on: the peer learns
	// of the new path a moment after us, and sends on the old one until then.
	restartOverlap = 3 * time.Second
)

// agent is an ICE agent with what the signalling has to know of it.
type agent struct {
	*ice.Agent
	pwd        string
	generation int       // of ICE restarts; 0 for the first agent
	until      mono.Time // when it is given up or forgotten; 0 for the one in use
}

// newAgent makes an agent that can be reached under its user name from now on.
func (ep *endpoint) newAgent(generation int) *agent {
	ufrag, pwd := ice.NewUfrag(uint8(ep.w.index), nil), ice.NewPwd(nil)
	a := &agent{pwd: pwd, generation: generation}
	a.Agent = ice.NewAgent(ice.Config{Ufrag: ufrag, Pwd: pwd, Controlling: true, Rand: ep.w.random})
	ep.w.byUfrag[ufrag] = ep
	return a
}

// agents are those that live: in use, coming, going; nil for none.
func (ep *endpoint) agents() [3]*agent { return [3]*agent{ep.agent, ep.next, ep.old} }

// agentFor finds the agent a STUN message is for: a request names it, a
// response belongs to the one that has asked.
func (ep *endpoint) agentFor(pkt []byte) *agent {
	if ep.next == nil && ep.old == nil {
		return ep.agent
	}
	ufrag, isRequest := ice.PeekUsername(pkt)
	for _, a := range ep.agents() {
		switch {
		case a == nil:
		case isRequest && string(ufrag) == a.Ufrag(), !isRequest && a.Awaits(pkt):
			return a
		}
	}
	return ep.agent // which refuses and counts it
}

// agentOf finds the agent that a description by the peer belongs to; nil for
// a stale one.
func (ep *endpoint) agentOf(generation int) *agent {
	for _, a := range [...]*agent{ep.agent, ep.next} {
		if a != nil && a.generation == generation {
			return a
		}
	}
	return nil
}

// restartICE makes the agent of a restart and describes it. One that is on its
// way already is given up for it: its client may never have heard of it. Before
// there is a connection there is nothing to restart, which generation 0 says.
func (ep *endpoint) restartICE() *media.Transport {
	if ep.connected == 0 {
		return &media.Transport{}
	}
	ep.dropNext()
	ep.generation++
	ep.next = ep.newAgent(ep.generation)
	ep.next.until = ep.w.now.Add(restartWithin)
	ep.w.count.inc(cICERestarts)
	ep.log().Debug("ICE restarts", "generation", ep.generation)
	ep.scheduleICE()
	return ep.describe(ep.next)
}

func (ep *endpoint) dropNext() {
	if a := ep.next; a != nil {
		ep.next = nil
		ep.forgetAgent(a)
	}
}

// moveOn lets the coming agent take over as soon as it is connected, or gives
// it up, and forgets the going one in time. It reports whether one took over.
func (ep *endpoint) moveOn() bool {
	now := ep.w.now
	if a := ep.old; a != nil && now >= a.until {
		ep.old = nil
		ep.forgetAgent(a)
	}
	a := ep.next
	if a == nil {
		return false
	}
	if _, connected := a.Selected(); connected {
		ep.takeOver(a)
		return true
	}
	if now >= a.until || a.State() == ice.Failed {
		ep.log().Info("ICE restart failed", "generation", a.generation)
		ep.dropNext()
	}
	return false
}

func (ep *endpoint) takeOver(a *agent) {
	if old := ep.old; old != nil {
		ep.old = nil
		ep.forgetAgent(old)
	}
	ep.old, ep.agent, ep.next = ep.agent, a, nil
	ep.old.until, a.until = ep.w.now.Add(restartOverlap), 0
	ep.w.count.inc(cICERestarted)
	ep.log().Info("ICE restarted", "generation", a.generation)
}

// forgetAgent takes back an agent's user name, and the addresses that only it
// has proved.
func (ep *endpoint) forgetAgent(a *agent) {
	delete(ep.w.byUfrag, a.Ufrag())
	for _, addr := range slices.Clone(ep.addrs) {
		if addr != ep.to && !ep.proved(addr) {
			ep.forgetAddr(addr)
			ep.w.unbind(addr, ep)
		}
	}
}

// proved reports whether an agent knows the peer to be at addr.
func (ep *endpoint) proved(addr netip.AddrPort) bool {
	for _, a := range ep.agents() {
		if a != nil && a.Holds(addr) {
			return true
		}
	}
	return false
}
