package signal

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
)

// TestOneAddressDoesNotUseUpConnections: a client that opens sockets and says
// nothing on them shuts out itself only.
func TestOneAddressDoesNotUseUpConnections(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.MaxSessions, o.MaxSessionsEach = 5, 2 })
	open := func(remote string) net.Conn {
		here, there := net.Pipe()
		t.Cleanup(func() { _ = here.Close() })
		go func() { _, _ = io.Copy(io.Discard, here) }()
		s.accept(there, nil, query{}, remote)
		return here
	}
	upgrade := func(remote string) int {
		r := httptest.NewRequest(http.MethodGet, "/xmpp-websocket", nil)
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Protocol", "xmpp")
		r.RemoteAddr = remote
		out := httptest.NewRecorder()
		s.serveHTTP(out, r)
		return out.Code
	}
	count := func() int {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		return len(s.conns.set)
	}
	first := open("203.0.113.7:1")
	open("203.0.113.7:2")
	if code := upgrade("203.0.113.7:3"); code != http.StatusServiceUnavailable {
		t.Errorf("a third of one address: %d", code)
	}
	open("203.0.113.7:3")
	if n := count(); n != 2 {
		t.Errorf("%d connections of one address", n)
	}
	if code := upgrade("203.0.113.8:1"); code == http.StatusServiceUnavailable {
		t.Error("another address was refused")
	}
	open("203.0.113.8:1")
	open("127.0.0.1:1") // this machine is bounded by what there is in all
	open("127.0.0.1:2")
	if code := upgrade("203.0.113.9:1"); code != http.StatusServiceUnavailable {
		t.Errorf("a sixth in all: %d", code)
	}
	_ = first.Close()
	for count() == 5 { // until its goroutine has noticed
		runtime.Gosched()
	}
	if !s.conns.quota.Left("203.0.113.7/32") {
		t.Error("the end of a connection gave nothing back")
	}
}
