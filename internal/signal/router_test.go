package signal

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

func TestHTTP(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.MaxSessions, o.Shard = 0, "s1" })
	for _, c := range []struct {
		method string
		header http.Header
		code   int
	}{
		{"GET", nil, 200},
		{"HEAD", nil, 200},
		{"OPTIONS", nil, 204},
		{"POST", nil, 405},
		{"GET", http.Header{"Upgrade": {"websocket"}}, 501},
		{"GET", http.Header{"Upgrade": {"WebSocket"}, "Sec-Websocket-Protocol": {"chat, xmpp"}}, 503},
	} {
		r := httptest.NewRequest(c.method, "/xmpp-websocket?room=x", nil)
		r.Header = c.header
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.code || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("X-Jitsi-Shard") != "s1" || h.Get("Access-Control-Expose-Headers") != "X-Jitsi-Shard" {
			t.Errorf("%s %v: %d %v", c.method, c.header, w.Code, h)
		}
	}
}

func TestPorts(t *testing.T) {
	s := newTestServer(t, nil)
	f, got := attachTest(t, s, "focus@auth.meet.example/focus")
	if _, err := s.Attach(xmpp.JID{Local: "focus", Domain: "auth.meet.example", Resource: "focus"}, nil); err == nil {
		t.Error("attached twice")
	}
	for _, bad := range []string{"<iq", `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, `<presence from="x"/>`} {
		if f.Send([]byte(bad)) == nil {
			t.Errorf("%s was sent", bad)
		}
	}
	if err := f.Send([]byte(`<iq type="get" id="1" to="meet.example" from="focus@auth.meet.example/focus"><ping xmlns="urn:xmpp:ping"/></iq>`)); err != nil {
		t.Fatal(err)
	}
	if r := <-got; !strings.Contains(r, `type="result"`) {
		t.Error(r)
	}
	// Another service reaches it by its bare address as well.
	g, _ := attachTest(t, s, "focus.meet.example")
	if err := g.Send([]byte(`<message to="focus@auth.meet.example/focus"><body>x</body></message>`)); err != nil {
		t.Fatal(err)
	}
	if r := <-got; !strings.Contains(r, `from="focus.meet.example"`) {
		t.Error(r)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if f.Send([]byte(`<presence/>`)) == nil {
		t.Error("sent through a closed port")
	}
	if _, err := s.Attach(xmpp.JID{Local: "focus", Domain: "auth.meet.example", Resource: "focus"}, func([]byte) {}); err != nil {
		t.Error("not attached again:", err)
	}
}

// TestPortCloseLeavesRooms: the focus stops, its rooms see it leave.
func TestPortCloseLeavesRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		_ = f.Send([]byte(`<presence to="daily@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		synctest.Wait()
		if n := len(s.State().(State).Rooms); n != 1 {
			t.Fatal(n)
		}
		_ = f.Close()
		synctest.Wait()
		if n := len(s.State().(State).Rooms); n != 0 {
			t.Error("the room is still there")
		}
	})
}

func TestTenants(t *testing.T) {
	s := newTestServer(t, nil)
	for in, want := range map[string]string{
		"room@conference.meet.example/n":      "room@conference.meet.example/n",
		"room@conference.acme.meet.example/n": "[acme]room@conference.meet.example/n",
		"conference.acme.meet.example":        "conference.meet.example",
		"room@conference.a.b.meet.example":    "",
		"room@meet.example":                   "",
		"room@conference..meet.example":       "",
	} {
		j, err := xmpp.ParseJID(in)
		if err != nil {
			t.Fatal(err)
		}
		key, ok := s.inner(j)
		if ok != (want != "") || ok && key.String() != want {
			t.Errorf("%s: %v %v", in, key, ok)
		}
		if ok && j.Local != "" && s.outer(key) != j {
			t.Errorf("%s comes back as %v", in, s.outer(key))
		}
	}
	for _, in := range []string{"[]room@conference.meet.example", "[a.b]room@conference.meet.example", "[a]@conference.meet.example", "[a@conference.meet.example", "a]b@conference.meet.example"} {
		j, _ := xmpp.ParseJID(in)
		if s.outer(j) != j {
			t.Errorf("%s is a tenant's: %v", in, s.outer(j))
		}
	}
}

func TestParkingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.MaxParked, o.MaxExpected = 1, 1 })
		s.Expect(xmpp.JID{Local: "a", Domain: "conference.meet.example"})
		s.Expect(xmpp.JID{Local: "b", Domain: "conference.meet.example"})
		s.Expect(xmpp.JID{Local: "c", Domain: "elsewhere.example"})
		if n := len(s.State().(State).Expected); n != 1 {
			t.Fatal(n)
		}
		join := func(c *testClient) {
			c.send(`<presence xmlns="jabber:client" to="a@conference.meet.example/` + c.jid.Local[:8] + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		}
		one, two := loginTest(t, s), loginTest(t, s)
		join(one)
		synctest.Wait()
		join(two)
		if got := two.receive(); !strings.Contains(got, "Room creation is restricted") {
			t.Error(got)
		}
		start := time.Now()
		if got := one.receive(); !strings.Contains(got, "Room creation is restricted") || time.Since(start) != s.opt.ParkTimeout {
			t.Error(got, time.Since(start))
		}
	})
}

// TestParkedGhost: somebody who waits for a room and disappears is not in it
// when it opens.
func TestParkedGhost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.Hibernation = 0 })
		room := xmpp.JID{Local: "a", Domain: "conference.meet.example"}
		s.Expect(room)
		c := loginTest(t, s)
		c.send(`<presence xmlns="jabber:client" to="a@conference.meet.example/` + c.jid.Local[:8] + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		synctest.Wait()
		c.nc.Close()
		synctest.Wait()
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		_ = f.Send([]byte(`<presence to="a@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		synctest.Wait()
		if o := s.State().(State).Rooms[0].Room.Occupants; len(o) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

// TestRoomsComeAndGo has clients enter and leave a few rooms while a focus
// opens and leaves them; whatever the order, in the end nobody is left.
func TestRoomsComeAndGo(t *testing.T) {
	s := newTestServer(t, nil)
	f, err := s.Attach(xmpp.JID{Local: "focus", Domain: "auth.meet.example", Resource: "focus"}, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		c := loginTest(t, s)
		go func() { _, _ = io.Copy(io.Discard, c.br) }()
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 200 {
				room := fmt.Sprintf("r%d@conference.meet.example/%s", r.IntN(3), c.jid.Local[:8])
				c.send(`<presence xmlns="jabber:client" to="` + room + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
				c.send(`<message xmlns="jabber:client" type="groupchat" to="` + strings.Split(room, "/")[0] + `"><body>x</body></message>`)
				c.send(`<presence xmlns="jabber:client" type="unavailable" to="` + room + `"/>`)
			}
			c.nc.Close()
		})
	}
	group.Go(func() {
		for i := range 600 {
			room := fmt.Sprintf("r%d@conference.meet.example/focus", i%3)
			_ = f.Send([]byte(`<presence to="` + room + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
			_ = f.Send([]byte(`<presence type="unavailable" to="` + room + `"/>`))
		}
	})
	group.Wait()
	_ = f.Close()
	for _, ses := range s.sessions.all() {
		ses.end("test is over")
	}
	eventually(t, "rooms are left", func() bool { return len(s.State().(State).Rooms) == 0 })
}

// TestTraceHidesSecrets plays a session at the most talkative level.
func TestTraceHidesSecrets(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) {
			o.Log = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				return log.Write(b)
			}), &slog.HandlerOptions{Level: LevelTrace}))
		})
		c := connectTest(t, s, query{token: "t0ken"})
		c.negotiate()
		c.nc.Close()
		c = loginTest(t, s)
		c.send(`<message xmlns="jabber:client" to="a@conference.meet.example"><body>b0dy</body></message>`)
		c.receive()
		c.nc.Close()
		synctest.Wait()
		c = resumeTest(t, s, c, "1")
		c.receive()
		mu.Lock()
		defer mu.Unlock()
		for _, secret := range []string{"t0ken", "b0dy", c.smID} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%q is in the log:\n%s", secret, log.String())
			}
		}
		if !strings.Contains(log.String(), "child=body") {
			t.Error("nothing was traced")
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// FuzzHost throws stanzas at the router as an ordinary client.
func FuzzHost(f *testing.F) {
	f.Add(`<iq type="get" id="1" to="meet.example"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`)
	f.Add(`<presence to="a@conference.meet.example/00000000"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
	f.Add(`<message to="[x]a@conference.y.meet.example"><room_metadata room="@"/></message>`)
	f.Fuzz(func(t *testing.T, text string) {
		st, err := xmpp.Scan([]byte(text))
		if err != nil || st.Kind == xmpp.Other {
			return
		}
		s := New(DefaultOptions(testDomain))
		ses := newSession(s, &conn{}, xmpp.JID{Local: "a", Domain: testDomain, Resource: "r"})
		ses.conn = nil
		st.From = ses.full
		s.route(ses, st)
		answers := 0
		for sh := ses.out.pop(); sh != nil; sh = ses.out.pop() {
			answers++
			out, err := xmpp.Scan(sh.AppendTo(nil, ses.to))
			if err != nil || out.To != ses.full || out.Kind != st.Kind {
				t.Fatalf("%q answered with %q: %v", text, sh.AppendTo(nil, ses.to), err)
			}
		}
		request := st.IsRequest()
		if answers > 1 || request && answers != 1 && st.To != ses.full {
			t.Fatalf("%q has %d answers", text, answers)
		}
	})
}

// TestRoomsOfASessionAreLimited: whoever is in as many rooms as allowed has to
// leave one before it enters another, or to see one end.
func TestRoomsOfASessionAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.MaxRooms = 2 })
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		for _, name := range []string{"a", "b", "c", "d"} {
			_ = f.Send([]byte(`<presence to="` + name + `@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		}
		c := loginTest(t, s)
		presence := func(name, attrs string) {
			c.send(`<presence xmlns="jabber:client" to="` + name + "@conference.meet.example/" + c.jid.Local[:8] + `"` + attrs + `><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		}
		outcome := func(name string) string {
			presence(name, "")
			for {
				switch f := c.receive(); {
				case strings.Contains(f, `type="error"`):
					return f
				case strings.Contains(f, `code="110"`) && strings.Contains(f, `from="`+name+`@`):
					return "in"
				}
			}
		}
		for _, step := range []struct{ enter, leave, want string }{
			{"a", "", "in"}, {"b", "", "in"}, {"c", "", "resource-constraint"}, {"x", "", "resource-constraint"},
			{"a", "", "in"}, {"c", "b", "in"}, {"d", "", "resource-constraint"},
		} {
			if step.leave != "" {
				presence(step.leave, ` type="unavailable"`)
			}
			if got := outcome(step.enter); !strings.Contains(got, step.want) {
				t.Fatalf("%+v: %s", step, got)
			}
		}
		for _, r := range c.session().rooms {
			r.over.Store(true)
		}
		if got := outcome("d"); got != "in" {
			t.Errorf("no room is left, and still: %s", got)
		}
	})
}

