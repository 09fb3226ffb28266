package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
)

// oddServer is a deployment whose WebSocket is served by a function.
func oddServer(t *testing.T, config string, talk func(net.Conn)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/cut"): // says more than it has
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		case r.URL.Path == "/config.js":
			_, _ = w.Write([]byte(strings.ReplaceAll(config, "$HOST", r.Host)))
		case r.Header.Get("Upgrade") != "":
			u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "xmpp" }}
			conn, _, _, err := u.Upgrade(r, w)
			if err == nil {
				defer func() { _ = conn.Close() }()
				talk(conn)
			}
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

const oddConfig = `var config = {hosts: {domain: 'odd', muc: 'muc.odd'}, websocket: 'ws://$HOST/xmpp-websocket'};`

// script answers each frame of the client with the next texts.
func script(answers ...[]string) func(net.Conn) {
	return func(conn net.Conn) {
		for _, texts := range answers {
			if _, _, err := wsutil.ReadClientData(conn); err != nil {
				return
			}
			for _, text := range texts {
				if wsutil.WriteServerText(conn, []byte(text)) != nil {
					return
				}
			}
		}
	}
}

// listening talks, and then reads until the client takes its leave: with
// something unread a close is a reset, which takes from the client what it was
// told before.
func listening(talk func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		talk(conn)
		for {
			if text, _, err := wsutil.ReadClientData(conn); err != nil || bytes.HasPrefix(text, []byte("<close")) {
				return
			}
		}
	}
}

const (
	oddOpen     = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="odd" version="1.0"/>`
	oddFeatures = `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>`
	oddSuccess  = `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`
	oddBind     = `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></stream:features>`
)

// TestOddServers: what a server does wrong is shown under the participant, in
// words, and nothing else happens.
func TestOddServers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config string
		talk   func(net.Conn)
		want   string // in an error of the participant
	}{
		{"closes at once", oddConfig, func(net.Conn) {}, "lost"},
		{"closes half-way", oddConfig, script([]string{oddOpen, oddFeatures}, []string{oddSuccess}), "lost"},
		{"nonsense", oddConfig, listening(script([]string{"<<<>>>", "hello", strings.Repeat("<a>", 100), oddOpen, oddFeatures})), "not well-formed"},
		{"no mechanism", oddConfig, listening(script([]string{oddOpen, `<stream:features xmlns:stream="http://etherx.jabber.org/streams"/>`})), "no way to log in"},
		{"binary frames", oddConfig, listening(func(c net.Conn) { _ = wsutil.WriteServerBinary(c, []byte{1, 2, 3}) }), "WebSocket protocol"},
		{"a frame without end", oddConfig, listening(func(c net.Conn) {
			_, _ = c.Write([]byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		}), "8 MiB"},
		{"an offer of nothing", oddConfig, listening(script([]string{oddOpen, oddFeatures}, []string{oddSuccess}, []string{oddOpen, oddBind},
			[]string{`<iq type="result" id="lt1"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>0a1b2c3d@odd/x</jid></bind></iq>`,
				`<iq type="result" id="lt4"><conference xmlns="http://jitsi.org/protocol/focus" ready="true" focusjid="f@odd"/></iq>`,
				`<presence from="odd-1@muc.odd/0a1b2c3d"/>`,
				`<iq type="set" id="j" from="odd-1@muc.odd/focus"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s"><content name="x"/></jingle></iq>`})), "no ICE transport"},
		{"closes within a frame", oddConfig, func(c net.Conn) { _, _ = c.Write([]byte{0x81, 100, '<', 'o'}) }, "lost"},
		{"closes within the answer to the conference request", `var config = {conferenceRequestUrl: '/cut', websocket: '/x'};`, nil, "EOF"},
		{"the conference request", `var config = {conferenceRequestUrl: '/conference-request/v1', websocket: '/x'};`, nil, "418"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			errors := 1
			if tc.name == "nonsense" {
				errors = 2 // it goes on
			}
			rep, err := untilErrors(oddServer(t, tc.config, tc.talk), errors, func(*Plan) {})
			if err != nil {
				t.Fatal(err)
			}
			p := rep.Participants[0]
			if !strings.Contains(fmt.Sprint(p.Errors), tc.want) {
				t.Errorf("%s: %+v", p.State, p.Errors)
			}
			if tc.name == "nonsense" {
				if p.Signalling.Malformed < 2 {
					t.Errorf("%d frames were malformed", p.Signalling.Malformed)
				}
			} else if p.State != record.Failed {
				t.Errorf("is %s", p.State)
			}
		})
	}
}

