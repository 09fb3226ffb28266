package loadtest

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
	"github.com/plenum-conf/plenum/internal/mono"
)

// strange is a server that speaks the protocol and much besides that nobody
// here knows. Its bridge is not there.
type strange struct {
	channel   string // URL of the bridge channel, "" for none
	port      string // of a bridge, if there is one after all
	forgetful bool   // offers to resume streams, and remembers none

	mu     sync.Mutex
	accept string // the session-accept it got
	joins  int    // presences that came into the room
}

var requestID = regexp.MustCompile(`<iq [^>]*id="([^"]*)"`)

const (
	strangeOffer = `<iq type="set" id="j1" from="odd-1@muc.odd/focus"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s" mood="good">` +
		`<group xmlns="urn:xmpp:jingle:apps:grouping:0" semantics="LS"><content name="audio"/></group>` +
		`<content creator="initiator" name="audio" senders="both"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">` +
		`<payload-type id="111" name="opus" clockrate="48000" channels="2"><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="telepathy"/></payload-type>` +
		`<payload-type id="99" name="lyra" clockrate="16000"/><payload-type id="98" name="opus" clockrate="0"/>` +
		`<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="9" uri="urn:example:smell"/><encryption xmlns="urn:example:x"/></description>` +
		`<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="abcd" pwd="abcdefghijklmnopqrstuvwx">` +
		`<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="actpass">1A:2B:3C</fingerprint><quantum xmlns="urn:example:q"/>` +
		`<candidate component="1" foundation="1" generation="0" id="c" ip="127.0.0.1" network="0" port="9" priority="1" protocol="udp" type="host"/>` +
		`<candidate component="1" foundation="2" generation="0" id="d" ip="127.0.0.1" network="0" port="9" priority="1" protocol="pigeon" type="wormhole"/></transport></content>` +
		`<content creator="initiator" name="video" senders="both"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video">` +
		`<payload-type id="41" name="H267" clockrate="90000"/><payload-type id="42" name="rtx" clockrate="90000"/><payload-type id="100" name="VP8" clockrate="90000"/></description></content>` +
		`<content creator="initiator" name="scent" senders="both"><description xmlns="urn:example:scent" media="scent"/></content></jingle></iq>`
)

// strangeWords are said when the session is accepted.
var strangeWords = []string{
	`<iq type="set" id="j2" from="odd-1@muc.odd/focus"><jingle xmlns="urn:xmpp:jingle:1" action="content-dream" sid="s"/></iq>`,
	`<iq type="get" id="q1" from="odd"><wish xmlns="urn:example:wish"/></iq>`,
	`<message from="odd-1@muc.odd/nobody" type="groupchat"><poem xmlns="urn:example:poem"/></message>`,
	`<presence from="odd-1@muc.odd/11112222"><SourceInfo>{"11112222-v0": 5}</SourceInfo><aura xmlns="urn:example:aura"/></presence>`,
	`<presence from="odd-1@muc.odd/11112222"><SourceInfo>{"x": {"muted": false, "videoType": "hologram"}, "": {}}</SourceInfo></presence>`,
	`<presence type="subscribe" from="odd-1@muc.odd/11112222"/>`,
	`<dream xmlns="urn:example:dream"/>`,
	`<presence from="odd-1@muc.odd/11112222"><half`,
}

func (s *strange) offer() string {
	offer := strangeOffer
	if s.port != "" {
		offer = strings.ReplaceAll(offer, `port="9"`, `port="`+s.port+`"`)
	}
	if s.channel == "" {
		return offer
	}
	return strings.Replace(offer, "<quantum ", `<web-socket xmlns="http://jitsi.org/protocol/colibri" url="`+s.channel+`"/><quantum `, 1)
}

