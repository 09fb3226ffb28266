package signal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

const testDomain = "meet.example"

// newTestServer makes a server that is shut down when the test ends.
func newTestServer(t testing.TB, change func(*Options)) *Server {
	opt := DefaultOptions(testDomain)
	opt.StanzaRate, opt.ByteRate = 0, 0
	if change != nil {
		change(&opt)
	}
	s := New(opt)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
	})
	return s
}

// testClient is the other end of a pipe, in the test's goroutine. A pipe holds
// nothing: what the client does not read, the server has not written.
type testClient struct {
	t    testing.TB
	srv  *Server
	nc   net.Conn
	br   *bufio.Reader
	jid  xmpp.JID
	smID string
}

func connectTest(t testing.TB, s *Server, q query) *testClient {
	here, there := net.Pipe()
	c := &testClient{t: t, srv: s, nc: here, br: bufio.NewReader(here)}
	go s.accept(there, nil, q, "pipe")
	t.Cleanup(func() { here.Close() })
	return c
}

// loginTest returns a client that is bound and has stream management on.
func loginTest(t testing.TB, s *Server) *testClient {
	c := connectTest(t, s, query{})
	c.bind()
	return c
}

// bind goes from the connection to stream management.
func (c *testClient) bind() {
	t := c.t
	c.negotiate()
	c.send(`<iq type="set" id="b" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
	c.receive() // the early push
	_, rest, _ := strings.Cut(c.receive(), "<jid>")
	text, _, _ := strings.Cut(rest, "<")
	var err error
	if c.jid, err = xmpp.ParseJID(text); err != nil {
		t.Fatal(err)
	}
	c.send(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	el, err := xmpp.ParseElement([]byte(c.receive()))
	if err != nil {
		t.Fatal(err)
	}
	c.smID = el.AttrOr("id", "")
}

// resumeTest returns a client that takes up where another left, which has
// handled h stanzas.
func resumeTest(t testing.TB, s *Server, old *testClient, h string) *testClient {
	c := connectTest(t, s, query{previd: old.smID})
	c.negotiate()
	c.send(`<resume xmlns="urn:xmpp:sm:3" previd="` + old.smID + `" h="` + h + `"/>`)
	c.jid, c.smID = old.jid, old.smID
	return c
}

func (c *testClient) negotiate() {
	open := `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="meet.example" version="1.0"/>`
	c.send(open)
	c.receive()
	c.receive()
	c.send(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
	c.receive()
	c.send(open)
	c.receive()
	c.receive()
}

func (c *testClient) send(text string) {
	c.t.Helper()
	if err := ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewTextFrame([]byte(text)))); err != nil {
		c.t.Fatal(err)
	}
}

// frame returns the next frame of any kind.
func (c *testClient) frame() (ws.Frame, error) {
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.br, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// receive returns the next text frame; pings are skipped.
func (c *testClient) receive() string {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpText {
			return string(f.Payload)
		}
	}
}

// ending reads to the end and returns the text frames and the close code, 0 if
// there was none.
func (c *testClient) ending() (texts []string, code ws.StatusCode) {
	for {
		f, err := c.frame()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
				c.t.Error(err)
			}
			return texts, code
		}
		switch f.Header.OpCode {
		case ws.OpText:
			texts = append(texts, string(f.Payload))
		case ws.OpClose:
			code, _ = ws.ParseCloseFrameData(f.Payload)
		}
	}
}

func (c *testClient) session() *session { return c.srv.sessions.byJID(c.jid) }

// shared makes a stanza for outboxes.
func shared(text, replaces string) *xmpp.Shared {
	return &xmpp.Shared{Head: []byte(`<message to="`), Tail: []byte(`">` + text + `</message>`), Replaces: replaces}
}

// bodyOf is the opposite of shared.
func bodyOf(frame string) string {
	_, rest, _ := strings.Cut(frame, ">")
	body, _, _ := strings.Cut(rest, "</message>")
	return body
}

// attachTest attaches a service that keeps what it receives.
func attachTest(t testing.TB, s *Server, addr string) (xmpp.Port, chan string) {
	j, err := xmpp.ParseJID(addr)
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan string, 10000)
	p, err := s.Attach(j, func(b []byte) { ch <- string(b) })
	if err != nil {
		t.Fatal(err)
	}
	return p, ch
}

func (s *session) stateNow() sessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