// TestRoomsAreLimitedForThoseWhoWait: asking for all rooms before the focus
// comes is no way around the limit.
func TestRoomsAreLimitedForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.MaxRooms = 2 })
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		c := loginTest(t, s)
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			s.Expect(xmpp.JID{Local: name, Domain: "conference.meet.example"})
			c.send(`<presence xmlns="jabber:client" to="` + name + "@conference.meet.example/" + c.jid.Local[:8] + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		}
		synctest.Wait()
		for _, name := range names {
			_ = f.Send([]byte(`<presence to="` + name + `@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		}
		refused, in := 0, 0
		for refused+in < len(names) {
			switch got := c.receive(); {
			case strings.Contains(got, "resource-constraint"):
				refused++
			case strings.Contains(got, `code="110"`):
				in++
			}
		}
		if refused != 2 || in != 2 {
			t.Errorf("let into %d rooms and refused %d times", in, refused)
		}
	})
}

// TestAnyoneOpens checks a server without a focus: the first who comes opens
// the room and owns it, the next is a guest, and nobody is told to configure
// the room.
func TestAnyoneOpens(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.AnyoneOpens = true })
	enter := func() string {
		c := loginTest(t, s)
		c.send(`<presence to="open@conference.` + testDomain + `/` + c.jid.Local[:8] + `" xmlns="jabber:client"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		for {
			if text := c.receive(); strings.Contains(text, `code="110"`) {
				return text
			}
		}
	}
	first, second := enter(), enter()
	if !strings.Contains(first, `affiliation="owner"`) || strings.Contains(first, `code="201"`) {
		t.Error("the first got", first)
	}
	if !strings.Contains(second, `affiliation="none"`) || !strings.Contains(second, `role="participant"`) {
		t.Error("the second got", second)
	}
}
