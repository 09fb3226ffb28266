package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Target is the server to talk to.
type Target struct {
	URL    string // ws://host:port/path
	Domain string
	Router xmpp.Router // for scripted services; may be nil
}

// patience is how long an expected frame may take, on a machine that is busy
// with other things too. Only a test that fails waits for it.
const patience = 30 * time.Second

// peer is a client or service of the script.
type peer struct {
	name   string
	jid    string // full address, "" before login
	conn   net.Conn
	port   xmpp.Port
	frames chan frame
}

// frame is something received, or the end.
type frame struct {
	text string
	end  error
}

type run struct {
	t      *testing.T
	target Target
	vars   vars
	peers  map[string]*peer
	quiets int
}

// verbs are the steps that are words.
var verbs map[string]func(*run, *peer, string) error

func init() {
	verbs = map[string]func(*run, *peer, string) error{
		"send": (*run).send, "expect": (*run).expect, "exactly": (*run).exactly,
		"connect": (*run).connect, "login": (*run).login, "attach": (*run).attach,
		"quiet": (*run).quiet, "drop": (*run).drop, "closed": (*run).closed,
		"scene": (*run).scene, "binary": (*run).binary, "wait": (*run).wait, "detach": (*run).detach,
	}
}

// Run plays the script; the test fails at the first step that does not happen.
func (s *Script) Run(t *testing.T, target Target) {
	t.Helper()
	r := &run{t: t, target: target, vars: vars{"domain": target.Domain}, peers: make(map[string]*peer)}
	defer r.hangUp()
	for _, st := range s.steps {
		p := r.peers[st.who]
		if p == nil {
			p = &peer{name: st.who}
			r.peers[st.who] = p
		}
		if err := verbs[st.verb](r, p, st.text); err != nil {
			t.Fatalf("%s:%d: %s %s: %v", s.Name, st.line, st.who, st.verb, err)
		}
	}
}

func (r *run) hangUp() {
	for _, p := range r.peers {
		if p.conn != nil {
			p.conn.Close()
		}
	}
}

func (r *run) connect(p *peer, query string) error {
	query, err := r.vars.expand(query)
	if err != nil {
		return err
	}
	d := ws.Dialer{Protocols: []string{"xmpp"}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, br, hs, err := d.Dial(ctx, r.target.URL+query)
	if err != nil {
		return err
	}
	if hs.Protocol != "xmpp" {
		return fmt.Errorf("subprotocol is %q", hs.Protocol)
	}
	if br != nil {
		return errors.New("server spoke first")
	}
	p.conn, p.frames = conn, make(chan frame, 4096)
	go receive(conn, p.frames)
	return nil
}

// receive reads until the end.
func receive(conn net.Conn, to chan<- frame) {
	for {
		b, err := wsutil.ReadServerText(conn)
		if err != nil {
			to <- frame{end: err}
			return
		}
		to <- frame{text: string(b)}
	}
}

func (r *run) attach(p *peer, addr string) error {
	jid, err := xmpp.ParseJID(addr)
	if err != nil {
		return err
	}
	p.jid, p.frames = jid.String(), make(chan frame, 4096)
	r.vars[p.name] = p.jid
	p.port, err = r.target.Router.Attach(jid, func(b []byte) { p.frames <- frame{text: string(b)} })
	return err
}

func (r *run) detach(p *peer, _ string) error { return p.port.Close() }

func (r *run) send(p *peer, text string) error {
	text, err := r.vars.expand(text)
	if err != nil {
		return err
	}
	if p.port != nil {
		return p.port.Send([]byte(text))
	}
	return wsutil.WriteClientText(p.conn, []byte(text))
}

func (r *run) binary(p *peer, text string) error {
	return wsutil.WriteClientBinary(p.conn, []byte(text))
}

var errSilent = errors.New("nothing arrived")

// next returns the next frame.
func (p *peer) next() (string, error) {
	if p.frames == nil {
		return "", errors.New("not connected")
	}
	select {
	case f := <-p.frames:
		return f.text, f.end
	case <-time.After(patience):
		return "", errSilent
	}
}

func (r *run) expect(p *peer, pattern string) error {
	got, err := p.next()
	if err != nil {
		return err
	}
	if err := r.compare(p, pattern, got); err != nil {
		return fmt.Errorf("%w\nwant %s\ngot  %s", err, pattern, got)
	}
	return nil
}

func (r *run) compare(p *peer, pattern, got string) error {
	want, err := parse(pattern)
	if err != nil {
		return fmt.Errorf("the expectation: %w", err)
	}
	have, err := parse(got)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"xmlns": "jabber:client", "to": p.jid} {
		if _, stated := want.attrs[name]; !stated && have.attrs[name] == value {
			delete(have.attrs, name)
		}
	}
	return r.vars.match(want, have)
}

