package focus

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

var update = flag.Bool("update", false, "write golden files anew")

// turn is the time a participant's action is given to settle. It is longer
// than the bridge takes and shorter than sources are gathered.
const turn = 5 * time.Millisecond

const (
	domain   = "meet.example"
	roomName = "daily@conference.meet.example"
)

// world is a focus with scripted surroundings in simulated time: a room
// service that knows just enough of XEP-0045, a bridge that says what it is
// told to say, and participants. What passes between them is written down and
// compared with a golden file.
type world struct {
	t      *testing.T
	f      *Focus
	bridge *scriptedBridge
	began  time.Time

	mu      sync.Mutex
	log     strings.Builder
	lines   []line // since the last headline
	ports   map[string]func([]byte)
	rooms   map[string]map[string]*person // by room, by nick; nil person is the focus
	shut    bool                          // the room service does not answer
	verbose bool                          // offers are written out
	ids     int
}

// inWorld runs a script and compares what happened with testdata/name.txt.
func inWorld(t *testing.T, change func(*Options), script func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change)
		script(w)
		w.stop()
		w.compare()
	})
}

func newWorld(t *testing.T, change func(*Options)) *world {
	w := &world{t: t, began: time.Now(), ports: make(map[string]func([]byte)), rooms: make(map[string]map[string]*person)}
	w.bridge = &scriptedBridge{w: w, delay: time.Millisecond}
	opts := DefaultOptions()
	opts.Domain, opts.Router, opts.Bridge = domain, w, w.bridge
	if change != nil {
		change(&opts)
	}
	f, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	f.newID = func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ids++
		return fmt.Sprintf("%032x", w.ids)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.f.Stop(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by until everybody has nothing to do.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// line is one entry of the transcript. The bridge's goroutine runs beside the
// conference's, so within one instant its lines are put last.
type line struct {
	at     time.Duration
	bridge bool
	text   string
}

func (w *world) note(format string, args ...any) { w.enter(false, format, args...) }

func (w *world) enter(bridge bool, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line{time.Since(w.began), bridge, fmt.Sprintf(format, args...)})
}

// say writes a headline into the transcript.
func (w *world) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle()
	fmt.Fprintf(&w.log, "\n== %s\n", text)
}

// settle writes down the lines since the last headline.
func (w *world) settle() {
	slices.SortStableFunc(w.lines, func(a, b line) int {
		if c := cmp.Compare(a.at, b.at); c != 0 || a.bridge == b.bridge {
			return c
		}
		if a.bridge {
			return 1
		}
		return -1
	})
	for _, l := range w.lines {
		fmt.Fprintf(&w.log, "%7.3f %s\n", l.at.Seconds(), l.text)
	}
	w.lines = nil
}

func (w *world) compare() {
	w.t.Helper()
	w.settle()
	name := filepath.Join("testdata", strings.ReplaceAll(strings.TrimPrefix(w.t.Name(), "TestTranscript/"), "/", "_")+".txt")
	golden(w.t, name, []byte(strings.TrimLeft(w.log.String(), "\n")))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update and look at the difference); got\n%s", name, got)
	}
}

// Attach implements xmpp.Router.
func (w *world) Attach(addr xmpp.JID, deliver func([]byte)) (xmpp.Port, error) {
	w.ports[addr.String()] = deliver
	return &worldPort{w, addr}, nil
}

type worldPort struct {
	w    *world
	addr xmpp.JID
}

func (p *worldPort) Close() error { return nil }

// Send implements xmpp.Port: it routes what the focus says.
func (p *worldPort) Send(stanza []byte) error {
	st, err := xmpp.Scan(stanza)
	if err != nil {
		p.w.t.Errorf("the focus sent broken XML: %v\n%s", err, stanza)
		return err
	}
	if st.From != "" && st.From != p.addr.String() {
		p.w.t.Errorf("the focus lied about its address: %s", stanza)
	}
	to, err := xmpp.ParseJID(st.To)
	if err != nil {
		p.w.t.Errorf("the focus sent to nowhere: %s", stanza)
		return nil
	}
	p.w.route(st, to)
	return nil
}

