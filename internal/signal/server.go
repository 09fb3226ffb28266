package signal

import (
	"context"
	"log/slog"
	"sync"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/quota"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Service is a room service; see package service.
type Service = service.Feature

// Server is the signalling role of one process. Make it with New, mount its
// Handler, and stop it with Shutdown.
type Server struct {
	opt      Options
	log      *slog.Logger
	metrics  *metrics
	sessions *sessions
	conns    conns
	rooms    *rooms
	ports    ports
	host     *host
	hosts    map[string]handler // by domain
	services map[string]Service // by address
	confHost string             // conference.<domain>
	focus    xmpp.JID           // bare; who opens rooms
	stream   xmpp.StreamConfig  // of every client
	watches  watches
	flusher  flusher
}

// sender is whoever a stanza came from: a session or an attached service. It
// is also what rooms deliver to (muc.Recipient).
type sender interface {
	JID() xmpp.JID
	Deliver(*xmpp.Shared)
	entered(*room) bool // false if the sender is no more, or may not be in one more room
	left(*room)
	crowded(*room) bool // whether entered would say no; nil for a room that is still to be
	meantRoom() *room   // of a stanza that does not say; may be nil
	trusted() bool      // a service of this deployment
}

// handler takes stanzas for one domain. st.From is the sender's true address.
type handler func(from sender, to xmpp.JID, st xmpp.Stanza)

// New makes a server. It starts nothing: goroutines come with connections and
// rooms.
func New(opt Options) *Server {
	s := &Server{
		opt: opt, log: opt.Log, metrics: newMetrics(opt.Metrics),
		sessions: newSessions(), services: make(map[string]Service),
		confHost: "conference." + opt.Domain,
		focus:    xmpp.JID{Local: "focus", Domain: "auth." + opt.Domain},
		stream:   xmpp.StreamConfig{Domain: opt.Domain, Mechanisms: []string{"ANONYMOUS"}, NewID: newStreamID},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, f := range opt.Services {
		s.services[f.Host+"."+opt.Domain] = f
	}
	s.conns.quota = quota.New(opt.MaxSessions, opt.MaxSessionsEach)
	s.rooms = newRooms(s)
	s.host = newHost(s)
	s.hosts = map[string]handler{
		opt.Domain:            s.toDomain,
		s.confHost:            s.rooms.route,
		"focus." + opt.Domain: s.toFocus,
		"auth." + opt.Domain:  s.toService,
	}
	for address := range s.services {
		s.hosts[address] = s.toRoomService
	}
	return s
}

// Shutdown closes all sockets so that clients come back and resume or rejoin,
// stops the rooms, and waits until everything has ended or ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.conns.closeAll(ws.StatusGoingAway)
	s.rooms.stopAll()
	done := make(chan struct{})
	go func() {
		s.conns.wait()
		s.rooms.wait()
		s.watches.stop()
		close(done)
	}()
	select {
	case <-done:
		s.sessions.stopTimers()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conns are the sockets being served.
type conns struct {
	quota  *quota.Quota
	mu     sync.Mutex
	set    map[*conn]struct{}
	closed bool
	group  sync.WaitGroup
}

// add admits a connection unless there are too many, in all or from its
// client's address.
func (cs *conns) add(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed || !cs.quota.Take(c.client) {
		return false
	}
	if cs.set == nil {
		cs.set = make(map[*conn]struct{})
	}
	cs.set[c] = struct{}{}
	cs.group.Add(1)
	return true
}

func (cs *conns) full(client string) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.closed || !cs.quota.Left(client)
}

func (cs *conns) remove(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.set, c)
	cs.quota.Give(c.client)
	cs.group.Done()
}

// closeAll closes every socket, without a stream error and without the
// <close/> that would end the sessions.
func (cs *conns) closeAll(code ws.StatusCode) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for c := range cs.set {
		go c.close(code)
	}
}

func (cs *conns) wait() { cs.group.Wait() }
