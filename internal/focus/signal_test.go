package focus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/focus"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/signal"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/testkit/transcript"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// TestWithSignal plays the conversations of testdata/signal against real
// rooms and a real focus, over WebSockets; only the bridge is played.
func TestWithSignal(t *testing.T) {
	files, err := filepath.Glob("testdata/signal/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			script, err := transcript.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			_, srv, url := serve(t)
			script.Run(t, transcript.Target{URL: url, Domain: "meet.example", Router: srv})
		})
	}
}

// serve runs signal and focus for one test.
func serve(t *testing.T) (*focus.Focus, *signal.Server, string) {
	sig := signal.DefaultOptions("meet.example")
	sig.AckEvery = 1 << 20 // scripts do not want to see <r/>
	srv := signal.New(sig)
	web := httptest.NewServer(srv.Handler())
	opts := focus.DefaultOptions()
	opts.Domain, opts.Router, opts.Bridge = "meet.example", &holdingRouter{srv}, yes{}
	f, err := focus.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error("signal:", err)
		}
		if err := f.Stop(ctx); err != nil {
			t.Error("focus:", err)
		}
		web.Close()
	})
	return f, srv, "ws" + strings.TrimPrefix(web.URL, "http") + "/xmpp-websocket"
}

// holdingRouter keeps the granting of ownership back until the focus has
// answered the next request. Otherwise a room may show a newcomer its first
// presence and the one as owner in one, and a script would not know which.
type holdingRouter struct{ xmpp.Router }

type holdingPort struct {
	xmpp.Port
	mu   sync.Mutex
	held []byte
}

func (r *holdingRouter) Attach(addr xmpp.JID, deliver func([]byte)) (xmpp.Port, error) {
	port, err := r.Router.Attach(addr, deliver)
	return &holdingPort{Port: port}, err
}

func (p *holdingPort) Send(stanza []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(stanza, []byte(xmpp.NSMUCAdmin)) {
		p.held = stanza
		return nil
	}
	err := p.Port.Send(stanza)
	if p.held != nil && bytes.Contains(stanza, []byte(`type="result"`)) {
		err = errors.Join(err, p.Port.Send(p.held))
		p.held = nil
	}
	return err
}

// yes is a bridge that grants everything.
type yes struct{}

func (yes) Modify(_ context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	resp := &colibri.ConferenceModified{Feedback: source.Set{Sources: []source.Source{
		{SSRC: 1001, Kind: media.Audio, Name: "jvb-a0"}, {SSRC: 1002, Kind: media.Video, Name: "jvb-v0"},
	}}}
	for _, em := range req.Endpoints {
		resp.Endpoints = append(resp.Endpoints, colibri.EndpointModified{ID: em.ID, Transport: &media.Transport{
			Ufrag: "7c9m1", Pwd: "3v0b8k22characterslong",
			Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: "AA:BB", Setup: "actpass"},
			Candidates: []media.Candidate{{
				Foundation: "1", Component: 1, Protocol: "udp", Priority: 2130706431,
				Addr: netip.MustParseAddrPort("203.0.113.7:10000"), Type: "host",
			}},
		}})
	}
	return resp, nil
}

// TestManyRoomsAtOnce lets many conferences live at the same time, with
// services as participants, and the focus stop in the middle of it. It is
// there for the race detector.
func TestManyRoomsAtOnce(t *testing.T) {
	f, srv, _ := serve(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { meet(t, f, srv, fmt.Sprintf("room%d@conference.meet.example", i%10), i) })
	}
	all.Wait()
	if s := f.State().(focus.State); s.Silent != 0 {
		t.Errorf("%d conferences did not answer", s.Silent)
	}
}

// meet brings two participants into a room and out again.
func meet(t *testing.T, f *focus.Focus, srv *signal.Server, room string, n int) {
	rec := httptest.NewRecorder()
	f.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/conference-request/v1", strings.NewReader(`{"room":"`+room+`"}`)))
	if !strings.Contains(rec.Body.String(), `"ready":true`) {
		t.Errorf("%s: %d %s", room, rec.Code, rec.Body)
		return
	}
	for j := range 2 {
		nick := fmt.Sprintf("%08x", 2*n+j+1)
		offered := make(chan string, 8)
		port, err := srv.Attach(xmpp.JID{Local: nick, Domain: "bots.meet.example", Resource: "r"}, func(b []byte) {
			if st, err := xmpp.Scan(b); err == nil && st.IsRequest() {
				offered <- st.ID
			}
		})
		if err != nil {
			t.Error(err)
			return
		}
		send := func(format string, args ...any) {
			if err := port.Send(fmt.Appendf(nil, format, args...)); err != nil {
				t.Error(err)
			}
		}
		send(`<presence to="%s/%s"><x xmlns="http://jabber.org/protocol/muc"/></presence>`, room, nick)
		defer port.Close() //nolint:errcheck // leaves the room
		if j == 0 {
			continue
		}
		id := <-offered // the question for capabilities
		send(`<iq type="result" id="%s" to="%s/focus"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, id, room)
		<-offered // the offer
	}
}
