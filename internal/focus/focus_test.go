package focus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

func post(f *Focus, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("POST", "/conference-request/v1", strings.NewReader(body))
	f.Handler().ServeHTTP(rec, req)
	return rec
}

func TestHTTPRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		rec := post(w.f, `{"room":"daily@conference.meet.example","machineUid":"7f3c","properties":{"rtcstatsEnabled":false,"startAudioMuted":10}}`)
		if rec.Code != http.StatusOK || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%d %v", rec.Code, rec.Header())
		}
		var got map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got["ready"] != true || got["focusJid"] != "focus@auth.meet.example" || got["room"] != roomName {
			t.Errorf("got %s", rec.Body)
		}
		if _, isObject := got["properties"].(map[string]any); !isObject {
			t.Errorf("no properties object: %s", rec.Body)
		}
	})
}

func TestHTTPRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		for _, body := range []string{
			``, `{`, `[]`, `{}`, `{"room":5}`, `{"room":"daily@conference.elsewhere.example"}`,
			`{"room":"daily@conference.meet.example","x":"` + strings.Repeat("x", maxBody) + `"}`,
		} {
			if rec := post(w.f, body); rec.Code != http.StatusBadRequest {
				t.Errorf("%.60q: %d %s", body, rec.Code, rec.Body)
			}
		}
		rec := httptest.NewRecorder()
		w.f.Handler().ServeHTTP(rec, httptest.NewRequest("OPTIONS", "/conference-request/v1", nil))
		if rec.Code != http.StatusOK || !strings.Contains(rec.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("OPTIONS: %d %v", rec.Code, rec.Header())
		}
		rec = httptest.NewRecorder()
		w.f.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/conference-request/v1", nil))
		if rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", rec.Code)
		}
	})
}

