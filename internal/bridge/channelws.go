package bridge

import (
	"bufio"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio/nowait"
	"github.com/plenum-conf/plenum/internal/netio/readable"
	"github.com/plenum-conf/plenum/internal/netio/wsframe"
)

// The bridge channel over WebSocket: /colibri-ws/<server>/<conference>/<endpoint>?pwd=...
// Clients use the very same URL each time they connect again, so a password
// is good for as long as the endpoint lives.

const channelPath = "/colibri-ws/"

// What the original bridge does, and clients are known to expect.
const (
	wsPingEvery    = 30 * time.Second // the original: 15 s; proxies close sockets that are silent for 60 s
	wsIdle         = 60 * time.Second
	wsWriteTimeout = 20 * time.Second
	wsCloseTimeout = time.Second
)

// doorKey is where a channel's URL leads.
type doorKey struct{ conference, endpoint string }

// door admits WebSockets to an endpoint. It is immutable; ep is only handed
// on to its worker.
type door struct {
	password string
	ep       *endpoint
}

func (b *Bridge) openDoor(k doorKey, d *door) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doors[k] = d
}

func (b *Bridge) closeDoor(k doorKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.doors, k)
}

// admit finds the endpoint a request asks for. The status is 404 for another
// server's URL, and 403 alike for all that does not fit, so that a guesser
// learns nothing.
func (b *Bridge) admit(r *http.Request) (*endpoint, int) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, channelPath), "/")
	if len(parts) != 3 || parts[0] != b.opt.ServerID {
		return nil, http.StatusNotFound
	}
	b.mu.Lock()
	d := b.doors[doorKey{parts[1], parts[2]}]
	b.mu.Unlock()
	given := r.URL.Query().Get("pwd")
	if d == nil || subtle.ConstantTimeCompare([]byte(given), []byte(d.password)) != 1 {
		return nil, http.StatusForbidden
	}
	return d.ep, http.StatusOK
}

func (b *Bridge) serveChannel(rw http.ResponseWriter, r *http.Request) {
	ep, status := b.admit(r)
	if ep == nil {
		http.Error(rw, http.StatusText(status), status)
		return
	}
	conn, buf, _, err := ws.HTTPUpgrader{Timeout: wsWriteTimeout}.Upgrade(r, rw)
	if err != nil {
		return // Upgrade has answered
	}
	conn = nowait.Wrap(conn)
	l := newWSLink(b, conn, ownReader(conn, buf.Reader), ep)
	if !b.trackSocket(l) {
		l.close(ws.StatusGoingAway, "the bridge stops")
		conn.Close()
		return
	}
	l.watch, _ = b.quiet.Add(conn, l) // nil if it has to be read all the time
	l.begin()
	ep.channelOpened(l)
	if !l.idle() || !l.park() {
		go l.read()
	}
}

// trackSocket remembers l until it ends, so that Stop can end it.
func (b *Bridge) trackSocket(l *wsLink) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	b.sockets[l] = struct{}{}
	b.channels.Add(2)
	return true
}

func (b *Bridge) forgetSocket(l *wsLink) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sockets, l)
}

func (b *Bridge) closeChannels() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.sockets {
		l.close(ws.StatusGoingAway, "the bridge stops")
	}
}

// wsLink is one WebSocket of an endpoint: a goroutine that reads and one that
// writes, each while there is something to read or write, and a bounded queue
// between the worker and the latter.
type wsLink struct {
	b    *Bridge
	ep   *endpoint
	conn net.Conn

	in     *bufio.Reader   // of the reading goroutine; nil while there is none
	watch  *readable.Watch // nil if there always is one
	parked atomic.Bool     // there is none: whoever makes it false starts it
	heard  atomic.Int64    // mono.Time of the last frame

	mu     sync.Mutex
	queue  [][]byte // payloads of text frames, shared and immutable
	bytes  int
	pong   []byte // payload of the newest ping not yet answered
	ponged bool
	ending []byte // the close frame's payload, once somebody has closed
	closed bool
	due    bool        // a ping is to be written
	ping   *time.Timer // makes it due
	// writing: somebody writes, or nobody may, not yet (begin) or not any more.
	writing bool
}

