package signal

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// conn is one socket and the stream on it, from the upgrade to its end. Its
// reading goroutine runs the stream; a second one, started when stanzas may
// flow, writes the session's outbox.
type conn struct {
	srv     *Server
	sock    *socket
	stream  *xmpp.Stream
	query   query
	remote  string
	client  string   // whom the connection is counted for
	session *session // set by the reading goroutine once bound or resumed
	pokes   chan struct{}
	done    chan struct{}
	writer  sync.WaitGroup
}

// errFinished says that the stream is over and everything has been said.
var errFinished = errors.New("stream finished")

// poke wakes the writer.
func (c *conn) poke() {
	select {
	case c.pokes <- struct{}{}:
	default:
	}
}

// run reads until the socket ends.
func (c *conn) run() {
	defer c.srv.conns.remove(c)
	limit := time.AfterFunc(c.srv.opt.Negotiation, c.sock.drop)
	defer limit.Stop()
	c.sock.throttle = c.throttle()
	err := c.serve(limit)
	c.finish(err)
	close(c.done)
	c.writer.Wait()
}

// serve handles message after message. Nearly all the time it waits for the
// next, ten thousand times in a full server, and its stack with it: so what is
// large is in the frame of handle, and the runtime can halve the stack.
func (c *conn) serve(limit *time.Timer) error {
	for {
		frame, err := c.sock.readMessage()
		if err != nil {
			return err
		}
		if err := c.handle(frame); err != nil {
			return err
		}
		if c.session != nil {
			limit.Stop()
			c.sock.max = c.srv.opt.MaxFrame
		}
	}
}

//go:noinline
func (c *conn) handle(frame []byte) error {
	ev, err := c.stream.Handle(frame)
	if err != nil {
		return err
	}
	return c.act(ev)
}

// throttle returns what holds the client to its rate: it is called with the
// length of every frame and comes back when the next may be read.
func (c *conn) throttle() func(bytes int) {
	pace := newPace(c.srv.opt.StanzaRate, c.srv.opt.ByteRate, time.Now())
	return func(bytes int) {
		if wait := pace.take(time.Now(), bytes); wait > 0 {
			c.srv.metrics.throttled.Inc()
			c.sock.pause(wait)
		}
	}
}

// finish ends the socket in the way that fits the reason.
func (c *conn) finish(err error) {
	var serr *xmpp.StreamError
	var werr *closeError
	switch {
	case errors.As(err, &serr):
		c.srv.metrics.errors.WithLabelValues(serr.Condition).Inc()
		_ = c.stream.Error(serr)
		c.sayLast(ws.StatusPolicyViolation)
	case err == errTooLong:
		c.srv.metrics.errors.WithLabelValues("too-long").Inc()
		_ = c.stream.Error(&xmpp.StreamError{Condition: "policy-violation", Text: "stanza too large"})
		c.sayLast(ws.StatusMessageTooBig)
	case errors.As(err, &werr):
		c.srv.metrics.errors.WithLabelValues("websocket").Inc()
		c.sock.close(werr.code, werr.text)
	case err == errFinished:
		c.sayLast(ws.StatusNormalClosure)
	case err == errPeerClose:
		c.sock.close(ws.StatusNormalClosure, "")
	}
	c.settle(err)
	if c.sock.closed.Load() {
		c.sock.linger()
	}
	c.sock.drop()
}

// settle decides what becomes of the session. Whoever broke the protocol or
// said goodbye does not come back; whoever lost the socket may.
func (c *conn) settle(err error) {
	s := c.session
	var serr *xmpp.StreamError
	switch {
	case s == nil:
	case err == errFinished:
		s.endBy(c, "closed")
	case errors.As(err, &serr) || err == errTooLong:
		s.endBy(c, "protocol error")
	default:
		s.lost(c, reasonOf(err))
	}
}

func reasonOf(err error) string {
	var nerr net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), err == errPeerClose:
		return "closed"
	case errors.As(err, &nerr) && nerr.Timeout():
		return "timeout"
	}
	return "broken"
}

// sayLast writes the stream's last frames and closes.
func (c *conn) sayLast(code ws.StatusCode) {
	_ = c.flush() // whoever broke the stream may not be listening
	c.sock.close(code, "")
}

// flush writes what the stream wants to say, past the outbox.
func (c *conn) flush() error {
	var b []byte
	for _, f := range c.stream.Take() {
		c.srv.trace("out", c.name(), f)
		b = appendFrame(b, ws.OpText, f)
	}
	if len(b) == 0 {
		return nil
	}
	return c.sock.write(b)
}

// name is how traces call the connection.
func (c *conn) name() string {
	if c.session != nil {
		return c.session.full
	}
	return c.remote
}