func (w *world) route(st xmpp.Stanza, to xmpp.JID) {
	w.mu.Lock()
	room := w.rooms[to.Bare().String()]
	person := room[to.Resource]
	w.mu.Unlock()
	switch {
	case st.Kind == xmpp.Presence:
		w.note("focus > room   %s", brief(st.Raw, w.verbose))
		w.focusPresence(st, to)
	case person != nil:
		w.note("focus > %s %s", person.short(), brief(st.Raw, w.verbose))
		person.receive(st)
	default:
		w.note("focus > %s %s", to.Bare().Local, brief(st.Raw, w.verbose))
		if st.IsRequest() && to.Resource == "" { // muc#admin
			w.admin(st, to)
		}
	}
}

func (w *world) focusPresence(st xmpp.Stanza, to xmpp.JID) {
	if w.shut {
		return
	}
	key := to.Bare().String()
	w.mu.Lock()
	_, open := w.rooms[key]
	if st.Type == "unavailable" {
		delete(w.rooms, key)
	} else if !open {
		w.rooms[key] = map[string]*person{}
	}
	w.mu.Unlock()
	if st.Type == "" && open {
		return // the echo of an update
	}
	w.toFocus(fmt.Sprintf(`<presence from="%s" type="%s"><x xmlns="%s"><item affiliation="owner" role="moderator" jid="%s"/>`+
		`<status code="110"/></x></presence>`, st.To, st.Type, xmpp.NSMUCUser, w.f.self))
}

// admin carries out a change of affiliation.
func (w *world) admin(st xmpp.Stanza, room xmpp.JID) {
	query, _ := st.Child("query", xmpp.NSMUCAdmin)
	item, _ := query.Child("item", "")
	w.toFocus(string(st.ResultReply(room.String(), w.f.self.String(), nil)))
	w.mu.Lock()
	var changed *person
	for _, p := range w.rooms[room.String()] {
		if p.jid.Bare().String() == item.AttrOr("jid", "") {
			changed = p
		}
	}
	w.mu.Unlock()
	if changed != nil {
		changed.affiliation, changed.role = "owner", "moderator"
		changed.present("")
	}
}

func (w *world) toFocus(stanza string) { w.ports[w.f.self.String()]([]byte(stanza)) }

// ask makes a conference request by IQ.
func (w *world) ask(room string) {
	w.note("user > focus   conference request %s", room)
	w.ports["focus."+domain]([]byte(fmt.Sprintf(`<iq type="set" id="c1" from="u@meet.example/r" to="focus.meet.example">`+
		`<conference xmlns="http://jitsi.org/protocol/focus" room="%s" machine-uid="m"><property name="x" value="y"/></conference></iq>`, room)))
	synctest.Wait()
}

// open asks for the usual room without writing it down.
func (w *world) open() {
	w.ask(roomName)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = nil
}

// person is a scripted participant.
type person struct {
	w                 *world
	nick, room        string
	jid               xmpp.JID
	affiliation, role string
	features          []string
	extra             string // further presence children
	mute              bool   // does not answer anything
	sid, stay         string // of the last offer
	id                int
	refuse            string // action answered with an error
	lies              bool   // about its version
}

// chromium are the features of a browser.
var chromium = []string{
	"urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video",
	"urn:xmpp:jingle:transports:dtls-sctp:1", "urn:ietf:rfc:4588", "http://jitsi.org/remb", "http://jitsi.org/tcc",
	"http://jitsi.org/json-encoded-sources", "http://jitsi.org/source-name",
}

// join brings somebody with an 8-digit id into the usual room. Changes are
// made before it enters.
func (w *world) join(nick string, changes ...func(*person)) *person {
	p := &person{
		w: w, nick: nick, room: roomName, features: chromium, affiliation: "none", role: "participant",
		jid: xmpp.JID{Local: nick + "-user", Domain: domain, Resource: "r"},
	}
	for _, change := range changes {
		change(p)
	}
	w.mu.Lock()
	if w.rooms[p.room] == nil {
		w.mu.Unlock()
		w.t.Fatalf("%s enters a room in which the focus is not", nick)
	}
	w.rooms[p.room][nick] = p
	w.mu.Unlock()
	w.note("%s enters", p.short())
	p.present("")
	w.pass(turn)
	return p
}

func (p *person) short() string { return p.nick[:4] }

