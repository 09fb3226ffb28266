package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// TestBadNetwork: with packets that get lost on the way the report shows it,
// and retransmissions mend the pictures; the delay is as long as was asked for.
func TestBadNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 3, Audio: -1, Video: -1, Duration: 6 * time.Second, RoomPrefix: "bad"}.Plan()
	plan.Roles[0].Network = shape.Profile{Loss: 0.05, Delay: 30 * time.Millisecond}
	rep, err := runFully(plan)
	if err != nil {
		t.Fatal(err)
	}
	var video, audio, recovered, expected, heard float64
	for _, p := range rep.Participants {
		if p.State != record.InCall || p.Media == nil {
			t.Fatalf("%s: %s, %+v", p.Name, p.State, p.Errors)
		}
		if d := p.Media.Delay.Quantile(0.5); d < 55*time.Millisecond {
			t.Errorf("%s: half of the packets within %v, with 30 ms twice on their way", p.Name, d)
		}
		for _, s := range p.Media.Streams {
			if s.Kind == "audio" {
				audio += float64(s.Lost)
				heard += float64(s.Expected)
				continue
			}
			video += float64(s.Lost)
			recovered += float64(s.Recovered)
			expected += float64(s.Expected)
		}
	}
	t.Logf("audio: %v of %v lost; video: %v of %v, %v recovered", audio, heard, video, expected, recovered)
	busy := tooBusy(t, rep, "how much is repeated in time")
	if audio/heard < 0.02 {
		t.Errorf("%v of %v packets of audio lost, at 5 %% twice on their way", audio, heard)
	}
	if (recovered/expected < 0.02 || video/expected > 0.03) && !busy {
		t.Errorf("of %v packets of video %v came again and %v are lost", expected, recovered, video)
	}
}

