package signal

import (
	"errors"
	"maps"
	"sync"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

var (
	errPortClosed = errors.New("signal: port is closed")
	errPortTaken  = errors.New("signal: address is attached already")
	errPortFrom   = errors.New("signal: stanza from an address that is not attached")
	errPortKind   = errors.New("signal: not a stanza")
)

// ports are the services attached to the router, by address.
type ports struct {
	mu sync.RWMutex
	m  map[xmpp.JID]*port
}

// find returns the service at an address: of exactly that address, or of the
// bare one.
func (ps *ports) find(to xmpp.JID) *port {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	if p := ps.m[to]; p != nil {
		return p
	}
	return ps.m[to.Bare()]
}

// port is one attached service. To rooms it is a recipient like any session.
type port struct {
	srv     *Server
	jid     xmpp.JID
	full    string
	to      string // full, escaped for an attribute
	deliver func([]byte)

	mu     sync.Mutex
	rooms  map[*room]struct{} // it may be in, and some that are over
	sweep  int                // how many there may be until those that are over are forgotten
	closed bool
}

// Attach implements xmpp.Router.
func (s *Server) Attach(addr xmpp.JID, deliver func(stanza []byte)) (xmpp.Port, error) {
	full := addr.String()
	p := &port{
		srv: s, jid: addr, full: full, to: string(xmpp.EscapeAttr(nil, full)),
		deliver: deliver, rooms: make(map[*room]struct{}),
	}
	s.ports.mu.Lock()
	defer s.ports.mu.Unlock()
	if s.ports.m == nil {
		s.ports.m = make(map[xmpp.JID]*port)
	}
	if s.ports.m[addr] != nil {
		return nil, errPortTaken
	}
	s.ports.m[addr] = p
	return p, nil
}

// JID returns the attached address.
func (p *port) JID() xmpp.JID { return p.jid }

func (p *port) trusted() bool { return true }

// Deliver hands over a stanza of a room.
func (p *port) Deliver(sh *xmpp.Shared) {
	p.receive(sh.AppendTo(make([]byte, 0, sh.Size(p.to)), p.to))
}

func (p *port) receive(stanza []byte) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if !closed {
		p.deliver(stanza)
	}
}

// Send implements xmpp.Port.
func (p *port) Send(stanza []byte) error {
	st, err := xmpp.Scan(stanza)
	switch {
	case err != nil:
		return err
	case st.Kind == xmpp.Other:
		return errPortKind
	case st.From != "" && st.From != p.full:
		return errPortFrom
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return errPortClosed
	}
	st.From = p.full
	p.srv.traceStanza("in", p.full, st)
	p.srv.route(p, st)
	return nil
}

// Close implements xmpp.Port.
func (p *port) Close() error {
	p.srv.ports.mu.Lock()
	if p.srv.ports.m[p.jid] == p {
		delete(p.srv.ports.m, p.jid)
	}
	p.srv.ports.mu.Unlock()
	p.mu.Lock()
	rooms := p.rooms
	p.rooms, p.closed = nil, true
	p.mu.Unlock()
	for r := range rooms {
		r.gone(p, "Service stopped")
	}
	return nil
}

func (p *port) entered(r *room) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if len(p.rooms) >= p.sweep {
		maps.DeleteFunc(p.rooms, func(r *room, _ struct{}) bool { return r.over.Load() })
		p.sweep = max(64, 2*len(p.rooms))
	}
	p.rooms[r] = struct{}{}
	return true
}

func (p *port) left(r *room) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rooms, r)
}

// crowded: a service may be everywhere.
func (p *port) crowded(*room) bool { return false }

func (p *port) meantRoom() *room { return nil }