func (p *person) present(typ string, more ...string) {
	ver := capsHash([]string{"client/web//plenum"}, slices.Clone(p.features))
	if p.lies {
		ver = "made up"
	}
	p.w.toFocus(fmt.Sprintf(`<presence from="%s/%s" to="%s" type="%s"><x xmlns="%s"><item affiliation="%s" role="%s" jid="%s"/></x>`+
		`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="%s"/>`+
		`<stats-id>Zoe</stats-id>%s%s</presence>`,
		p.room, p.nick, p.w.f.self, typ, xmpp.NSMUCUser, p.affiliation, p.role, p.jid,
		ver, p.extra, strings.Join(more, "")))
}

// leave takes the person out of the room.
func (p *person) leave(more ...string) {
	p.w.mu.Lock()
	delete(p.w.rooms[p.room], p.nick)
	p.w.mu.Unlock()
	p.w.note("%s leaves %s", p.short(), strings.Join(more, ""))
	p.present("unavailable", more...)
	p.w.pass(turn)
}

// receive answers as clients do.
func (p *person) receive(st xmpp.Stanza) {
	if !st.IsRequest() {
		return
	}
	payload, _ := st.First()
	action := payload.AttrOr("action", "")
	if action == "session-initiate" {
		p.sid = payload.AttrOr("sid", "")
		b, _ := payload.Child("bridge-session", "")
		p.stay = b.AttrOr("id", "")
	}
	switch {
	case p.mute || payload.Name == "mute":
	case action != "" && action == p.refuse:
		p.reply(`<iq type="error" id="%s" from="%s/%s" to="%s"><error type="cancel"><bad-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`,
			st.ID, p.room, p.nick, p.w.f.self)
	case payload.NS == xmpp.NSDiscoInfo:
		p.reply(`<iq type="result" id="%s" from="%s/%s" to="%s"><query xmlns="%s">%s</query></iq>`,
			st.ID, p.room, p.nick, p.w.f.self, xmpp.NSDiscoInfo, p.disco())
	default:
		p.reply(`<iq type="result" id="%s" from="%s/%s" to="%s"/>`, st.ID, p.room, p.nick, p.w.f.self)
	}
}

func (p *person) disco() string {
	out := `<identity category="client" type="web" name="plenum"/>`
	for _, f := range p.features {
		out += `<feature var="` + f + `"/>`
	}
	return out
}

func (p *person) reply(format string, args ...any) { p.w.toFocus(fmt.Sprintf(format, args...)) }

// set sends an IQ to the focus and waits until everything has settled.
func (p *person) set(payload string) {
	p.w.note("%s > focus %s", p.short(), payload)
	p.iq("set", payload)
}

// iq sends an IQ without writing it down.
func (p *person) iq(typ, payload string) {
	p.id++
	p.reply(`<iq type="%s" id="%s-%d" from="%s/%s" to="%s">%s</iq>`, typ, p.short(), p.id, p.room, p.nick, p.w.f.self, payload)
	p.w.pass(turn)
}

// jingle sends a Jingle request in the current session.
func (p *person) jingle(action, inner string) { p.jingleIn(p.sid, action, inner) }

func (p *person) jingleIn(sid, action, inner string) {
	p.w.note("%s > focus %s %s", p.short(), action, gist(inner))
	p.iq("set", fmt.Sprintf(`<jingle xmlns="urn:xmpp:jingle:1" action="%s" sid="%s">%s</jingle>`, action, sid, inner))
}

// gist keeps of a Jingle request what a reader wants to know.
func gist(inner string) string {
	if !strings.HasPrefix(inner, "<content") {
		return inner
	}
	var words []string
	for _, m := range regexp.MustCompile(`(ssrc|name|semantics)="([^"]*)"`).FindAllStringSubmatch(inner, -1) {
		if m[2] != "msid" {
			words = append(words, m[2])
		}
	}
	return strings.Join(words, " ")
}

// accept answers the last offer with the given sources.
func (p *person) accept(sources ...string) {
	p.jingle("session-accept", `<content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">`+
		strings.Join(sources, "")+`</description><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="u`+p.short()+`" pwd="p">`+
		`<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">AB:CD</fingerprint></transport></content>`)
}

