package signal

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/netio/nowait"
	"github.com/plenum-conf/plenum/internal/netio/readable"
	"github.com/plenum-conf/plenum/internal/quota"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// query is what a client says in the URL it connects to.
type query struct {
	room   string // room it is about to enter, local part
	tenant string // "prefix": the tenant whose path it came by
	previd string // the stream it lost
	token  string // JWT
	name   string // "customusername"
}

func readQuery(r *http.Request) query {
	v := r.URL.Query()
	return query{
		room: v.Get("room"), tenant: v.Get("prefix"), previd: v.Get("previd"),
		token: v.Get("token"), name: v.Get("customusername"),
	}
}

// roomKey is the local part under which the table keeps the URL's room.
func (q query) roomKey() string {
	if q.tenant != "" {
		return "[" + q.tenant + "]" + q.room
	}
	return q.room
}

// Handler serves /xmpp-websocket: XMPP over WebSocket (RFC 7395), and to plain
// GET requests a short answer, which Jitsi clients fetch to keep their path to
// this server alive.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.allowOrigin(w.Header())
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case !isUpgrade(r):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("XMPP over WebSocket lives here.\n"))
	case !offersXMPP(r):
		http.Error(w, "subprotocol xmpp expected", http.StatusNotImplemented)
	case s.conns.full(quota.Client(r.RemoteAddr)):
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
	default:
		s.upgrade(w, r)
	}
}

// allowOrigin lets pages from anywhere read the answer and its shard header.
func (s *Server) allowOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
	h.Set("Cache-Control", "no-store")
	if s.opt.Shard != "" {
		h.Set("Access-Control-Expose-Headers", "X-Jitsi-Shard")
		h.Set("X-Jitsi-Shard", s.opt.Shard)
	}
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func offersXMPP(r *http.Request) bool {
	for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(p) == "xmpp" {
				return true
			}
		}
	}
	return false
}

// maxEarlyFrame is the longest frame before a session is bound, bytes.
const maxEarlyFrame = 16 << 10

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	up := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "xmpp" }}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		s.log.Debug("upgrade failed", "remote", r.RemoteAddr, "error", err)
		return
	}
	s.accept(nc, earlyBytes(rw.Reader), readQuery(r), r.RemoteAddr)
}

// accept serves an upgraded connection, of which early has been read. It
// returns at once, which lets net/http free what it keeps for the request.
func (s *Server) accept(nc net.Conn, early []byte, q query, remote string) {
	nc = nowait.Wrap(nc)
	c := &conn{
		srv: s, query: q, remote: remote, client: quota.Client(remote),
		sock:    newSocket(nc, min(s.opt.MaxFrame, maxEarlyFrame), s.opt.WriteTimeout),
		stream:  xmpp.NewStream(s.stream),
		writing: true,
	}
	c.watch = s.watches.add(nc, c)
	c.sock.watched = c.watch != nil
	c.sock.throttle = c.throttle()
	if !s.conns.add(c) {
		c.sock.open(nil)
		c.sock.close(statusTryAgain, "")
		c.sock.linger()
		return
	}
	c.timer = time.AfterFunc(s.opt.Negotiation, c.tick)
	c.start(early)
}

// watches is the server's Set. It is made for the first connection that can be
// watched.
type watches struct {
	mu     sync.Mutex
	set    *readable.Set
	failed bool
}

// add returns nil for a connection that must be read all the time.
func (w *watches) add(nc net.Conn, c *conn) *readable.Watch {
	if _, ok := nc.(syscall.Conn); !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set == nil && !w.failed {
		var err error
		w.set, err = readable.New()
		w.failed = err != nil
	}
	if w.failed {
		return nil
	}
	watch, err := w.set.Add(nc, c)
	if err != nil {
		return nil
	}
	return watch
}

// stop is for when no connection is left, and none comes.
func (w *watches) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set != nil {
		w.set.Close()
		w.set = nil
	}
	w.failed = true
}
