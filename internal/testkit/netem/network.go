package netem

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Node is an engine on the network.
type Node interface {
	// Deadline is when Tick wants to be called; zero means never.
	Deadline() mono.Time
	Tick(now mono.Time)
	// Receive takes a datagram; the node must not keep pkt.
	Receive(now mono.Time, from netip.AddrPort, pkt []byte)
	// Outgoing writes one datagram to be sent into dst, false if there is none.
	Outgoing(dst []byte) (n int, to netip.AddrPort, ok bool)
}

// Network is a set of nodes and the clock they share.
type Network struct {
	// Tap is told of every datagram that is sent, before it may get lost.
	Tap func(now mono.Time, from, to netip.AddrPort, pkt []byte)

	now    mono.Time
	seed   uint64
	order  uint64
	queue  events
	ports  []*Port
	buffer [65_536]byte
}

// Start is the time at which every network begins.
const Start = mono.Time(1e9)

// livelock is how often something may happen without time passing before the
// network gives up on the engines.
const livelock = 100_000

// New returns an empty network; equal seeds give equal runs.
func New(seed uint64) *Network { return &Network{now: Start, seed: seed} }

// Now returns the simulated time.
func (n *Network) Now() mono.Time { return n.now }

// Port is a node's place on the network.
type Port struct {
	// Up and Down are the links from and to the node.
	Up, Down *Link
	// Also are further addresses, as of a host with several interfaces: each
	// datagram is sent from all of them, and received at all of them.
	Also []netip.AddrPort

	addr netip.AddrPort
	node Node
}

// Attach puts a node on the network under an address.
func (n *Network) Attach(node Node, addr netip.AddrPort) *Port {
	n.seed += 2
	p := &Port{node: node, addr: addr, Up: NewLink(n.seed), Down: NewLink(n.seed + 1)}
	n.ports = append(n.ports, p)
	return p
}

// Addr returns the address under which others see the node.
func (p *Port) Addr() netip.AddrPort { return p.addr }

// Rebind gives the node a new address, as when a NAT forgets a mapping; what
// is sent to the old one is lost.
func (p *Port) Rebind(addr netip.AddrPort) { p.addr = addr }

// After calls f when so much time has passed.
func (n *Network) After(d time.Duration, f func()) { n.schedule(n.now.Add(d), f) }

// Inject sends a datagram from any address to a node, over the links of
// those who own the addresses.
func (n *Network) Inject(from, to netip.AddrPort, pkt []byte) {
	at, ok := n.now, true
	if p := n.owner(from); p != nil {
		at, ok = p.Up.Send(n.now, len(pkt))
	}
	n.transmit(at, ok, from, to, pkt)
}

// Run lets time pass.
func (n *Network) Run(d time.Duration) { n.RunUntil(d, func() bool { return false }) }

// RunUntil lets time pass until cond holds, which is asked after every event,
// or d is over; it reports whether cond held.
func (n *Network) RunUntil(d time.Duration, cond func() bool) bool {
	end := n.now.Add(d)
	n.drain()
	for still := 0; !cond(); still++ {
		next := n.nextEvent()
		if next == 0 || next > end {
			n.now = end
			return false
		}
		if next > n.now {
			n.now, still = next, 0
		}
		if still == livelock {
			panic("netem: engines keep asking for the present")
		}
		n.step()
		n.drain()
	}
	return true
}

// nextEvent returns the time of the next delivery or deadline.
func (n *Network) nextEvent() mono.Time {
	var next mono.Time
	if len(n.queue) > 0 {
		next = n.queue[0].at
	}
	for _, p := range n.ports {
		next = mono.Earliest(next, p.node.Deadline())
	}
	return next
}

// step lets happen what is due now: one delivery, or else all deadlines.
func (n *Network) step() {
	if len(n.queue) > 0 && n.queue[0].at <= n.now {
		heap.Pop(&n.queue).(event).do()
		return
	}
	for _, p := range n.ports {
		if at := p.node.Deadline(); at != 0 && at <= n.now {
			p.node.Tick(n.now)
		}
	}
}

// drain sends what the nodes have to send.
func (n *Network) drain() {
	for _, p := range n.ports {
		for range livelock {
			size, to, ok := p.node.Outgoing(n.buffer[:])
			if !ok {
				break
			}
			at, ok := p.Up.Send(n.now, size)
			n.transmit(at, ok, p.addr, to, n.buffer[:size])
			for _, from := range p.Also {
				n.transmit(at, ok, from, to, n.buffer[:size])
			}
		}
	}
}

// transmit carries a datagram from the end of the sender's link on.
func (n *Network) transmit(at mono.Time, ok bool, from, to netip.AddrPort, pkt []byte) {
	if n.Tap != nil {
		n.Tap(n.now, from, to, pkt)
	}
	if !ok {
		return
	}
	pkt = append([]byte(nil), pkt...)
	n.schedule(at, func() {
		p := n.owner(to)
		if p == nil {
			return
		}
		if at, ok := p.Down.Send(n.now, len(pkt)); ok {
			n.schedule(at, func() { p.node.Receive(n.now, from, pkt) })
		}
	})
}

// owner finds who has an address.
func (n *Network) owner(addr netip.AddrPort) *Port {
	for _, p := range n.ports {
		if p.addr == addr {
			return p
		}
		for _, a := range p.Also {
			if a == addr {
				return p
			}
		}
	}
	return nil
}

func (n *Network) schedule(at mono.Time, do func()) {
	n.order++
	heap.Push(&n.queue, event{at, n.order, do})
}

type event struct {
	at    mono.Time
	order uint64
	do    func()
}

type events []event

func (q events) Len() int      { return len(q) }
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].order < q[j].order)
}

func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
