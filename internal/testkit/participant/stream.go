package participant

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // XEP-0115 prescribes it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// request asks for the conference, as clients do before they join.
func (p *Participant) request(ctx context.Context) error {
	body := fmt.Sprintf(`{"room":"%s","properties":{"rtcstatsEnabled":"false"}}`, p.room())
	url := "http://" + p.opt.Host + "/conference-request/v1?room=" + p.opt.Room
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := browser.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"ready":true`)) {
		return fmt.Errorf("conference request: %s %s", res.Status, answer)
	}
	return nil
}

// browser shares no connections between participants.
var browser = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (p *Participant) room() string { return p.opt.Room + "@conference." + p.opt.Domain }

// Nick is the endpoint id; it is known from the moment Bound.
func (p *Participant) Nick() string { return p.conn.nick }

// stream is an XMPP stream over a WebSocket (RFC 7395).
type stream struct {
	nc      net.Conn
	br      *bufio.Reader
	domain  string
	nick    string
	stanzas atomic.Uint64 // since stream management began

	mu      sync.Mutex
	ids     int
	answers map[string]func(xmpp.Stanza)
}

// longest is the longest frame that is read, bytes: an offer for a large room.
const longest = 16 << 20

func dial(ctx context.Context, url string, protocols ...string) (net.Conn, *bufio.Reader, error) {
	d := ws.Dialer{Protocols: protocols, ReadBufferSize: 16 << 10}
	nc, br, _, err := d.Dial(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	if br == nil {
		br = bufio.NewReaderSize(nc, 16<<10)
	}
	return nc, br, nil
}

// readText returns the next text message and answers pings.
func readText(nc net.Conn, br *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		h, err := ws.ReadHeader(br)
		if err != nil {
			return nil, err
		}
		if h.Length > longest {
			return nil, errors.New("frame too long")
		}
		buf = slices.Grow(buf[:0], int(h.Length))[:h.Length]
		if _, err := io.ReadFull(br, buf); err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpText:
			return buf, nil
		case ws.OpPing:
			_ = writeFrame(nc, ws.NewPongFrame(bytes.Clone(buf)))
		case ws.OpClose:
			code, text := ws.ParseCloseFrameData(buf)
			return nil, fmt.Errorf("closed with %d %s", code, text)
		}
	}
}

func writeFrame(nc net.Conn, f ws.Frame) error {
	b, err := ws.CompileFrame(ws.MaskFrameInPlace(f))
	if err != nil {
		return err
	}
	_, err = nc.Write(b)
	return err
}

// open connects, negotiates and binds.
func (p *Participant) open(ctx context.Context) error {
	nc, br, err := dial(ctx, "ws://"+p.opt.Host+"/xmpp-websocket?room="+p.opt.Room, "xmpp")
	if err != nil {
		return err
	}
	s := &stream{nc: nc, br: br, domain: p.opt.Domain, answers: map[string]func(xmpp.Stanza){}}
	if !p.adopt(s) {
		_ = nc.Close()
		return errClosed
	}
	p.mark(Opened)
	if deadline, ok := ctx.Deadline(); ok {
		_ = nc.SetReadDeadline(deadline)
	}
	if err := s.negotiate(); err != nil {
		return err
	}
	_ = nc.SetReadDeadline(time.Time{})
	p.mark(Bound)
	return nil
}

// adopt makes s the participant's stream, unless that has been closed.
func (p *Participant) adopt(s *stream) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return false
	}
	p.conn = s
	return true
}

func (s *stream) negotiate() error {
	open := `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="` + s.domain + `" version="1.0"/>`
	for _, step := range [][2]string{
		{open, "features"},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, "success"},
		{open, "features"},
		{`<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, "<jid>"},
		{`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`, "<enabled"},
	} {
		answer, err := s.step(step[0], step[1])
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", step[1], err)
		}
		if _, jid, ok := strings.Cut(answer, "<jid>"); ok && len(jid) > 8 {
			s.nick = jid[:8]
		}
	}
	return nil
}

func (s *stream) step(say, want string) (string, error) {
	if err := s.send(say); err != nil {
		return "", err
	}
	for {
		frame, err := readText(s.nc, s.br, nil)
		if err != nil || bytes.Contains(frame, []byte(want)) {
			return string(frame), err
		}
	}
}

func (s *stream) send(frame string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return writeFrame(s.nc, ws.NewTextFrame([]byte(frame)))
}

// ask makes a request; answer is called by the reading goroutine.
func (s *stream) ask(typ, to, child string, answer func(xmpp.Stanza)) error {
	s.mu.Lock()
	s.ids++
	id := fmt.Sprintf("p%d", s.ids)
	s.answers[id] = answer
	s.mu.Unlock()
	return s.send(`<iq xmlns="jabber:client" type="` + typ + `" id="` + id + `" to="` + to + `">` + child + `</iq>`)
}

func (s *stream) close() { _ = s.nc.Close() }

