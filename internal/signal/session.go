package signal

import (
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/netio/wsframe"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// sessionState is where a session is in its life.
type sessionState uint8

const (
	connected sessionState = iota
	hibernating
	gone
)

func (s sessionState) String() string { return [...]string{"connected", "hibernating", "gone"}[s] }

// session is one bound client. It outlives its sockets: when one breaks it
// hibernates, keeps its occupants and collects what it misses, until a resumed
// socket takes over or the time is up.
//
// Deliveries end with the doom of a session that overflowed, before its rooms
// have heard of it.
//
// Lock order: inMu, then mu. Room goroutines take only mu.
type session struct {
	srv   *Server
	jid   xmpp.JID
	full  string // jid as text
	to    string // full, escaped for an attribute
	query query

	// inMu is held while a stanza of the client is handled, so that the count
	// told on resumption is exact.
	inMu sync.Mutex

	mu      sync.Mutex
	state   sessionState
	conn    *conn // nil unless connected
	out     outbox
	backlog int    // bytes that had gathered when it was resumed, less what was written since
	control []byte // framed bytes that go first and are not counted
	acks    xmpp.Acks
	asked   bool    // an <r/> is unanswered
	doomed  bool    // its end is under way
	smID    string  // "" if the session cannot be resumed
	rooms   []*room // it may be in
	expiry  *time.Timer
}

func newSession(srv *Server, c *conn, jid xmpp.JID) *session {
	full := jid.String()
	to := string(xmpp.EscapeAttr(nil, full))
	return &session{
		srv: srv, jid: jid, full: full, to: to, query: c.query, conn: c,
		out: outbox{to: len(to)},
	}
}

// JID returns the session's full address.
func (s *session) JID() xmpp.JID { return s.jid }

// Deliver puts a stanza into the session's outbox. It never blocks.
func (s *session) Deliver(sh *xmpp.Shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == gone || s.doomed {
		return
	}
	s.srv.metrics.deliveries.Inc()
	if s.out.push(sh) {
		s.srv.metrics.replaced.Inc()
	}
	limit := s.srv.opt.OutboxBytes
	switch {
	case s.state == connected && s.out.bytes > limit+s.backlog:
		s.tooSlow()
	case s.state == hibernating && s.out.bytes > 2*limit && !s.doomed:
		s.doomed = true
		s.srv.metrics.closes.WithLabelValues("overflow").Inc()
		go s.end("overflow")
	}
	s.wake()
}

// tooSlow cuts off a client that does not read fast enough. No stream error is
// sent: it may resume. The caller holds mu.
func (s *session) tooSlow() {
	s.srv.metrics.closes.WithLabelValues("slow").Inc()
	s.srv.log.Info("client too slow", "session", s.full, "outbox", s.out.bytes)
	c := s.conn
	s.detachLocked()
	go c.drop()
}

// wake lets what waits be written. The caller holds mu.
func (s *session) wake() {
	if c := s.conn; c != nil && !c.writing {
		c.writing = true
		c.writer.Add(1)
		s.srv.flusher.add(c)
	}
}

// flow lets stanzas be written to c, which has said what must come before them.
func (s *session) flow(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.writing = false
	if s.conn == c {
		s.wake()
	}
}

// nonza queues frames that are no stanzas, ahead of everything that waits.
func (s *session) nonza(frames ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queueControl(frames)
}

// queueControl is nonza for those who hold mu.
func (s *session) queueControl(frames [][]byte) {
	for _, f := range frames {
		s.control = wsframe.Append(s.control, ws.OpText, f)
	}
	s.wake()
}

func (s *session) trusted() bool { return false }

// entered notes that the session may be in a room. It reports false if the
// session is no more or is in as many rooms as it may.
func (s *session) entered(r *room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == gone || s.crowdedLocked(r) {
		return false
	}
	if !slices.Contains(s.rooms, r) {
		s.forgetOver()
		s.rooms = append(s.rooms, r)
	}
	return true
}

// left notes that the session has left a room. Its end concerns that room no
// more: the leave is in the mailbox already.
func (s *session) left(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = slices.DeleteFunc(s.rooms, func(x *room) bool { return x == r })
}

func (s *session) crowded(r *room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crowdedLocked(r)
}

// crowdedLocked is crowded for those who hold mu.
func (s *session) crowdedLocked(r *room) bool {
	limit := s.srv.opt.MaxRooms
	if slices.Contains(s.rooms, r) || limit <= 0 || len(s.rooms) < limit {
		return false
	}
	s.forgetOver()
	return len(s.rooms) >= limit
}

// forgetOver forgets rooms that are over. The caller holds mu.
func (s *session) forgetOver() {
	s.rooms = slices.DeleteFunc(s.rooms, func(r *room) bool { return r.over.Load() })
}

// meantRoom returns the room that a stanza without a room is about: the only
// one the session is in, or the one its URL names.
func (s *session) meantRoom() *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *room
	n := 0
	for _, r := range s.rooms {
		if r.over.Load() {
			continue
		}
		if n++; n == 1 || r.key.Local == s.query.roomKey() {
			found = r
		}
	}
	if n > 1 && found.key.Local != s.query.roomKey() {
		return nil
	}
	return found
}

// makeResumable gives the session a name to be resumed under, if it may be, and
// returns it.
func (s *session) makeResumable(wanted bool) string {
	if !wanted || s.srv.opt.Hibernation <= 0 {
		return ""
	}
	id := newSMID()
	s.mu.Lock()
	s.smID = id
	s.mu.Unlock()
	s.srv.sessions.index(s, id)
	return id
}