// mic is an audio source of the person.
func (p *person) mic(ssrc int) string {
	return fmt.Sprintf(`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%d" name="%s-a0"><parameter name="msid" value="%s-audio-0-1 t%d"/></source>`,
		ssrc, p.nick, p.nick, ssrc)
}

// mic2 is a second audio source of the person.
func (p *person) mic2(ssrc int) string {
	return fmt.Sprintf(`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%d" name="%s-a1"><parameter name="msid" value="%s-audio-1-1 t%d"/></source>`,
		ssrc, p.nick, p.nick, ssrc)
}

// camera is a simulcast video of the person: three encodings with RTX.
func (p *person) camera(first int) string {
	out := ""
	for i := range 6 {
		out += p.video("v0", first+i, "camera")
	}
	out += ssrcGroup("SIM", first, first+1, first+2)
	for i := range 3 {
		out += ssrcGroup("FID", first+i, first+3+i)
	}
	return out
}

// desktop is a shared screen of the person.
func (p *person) desktop(ssrc int) string { return p.video("v1", ssrc, "desktop") }

func (p *person) video(index string, ssrc int, typ string) string {
	return fmt.Sprintf(`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%d" name="%s-%s" videoType="%s"><parameter name="msid" value="%s-video-%s"/></source>`,
		ssrc, p.nick, index, typ, p.nick, index)
}

func ssrcGroup(semantics string, ssrcs ...int) string {
	out := `<ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="` + semantics + `">`
	for _, ssrc := range ssrcs {
		out += fmt.Sprintf(`<source ssrc="%d"/>`, ssrc)
	}
	return out + `</ssrc-group>`
}

// inContent puts sources into a content, as source-add has them.
func inContent(media, sources string) string {
	return `<content name="` + media + `"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="` + media + `">` + sources + `</description></content>`
}

// brief shortens what a reader of a transcript has seen elsewhere.
func brief(xml []byte, verbose bool) string {
	s := strings.ReplaceAll(string(xml), ` xmlns="jabber:client"`, "")
	if verbose {
		return "\n" + indent(s)
	}
	st, _ := xmpp.Scan(xml)
	if el, ok := st.Child("jingle", ""); ok {
		return briefJingle(el)
	}
	if st.Type == "result" && len(st.Inner) == 0 {
		return "result " + st.ID
	}
	if i, j := strings.Index(s, "<conference-properties"), strings.Index(s, "</conference-properties>"); i >= 0 {
		bridges, _, _ := strings.Cut(s[strings.Index(s, `"bridge-count" value="`)+22:], `"`)
		s = s[:i] + "[properties bridges=" + bridges + limitsOf(s) + "]" + s[j+len("</conference-properties>"):]
	}
	for _, short := range shortForms {
		s = strings.ReplaceAll(s, short[0], short[1])
	}
	return s
}

// briefJingle tells what is in a Jingle message in a line.
func briefJingle(el xmpp.Element) string {
	m, err := jingle.Parse(el, jingle.Limits{Contents: 9, PayloadTypes: 99, Extensions: 99, Candidates: 99, Sources: 9999})
	if err != nil {
		return err.Error()
	}
	out := fmt.Sprintf("%s sid=%s", m.Action, strings.TrimLeft(m.SID, "0"))
	if m.Bridge != nil {
		out += " bridge-session=" + strings.TrimLeft(m.Bridge.ID, "0-48")
	}
	if m.Reason != nil {
		out += fmt.Sprintf(" reason=%s (%s)", m.Reason.Condition, m.Reason.Text)
	}
	for _, o := range m.Sources {
		for _, x := range o.Set.Sources {
			out += fmt.Sprintf(" %s/%d", x.Name, x.SSRC)
		}
	}
	if m.JSON {
		out += " in JSON"
	}
	return out
}

// shortForms stand for what is long and always the same.
var shortForms = [][2]string{
	{"conference.meet.example/", "…/"},
	{"http://jabber.org/protocol/disco#info", "disco"},
	{"http://jabber.org/protocol/", ""},
	{"http://jitsi.org/protocol/", "jitsi-"},
	{"http://jitsi.org/jitmeet", "jitmeet"},
	{"urn:ietf:params:xml:ns:xmpp-", ""},
	{`from="focus@auth.meet.example/focus" `, ""},
}

