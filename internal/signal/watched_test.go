package signal

import (
	"bufio"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// connectTCP is connectTest over a real socket, which can be watched.
func connectTCP(t *testing.T, s *Server, q query) *testClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	_ = here.SetDeadline(time.Now().Add(hang))
	s.accept(there, nil, q, "tcp")
	return &testClient{t: t, srv: s, nc: here, br: bufio.NewReader(here)}
}

func loginTCP(t *testing.T, s *Server) *testClient {
	t.Helper()
	c := connectTCP(t, s, query{})
	c.bind()
	return c
}

// hang is when a test that waits in vain fails. No machine is as slow as that.
const hang = time.Minute

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func needWatches(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sockets are watched on Linux only")
	}
}

// TestSilentClientsHaveNoGoroutine: who says nothing costs memory only, and is
// heard as soon as there is something, in pieces or at once.
func TestSilentClientsHaveNoGoroutine(t *testing.T) {
	needWatches(t)
	s := newTestServer(t, nil)
	before := runtime.NumGoroutine()
	var all []*testClient
	for range 50 {
		all = append(all, loginTCP(t, s))
	}
	eventually(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= before+1 }) // the Set's
	ping := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(
		`<iq xmlns="jabber:client" type="get" id="p" to="meet.example"><ping xmlns="urn:xmpp:ping"/></iq>`))))
	for _, c := range all {
		for _, at := range []int{0, 1, 7, len(ping) - 1} { // the rest comes when it is being waited for
			if _, err := c.nc.Write(ping[:at]); err != nil {
				t.Fatal(err)
			}
			runtime.Gosched()
			if _, err := c.nc.Write(append(ping[at:len(ping):len(ping)], ping...)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				got := c.receive()
				if strings.HasPrefix(got, "<r ") {
					got = c.receive()
				}
				if !strings.Contains(got, `id="p"`) {
					t.Fatal(got)
				}
			}
		}
	}
	eventually(t, "goroutines are left after talking", func() bool { return runtime.NumGoroutine() <= before+1 })
}

// TestWatchedEnds: a connection nobody reads ends in every way there is.
func TestWatchedEnds(t *testing.T) {
	needWatches(t)
	for name, tc := range map[string]struct {
		end  func(c *testClient, ses *session)
		want sessionState
	}{
		"the client goes":     {func(c *testClient, _ *session) { c.nc.Close() }, hibernating},
		"the server drops it": {func(_ *testClient, ses *session) { ses.connNow().drop() }, hibernating},
		"the session ends":    {func(_ *testClient, ses *session) { ses.end("test") }, gone},
		"goodbye": {func(c *testClient, _ *session) {
			c.send(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, nil)
			c := loginTCP(t, s)
			ses := c.session()
			conn := ses.connNow()
			eventually(t, "it is being read", conn.parked.Load)
			tc.end(c, ses)
			eventually(t, "the connection is kept", func() bool {
				s.conns.mu.Lock()
				defer s.conns.mu.Unlock()
				return len(s.conns.set) == 0
			})
			if got := ses.stateNow(); got != tc.want {
				t.Error(got)
			}
		})
	}
}

// TestWatchedSilence: pings, and the end of a client that does not answer.
func TestWatchedSilence(t *testing.T) {
	needWatches(t)
	s := newTestServer(t, func(o *Options) { o.PingEvery, o.ReadTimeout = 20*time.Millisecond, 2*time.Second }) // it logs in within that, on a busy machine too
	c := loginTCP(t, s)
	ses := c.session()
	f, err := c.frame()
	if err != nil || f.Header.OpCode != ws.OpPing {
		t.Fatal(f.Header, err)
	}
	for err == nil {
		_, err = c.frame()
	}
	eventually(t, "it does not hibernate", func() bool { return ses.stateNow() == hibernating })
}

// TestWatchedSlowReader: what the kernel does not take at once arrives all the
// same, in order.
func TestWatchedSlowReader(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.OutboxBytes, o.UnackedBytes = 64<<20, 64<<20 })
	c := loginTCP(t, s)
	ses := c.session()
	filler := strings.Repeat("x", 10000)
	const n = 2000
	for i := range n {
		ses.Deliver(shared(string(rune('a'+i%26))+filler, ""))
	}
	for i := range n {
		got := c.receive()
		if strings.HasPrefix(got, "<r ") {
			got = c.receive()
		}
		if b := bodyOf(got); len(b) != len(filler)+1 || b[0] != byte('a'+i%26) {
			t.Fatalf("%d is %.20q", i, b)
		}
	}
}

func (s *session) connNow() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// TestSignsOfLife: what clients say all the time ends nobody's rest, all else
// does.
func TestSignsOfLife(t *testing.T) {
	for raw, want := range map[string]bool{
		`<iq xmlns="jabber:client" type="get" id="1" to="meet.example"><ping xmlns="urn:xmpp:ping"/></iq>`: true,
		`<iq xmlns="jabber:client" type="result" id="1"/>`:                                                 true,
		`<iq xmlns="jabber:client" type="set" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`:                   false,
		`<iq xmlns="jabber:client" type="get" id="1"><query xmlns="urn:xmpp:other"/></iq>`:                 false,
		`<iq xmlns="jabber:client" type="get" id="1"/>`:                                                    false,
		`<message xmlns="jabber:client" to="a@b"><body>hello</body></message>`:                             false,
		`<presence xmlns="jabber:client" to="a@b/c"/>`:                                                     false,
	} {
		st, err := xmpp.Scan([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := isSignOfLife(xmpp.Event{Action: xmpp.Deliver, Stanza: st}); got != want {
			t.Errorf("%s is a sign of life: %v", raw, got)
		}
	}
	for action, want := range map[xmpp.Action]bool{xmpp.Acked: true, xmpp.AckWanted: true, xmpp.Bind: false, xmpp.Resume: false} {
		if got := isSignOfLife(xmpp.Event{Action: action}); got != want {
			t.Errorf("action %v is a sign of life: %v", action, got)
		}
	}
}
