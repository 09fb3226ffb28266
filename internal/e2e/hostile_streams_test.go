package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// streamAttack is something that must end a stream: what is said in which
// phase, and what the server has to say to that.
type streamAttack struct {
	name   string
	phase  func(*attacker)
	frames []ws.Frame
	said   string // in the last words; the condition of the stream error
	code   ws.StatusCode
	kind   string // label of stream_errors_total, said if empty
}

func text(s string) []ws.Frame { return []ws.Frame{ws.NewTextFrame([]byte(s))} }

func (*attacker) nothing() {}

func (a *attacker) opened() {
	a.send(openFrame)
	a.until("features")
}

// streamAttacks are all ended by a stream error (RFC 6120 §4.9, RFC 7395
// §3.5) or, where the WebSocket itself is at fault, by its status code (RFC
// 6455 §7.4.1).
func streamAttacks() []streamAttack {
	fresh, opened, authenticated, bound := (*attacker).nothing, (*attacker).opened, (*attacker).authenticate, (*attacker).login
	policy := ws.StatusPolicyViolation
	return []streamAttack{
		{"no XML", fresh, text("GET / HTTP/1.1\r\n\r\n"), "not-well-formed", policy, ""},
		{"no end", fresh, text(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"`), "not-well-formed", policy, ""},
		{"two roots", fresh, text(openFrame + openFrame), "not-well-formed", policy, ""},
		{"prologue", fresh, text(`<?xml version="1.0"?>` + openFrame), "restricted-xml", policy, ""},
		{"entities", fresh, text(`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + openFrame), "restricted-xml", policy, ""},
		{"external entity", fresh, text(`<!DOCTYPE x SYSTEM "file:///etc/passwd">` + openFrame), "restricted-xml", policy, ""},
		{"tag never ends", fresh, text(strings.Repeat("<a>", 5000)), "policy-violation", policy, ""},
		{"not UTF-8", fresh, text("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='\xff\xc0\x80'/>"), "unsupported-encoding", policy, ""},
		{"stanza before open", fresh, text(`<message to="localhost"/>`), "invalid-xml", policy, ""},
		{"elsewhere", fresh, text(strings.Replace(openFrame, "localhost", "elsewhere.example", 1)), "host-unknown", policy, ""},
		{"no version", fresh, text(strings.Replace(openFrame, "1.0", "9.9", 1)), "unsupported-version", policy, ""},
		{"long before login", fresh, text(strings.Repeat(" ", 17<<10) + openFrame), "policy-violation", ws.StatusMessageTooBig, "too-long"},
		{"binary", fresh, []ws.Frame{ws.NewBinaryFrame([]byte(openFrame))}, "", ws.StatusUnsupportedData, "websocket"},
		{"continuation of nothing", fresh, []ws.Frame{ws.NewFrame(ws.OpContinuation, true, []byte(openFrame))}, "", ws.StatusProtocolError, "websocket"},
		{"reserved bits", fresh, []ws.Frame{{Header: ws.Header{Fin: true, Rsv: 7, OpCode: ws.OpText, Length: 2}, Payload: []byte("xx")}}, "", ws.StatusProtocolError, "websocket"},
		{"huge ping", fresh, []ws.Frame{ws.NewPingFrame(make([]byte, 4000))}, "", ws.StatusProtocolError, "websocket"},
		{"open twice", opened, text(openFrame), "invalid-xml", policy, ""},
		{"stanza before login", opened, text(`<message xmlns="jabber:client" to="localhost"/>`), "not-authorized", policy, ""},
		{"unknown mechanisms", opened, append(append(text(sasl("PLAIN")), text(sasl("X-OAUTH2"))...), text(sasl("SCRAM-SHA-1"))...), "policy-violation", policy, ""},
		{"presence before binding", authenticated, append(text(openFrame), text(`<presence xmlns="jabber:client"/>`)...), "", policy, "invalid-xml"},
		{"long", bound, text(longMessage(300 << 10)), "policy-violation", ws.StatusMessageTooBig, "too-long"},
		{"long in pieces", bound, pieces(20, 20<<10), "policy-violation", ws.StatusMessageTooBig, "too-long"},
		{"deep", bound, text(`<message xmlns="jabber:client" to="localhost">` + strings.Repeat("<a>", 40000) + strings.Repeat("</a>", 20000)), "policy-violation", policy, ""},
		{"attributes", bound, text(attributes(2000)), "policy-violation", policy, ""},
		{"unknown prefix", bound, text(`<message xmlns="jabber:client"><a:b/></message>`), "bad-namespace-prefix", policy, ""},
		{"undeclared entity", bound, text(`<message xmlns="jabber:client"><body>&xxe;</body></message>`), "not-well-formed", policy, ""},
		{"no stanza", bound, text(`<stream:stream xmlns:stream="http://etherx.jabber.org/streams"/>`), "unsupported-stanza-type", policy, ""},
		{"acknowledges the future", bound, append(text(smFrame), text(`<a xmlns="urn:xmpp:sm:3" h="4000000000"/>`)...), "undefined-condition", policy, ""},
	}
}

func sasl(mechanism string) string {
	return `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="` + mechanism + `">AGEAYg==</auth>`
}

func longMessage(n int) string {
	return `<message xmlns="jabber:client" to="localhost"><body>` + strings.Repeat("x", n) + `</body></message>`
}

// pieces is one message in n fragments, none of them too long by itself.
func pieces(n, size int) []ws.Frame {
	out := []ws.Frame{ws.NewFrame(ws.OpText, false, make([]byte, size))}
	for range n {
		out = append(out, ws.NewFrame(ws.OpContinuation, false, make([]byte, size)))
	}
	return out
}

func attributes(n int) string {
	var b strings.Builder
	b.WriteString(`<message xmlns="jabber:client"`)
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String() + "/>"
}

func attackStreams(t *testing.T, c *call) {
	before := scrape(t, c.app)
	want := map[string]float64{}
	for _, x := range streamAttacks() {
		a := mustDial(t, c.host)
		x.phase(a)
		for _, f := range x.frames {
			a.raw(f)
		}
		said, code := a.ending()
		if code != x.code || x.said != "" && !strings.Contains(said, "<"+x.said+" ") {
			t.Errorf("%s: said %.300q and code %d, want %s and %d", x.name, said, code, x.said, x.code)
		}
		if x.kind == "" {
			x.kind = x.said
		}
		want[`signal_stream_errors_total{kind="`+x.kind+`"}`]++
	}
	unmasked(t, c)
	refusedResumption(t, c)
	c.counted(t, before, want)
}

// unmasked sends a frame as only servers do (RFC 6455 §5.1), and one that
// says it is longer than memory.
func unmasked(t *testing.T, c *call) {
	for _, raw := range [][]byte{
		ws.MustCompileFrame(ws.NewTextFrame([]byte(openFrame))),
		{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4},
		{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4},
	} {
		a := mustDial(t, c.host)
		a.bytes(raw)
		if said, code := a.ending(); code != ws.StatusProtocolError && code != ws.StatusMessageTooBig && code != 0 {
			t.Errorf("% x: %q, %d", raw[:4], said, code)
		}
	}
}

// refusedResumption tries the seats of others: a wrong id is refused, and the
// stream may go on (XEP-0198 §5).
func refusedResumption(t *testing.T, c *call) {
	a := mustDial(t, c.host)
	a.authenticate()
	for _, id := range []string{c.ids[0], strings.Repeat("A", 32), "&quot;&lt;"} {
		a.send(`<resume xmlns="urn:xmpp:sm:3" previd="` + id + `" h="0"/>`)
		a.until("<failed", "item-not-found")
	}
	a.send(bindFrame)
	a.until("<jid>")
}

// attackHalfOpen holds sockets that never get anywhere, up to the limit of
// connections and beyond.
func attackHalfOpen(t *testing.T, c *call) {
	for range 60 { // a request that never ends
		conn := tcp(t, c.host)
		_, _ = conn.Write([]byte("GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso"))
	}
	for range 60 { // a body that never comes
		conn := tcp(t, c.host)
		_, _ = conn.Write([]byte("POST /conference-request/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"))
	}
	var idle []*attacker
	refused := 0
	for range hostileSessions + 20 {
		a, err := dial(t, c.host, nil)
		if err != nil {
			refused++
			continue
		}
		a.bytes([]byte{0x81, 0xfe, 0x10}) // a frame that never comes either
		idle = append(idle, a)
	}
	// One more may be let in and then told to try again.
	if most := hostileSessions - len(c.pages); len(idle) > most+1 || refused < 21 {
		t.Errorf("%d idle connections were taken and %d refused, want %d and 22", len(idle), refused, most)
	}
	for _, a := range idle[:10] {
		_ = a.conn.Close()
	}
	eventually(t, func() bool {
		a, err := dial(t, c.host, nil)
		if err == nil {
			a.login()
		}
		return err == nil
	}, func() string { return "nobody is let in although there is room again" })
}

// tcp opens a connection that ends with the test.
func tcp(t *testing.T, host string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