func limitsOf(s string) (out string) {
	for _, kind := range []string{"audio", "video"} {
		if strings.Contains(s, `"`+kind+`-limit-reached" value="true"`) {
			out += " " + kind + "-limit"
		}
	}
	return out
}

// indent puts every element on a line of its own.
func indent(s string) string {
	var out strings.Builder
	depth := 0
	for _, part := range strings.SplitAfter(strings.ReplaceAll(s, "><", ">\x00<"), "\x00") {
		part = strings.TrimSuffix(part, "\x00")
		if strings.HasPrefix(part, "</") {
			depth--
		}
		out.WriteString(strings.Repeat(" ", 8+depth) + part + "\n")
		if !strings.HasPrefix(part, "</") && !strings.HasSuffix(part, "/>") && !strings.Contains(part, "</") {
			depth++
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// scriptedBridge answers as told.
type scriptedBridge struct {
	w     *world
	mu    sync.Mutex
	fail  func(req *colibri.ConferenceModify) error // nil: everything works
	delay time.Duration
	reqs  []*colibri.ConferenceModify
}

func (b *scriptedBridge) set(fail func(*colibri.ConferenceModify) error, delay time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.delay = fail, delay
}

// Modify implements colibri.Bridge.
func (b *scriptedBridge) Modify(ctx context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	b.w.enter(true, "focus > bridge %s", describeRequest(req))
	b.mu.Lock()
	b.reqs = append(b.reqs, req)
	fail, delay := b.fail, b.delay
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(delay):
	}
	if fail != nil {
		if err := fail(req); err != nil {
			b.w.enter(true, "bridge > focus %v", err)
			return nil, err
		}
	}
	return b.answer(req), nil
}

func (b *scriptedBridge) answer(req *colibri.ConferenceModify) *colibri.ConferenceModified {
	resp := &colibri.ConferenceModified{}
	for _, em := range req.Endpoints {
		out := colibri.EndpointModified{ID: em.ID}
		if em.WantTransport {
			out.Transport = bridgeTransport(em.ID, em.WantSCTP)
			resp.Feedback = source.Set{Sources: []source.Source{
				{SSRC: 1001, Kind: media.Audio, Name: "jvb-a0"}, {SSRC: 1002, Kind: media.Video, Name: "jvb-v0"},
			}}
		}
		resp.Endpoints = append(resp.Endpoints, out)
	}
	return resp
}

func bridgeTransport(id string, sctp bool) *media.Transport {
	t := &media.Transport{
		Ufrag: "7c9m1", Pwd: "3v0b8k22characterslong",
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: "AA:BB", Setup: "actpass"},
		Candidates: []media.Candidate{{
			Foundation: "1", Component: 1, Protocol: "udp", Priority: 2130706431, ID: "c1",
			Addr: netip.MustParseAddrPort("203.0.113.7:10000"), Type: "host",
		}},
		ChannelURL: "wss://meet.example/colibri-ws/s1/c77/" + id + "?pwd=q1w2e3",
	}
	if sctp {
		t.SCTPPort = 5000
	}
	return t
}

// describeRequest writes a request in one line.
func describeRequest(req *colibri.ConferenceModify) string {
	var out []string
	if req.Create {
		out = append(out, "create-conference")
	}
	if req.Expire {
		out = append(out, "expire-conference")
	}
	for _, em := range req.Endpoints {
		out = append(out, describeEndpoint(em))
	}
	return strings.Join(out, " ")
}

func describeEndpoint(em colibri.EndpointModify) string {
	words := []string{em.ID}
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(em.Create, "create stats-id=%s", em.StatsID)
	add(em.Expire, "expire")
	add(em.Visitor, "visitor")
	for _, d := range em.Media {
		add(true, "%s:%d", d.Kind, len(d.PayloadTypes))
	}
	add(em.WantTransport, "want-transport")
	add(em.WantSCTP, "want-sctp")
	if em.Transport != nil {
		add(true, "transport=%s", em.Transport.Ufrag)
	}
	if em.Sources != nil {
		add(true, "sources=%d", len(em.Sources.Sources))
	}
	if em.ForceMute != nil {
		add(true, "force-mute=%+v", *em.ForceMute)
	}
	if em.InitialLastN != nil {
		add(true, "last-n=%d", *em.InitialLastN)
	}
	return "[" + strings.Join(words, " ") + "]"
}