// TestChurn: people leave, and come back as others.
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 10, Duration: 2 * inTime, RoomPrefix: "churn", Signalling: true}.Plan()
	plan.Roles[0].Churn = 15 // a minute: each leaves after 4 s
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	rep, err := Run(ctx, plan, Options{OnSecond: func(s record.Second) {
		if s.Began >= 12 && s.InCall+s.Left == s.Began { // nobody is on the way in
			stop()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	left, again := 0, 0
	for _, p := range rep.Participants {
		if p.State == record.Left {
			left++
		}
		if p.Again && hasStep(p, record.Room) {
			again++
		}
		if len(p.Errors) > 0 {
			t.Errorf("%s: %+v", p.Name, p.Errors)
		}
	}
	last := rep.Seconds[len(rep.Seconds)-1]
	if left == 0 || again == 0 || last.Left == 0 || last.Failed > 0 {
		t.Errorf("%d left and %d came back; %+v", left, again, last)
	}
}

// elsewhere is in no private network, and nowhere (RFC 5737 §3).
const elsewhere = "192.0.2.1"

// TestPrivateOnly: nothing is sent beyond private networks, whoever names the
// address: a redirect, config.js or an offer. Who would connect is refused
// before anything leaves.
func TestPrivateOnly(t *testing.T) {
	moved := httptest.NewServer(http.RedirectHandler("http://"+elsewhere+":8080/config.js", http.StatusFound))
	t.Cleanup(moved.Close)
	away := oddServer(t, "var config = {websocket: 'ws://"+elsewhere+"/x'};", nil)
	asks := oddServer(t, "var config = {conferenceRequestUrl: 'http://"+elsewhere+"/x', websocket: 'ws://$HOST/x'};", nil)
	channel := oddServer(t, oddConfig, (&strange{channel: "wss://" + elsewhere + "/colibri-ws/x"}).talk)
	for _, tc := range []struct {
		name, url string
		before    bool // nobody comes at all
		step      record.Step
	}{
		{"config.js", "http://" + elsewhere + ":8080", true, ""},
		{"a redirect of config.js", moved.URL, true, ""},
		{"the WebSocket", away, false, record.TCP},
		{"the conference request", asks, false, record.Request},
		{"the bridge channel", channel, false, record.Channel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := untilError(tc.url, func(p *Plan) { p.PrivateOnly = true })
			var refused *NotPrivateError
			switch {
			case tc.before && (!errors.As(err, &refused) || refused.Addr.String() != elsewhere):
				t.Error(err)
			case !tc.before && !failedAt(p, tc.step, elsewhere+" is neither this machine"):
				t.Errorf("%v, %+v", err, p.Errors)
			}
		})
	}
}

// untilErrors runs a plan of one participant until so many things have gone
// wrong, or there is nobody left.
func untilErrors(url string, errors int, change func(*Plan)) (*record.Report, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	plan := Simple{URL: url, Rooms: 1, Participants: 1, Audio: 1, Duration: inTime, RoomPrefix: "odd"}.Plan()
	change(&plan)
	return Run(ctx, plan, Options{OnSecond: func(s record.Second) {
		if errors -= s.Errors; errors <= 0 || s.Failed > 0 {
			stop()
		}
	}})
}

// untilError is untilErrors for the first one, and the participant.
func untilError(url string, change func(*Plan)) (record.Participant, error) {
	rep, err := untilErrors(url, 1, change)
	if err != nil {
		return record.Participant{}, err
	}
	return rep.Participants[0], nil
}

func failedAt(p record.Participant, step record.Step, text string) bool {
	return slices.ContainsFunc(p.Errors, func(e record.Error) bool { return e.Step == step && strings.Contains(e.Cause, text) })
}

// TestNoSecretsInPlainText: with a token or a password there is no connection
// without TLS to anything but private networks, whoever names it.
func TestNoSecretsInPlainText(t *testing.T) {
	secrets := map[string]func(*Plan){
		"a token":           func(p *Plan) { p.Token = "s3cret" },
		"a password":        func(p *Plan) { p.User, p.Password = "somebody", "s3cret" },
		"a room's password": func(p *Plan) { p.RoomPassword = "s3cret" },
	}
	for name, set := range secrets {
		var p Plan
		set(&p)
		if d := newDialer(&p); d.plain.Control == nil || d.secure.Control != nil {
			t.Errorf("%s: without TLS %v is refused, with TLS %v", name, d.plain.Control != nil, d.secure.Control != nil)
		}
		_, err := untilError("http://"+elsewhere, set)
		var refused *PlainTextError
		if !errors.As(err, &refused) || err.Error() != refused.Error() || refused.Addr.String() != elsewhere {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := newDialer(&Plan{}); d.plain.Control != nil || d.secure.Control != nil {
		t.Error("a plan without secrets is refused something")
	}
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/config.js" {
			_, _ = w.Write([]byte("var config = {conferenceRequestUrl: '/request'};"))
			return
		}
		http.Redirect(w, r, "http://"+elsewhere+"/request", http.StatusTemporaryRedirect)
	}))
	defer moved.Close()
	for url, step := range map[string]record.Step{
		oddServer(t, "var config = {websocket: 'ws://"+elsewhere+"/x'};", nil):                                                record.TCP,
		oddServer(t, "var config = {conferenceRequestUrl: 'http://"+elsewhere+"/x', websocket: 'wss://"+elsewhere+"'};", nil): record.Request,
		moved.URL: record.Request,
	} {
		if p, err := untilError(url, secrets["a token"]); err != nil || !failedAt(p, step, "nothing goes without TLS to "+elsewhere) {
			t.Errorf("%v, %+v", err, p.Errors)
		}
	}
}