// manage starts counting stanzas (XEP-0198 §3) from right behind the frames
// that say so.
func (s *session) manage(frames [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks.Enable(s.to)
	s.queueControl(frames)
}

// handled counts one of the client's stanzas. The caller holds inMu.
func (s *session) handled() {
	s.mu.Lock()
	s.acks.Received()
	s.mu.Unlock()
}

// acked takes the client's count of our stanzas.
func (s *session) acked(h uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = false
	err := s.acks.Ack(h)
	s.wake() // writing may have paused for want of acknowledgements
	return err
}

// owns reports whether c is still the session's socket.
func (s *session) owns(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == c
}

// lost says that socket c broke. The session hibernates if it can be resumed,
// else it ends.
func (s *session) lost(c *conn, reason string) {
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return
	}
	s.detachLocked()
	s.mu.Unlock()
	s.srv.log.Debug("socket lost", "session", s.full, "reason", reason)
}

// detachLocked takes the socket away and starts hibernation. The caller holds
// mu.
func (s *session) detachLocked() {
	s.conn = nil
	s.control, s.asked = nil, false
	s.state = hibernating
	s.srv.metrics.state(connected, hibernating)
	if s.smID == "" {
		go s.end("connection lost")
		return
	}
	s.expiry = time.AfterFunc(s.srv.opt.Hibernation, s.expire)
}

// expire ends a session that was not resumed in time.
func (s *session) expire() {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	if s.state != hibernating {
		s.mu.Unlock()
		return
	}
	s.endLocked("connection lost")
}

// resume moves the session to a new socket, whose client has handled h of our
// stanzas. It returns how many of the client's we have handled, and false if
// there is nothing to resume.
func (s *session) resume(c *conn, h uint32) (uint32, bool) {
	s.inMu.Lock() // wait for the stanza at hand to be counted
	defer s.inMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == gone || s.doomed || s.acks.Ack(h) != nil {
		return 0, false
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
	if old := s.conn; old != nil {
		go old.drop()
	}
	s.srv.metrics.state(s.state, connected)
	s.state, s.conn, s.query = connected, c, c.query
	s.control, s.asked = nil, false
	s.out.putBack(s.acks.Unsent())
	s.backlog = s.out.bytes
	return s.acks.In(), true
}

// endBy is end for the goroutine of socket c. It does nothing if another socket
// has taken the session over.
func (s *session) endBy(c *conn, reason string) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return
	}
	s.endLocked(reason)
}

// end is the end: occupants leave their rooms, the address is forgotten. It
// may be called more than once, by whoever holds no lock of the session.
func (s *session) end(reason string) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	s.endLocked(reason)
}

// endLocked is end for those who hold inMu and mu; it releases mu.
func (s *session) endLocked(reason string) {
	if s.state == gone {
		s.mu.Unlock()
		return
	}
	s.srv.metrics.state(s.state, gone)
	s.state = gone
	c, rooms := s.conn, s.rooms
	s.conn, s.rooms = nil, nil
	s.out, s.control = outbox{}, nil
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
	if c != nil {
		go c.cut()
	}
	s.srv.sessions.remove(s)
	for _, r := range rooms {
		r.gone(s, "Disconnected: "+reason)
	}
	s.srv.log.Debug("session ended", "session", s.full, "reason", reason)
}

// batch moves what may be written into b, which is empty, framed, and counts it
// as sent. It returns nothing if there is nothing, or c is no longer the
// session's socket; then c is not being written any more.
func (s *session) batch(c *conn, b []byte, max int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return b
	}
	tracing := s.srv.tracing()
	b = append(b, s.control...)
	s.control = nil
	sent := 0
	for len(b) < max && s.mayWrite() {
		sh := s.out.pop()
		if sh == nil {
			break
		}
		b = wsframe.AppendHeader(b, ws.OpText, sh.Size(s.to))
		b = sh.AppendTo(b, s.to)
		if tracing {
			s.srv.trace("out", s.full, sh.AppendTo(nil, s.to))
		}
		s.acks.Sent(sh)
		sent++
	}
	s.backlog = min(s.backlog, s.out.bytes)
	if b = s.askForAck(b); len(b) == 0 {
		c.writing = false
		s.askLater(c)
		return b
	}
	s.srv.metrics.out.Add(float64(sent))
	return b
}

// askLater sees to it that c's client is asked to acknowledge what is kept for
// it, if by then it still is. The caller holds mu.
func (s *session) askLater(c *conn) {
	if n, _ := s.acks.Pending(); n > 0 && !s.asked && !c.soon {
		c.soon = true
		c.again(askAfter)
	}
}

// askQuietly asks to acknowledge what is kept, and reports whether it did.
func (s *session) askQuietly(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.soon = false
	n, _ := s.acks.Pending()
	if s.conn != c || n == 0 || s.asked {
		return false
	}
	s.asked = true
	s.queueControl([][]byte{xmpp.AckRequest})
	return true
}

// mayWrite reports whether the queue of unacknowledged stanzas has room. The
// caller holds mu.
func (s *session) mayWrite() bool {
	n, size := s.acks.Pending()
	return n < s.srv.opt.UnackedStanzas && size < s.srv.opt.UnackedBytes
}

// askForAck appends an <r/> when enough is unacknowledged and none is on its
// way. The caller holds mu.
func (s *session) askForAck(b []byte) []byte {
	n, _ := s.acks.Pending()
	if s.asked || n <= s.srv.opt.AckEvery {
		return b
	}
	s.asked = true
	return wsframe.Append(b, ws.OpText, xmpp.AckRequest)
}

// countIn returns how many of the client's stanzas were handled. The caller
// holds inMu.
func (s *session) countIn() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks.In()
}
