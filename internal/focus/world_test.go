package focus

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
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
	shut    atomic.Bool                   // the room service does not answer
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
	if w.shut.Load() {
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
	for _, c := range m.Contents {
		if t := c.Transport; t != nil && t.Generation > 0 {
			out += fmt.Sprintf(" transport=%s ice-generation=%d candidates=%d", t.Ufrag, t.Generation, len(t.Candidates))
		}
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