// TestMovedToTLS: a deployment that redirects to https is one with https:
// origin, requests and the guessed WebSocket are there.
func TestMovedToTLS(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{} // origin by host and path
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tenant/config.js" {
			_, _ = w.Write([]byte("var config = {conferenceRequestUrl: 'request'};"))
			return
		}
		mu.Lock()
		seen[r.URL.Path] = r.Header.Get("Origin")
		mu.Unlock()
		if r.URL.Path == "/tenant/request" {
			_, _ = w.Write([]byte(`{"ready": true, "focusJid": "f@x", "properties": {}}`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	secure.StartTLS()
	defer secure.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	defer first.Close()
	if _, err := untilError(first.URL+"/tenant", func(*Plan) {}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	if p, err := untilError(first.URL+"/tenant", func(p *Plan) { p.Insecure = true }); err != nil || !failedAt(p, record.WebSocket, "403") {
		t.Errorf("%v, %+v", err, p.Errors)
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]string{"/tenant/request": secure.URL, "/tenant/xmpp-websocket": secure.URL}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, not %v", seen, want)
	}
}

func TestPrivate(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "192.168.1.1": true, "172.16.0.1": true, "fd00::1": true, "fe80::1": true,
		"100.64.1.1": true, "::ffff:10.0.0.1": true, "8.8.8.8": false, "172.32.0.1": false, "2001:db8::1": false, "::ffff:8.8.8.8": false, "0.0.0.0": false,
	} {
		if got := private(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s private: %v", text, got)
		}
	}
}

// bridgeAt lets a bridge and a peer find each other. The bridge's checks come
// from an address of it, those named in the offer are at, and what the peer
// sends goes nowhere: it waits at the beginning of a line that is longer than
// the test. It returns where to that is, and the pair the peer has chosen.
func bridgeAt(t *testing.T, privateOnly bool, from string, named ...string) (to map[netip.AddrPort]bool, chosen netip.AddrPort, told string) {
	t.Helper()
	w, err := newWorker(1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.swarm.Close()
	w.clock(mono.Now())
	o := &offer{transport: &media.Transport{Ufrag: "bridge", Pwd: strings.Repeat("b", 32)}}
	for _, addr := range named {
		o.transport.Candidates = append(o.transport.Candidates, media.Candidate{Component: 1, Protocol: "udp", Type: "host", Addr: netip.MustParseAddrPort(addr), Priority: 1})
	}
	identity, err := dial.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s := &mySources{identity: identity, privateOnly: privateOnly, network: shape.Profile{Delay: time.Hour}, ufrag: "somebody"}
	m := &peer{w: w, ctx: t.Context(), living: new(sync.WaitGroup), story: &story{events: new(atomic.Int64)}, pulse: &pulse{}, offer: o, sources: s, pwd: strings.Repeat("p", 32)}
	m.start()
	defer m.close()
	bridge := ice.NewAgent(ice.Config{Ufrag: "bridge", Pwd: strings.Repeat("b", 32), Controlling: true})
	me := netip.MustParseAddrPort("127.0.0.1:2")
	if err := bridge.SetRemote("somebody", m.pwd, []media.Candidate{{Component: 1, Protocol: "udp", Type: "host", Addr: me, Priority: 1}}, w.now); err != nil {
		t.Fatal(err)
	}
	to, buf := map[netip.AddrPort]bool{}, make([]byte, 1500)
	for range 40 { // of 50 ms: checks both ways, and the nomination
		w.clock(w.now.Add(housePeriod))
		bridge.Tick(w.now)
		for n, _, ok := bridge.Outgoing(buf); ok; n, _, ok = bridge.Outgoing(buf) {
			m.datagramIn(buf[:n], netip.MustParseAddrPort(from), 0)
		}
		m.agent.Tick(w.now)
		m.drive()
		for {
			p, ok := m.line.out.Pop(w.now.Add(2 * time.Hour))
			if !ok {
				break
			}
			to[p.Addr] = true
			if p.Addr.String() == from && p.Data[0] < 4 {
				_ = bridge.Handle(w.now, me, p.Data)
			}
		}
	}
	return to, m.remote, fmt.Sprint(m.story.errs)
}

// TestPrivateMedia: candidates elsewhere are not checked, and neither checks
// that come from there are answered nor anything else is sent there.
func TestPrivateMedia(t *testing.T) {
	const near, far, learnt = "127.0.0.1:1", elsewhere + ":1", elsewhere + ":2"
	for _, tc := range []struct {
		name        string
		privateOnly bool
		from        string
		to          []string
		chosen      string
	}{
		{"a bridge on this machine", true, near, []string{near}, near},
		{"a candidate elsewhere", true, far, []string{near}, ""},
		{"checks from elsewhere", true, learnt, []string{near}, ""},
		{"with leave", false, far, []string{near, far}, far},
		{"checks from elsewhere, with leave", false, learnt, []string{near, far, learnt}, learnt},
	} {
		to, chosen, told := bridgeAt(t, tc.privateOnly, tc.from, near, far)
		if len(to) != len(tc.to) {
			t.Errorf("%s: packets go to %v, not %v", tc.name, to, tc.to)
		}
		for _, addr := range tc.to {
			if !to[netip.MustParseAddrPort(addr)] {
				t.Errorf("%s: packets go to %v, not %v", tc.name, to, tc.to)
			}
		}
		if chosen.IsValid() != (tc.chosen != "") || chosen.IsValid() && chosen.String() != tc.chosen {
			t.Errorf("%s: media go to %v, not %s", tc.name, chosen, tc.chosen)
		}
		if (chosen == netip.AddrPort{}) != strings.Contains(told, elsewhere+" is neither") {
			t.Errorf("%s: %s", tc.name, told)
		}
	}
}
