package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// attackPatience bounds every single wait of an attacker.
const attackPatience = time.Minute

// attacker is somebody who speaks XMPP over a WebSocket and says what the
// test wants, right or wrong. It reads only when it is told to.
type attacker struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
	jid  string // once bound
	nick string // what the room lets it be called
	room string // bare address
	ids  int
}

const (
	openFrame  = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>`
	authFrame  = `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`
	bindFrame  = `<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`
	smFrame    = `<enable xmlns="urn:xmpp:sm:3" resume="true"/>`
	conference = "@conference.localhost"
)

// dial opens a WebSocket and nothing more; it ends with the test.
func dial(t testing.TB, host string, control func(net.Conn)) (*attacker, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), attackPatience)
	defer cancel()
	d := ws.Dialer{Protocols: []string{"xmpp"}}
	if control != nil {
		d.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err == nil {
				control(c)
			}
			return c, err
		}
	}
	conn, br, _, err := d.Dial(ctx, "ws://"+host+"/xmpp-websocket?room=hostile")
	if err != nil {
		return nil, err
	}
	if br == nil {
		br = bufio.NewReader(conn)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &attacker{t: t, conn: conn, br: br}, nil
}

func mustDial(t testing.TB, host string) *attacker {
	t.Helper()
	a, err := dial(t, host, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// login returns an attacker that is bound, like any client.
func login(t testing.TB, host string) *attacker {
	t.Helper()
	a := mustDial(t, host)
	a.login()
	return a
}

func (a *attacker) login() {
	a.t.Helper()
	a.authenticate()
	a.send(bindFrame)
	_, rest, _ := strings.Cut(a.until("<jid>"), "<jid>")
	a.jid, _, _ = strings.Cut(rest, "<")
	a.nick = a.jid[:8]
}

func (a *attacker) authenticate() {
	a.t.Helper()
	for _, step := range [][2]string{{openFrame, "features"}, {authFrame, "success"}, {openFrame, "features"}} {
		a.send(step[0])
		a.until(step[1])
	}
}

// join enters a room that exists and returns its own presence there.
func (a *attacker) join(room string) string {
	a.t.Helper()
	a.room = room
	a.send(a.presence(`<x xmlns="http://jabber.org/protocol/muc"/>`))
	return a.until("<presence", `code="110"`)
}

// enter is login and join.
func enter(t testing.TB, host, room string) *attacker {
	t.Helper()
	a := login(t, host)
	a.join(room)
	return a
}

func (a *attacker) presence(children string) string {
	return fmt.Sprintf(`<presence xmlns="jabber:client" to="%s/%s">%s</presence>`, a.room, a.nick, children)
}

// say is a message to the room.
func (a *attacker) say(body string) string {
	return fmt.Sprintf(`<message xmlns="jabber:client" type="groupchat" to="%s"><body>%s</body></message>`, a.room, body)
}

// whisper is a message to one occupant.
func (a *attacker) whisper(nick, body string) string {
	return fmt.Sprintf(`<message xmlns="jabber:client" type="chat" to="%s/%s"><body>%s</body></message>`, a.room, nick, body)
}

// iq makes a request with an id of its own.
func (a *attacker) iq(typ, to, child string) (id, frame string) {
	a.ids++
	id = fmt.Sprintf("evil%d", a.ids)
	return id, fmt.Sprintf(`<iq xmlns="jabber:client" type="%s" id="%s" to="%s">%s</iq>`, typ, id, to, child)
}

// ask makes a request and returns its answer.
func (a *attacker) ask(typ, to, child string) string {
	a.t.Helper()
	id, frame := a.iq(typ, to, child)
	a.send(frame)
	return a.until("<iq", `id="`+id+`"`)
}

// refused makes a request that has to be answered with an error condition.
func (a *attacker) refused(what, condition, typ, to, child string) {
	a.t.Helper()
	if answer := a.ask(typ, to, child); !strings.Contains(answer, "<"+condition+" ") || !strings.Contains(answer, `type="error"`) {
		a.t.Errorf("%s: want the error %s, got %.400s", what, condition, answer)
	}
}

// alive proves that everything sent before has been dealt with and that the
// server still listens.
func (a *attacker) alive() {
	a.t.Helper()
	if answer := a.ask("get", "localhost", `<ping xmlns="urn:xmpp:ping"/>`); !strings.Contains(answer, `type="result"`) {
		a.t.Errorf("ping: %s", answer)
	}
}

// send writes one text frame. Being cut off meanwhile is no fault.
func (a *attacker) send(frame string) { a.raw(ws.NewTextFrame([]byte(frame))) }

// sendAll writes many frames at once.
func (a *attacker) sendAll(n int, frame func(i int) ws.Frame) {
	var b bytes.Buffer
	for i := range n {
		_ = ws.WriteFrame(&b, ws.MaskFrame(frame(i)))
	}
	a.bytes(b.Bytes())
}

// raw writes any frame, masked.
func (a *attacker) raw(f ws.Frame) {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(f))
	a.bytes(b.Bytes())
}

func (a *attacker) bytes(b []byte) {
	_ = a.conn.SetWriteDeadline(time.Now().Add(attackPatience))
	_, _ = a.conn.Write(b)
}

var errEnded = errors.New("the server closed the stream")

// next returns the next text frame. A close frame is an error with its code.
func (a *attacker) next() (string, ws.StatusCode, error) {
	_ = a.conn.SetReadDeadline(time.Now().Add(attackPatience))
	for {
		h, err := ws.ReadHeader(a.br)
		if err != nil {
			return "", 0, err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(a.br, payload); err != nil {
			return "", 0, err
		}
		switch h.OpCode {
		case ws.OpText:
			if _, err := xmpp.Scan(payload); err != nil {
				a.t.Errorf("the server sent %.200q: %v", payload, err)
			}
			return string(payload), 0, nil
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(payload)
			return "", code, errEnded
		}
	}
}

// until reads until a frame holds all parts, and returns that.
func (a *attacker) until(parts ...string) string {
	a.t.Helper()
	for {
		frame, code, err := a.next()
		if err != nil {
			a.t.Fatalf("waiting for %q: %v, code %d", parts, err, code)
		}
		if holdsAll(frame, parts) {
			return frame
		}
	}
}

func holdsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// ending reads to the end and returns what was said last: all text, and the
// close code, 0 if there was none.
func (a *attacker) ending() (said string, code ws.StatusCode) {
	a.t.Helper()
	for {
		text, c, err := a.next()
		said, code = said+text, max(code, c)
		var nerr net.Error
		switch {
		case err == nil:
		case errors.As(err, &nerr) && nerr.Timeout():
			a.t.Errorf("the server let it be, after %.200s", said)
			return said, code
		default:
			return said, code
		}
	}
}