// TestNoDeployment: what is wrong with the address is said at once.
func TestNoDeployment(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:1":                                    "does not answer",
		oddServer(t, "<html>not a script</html>", nil):          "config.js",
		oddServer(t, "var config = {bosh: '/http-bind'};", nil): "BOSH",
		oddServer(t, "", nil) + "/cut/":                         "config.js: ",
		"meet.example":                                          "not the URL of a deployment",
	} {
		_, err := Run(context.Background(), Simple{URL: url, Rooms: 1, Participants: 1, Duration: time.Second, RoomPrefix: "no"}.Plan(), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// fuzzPeer is a peer with keys and media on a socket of its own, and the
// sealer of the other side.
func fuzzPeer(t testing.TB) (*peer, *srtp.Sealer) {
	return peerOf(t, &Role{Audio: true, Video: true})
}

// peerOf is fuzzPeer for another role.
func peerOf(t testing.TB, role *Role) (*peer, *srtp.Sealer) {
	t.Helper()
	w, err := newWorker(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.swarm.Close)
	w.clock(mono.Now())
	key, salt := make([]byte, 16), make([]byte, 12)
	o := &offer{transport: &media.Transport{}, codecs: map[string]uint8{"opus": 111, "VP8": 100}, rtxFor: map[uint8]uint8{100: 96}, ext: extensions{audioLevel: 1, tcc: 5}}
	o.formats[111] = format{codec: "opus", clock: 48000}
	o.formats[100] = format{codec: "VP8", clock: 90000, video: true}
	o.formats[101] = format{codec: "VP9", clock: 90000, video: true}
	o.formats[96] = format{codec: "rtx", clock: 90000, video: true, rtx: true, apt: 100}
	s := makeSources(o, role, "0a1b2c3d", lmedia.NewConversation(1, 2), 0)
	s.isMuted = func(string) bool { return false }
	m := &peer{w: w, ctx: t.Context(), living: new(sync.WaitGroup), story: &story{}, pulse: &pulse{}, offer: o, sources: s}
	if m.member, err = w.swarm.Open(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	m.member.Owner = m
	m.remote = m.member.LocalAddr()
	m.agent = ice.NewAgent(ice.Config{Ufrag: "abcdefgh", Pwd: strings.Repeat("p", 32)})
	m.streams, m.rtxOf, m.known = map[uint32]*lmedia.Stream{}, map[uint32]uint32{}, map[uint32]announced{}
	m.sendT.Owner, m.houseT.Owner = sendTimer{m}, houseTimer{m}
	m.opener, _ = srtp.NewOpener(srtp.AEADAES128GCM, key, salt)
	m.sealer, _ = srtp.NewSealer(srtp.AEADAES128GCM, key, salt)
	m.begin()
	far, err := srtp.NewSealer(srtp.AEADAES128GCM, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	return m, far
}

// FuzzMedia: whatever comes over UDP, sealed with the right keys or not, is
// counted and does no harm.
func FuzzMedia(f *testing.F) {
	f.Add([]byte{0x80, 100, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0x90, 0xe0, 0x80, 1, 1, 0, 0x10}, true)
	f.Add([]byte{0xb0, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x51, 0, 1, 0, 0, 7, 1, 1}, true)
	f.Add([]byte{0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xff}, true)
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1, 0, 0x20, 1, 4, 0}, true)
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, false)
	m, far := fuzzPeer(f)
	ssrc := m.videos[0].Layers[0].SSRC
	f.Add([]byte{0x81, 206, 0, 2, 0, 0, 0, 1, byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc)}, true)
	f.Fuzz(func(t *testing.T, pkt []byte, seal bool) {
		if len(pkt) > 1400 {
			return
		}
		buf := make([]byte, 1500)
		n := copy(buf, pkt)
		if seal && n >= 12 {
			var err error
			if pkt[1] >= 192 && pkt[1] <= 223 {
				n, err = far.SealRTCP(buf, pkt)
			} else {
				n, err = far.SealRTP(buf, pkt)
			}
			if err != nil {
				return
			}
		}
		if err := m.member.WriteTo(buf[:n], m.remote); err != nil {
			t.Fatal(err)
		}
		if _, err := m.w.swarm.Wait(100 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		m.w.clock(mono.Now())
		m.read()
		m.send()
		m.rtcpDue(m.w.now.Add(2 * time.Second))
		_ = m.snapshot()
	})
}

// TestMediaAllocateNothing: neither what is sent nor what is received costs
// memory once its stream is known.
func TestMediaAllocateNothing(t *testing.T) {
	m, far := fuzzPeer(t)
	seq := uint16(0)
	buf := make([]byte, 1500)
	turn := func() {
		for range 4 {
			seq++
			pkt := buf[:1200]
			copy(pkt, []byte{0x90, 100, byte(seq >> 8), byte(seq), 0, 0, byte(seq >> 2), 0, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x51, byte(seq >> 8), byte(seq), 0, 0x90, 0xe0, 0x80, 1, 1, 0, 0x10})
			n, err := far.SealRTP(buf, pkt)
			if err != nil {
				t.Fatal(err)
			}
			m.member.Commit(copy(m.member.Buffer(n, m.remote), buf[:n]))
		}
		m.member.Flush()
		if n, err := m.w.swarm.Wait(time.Second); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		m.w.clock(m.w.now.Add(20 * time.Millisecond))
		m.read()
		m.w.clock(mono.Now())
		m.send()
		m.rtcpDue(m.w.now)
	}
	for range 400 { // until rings and windows have their size
		turn()
	}
	allocs.None(t, allocs.Many, turn)
	if m.count.PacketsIn < 2000 || m.count.Opened == m.count.PacketsIn {
		t.Errorf("%d packets, %d opened", m.count.PacketsIn, m.count.Opened)
	}
}

// TestToken: a JWT goes where clients put it: into the request's header and
// the WebSocket's URL; and into no error.
func TestToken(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/config.js":
			_, _ = w.Write([]byte("var config = {conferenceRequestUrl: '/request', websocket: 'ws://" + r.Host + "/xmpp-websocket'};"))
		case "/request":
			seen["header"] = r.Header.Get("Authorization")
			_, _ = w.Write([]byte(`{"ready": true, "focusJid": "f@x", "properties": {}}`))
		default:
			seen["query"] = r.URL.RawQuery
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()
	rep, err := untilErrors(srv.URL, 1, func(p *Plan) { p.Token = "s3cret" })
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen["header"] != "Bearer s3cret" || seen["query"] != "room=odd-1&token=s3cret" {
		t.Errorf("%q", seen)
	}
	if text, _ := json.Marshal(rep); strings.Contains(string(text), "s3cret") || len(rep.Participants[0].Errors) == 0 {
		t.Errorf("%s", text)
	}
}

// TestEndpointStats: what is told to others can be read by them.
func TestEndpointStats(t *testing.T) {
	m, _ := fuzzPeer(t)
	m.count.BytesIn, m.count.BytesOut = 1_250_000, 625_000
	for _, want := range []string{`"bitrate":{"upload":500,"download":1000}`, `"bitrate":{"upload":0,"download":0}`} {
		b, err := colibri.MarshalMessage(&colibri.EndpointStats{Fields: m.statsFields()})
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s, %v", b, err)
		}
		if msg, err := colibri.ParseMessage(b); err != nil || msg.Class() != "EndpointStats" {
			t.Error(msg, err)
		}
	}
}