func (s *strange) talk(conn net.Conn) {
	features := []string{oddFeatures, oddBind}
	if s.forgetful {
		features[1] = strings.Replace(oddBind, "<bind", `<sm xmlns="urn:xmpp:sm:3"/><bind`, 1)
	}
	for {
		b, _, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		frame := string(b)
		id := "?"
		if m := requestID.FindStringSubmatch(frame); m != nil {
			id = m[1]
		}
		result := func(inner string) string { return `<iq type="result" id="` + id + `" from="odd">` + inner + `</iq>` }
		var answer []string
		switch {
		case strings.HasPrefix(frame, "<open"):
			answer, features = []string{oddOpen, features[0]}, features[1:]
		case strings.HasPrefix(frame, "<close"):
			return
		case strings.HasPrefix(frame, "<enable"):
			answer = []string{`<enabled xmlns="urn:xmpp:sm:3" id="r1" resume="true"/>`}
		case strings.HasPrefix(frame, "<resume"):
			answer = []string{`<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`}
		case strings.HasPrefix(frame, "<auth"):
			answer = []string{oddSuccess}
		case strings.Contains(frame, "<bind"):
			answer = []string{result(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>0a1b2c3d@odd/x</jid></bind>`)}
		case strings.Contains(frame, "<conference"):
			answer = []string{result(`<conference xmlns="http://jitsi.org/protocol/focus" ready="true" focusjid="f@odd"/>`)}
		case strings.HasPrefix(frame, "<presence") && strings.Contains(frame, "protocol/muc\""):
			s.mu.Lock()
			s.joins++
			s.mu.Unlock()
			answer = []string{`<presence from="odd-1@muc.odd/0a1b2c3d"/>`, s.offer()}
		case strings.Contains(frame, "session-accept"):
			s.mu.Lock()
			s.accept = frame
			s.mu.Unlock()
			answer = append([]string{result("")}, strangeWords...)
		}
		for _, text := range answer {
			if wsutil.WriteServerText(conn, []byte(text)) != nil {
				return
			}
		}
	}
}

// TestStrangeServer: what a server offers and says that nobody here knows is
// left out of the answer, counted, and does no harm.
func TestStrangeServer(t *testing.T) {
	s := &strange{}
	ctx, stop := context.WithCancel(context.Background())
	plan := Simple{URL: oddServer(t, oddConfig, s.talk), Rooms: 1, Participants: 1, Audio: 1, Video: 1, Duration: 20 * time.Second, RoomPrefix: "odd"}.Plan()
	rep, err := Run(ctx, plan, Options{OnSecond: func(sec record.Second) {
		if sec.InCall == 1 && sec.At > 2*time.Second {
			stop()
		}
	}})
	stop()
	if err != nil {
		t.Fatal(err)
	}
	p := rep.Participants[0]
	if p.State != record.InCall || p.Signalling.Ignored < 8 || p.Signalling.Malformed == 0 {
		t.Errorf("%s, %d ignored, %d malformed: %+v", p.State, p.Signalling.Ignored, p.Signalling.Malformed, p.Errors)
	}
	if text := fmt.Sprint(p.Errors); !strings.Contains(text, "SourceInfo that cannot be read") {
		t.Error(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, word := range []string{"lyra", "H267", `name="rtx"`} {
		if strings.Contains(s.accept, word) {
			t.Errorf("%s is accepted: %s", word, s.accept)
		}
	}
	if !strings.Contains(s.accept, `name="opus"`) || !strings.Contains(s.accept, `name="VP8"`) {
		t.Errorf("%s", s.accept)
	}
}

// TestRefusedResume: who cannot resume a stream joins anew, as a page that is
// loaded again, and that is counted.
func TestRefusedResume(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := &strange{forgetful: true}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	plan := Simple{URL: oddServer(t, oddConfig, s.talk), Rooms: 1, Participants: 1, Audio: 1, Duration: inTime, RoomPrefix: "odd"}.Plan()
	plan.Roles[0].BreakEvery = 2 * time.Second // at one to three seconds
	rep, err := Run(ctx, plan, Options{OnSecond: func(sec record.Second) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.joins > 1 && sec.InCall == 1 {
			stop()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := rep.Participants[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.State != record.InCall || p.Resumes != 0 || p.Rejoins == 0 || p.Rejoins != s.joins-1 {
		t.Errorf("%s, %d resumed, %d anew, %d joined: %+v", p.State, p.Resumes, p.Rejoins, s.joins, p.Errors)
	}
	sum := verdict.Judge(rep)
	conditions, err := verdict.Parse("rejoins=0")
	if err != nil {
		t.Fatal(err)
	}
	if ok, found := conditions[0].Check(sum); ok || sum.Failed > 0 {
		t.Errorf("rejoins=0 is met: %s; %d failed", found, sum.Failed)
	}
}

// TestStrangePackets: each kind of packet that makes no sense has its counter.
func TestStrangePackets(t *testing.T) {
	plain := []byte{0x80, 100, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0x90, 0xe0, 0x80, 1, 1, 0, 0x10}
	with := func(change func([]byte)) []byte {
		b := append([]byte(nil), plain...)
		change(b)
		return b
	}
	for _, tc := range []struct {
		name   string
		sealed []byte // before it is sealed
		raw    []byte // as it is
		count  func(*record.Media) uint64
	}{
		{"not of any protocol", nil, []byte{0x50, 1, 2, 3}, func(m *record.Media) uint64 { return m.Malformed }},
		{"a header cut off", nil, []byte{0x80, 100, 0}, func(m *record.Media) uint64 { return m.Malformed + m.Unauthentic }},
		{"more sources than bytes", nil, []byte{0x8f, 100, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, func(m *record.Media) uint64 { return m.Malformed + m.Unauthentic }},
		{"not sealed", nil, plain, func(m *record.Media) uint64 { return m.Unauthentic }},
		{"a type that was not agreed on", with(func(b []byte) { b[1] = 77 }), nil, func(m *record.Media) uint64 { return m.UnknownType }},
		{"an SSRC of nobody", plain, nil, func(m *record.Media) uint64 { return m.UnknownSSRC }},
		{"a repetition of nothing", with(func(b []byte) { b[1] = 96 }), nil, func(m *record.Media) uint64 { return m.UnknownSSRC }},
		{"RTCP that is none", []byte{0x9f, 200, 0, 1, 0, 0, 0, 1}, nil, func(m *record.Media) uint64 { return m.Malformed }},
		{"RTCP longer than it is", []byte{0x80, 201, 0, 90, 0, 0, 0, 1}, nil, func(m *record.Media) uint64 { return m.Malformed }},
	} {
		m, far := fuzzPeer(t)
		buf := make([]byte, 1500)
		n := copy(buf, tc.raw)
		if tc.sealed != nil {
			seal := far.SealRTP
			if tc.sealed[1] >= 200 {
				seal = far.SealRTCP
			}
			var err error
			if n, err = seal(buf, tc.sealed); err != nil {
				t.Fatal(tc.name, err)
			}
		}
		m.w.clock(mono.Now())
		m.datagramIn(buf[:n], m.remote, 0)
		if c := m.snapshot(); tc.count(&c) != 1 {
			t.Errorf("%s: %+v", tc.name, c)
		}
	}
}

// TestStrangeChannel: messages of the bridge that cannot be read are counted,
// and so are those that nobody knows.
func TestStrangeChannel(t *testing.T) {
	m, _ := fuzzPeer(t)
	p := &participant{w: m.w, remotes: newRemotes()}
	c := &channel{p: p, peer: m, kind: "websocket"}
	for _, text := range []string{"", "nonsense", "[1]", `{"colibriClass":5}`, strings.Repeat("[", 10_000), "\x00\xff", `{"colibriClass":"ForwardedSources","forwardedSources":"all"}`} {
		before := m.count.ChannelMalformed
		c.message([]byte(text))
		m.w.mailbox()
		if m.count.ChannelMalformed != before+1 {
			t.Errorf("%.40q is not counted", text)
		}
	}
	c.message([]byte(`{"colibriClass":"Telepathy","thought":1}`))
	m.w.mailbox()
	if p.ignored != 1 || m.count.ChannelIn != 8 {
		t.Errorf("%d ignored of %d", p.ignored, m.count.ChannelIn)
	}
}

// TestManySources: a server that names sources without end does not fill
// memory with them.
func TestManySources(t *testing.T) {
	m, _ := fuzzPeer(t)
	p := &participant{w: m.w, remotes: newRemotes()}
	for i := range 2 * maxSources {
		p.announced("x", announced{source: fmt.Sprintf("%08x-v0", i)}, true)
	}
	if len(p.remotes.byName) != maxSources || p.ignored != maxSources {
		t.Errorf("%d sources, %d ignored", len(p.remotes.byName), p.ignored)
	}
	p.sourceInfo("y", `{"y-a0":{"muted":true},"y-v0":{"muted":false}}`)
	if len(p.remotes.byName) != maxSources || p.ignored != maxSources+2 {
		t.Errorf("%d sources, %d ignored", len(p.remotes.byName), p.ignored)
	}
	list := map[uint32]announced{}
	for i := range uint32(3 * maxSources) {
		list[i+1] = announced{source: "x", rtx: 1<<31 + i}
	}
	m.announce(list)
	if len(m.known) != maxSources || len(m.rtxOf) != maxSources || m.count.UnknownSSRC != 2*maxSources {
		t.Errorf("%d known, %d repetitions, %d not", len(m.known), len(m.rtxOf), m.count.UnknownSSRC)
	}
	var some []uint32
	for ssrc := range m.known {
		if some = append(some, ssrc); len(some) == 3 {
			break
		}
	}
	m.withdraw(some)
	m.announce(map[uint32]announced{7 << 28: {source: "y"}})
	if len(m.known) != maxSources-2 || len(m.rtxOf) != maxSources-3 {
		t.Errorf("%d known after three have gone and one has come", len(m.known))
	}
}
