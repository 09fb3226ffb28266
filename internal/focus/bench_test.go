package focus

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// bench drives a conference without goroutines: stanzas are counted, the
// bridge answers at once.
type bench struct {
	c     *conference
	b     scriptedBridge
	now   time.Time
	later []func()
	sent  int
	bytes int
	ids   int
}

// usual are the features of clients that are told of sources in JSON.
const usual = featAudio | featVideo | featJSON | featRTX | featTCC

func newBench(tb testing.TB, f features) *bench {
	opts := DefaultOptions()
	opts.Domain, opts.Bridge, opts.Log = domain, &scriptedBridge{}, slog.New(slog.DiscardHandler)
	opts.SSRCRewriting = true
	opts.complete()
	met, err := newMetrics(nil)
	if err != nil {
		tb.Fatal(err)
	}
	all := shared{opts: &opts, caps: newCapsCache(10), offers: newTemplates(&opts), met: met,
		self: xmpp.JID{Local: "focus", Domain: "auth." + domain, Resource: "focus"}}
	all.caps.put(capsKey{"n", "v"}, f)
	h := &bench{now: time.Unix(1e9, 0)}
	room, _ := xmpp.ParseJID(roomName)
	h.c = newConference(&all, h, room, h.now)
	h.c.begin(h.now)
	h.stanza(`<presence from="%s/focus"><x xmlns="%s"><status code="110"/></x></presence>`, roomName, xmpp.NSMUCUser)
	return h
}

func (h *bench) send(stanza []byte) { h.sent++; h.bytes += len(stanza) }

func (h *bench) admit(string) bool { return true }

func (h *bench) offered(string) {}

func (h *bench) settled(string, bool) {}

func (h *bench) newID() string { h.ids++; return fmt.Sprintf("%032x", h.ids) }

func (h *bench) ask(_ colibri.Bridge, req *colibri.ConferenceModify, done func(*colibri.ConferenceModified, error)) {
	h.later = append(h.later, func() { done(h.b.answer(req), nil) })
}

func (h *bench) stanza(format string, args ...any) {
	st, err := xmpp.Scan(fmt.Appendf(nil, format, args...))
	if err != nil {
		panic(err)
	}
	from, _ := xmpp.ParseJID(st.From)
	h.c.stanza(h.now, st, from)
	for len(h.later) > 0 {
		do := h.later
		h.later = nil
		for _, f := range do {
			f()
		}
	}
}

// enter brings in one participant and has it accept, with audio and video.
func (h *bench) enter(i int) {
	nick := fmt.Sprintf("%08x", i)
	h.stanza(`<presence from="%s/%s"><x xmlns="%s"><item affiliation="none" role="participant" jid="u%s@d/r"/></x>`+
		`<c xmlns="http://jabber.org/protocol/caps" node="n" ver="v"/></presence>`, roomName, nick, xmpp.NSMUCUser, nick)
	p := h.c.people[nick]
	if p.stage != offered {
		return // the first one waits for the second
	}
	s := &person{nick: nick, sid: p.session.SID}
	h.stanza(`<iq type="set" id="a" from="%s/%s"><jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="%s">`+
		`<content name="audio"><description media="audio">%s</description><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="u" pwd="p">`+
		`<fingerprint>AA</fingerprint></transport></content><content name="video"><description media="video">%s</description></content></jingle></iq>`,
		roomName, nick, p.session.SID, s.mic(100*i+50), s.camera(100*i+1))
}

func (h *bench) pass(d time.Duration) {
	h.now = h.now.Add(d)
	h.c.tick(h.now)
}

// BenchmarkFill is the whole signalling of 500 people who come within 10 s:
// with what clients of today can do, and without SSRC rewriting, where each is
// told of everybody's sources, as JSON or as XML.
func BenchmarkFill(b *testing.B) {
	for _, kind := range []struct {
		name string
		features
	}{
		{"rewriting", usual | featRewriting}, {"JSON", usual}, {"XML", usual &^ featJSON},
	} {
		b.Run(kind.name, func(b *testing.B) { fill(b, kind.features) })
	}
}

func fill(b *testing.B, f features) {
	b.ReportAllocs()
	for b.Loop() {
		h := newBench(b, f)
		for i := range 500 {
			h.enter(i + 1)
			h.pass(20 * time.Millisecond)
		}
		h.pass(time.Second)
		b.ReportMetric(float64(h.sent), "stanzas/op")
		b.ReportMetric(float64(h.bytes), "wire-B/op")
	}
}

// BenchmarkTell is one participant's new source, told to 499 others.
func BenchmarkTell(b *testing.B) {
	h := newBench(b, usual)
	for i := range 500 {
		h.enter(i + 1)
	}
	h.pass(time.Second)
	p := h.c.people["00000001"]
	p.stage = joined
	p.session.Start("s")
	p.session.Accept()
	s := &person{nick: p.nick}
	add := true
	b.ReportAllocs()
	for b.Loop() {
		action := "source-remove"
		if add {
			action = "source-add"
		}
		h.stanza(`<iq type="set" id="a" from="%s/%s"><jingle xmlns="urn:xmpp:jingle:1" action="%s" sid="s">%s</jingle></iq>`,
			roomName, p.nick, action, inContent("audio", s.mic2(7)))
		h.pass(2 * time.Second)
		add = !add
	}
	b.ReportMetric(float64(h.sent)/float64(b.N), "stanzas/op")
}

// A presence that changes nothing for the focus must cost nothing per
// participant: rooms are full of raised hands.
func BenchmarkPresence(b *testing.B) {
	h := newBench(b, usual)
	for i := range 500 {
		h.enter(i + 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.stanza(`<presence from="%s/00000005"><x xmlns="%s"><item affiliation="none" role="participant" jid="u00000005@d/r"/></x>`+
			`<c xmlns="http://jabber.org/protocol/caps" node="n" ver="v"/></presence>`, roomName, xmpp.NSMUCUser)
	}
}