func (r *run) exactly(p *peer, pattern string) error {
	got, err := p.next()
	if err != nil {
		return err
	}
	return r.vars.text(pattern, got)
}

// quiet asks for something that does not exist: the refusal must be the next
// thing that arrives.
func (r *run) quiet(p *peer, of string) error {
	if of == "" {
		of = r.target.Domain
	}
	r.quiets++
	id := fmt.Sprintf("quiet-%d", r.quiets)
	err := r.send(p, `<iq xmlns="jabber:client" type="get" id="`+id+`" to="`+of+`"><quiet xmlns="urn:example:quiet"/></iq>`)
	if err != nil {
		return err
	}
	got, err := p.next()
	if err == nil && !strings.Contains(got, id) {
		err = fmt.Errorf("not quiet: %s", got)
	}
	return err
}

func (r *run) drop(p *peer, _ string) error { return p.conn.Close() }

// closed expects the end of the socket, with a WebSocket status code if one is
// given.
func (r *run) closed(p *peer, code string) error {
	text, err := p.next()
	if err == nil {
		return fmt.Errorf("still talking: %s", text)
	}
	if err == errSilent {
		return errors.New("still open")
	}
	var end wsutil.ClosedError
	if code == "" {
		return nil
	}
	if !errors.As(err, &end) {
		return fmt.Errorf("closed without a code: %w", err)
	}
	if got := fmt.Sprint(int(end.Code)); got != code {
		return fmt.Errorf("closed with %s", got)
	}
	return nil
}

func (r *run) wait(_ *peer, d string) error {
	pause, err := time.ParseDuration(d)
	time.Sleep(pause)
	return err
}

// login negotiates a session the way Jitsi clients do.
func (r *run) login(p *peer, query string) error {
	if err := r.connect(p, query); err != nil {
		return err
	}
	open := `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="` + r.target.Domain + `" version="1.0"/>`
	for _, s := range []struct {
		send    string
		receive int
	}{
		{open, 2},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, 1},
		{open, 2},
		{`<iq type="set" id="_bind_auth_2" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, 2},
		{`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`, 1},
	} {
		if err := wsutil.WriteClientText(p.conn, []byte(s.send)); err != nil {
			return err
		}
		for range s.receive {
			got, err := p.next()
			if err != nil {
				return err
			}
			r.note(p, got)
		}
	}
	if p.jid == "" {
		return errors.New("no JID was bound")
	}
	return nil
}

// note captures what login is about.
func (r *run) note(p *peer, got string) {
	if _, rest, ok := strings.Cut(got, "<jid>"); ok {
		p.jid, _, _ = strings.Cut(rest, "<")
		r.vars[p.name] = p.jid
		r.vars[p.name+".id"] = p.jid[:min(8, len(p.jid))]
		r.vars[p.name+".local"], _, _ = strings.Cut(p.jid, "@")
	}
	if bytes.HasPrefix([]byte(got), []byte("<enabled ")) {
		if n, err := parse(got); err == nil {
			r.vars[p.name+".sm"] = n.attrs["id"]
		}
	}
}

// scene sets up a room with a focus and clients.
func (r *run) scene(_ *peer, text string) error {
	names := strings.Fields(text)
	room := names[0] + "@conference." + r.target.Domain
	for i, name := range names[1:] {
		p := &peer{name: name}
		r.peers[name] = p
		var err error
		nick := "focus"
		if i == 0 {
			err = r.attach(p, "focus@auth."+r.target.Domain+"/focus")
		} else {
			err = r.login(p, "?room="+names[0])
			nick = r.vars[name+".id"]
		}
		if err == nil {
			err = r.send(p, `<presence xmlns="jabber:client" to="`+room+"/"+nick+`"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		}
		if err == nil {
			err = r.sync(p, room)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range names[1:] {
		if err := r.sync(r.peers[name], room); err != nil {
			return err
		}
	}
	return nil
}

// sync reads until the room has answered a question.
func (r *run) sync(p *peer, room string) error {
	r.quiets++
	id := fmt.Sprintf("sync-%d", r.quiets)
	err := r.send(p, `<iq xmlns="jabber:client" type="get" id="`+id+`" to="`+room+`"><sync xmlns="urn:example:sync"/></iq>`)
	for err == nil {
		var got string
		if got, err = p.next(); strings.Contains(got, id) {
			return nil
		}
	}
	return err
}
