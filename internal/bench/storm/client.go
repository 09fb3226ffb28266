package storm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// client is one XMPP session. Its reader goroutine owns all but the atomics.
type client struct {
	conn     net.Conn
	in       *bufio.Reader
	jid      string // full address
	room     string // address in the room
	handled  uint32 // stanzas received since <enable/>, XEP-0198 §4
	children string // what its presences hold
	seen     atomic.Int64
	bytes    atomic.Int64
	errors   atomic.Int64 // presences of type error
	acks     atomic.Int64 // how often it said how much has come
	progress chan<- struct{}
	until    atomic.Int64 // presences that end a phase for this client
	at       atomic.Int64 // when it was reached, Unix nanoseconds
}

// patience is how long a client waits for an answer while it logs in.
const patience = 60 * time.Second

// dial opens the WebSocket and logs in.
func dial(ctx context.Context, t *Target) (*client, error) {
	d := ws.Dialer{
		Protocols: []string{"xmpp"}, Timeout: patience, ReadBufferSize: 512, WriteBufferSize: 512,
		Header: ws.HandshakeHeaderHTTP{"Origin": {"http://" + t.Domain}},
	}
	conn, buffered, _, err := d.Dial(ctx, t.URL)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	if c.in = buffered; c.in == nil {
		c.in = bufio.NewReaderSize(conn, 4096)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := c.login(t); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("log in: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	return c, nil
}

// login is RFC 7395 §3.4, SASL ANONYMOUS, binding and, if it is wanted, stream
// management.
func (c *client) login(t *Target) error {
	open := `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="` + t.Domain + `" version="1.0"/>`
	trace := base64.StdEncoding.EncodeToString([]byte("storm"))
	for _, step := range []struct{ send, expect string }{
		{open, "<stream:features"},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS">` + trace + `</auth>`, "<success"},
		{open, "<stream:features"},
		{`<iq type="set" id="bind" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, "<jid>"},
		{`<iq type="set" id="session" xmlns="jabber:client"><session xmlns="urn:ietf:params:xml:ns:xmpp-session"/></iq>`, `<iq`},
		{`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`, managed},
	} {
		if t.Unmanaged && step.expect == managed {
			continue
		}
		text, err := c.ask(step.send, step.expect)
		if err != nil {
			return err
		}
		if _, after, ok := strings.Cut(text, "<jid>"); ok && c.jid == "" {
			c.jid, _, _ = strings.Cut(after, "<")
		}
	}
	return nil
}

// managed is what tells that stream management has begun.
const managed = "<enabled"

func (c *client) ask(send, expect string) (string, error) {
	if err := c.send(send); err != nil {
		return "", err
	}
	for {
		b, err := c.frame()
		if err != nil {
			return "", fmt.Errorf("waiting for %s: %w", expect, err)
		}
		text := string(b)
		switch {
		case strings.Contains(text, expect):
			return text, nil
		case strings.Contains(text, "<failure"), strings.Contains(text, "<stream:error"), strings.Contains(text, "<close"):
			return "", fmt.Errorf("the server answered %.200s", text)
		}
	}
}

func (c *client) send(text string) error {
	return ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text))))
}

// maxFrame is the longest frame a server may send while a client logs in.
const maxFrame = 64 << 10

func (c *client) frame() ([]byte, error) {
	h, err := ws.ReadHeader(c.in)
	if err != nil {
		return nil, err
	}
	if h.OpCode == ws.OpClose {
		return nil, errors.New("the server closed the connection")
	}
	if h.Length > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", h.Length)
	}
	b := make([]byte, h.Length)
	_, err = io.ReadFull(c.in, b)
	return b, err
}

// peeked is how much of a frame is looked at.
const peeked = 64

// read counts what comes until the connection ends.
func (c *client) read() {
	for {
		h, err := ws.ReadHeader(c.in)
		if err != nil {
			return
		}
		head, err := c.in.Peek(int(min(h.Length, peeked)))
		if err != nil || c.stanza(h.OpCode, head, h.Length) != nil {
			return
		}
		if _, err := c.in.Discard(int(h.Length)); err != nil {
			return
		}
	}
}

var (
	startPresence = []byte("<presence")
	startAsk      = []byte("<r ")
	typeError     = []byte(`type="error"`)
	typeError1    = []byte(`type='error'`)
)

func (c *client) stanza(op ws.OpCode, head []byte, length int64) error {
	c.bytes.Add(length)
	switch {
	case op == ws.OpPing:
		return ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewPongFrame(bytes.Clone(head))))
	case op != ws.OpText:
		return nil
	case bytes.HasPrefix(head, startAsk):
		c.acks.Add(1)
		return c.send(fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, c.handled))
	case !bytes.HasPrefix(head, startPresence):
		c.handled++
		return nil
	}
	c.handled++
	if bytes.Contains(head, typeError) || bytes.Contains(head, typeError1) {
		if c.errors.Add(1) == 1 {
			c.progress <- struct{}{}
		}
	}
	if n := c.seen.Add(1); n == c.until.Load() {
		c.at.Store(time.Now().UnixNano())
		c.progress <- struct{}{}
	}
	return nil
}

// presence sends a presence to the room, with the muc element when joining.
func (c *client) presence(joins bool) error {
	x := ""
	if joins {
		x = `<x xmlns="http://jabber.org/protocol/muc"/>`
	}
	return c.send(`<presence xmlns="jabber:client" to="` + c.room + `">` + x + c.children + `</presence>`)
}
