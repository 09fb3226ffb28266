package signal

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"

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
	s.accept(nc, ownReader(nc, rw.Reader), readQuery(r), r.RemoteAddr)
}

// readAhead is enough for the headers of some frames; what is longer is read
// straight to where it belongs.
const readAhead = 512

// ownReader goes on where br has stopped reading nc, without br: net/http's
// reader is eight times as large as needed, keeps what else the server knows of
// the connection, and stands on the stack of the goroutine that waits in it.
func ownReader(nc net.Conn, br *bufio.Reader) *bufio.Reader {
	early, _ := br.Peek(br.Buffered()) // what is buffered is there
	if len(early) == 0 {
		return bufio.NewReaderSize(nc, readAhead)
	}
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), nc), readAhead)
}

// accept serves an upgraded connection. br may already hold the client's first
// frames. It returns at once, which lets net/http free what it keeps for the
// request.
func (s *Server) accept(nc net.Conn, br *bufio.Reader, q query, remote string) {
	c := &conn{
		srv: s, query: q, remote: remote, client: quota.Client(remote),
		sock: newSocket(nc, br, min(s.opt.MaxFrame, maxEarlyFrame), s.opt.ReadTimeout, s.opt.WriteTimeout),
		stream: xmpp.NewStream(xmpp.StreamConfig{
			Domain: s.opt.Domain, Mechanisms: []string{"ANONYMOUS"}, NewID: newStreamID,
		}),
		pokes: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if !s.conns.add(c) {
		c.sock.close(statusTryAgain, "")
		c.sock.linger()
		return
	}
	go c.run()
}