func newWSLink(b *Bridge, conn net.Conn, in *bufio.Reader, ep *endpoint) *wsLink {
	l := &wsLink{b: b, ep: ep, conn: conn, in: in, writing: true}
	l.heard.Store(int64(mono.Now()))
	return l
}

// begin lets what waits be written from now on.
func (l *wsLink) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.wake()
	if !l.closed {
		l.ping = time.AfterFunc(untilPing(), l.pingNow)
	}
}

// pingNow is called by the timer. It also ends a link that is silent.
func (l *wsLink) pingNow() {
	if mono.Now().Sub(mono.Time(l.heard.Load())) > wsIdle {
		l.close(ws.StatusGoingAway, "silent")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.due = true
	l.ping.Reset(untilPing())
	l.wake()
}

// untilPing is wsPingEvery, and a little more.
func untilPing() time.Duration {
	now := mono.Now()
	return now.Add(wsPingEvery).RoundUp(mono.PingGrain).Sub(now)
}

// send queues a message. It reports false when the message cannot be taken;
// a client too far behind is closed, since it would otherwise go on with
// part of the truth.
func (l *wsLink) send(msg []byte) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	if l.bytes+len(msg) > l.b.opt.Limits.ChannelOutbox {
		l.mu.Unlock()
		l.close(ws.StatusPolicyViolation, "too slow")
		return false
	}
	l.queue = append(l.queue, msg)
	l.bytes += len(msg)
	l.wake()
	l.mu.Unlock()
	return true
}

// close ends the link after what is queued was written, if the client reads
// that soon.
func (l *wsLink) close(code ws.StatusCode, reason string) {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.ending = ws.NewCloseFrameBody(code, reason)
		l.conn.SetWriteDeadline(time.Now().Add(wsCloseTimeout)) // of a write that waits, too
		if l.ping != nil {
			l.ping.Stop()
		}
		l.wake()
	}
	l.mu.Unlock()
}

// wake starts the writing goroutine unless there is one. The caller holds mu.
func (l *wsLink) wake() {
	if !l.writing {
		l.writing = true
		go l.write()
	}
}

// take appends all frames to write now to out, and reports whether they are the
// last. If there are none, the writing goroutine is to end. It sets the deadline
// of the write, in one step with looking whether the link is being closed.
func (l *wsLink) take(out []byte) (_ []byte, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.conn.SetWriteDeadline(time.Now().Add(wsWriteTimeout))
	}
	for _, msg := range l.queue {
		out = wsframe.Append(out, ws.OpText, msg)
	}
	l.queue, l.bytes = nil, 0
	if l.ponged {
		l.ponged = false
		out = wsframe.Append(out, ws.OpPong, l.pong)
	}
	if l.due {
		l.due = false
		out = wsframe.Append(out, ws.OpPing, nil)
	}
	if l.closed {
		out = wsframe.Append(out, ws.OpClose, l.ending)
	}
	l.writing = len(out) > 0
	return out, l.closed
}

// written are buffers of what is being written.
var written = sync.Pool{New: func() any { return new([]byte) }}

// keepWritten is how large a buffer may be that is kept, in bytes.
const keepWritten = 64 << 10

// write is the writing goroutine. Whoever writes last, or in vain, owns the end
// of the connection: nobody writes after it.
func (l *wsLink) write() {
	buf := written.Get().(*[]byte)
	for {
		out, last := l.take((*buf)[:0])
		if cap(out) <= keepWritten {
			*buf = out
		}
		if len(out) == 0 {
			break
		}
		if _, err := l.conn.Write(out); err != nil || last {
			l.conn.Close()
			l.rouse()
			l.b.channels.Done()
			break
		}
	}
	written.Put(buf)
}