// A room that does not answer means "not ready", upon which clients ask again.
func TestRequestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.shut.Store(true)
		rec := post(w.f, `{"room":"daily@conference.meet.example"}`)
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"ready":false`) {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		w.shut.Store(false)
		if rec = post(w.f, `{"room":"daily@conference.meet.example"}`); !strings.Contains(rec.Body.String(), `"ready":true`) {
			t.Fatalf("the next attempt: %d %s", rec.Code, rec.Body)
		}
	})
}

func TestRequestRefusedByRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.shut.Store(true)
		done := make(chan *httptest.ResponseRecorder, 1)
		go func() { done <- post(w.f, `{"room":"daily@conference.meet.example"}`) }()
		synctest.Wait()
		w.toFocus(`<presence type="error" from="` + roomName + `/focus"><error type="cancel">` +
			`<not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></presence>`)
		if rec := <-done; rec.Code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}

// However many ask for a room at once, the focus enters it once.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if rec := post(w.f, `{"room":"Daily@conference.meet.example"}`); !strings.Contains(rec.Body.String(), `"ready":true`) {
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
			})
		}
		all.Wait()
		w.settle()
		if n := strings.Count(w.log.String(), "<presence"); n != 1 {
			t.Fatalf("the focus entered %d times", n)
		}
	})
}

func TestLimitOfConferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.MaxConferences, o.MaxEmpty = 3, 2 })
		defer w.stop()
		ask := func(name string) int { return post(w.f, `{"room":"`+name+`@conference.meet.example"}`).Code }
		if a, b, c := ask("daily"), ask("b"), ask("c"); a != 200 || b != 200 || c != 503 {
			t.Fatalf("2 empty ones are allowed: %d %d %d", a, b, c)
		}
		w.join("aaaaaaaa")
		if c, d := ask("c"), ask("d"); c != 200 || d != 503 {
			t.Fatalf("one has filled, 3 are allowed in all: %d %d", c, d)
		}
		w.pass(20 * time.Second)
		if d := ask("d"); d != 200 {
			t.Fatalf("after the empty ones have ended: %d", d)
		}
	})
}

func TestParseRoom(t *testing.T) {
	w := &world{t: t, ports: make(map[string]func([]byte))}
	f, err := New(Options{Domain: domain, Router: w})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, want string }{
		{"daily@conference.meet.example", "daily@conference.meet.example"},
		{"DAILY@Conference.Meet.Example", "daily@conference.meet.example"},
		{"straße-日本@conference.meet.example", "straße-日本@conference.meet.example"},
		{"daily@conference.acme.meet.example", "daily@conference.acme.meet.example"},
		{"b1@breakout.meet.example", "b1@breakout.meet.example"},
		{"daily@conference.a.b.meet.example", ""},
		{"daily@conference..meet.example", ""},
		{"daily@meet.example", ""},
		{"daily@conference.evilmeet.example", ""},
		{"daily@focus.meet.example", ""},
		{"conference.meet.example", ""},
		{"daily@conference.meet.example/focus", ""},
		{"[acme]daily@conference.meet.example", ""},
		{"", ""},
		{strings.Repeat("x", 3000) + "@conference.meet.example", ""},
	}
	for _, tt := range tests {
		got, ok := f.parseRoom(tt.text)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%.50q: %q %v, want %q", tt.text, got, ok, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	w := &world{ports: make(map[string]func([]byte))}
	reg := prometheus.NewRegistry()
	if _, err := New(Options{Domain: domain, Router: w, Metrics: reg}); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no domain":    {Router: w},
		"no router":    {Domain: domain},
		"odd codec":    {Domain: domain, Router: w, VideoCodecs: []string{"MJPEG"}},
		"metric twice": {Domain: domain, Router: w, Metrics: reg},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// When the focus stops nobody hears anything, least of all that it leaves.
func TestStopIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.pair()
		w.stop()
		w.settle()
		if got := w.log.String(); got != "" {
			t.Fatalf("said while stopping:\n%s", got)
		}
		if err := w.f.Stop(context.Background()); err != nil {
			t.Fatalf("stopping twice: %v", err)
		}
		if rec := post(w.f, `{"room":"x@conference.meet.example"}`); !strings.Contains(rec.Body.String(), `"ready":false`) {
			t.Fatalf("a request afterwards: %d %s", rec.Code, rec.Body)
		}
	})
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.pair()
		w.bridge.set(nil, time.Hour)
		w.join("cccccccc")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.f.Stop(ctx); err == nil {
			t.Error("a request to the bridge was still under way")
		}
	})
}

// Requests that wait behind the end of their conference are answered too: an
// IQ by an error, a conference request by the next conference.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.pair()
		o := w.f.rooms[xmpp.JID{Local: "daily", Domain: "conference." + domain}]
		gate := make(chan struct{})
		o.mail.post(event{do: func(*conference, time.Time) { <-gate }})
		w.toFocus(`<presence type="unavailable" from="` + roomName + `/focus"/>`)
		w.toFocus(`<iq type="set" id="x1" from="` + roomName + `/aaaaaaaa"><mute xmlns="http://jitsi.org/jitmeet/audio" jid="x@y/z">true</mute></iq>`)
		w.ask(roomName)
		w.mu.Lock()
		delete(w.rooms, roomName)
		w.mu.Unlock()
		close(gate)
		w.pass(time.Second)
		w.settle()
		for _, want := range []string{`id="x1" to="daily@…/aaaaaaaa"><error type="cancel"><item-not-found`, `ready="true"`} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("no %s in\n%s", want, &w.log)
			}
		}
	})
}

func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.pair()
		s := w.f.State().(State)
		if len(s.Conferences) != 1 || s.Silent != 0 || s.Capabilities != 1 {
			t.Fatalf("%+v", s)
		}
		c := s.Conferences[0]
		if c.Room != roomName || c.Sources != 2 || c.Bridge != "local" || len(c.Participants) != 2 {
			t.Fatalf("%+v", c)
		}
		if p := c.Participants[0]; p.Stage != "joined" || p.Session != "active" || p.Sources != 1 {
			t.Fatalf("%+v", p)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"3v0b8k22", "q1w2e3"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the debug tree shows %s", secret)
			}
		}
	})
}

// 500 people come within a second and half of them leave: everybody's picture
// must be right at the end, and nobody is told anything twice.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.open()
		var people []*crowdMember
		for i := range 200 {
			p := w.join(fmt.Sprintf("%08x", i+1))
			people = append(people, &crowdMember{p, uint32(i + 1)})
			p.accept(p.mic(i + 1))
			w.quiet()
		}
		w.pass(5 * time.Second)
		w.quiet()
		for _, m := range people[:100] {
			m.leave()
		}
		w.pass(5 * time.Second)
		c := w.f.State().(State).Conferences[0]
		if c.Sources != 100 || len(c.Participants) != 100 {
			t.Fatalf("%d sources of %d participants are left, want 100 of 100", c.Sources, len(c.Participants))
		}
	})
}

type crowdMember struct {
	*person
	ssrc uint32
}

func TestCapsCacheIsBounded(t *testing.T) {
	c := newCapsCache(2)
	key := func(i int) capsKey { return capsKey{"n", fmt.Sprint(i)} }
	c.put(key(1), featAudio)
	c.put(key(2), featVideo)
	c.get(key(1))
	c.put(key(3), featRTX)
	if _, ok := c.get(key(2)); ok {
		t.Error("the least recently used entry is still there")
	}
	if f, ok := c.get(key(1)); !ok || f != featAudio {
		t.Error("the entry in use is gone")
	}
	c.put(key(1), featVideo)
	if f, _ := c.get(key(1)); f != featVideo || c.len() != 2 {
		t.Error("replacing an entry failed")
	}
}

// The example of XEP-0115 §5.2.
func TestCapsHash(t *testing.T) {
	got := capsHash([]string{"client/pc//Exodus 0.9.1"}, []string{
		"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items",
		"http://jabber.org/protocol/muc", "http://jabber.org/protocol/caps",
	})
	if got != "QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Fatalf("got %s", got)
	}
}

func TestTimers(t *testing.T) {
	var ts timers
	start := time.Unix(0, 0)
	var fired []string
	set := func(name string, after time.Duration) *timer {
		return ts.set(start.Add(after), func() { fired = append(fired, name) })
	}
	set("c", 3)
	b := set("b", 2)
	set("a", 1)
	ts.stop(b)
	ts.stop(b)
	ts.stop(nil)
	if ts.next() != start.Add(1) {
		t.Fatalf("next is %v", ts.next())
	}
	ts.run(start.Add(5))
	if got := strings.Join(fired, ""); got != "ac" || !ts.next().IsZero() {
		t.Fatalf("fired %q", got)
	}
}

func TestSignalingDelay(t *testing.T) {
	o := DefaultOptions()
	for n, want := range map[int]time.Duration{
		2: 20 * time.Millisecond, 9: 20 * time.Millisecond, 10: 100 * time.Millisecond,
		99: 500 * time.Millisecond, 100: time.Second, 5000: time.Second,
	} {
		if got := o.signalingDelay(n); got != want {
			t.Errorf("%d participants: %v, want %v", n, got, want)
		}
	}
	if got := (&Options{}).signalingDelay(7); got != 0 {
		t.Errorf("without entries: %v", got)
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 1, 1: 2, 3: 8, 4: 10, 500: 10} {
		if got := backoff(time.Second, 10*time.Second, failures); got != want*time.Second {
			t.Errorf("after %d failures: %v", failures, got)
		}
	}
}

func FuzzHTTPBody(f *testing.F) {
	f.Add([]byte(`{"room":"daily@conference.meet.example","properties":{}}`))
	f.Add([]byte(`{"room":"\ud800@conference.meet.example/\u0000"}`))
	w := &world{ports: make(map[string]func([]byte))}
	focus, err := New(Options{Domain: domain, Router: w})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := parseHTTPRequest(bytes.NewReader(body))
		if err != nil {
			return
		}
		room, ok := focus.parseRoom(req.Room)
		if !ok {
			return
		}
		if again, err := xmpp.ParseJID(room.String()); err != nil || again != room || room.Local == "" || !room.IsBare() {
			t.Fatalf("accepted %q as %q", req.Room, room)
		}
	})
}

// FuzzStanza throws stanzas of an occupant at a running conference.
func FuzzStanza(f *testing.F) {
	f.Add([]byte(`<iq type="set" id="1" from="daily@conference.meet.example/aaaaaaaa"><jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="00000000000000000000000000000003"/></iq>`))
	f.Add([]byte(`<iq type="set" id="1" from="daily@conference.meet.example/aaaaaaaa"><mute xmlns="http://jitsi.org/jitmeet/audio" jid="daily@conference.meet.example/bbbbbbbb">true</mute></iq>`))
	f.Add([]byte(`<presence from="daily@conference.meet.example/cccccccc"><x xmlns="http://jabber.org/protocol/muc#user"><item jid="u@d/r"/></x></presence>`))
	f.Add([]byte(`<presence type="unavailable" from="daily@conference.meet.example/aaaaaaaa"><status>switch_room</status></presence>`))
	f.Add([]byte(`<iq type="result" id="f2" from="daily@conference.meet.example/aaaaaaaa"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`))
	f.Fuzz(func(t *testing.T, stanza []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.pair()
			w.f.deliverUser(stanza)
			w.f.deliverService(stanza)
			w.pass(time.Minute)
			w.stop()
		})
	})
}