// act does what one frame asked for.
func (c *conn) act(ev xmpp.Event) error {
	switch ev.Action {
	case xmpp.Authenticate:
		return c.authenticate(ev)
	case xmpp.Bind:
		return c.bind()
	case xmpp.Resume:
		return c.resume(ev)
	case xmpp.Enable:
		return c.enable(ev)
	case xmpp.Deliver:
		return c.deliver(ev.Stanza)
	case xmpp.Acked:
		return c.session.acked(ev.H)
	case xmpp.AckWanted:
		return c.sendAck()
	case xmpp.Closed:
		c.stream.Goodbye()
		return errFinished
	}
	return c.flush()
}

// authenticate lets everybody in under a name of the server's choice. A client
// that says which stream it lost gets its old name again: names are the first
// thing resumption compares.
func (c *conn) authenticate(xmpp.Event) error {
	c.stream.Succeed()
	return c.flush()
}

// localpart returns the name to bind. The first eight characters become the
// client's endpoint id.
func (c *conn) localpart() string {
	if old := c.srv.sessions.bySMID(c.query.previd); old != nil {
		// The client gave up resuming but keeps its name: its former self
		// must make room before it can enter rooms under the same nick.
		old.end("replaced")
		return old.jid.Local
	}
	return newUUID()
}

func (c *conn) bind() error {
	jid := xmpp.JID{Local: c.localpart(), Domain: c.srv.opt.Domain, Resource: newResource()}
	s := newSession(c.srv, c, jid)
	c.stream.Bound(jid, c.srv.host.earlyPush(s.to))
	if err := c.flush(); err != nil {
		return err
	}
	c.srv.sessions.add(s)
	c.srv.metrics.sessions.WithLabelValues(connected.String()).Inc()
	c.establish(s)
	return nil
}

// establish starts the writer of a session on this socket.
func (c *conn) establish(s *session) {
	c.session = s
	c.writer.Go(func() { c.write(s) })
	c.poke()
}

func (c *conn) resume(ev xmpp.Event) error {
	s := c.srv.sessions.bySMID(ev.ID)
	if s == nil {
		return c.refuseResume()
	}
	h, ok := s.resume(c, ev.H)
	if !ok {
		return c.refuseResume()
	}
	c.srv.metrics.resumes.WithLabelValues("ok").Inc()
	c.srv.log.Debug("resumed", "session", s.full)
	c.stream.Resumed(h)
	c.session = s
	if err := c.flush(); err != nil {
		return err
	}
	c.establish(s)
	return nil
}

func (c *conn) refuseResume() error {
	c.srv.metrics.resumes.WithLabelValues("failed").Inc()
	c.stream.ResumeFailed("item-not-found")
	return c.flush()
}

func (c *conn) enable(ev xmpp.Event) error {
	id := c.session.makeResumable(ev.Resumable)
	c.stream.Enabled(id, int(c.srv.opt.Hibernation/time.Second))
	c.session.manage(c.stream.Take())
	return nil
}

func (c *conn) sendAck() error {
	c.session.inMu.Lock()
	h := c.session.countIn()
	c.session.inMu.Unlock()
	c.session.nonza(xmpp.AppendAck(nil, h))
	return nil
}

// deliver routes one stanza of the client. The client's word about who it is
// does not count.
func (c *conn) deliver(st xmpp.Stanza) error {
	s := c.session
	s.inMu.Lock()
	defer s.inMu.Unlock()
	if !s.owns(c) {
		return net.ErrClosed // another socket has taken over
	}
	c.srv.metrics.in.WithLabelValues(st.Kind.String()).Inc()
	c.srv.traceStanza("in", s.full, st)
	st.From = s.full
	c.srv.route(s, st)
	s.handled()
	return nil
}

// maxBatch is how much is written at once, bytes.
const maxBatch = 64 << 10

var batches = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// write is the writing goroutine: it turns what waits into as few writes as
// possible, and pings when it is time.
func (c *conn) write(s *session) {
	ping := time.NewTicker(c.srv.opt.PingEvery)
	defer ping.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ping.C:
			if err := c.sock.write(appendFrame(nil, ws.OpPing, nil)); err != nil {
				c.writeFailed(err)
				return
			}
		case <-c.pokes:
			if !c.drain(s) {
				return
			}
		}
	}
}

// drain writes until nothing waits. False means that the socket is dead; the
// reader will find out.
func (c *conn) drain(s *session) bool {
	buf := batches.Get().(*[]byte)
	defer batches.Put(buf)
	for {
		*buf = s.batch(c, (*buf)[:0], maxBatch)
		if len(*buf) == 0 {
			return true
		}
		if err := c.sock.write(*buf); err != nil {
			c.writeFailed(err)
			return false
		}
	}
}

// writeFailed drops the socket, unless our goodbye has been said on it: the
// peer is then still being given time to read it.
func (c *conn) writeFailed(err error) {
	if !errors.Is(err, net.ErrClosed) {
		c.sock.drop()
	}
}