// read is the goroutine that takes what the server says.
func (p *Participant) read() {
	defer p.mark(Ended)
	s := p.conn
	var buf []byte
	for {
		frame, err := readText(s.nc, s.br, buf)
		if err != nil {
			p.fail(fmt.Errorf("the stream ended: %w", err))
			return
		}
		buf = frame
		p.frame(frame)
	}
}

// frame deals with one frame. Presences of others are only counted: there are
// very many of them.
func (p *Participant) frame(b []byte) {
	switch {
	case bytes.HasPrefix(b, []byte("<r ")):
		_ = p.conn.send(fmt.Sprintf(`<a xmlns="urn:xmpp:sm:3" h="%d"/>`, p.conn.stanzas.Load()))
	case bytes.HasPrefix(b, []byte("<presence")):
		p.conn.stanzas.Add(1)
		if p.At(Entered) == 0 && bytes.Contains(b, []byte(`code="110"`)) {
			p.mark(Entered)
		}
	case bytes.HasPrefix(b, []byte("<message")):
		p.conn.stanzas.Add(1)
	case bytes.HasPrefix(b, []byte("<iq")):
		p.conn.stanzas.Add(1)
		if err := p.iq(bytes.Clone(b)); err != nil {
			p.fail(err)
		}
	}
}

func (p *Participant) iq(b []byte) error {
	st, err := xmpp.Scan(b)
	if err != nil {
		return err
	}
	if !st.IsRequest() {
		p.conn.mu.Lock()
		answer := p.conn.answers[st.ID]
		delete(p.conn.answers, st.ID)
		p.conn.mu.Unlock()
		if answer != nil {
			answer(st)
		}
		return nil
	}
	child, _ := st.First()
	switch {
	case child.Name == "jingle":
		_ = p.reply(st, "")
		return p.onJingle(child)
	case child.NS == xmpp.NSDiscoInfo:
		return p.reply(st, discoResult(p.features()))
	}
	return p.reply(st, "")
}

func (p *Participant) reply(st xmpp.Stanza, payload string) error {
	return p.conn.send(`<iq xmlns="jabber:client" type="result" id="` + st.ID + `" to="` + st.From + `">` + payload + `</iq>`)
}

// Ping asks the server for a sign of life and calls back with the time that
// took.
func (p *Participant) Ping(answered func(time.Duration)) error {
	asked := time.Now()
	return p.conn.ask("get", p.opt.Domain, `<ping xmlns="urn:xmpp:ping"/>`, func(xmpp.Stanza) { answered(time.Since(asked)) })
}

// features are those of a present-day web client that the server looks at, in
// the order of XEP-0115.
func (p *Participant) features() []string {
	f := []string{
		"http://jabber.org/protocol/disco#info", "http://jitsi.org/json-encoded-sources", "http://jitsi.org/opus-red",
		"http://jitsi.org/receive-multiple-video-streams", "http://jitsi.org/source-name", "http://jitsi.org/tcc",
		"urn:ietf:rfc:4588", "urn:ietf:rfc:5761", "urn:ietf:rfc:5888", "urn:xmpp:jingle:1",
		"urn:xmpp:jingle:apps:dtls:0", "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle:apps:rtp:audio",
		"urn:xmpp:jingle:apps:rtp:video", "urn:xmpp:jingle:transports:ice-udp:1",
	}
	if p.opt.Rewriting {
		f = append(f, "http://jitsi.org/ssrc-rewriting-1")
		slices.Sort(f)
	}
	return f
}

const identity = "client/web//plenum test"

func capsVersion(features []string) string {
	sum := sha1.Sum([]byte(identity + "<" + strings.Join(features, "<") + "<")) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

func discoResult(features []string) string {
	var b strings.Builder
	b.WriteString(`<query xmlns="http://jabber.org/protocol/disco#info"><identity category="client" type="web" name="plenum test"/>`)
	for _, f := range features {
		b.WriteString(`<feature var="` + f + `"/>`)
	}
	b.WriteString(`</query>`)
	return b.String()
}

// presence is what a web client shows of itself.
func (p *Participant) presence(joins bool) string {
	var b strings.Builder
	nick := p.conn.nick
	fmt.Fprintf(&b, `<presence xmlns="jabber:client" to="%s/%s">`, p.room(), nick)
	if joins {
		b.WriteString(`<x xmlns="http://jabber.org/protocol/muc"/>`)
	}
	fmt.Fprintf(&b, `<stats-id>Zoe-kX3</stats-id>`+
		`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="%s"/>`+
		`<SourceInfo>{&quot;%s-a0&quot;:{&quot;muted&quot;:%t},&quot;%s-v0&quot;:{&quot;muted&quot;:%t}}</SourceInfo>`+
		`<jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>`+
		`<jitsi_participant_e2ee.idKey.curve25519>YkQ7k3sYyqzq1bJq2t9Z0J1YlqA8zqvVh2b9wWc2Q1E</jitsi_participant_e2ee.idKey.curve25519>`+
		`<nick xmlns="http://jabber.org/protocol/nick">%s</nick></presence>`,
		capsVersion(p.features()), nick, !p.opt.Speaks, nick, !p.opt.Shows, p.opt.Name)
	return b.String()
}
