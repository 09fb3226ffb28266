package signal

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio/readable"
	"github.com/plenum-conf/plenum/internal/netio/wsframe"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// conn is one socket and the stream on it, from the upgrade to its end.
//
// It is read by a goroutine that exists only while there is something to read,
// where the system tells when that is (package readable); else all the time.
// The flusher writes its session's outbox, its timer looks after a client that
// is silent.
type conn struct {
	srv     *Server
	sock    *socket
	watch   *readable.Watch // nil if the socket is read all the time
	parked  atomic.Bool     // nobody reads: whoever makes it false does
	stream  *xmpp.Stream
	query   query
	remote  string
	client  string   // whom the connection is counted for
	session *session // set by the reading goroutine once bound or resumed

	bound  atomic.Bool // session is set and its stanzas may flow
	silent atomic.Bool // it ends because nothing was heard for too long
	over   atomic.Bool
	timer  *time.Timer // calls tick
	writer sync.WaitGroup

	writing bool // what waits is being written, or must not yet; guarded by session.mu
	soon    bool // the timer runs to ask for acknowledgement; guarded by session.mu
}

// errFinished says that the stream is over and everything has been said.
var errFinished = errors.New("stream finished")

// start begins to read. early is what has been read already.
func (c *conn) start(early []byte) {
	c.sock.open(early)
	if c.watch == nil || len(early) > 0 || !c.park() {
		go c.read()
	}
}

// Readable implements readable.Waiter.
func (c *conn) Readable() { c.rouse() }

// rouse begins to read, unless somebody reads.
func (c *conn) rouse() {
	if c.parked.CompareAndSwap(true, false) {
		go c.read()
	}
}

// park leaves waiting for the client to the server's Set. False means that
// there is a reason to go on reading. After true, somebody else may be reading
// already.
func (c *conn) park() bool {
	c.sock.shut()
	c.parked.Store(true)
	// Looked at after parked was set: who ends a connection rouses it last.
	if !c.sock.isParting() && c.watch.Arm() == nil {
		return true
	}
	return !c.parked.CompareAndSwap(true, false)
}

// drop ends the socket at once, also under a write that hangs.
func (c *conn) drop() {
	c.sock.drop()
	c.rouse()
}

// cut is drop unless our goodbye has been said.
func (c *conn) cut() {
	c.sock.cut()
	c.rouse()
}

// close says goodbye with a status code.
func (c *conn) close(code ws.StatusCode) {
	c.sock.close(code, "")
	c.rouse()
}

// read reads until there is nothing to read, or the socket ends.
func (c *conn) read() {
	for {
		if c.sock.br == nil {
			c.sock.open(nil)
		}
		err := c.serve()
		if err != errIdle {
			c.end(err)
			return
		}
		if c.park() {
			return
		}
	}
}

func (c *conn) end(err error) {
	c.over.Store(true)
	c.timer.Stop()
	if c.silent.Load() {
		err = os.ErrDeadlineExceeded
	}
	c.finish(err)
	if c.watch != nil {
		c.watch.Forget()
	}
	c.writer.Wait() // the session is no more ours: nobody begins to write
	c.sock.shut()
	c.srv.conns.remove(c)
}

// serve handles message after message. Where sockets are not watched it waits
// for the next nearly all the time, ten thousand times in a full server, and
// its stack with it: so what is large is in the frame of handle, and the
// runtime can halve the stack.
func (c *conn) serve() error {
	for {
		frame, err := c.sock.readMessage()
		if err != nil {
			return err
		}
		if err := c.handle(frame); err != nil {
			return err
		}
		if c.sock.idle() {
			return errIdle
		}
	}
}

// askAfter is how long what was written may remain unacknowledged when nothing
// follows it: until then it is kept.
const askAfter = 5 * time.Second

// tick is called by the timer: it ends a connection that is not bound in time
// or has been silent too long, and asks one that is silent for a sign of life.
func (c *conn) tick() {
	opt := &c.srv.opt
	if !c.bound.Load() {
		c.drop()
		return
	}
	silence := mono.Now().Sub(mono.Time(c.sock.heard.Load()))
	asked := c.session.askQuietly(c)
	switch {
	case silence >= opt.ReadTimeout:
		c.silent.Store(true)
		c.drop()
		return
	case silence < opt.PingEvery:
		c.again(opt.PingEvery - silence)
		return
	case !asked:
		c.ping()
	}
	c.again(min(opt.PingEvery, opt.ReadTimeout-silence))
}

// again lets the timer tick after d and a little more.
func (c *conn) again(d time.Duration) {
	now := mono.Now()
	c.timer.Reset(now.Add(d).RoundUp(mono.PingGrain).Sub(now))
	if c.over.Load() {
		c.timer.Stop()
	}
}

//go:noinline
func (c *conn) handle(frame []byte) error {
	ev, err := c.stream.Handle(frame)
	if err != nil {
		return err
	}
	if c.watch != nil && !isSignOfLife(ev) {
		c.watch.Hurry(mono.Time(c.sock.heard.Load()))
	}
	return c.act(ev)
}

// isSignOfLife tells what clients send all the time to show that they are
// there: pings, answers, and acknowledgements.
func isSignOfLife(ev xmpp.Event) bool {
	switch ev.Action {
	case xmpp.Acked, xmpp.AckWanted:
		return true
	case xmpp.Deliver:
		return ev.Stanza.Kind == xmpp.IQ && (ev.Stanza.Type == "result" || isPing(ev.Stanza))
	}
	return false
}

func isPing(st xmpp.Stanza) bool {
	child, ok := st.First()
	return ok && st.Type == "get" && child.NS == xmpp.NSPing
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

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

func reasonOf(err error) string {
	var nerr net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.EOF), isClosed(err), err == errPeerClose:
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
		b = wsframe.Append(b, ws.OpText, f)
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

// establish lets the session's stanzas flow on this socket.
func (c *conn) establish(s *session) {
	c.session = s
	c.sock.max = c.srv.opt.MaxFrame
	c.bound.Store(true)
	c.again(c.srv.opt.PingEvery)
	s.flow(c)
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
