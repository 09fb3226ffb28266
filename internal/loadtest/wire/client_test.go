package wire

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// talk drives a client by hand.
type talk struct {
	t      *testing.T
	c      *Client
	now    mono.Time
	events []Event
	sent   []string
	id     string // of the client's last request
}

func newTalk(t *testing.T, change func(*Config)) *talk {
	cfg := Config{
		Domain: "meet.example", MUC: "conference.meet.example", Focus: "focus.meet.example", Room: "daily", Nick: "Zoe",
		RequestByIQ: true, Resume: true, PingEvery: 10 * time.Second, EndpointID: "deadbeef", Codecs: []string{"vp8"},
	}
	if change != nil {
		change(&cfg)
	}
	k := &talk{t: t, c: New(cfg), now: 1}
	k.c.Open(k.now)
	k.collect()
	return k
}

func (k *talk) collect() {
	for _, b := range k.c.Take() {
		k.sent = append(k.sent, string(b))
		if m := idPattern.FindStringSubmatch(string(b)); m != nil {
			k.id = m[1]
		}
	}
	k.events = append(k.events, k.c.Events()...)
}

// say lets the server say frames; $ID is the id of the client's last request.
func (k *talk) say(frames ...string) {
	for _, f := range frames {
		k.c.Frame(k.now, []byte(strings.ReplaceAll(f, "$ID", k.id)))
		k.collect()
	}
}

var idPattern = regexp.MustCompile(`<iq [^>]*type="[gs]et"[^>]*id="([^"]*)"`)

// expect checks that the client has sent frames with these words in this
// order since the last call, possibly with others between.
func (k *talk) expect(words ...string) {
	k.t.Helper()
	at := 0
	for _, f := range k.sent {
		if at < len(words) && strings.Contains(f, words[at]) {
			at++
		}
	}
	if at < len(words) {
		k.t.Fatalf("the client did not send %q; it sent\n%s", words[at], strings.Join(k.sent, "\n"))
	}
	k.sent = nil
}

// saw checks that events of these kinds have happened, in this order.
func (k *talk) saw(kinds ...EventKind) {
	k.t.Helper()
	at := 0
	for _, e := range k.events {
		if at < len(kinds) && e.Kind == kinds[at] {
			at++
		}
	}
	if at < len(kinds) {
		k.t.Fatalf("event %d did not happen; there were %+v", kinds[at], k.events)
	}
	k.events = nil
}

func (k *talk) pass(d time.Duration) {
	end := k.now.Add(d)
	for k.now < end {
		k.now = k.now.Add(100 * time.Millisecond)
		if deadline := k.c.Deadline(); deadline != 0 && k.now >= deadline {
			k.c.Tick(k.now)
			k.collect()
		}
	}
}

const (
	opened    = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="meet.example" id="s1" version="1.0"/>`
	anonymous = `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>`
	success   = `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`
	bindable  = `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/><sm xmlns="urn:xmpp:sm:3"/></stream:features>`
	bound     = `<iq type="result" id="$ID"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>0a1b2c3d-4e5f@meet.example/x</jid></bind></iq>`
	enabled   = `<enabled xmlns="urn:xmpp:sm:3" id="res-1" resume="true" max="60"/>`
	ready     = `<iq type="result" id="$ID" from="focus.meet.example"><conference xmlns="http://jitsi.org/protocol/focus" ready="true" focusjid="focus@auth.meet.example"/></iq>`
	self      = `<presence from="daily@conference.meet.example/0a1b2c3d" to="x"><x xmlns="http://jabber.org/protocol/muc#user"><item affiliation="none" role="participant"/><status code="110"/></x></presence>`
)

// joined is a client in its room.
func joined(t *testing.T) *talk {
	k := newTalk(t, nil)
	k.say(opened, anonymous, success, opened, bindable, bound, enabled, ready, self)
	k.saw(Ready, Requested, Joined)
	k.sent = nil
	return k
}

// TestJoin is the whole way into a room, word for word where a server looks.
func TestJoin(t *testing.T) {
	k := newTalk(t, nil)
	k.expect(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="meet.example" version="1.0"/>`)
	k.say(opened, anonymous)
	k.expect(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
	k.say(success)
	k.expect(`<open `)
	k.say(opened, bindable)
	k.expect(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>`)
	k.say(bound)
	k.expect(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	k.say(enabled)
	k.expect(`<services xmlns="urn:xmpp:extdisco:2"/>`, `disco#info"/>`, `<conference xmlns="http://jitsi.org/protocol/focus" room="daily@conference.meet.example"`)
	k.say(ready)
	k.expect(`<presence xmlns="jabber:client" to="daily@conference.meet.example/0a1b2c3d"><x xmlns="http://jabber.org/protocol/muc"></x>`)
	if k.c.InRoom() {
		t.Fatal("in the room before its presence came back")
	}
	k.say(self)
	k.saw(Ready, Requested, Joined)
	if k.c.Endpoint() != "0a1b2c3d" || !k.c.InRoom() || k.c.Occupants() != 1 {
		t.Error(k.c.Endpoint(), k.c.Occupants())
	}
}

// TestRefusals: each ends with a cause that people understand.
func TestRefusals(t *testing.T) {
	failed := func(inner string) string {
		return `<presence type="error" from="daily@conference.meet.example/0a1b2c3d"><error type="auth">` + inner + `</error></presence>`
	}
	until := []string{opened, anonymous, success, opened, bindable, bound, enabled}
	in := append(append([]string{}, until...), ready)
	for _, tc := range []struct {
		name   string
		before []string
		say    string
		want   string
	}{
		{"password", in, failed(`<not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>`), "password"},
		{"lobby", in, failed(`<registration-required xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>`), "lobby"},
		{"full", in, failed(`<service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>`), "full"},
		{"token", []string{opened, anonymous}, `<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-allowed/><text>token expired</text></failure>`, "token expired"},
		{"no mechanism", []string{opened}, `<stream:features xmlns:stream="http://etherx.jabber.org/streams"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>`, "no way to log in"},
		{"focus", until, `<iq type="error" id="$ID"><error type="auth"><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`, "focus refuses"},
		{"kicked", append(append([]string{}, in...), self), `<presence type="unavailable" from="daily@conference.meet.example/0a1b2c3d"><x xmlns="http://jabber.org/protocol/muc#user"><status code="110"/><status code="307"/></x></presence>`, "kicked"},
	} {
		k := newTalk(t, nil)
		k.say(tc.before...)
		k.events = nil
		k.say(tc.say)
		if len(k.events) == 0 || k.events[len(k.events)-1].Kind != Fatal || !strings.Contains(k.events[len(k.events)-1].Text, tc.want) {
			t.Errorf("%s: %+v", tc.name, k.events)
		}
	}
}

// TestPlain logs in with an account; the endpoint id is then the client's own.
func TestPlain(t *testing.T) {
	k := newTalk(t, func(c *Config) { c.User, c.Password = "zoe", "secret" })
	k.say(opened, anonymous)
	k.expect(`mechanism="PLAIN">AHpvZQBzZWNyZXQ=</auth>`)
	k.say(success, opened, bindable, bound)
	if k.c.Endpoint() != "deadbeef" {
		t.Error(k.c.Endpoint())
	}
}

// TestNotReady: the request is repeated with growing patience.
func TestNotReady(t *testing.T) {
	k := newTalk(t, nil)
	k.say(opened, anonymous, success, opened, bindable, bound, enabled)
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		k.say(strings.ReplaceAll(ready, `ready="true"`, `ready="false"`))
		k.sent = nil
		k.pass(wait - 200*time.Millisecond)
		if len(k.sent) > 0 {
			t.Fatalf("too early for %v", wait)
		}
		k.pass(300 * time.Millisecond)
		if !strings.Contains(strings.Join(k.sent, ""), "<conference ") {
			t.Fatalf("not repeated after %v", wait)
		}
	}
	if Backoff(1) != time.Second || Backoff(4) != 8*time.Second || Backoff(100) != 2*time.Minute {
		t.Error("backoff")
	}
}

// TestResume: what was not acknowledged is sent again, and counted stanzas are
// told.
func TestResume(t *testing.T) {
	k := joined(t)
	k.c.SetSources(true, false, false, false, false)
	k.collect()
	k.expect(`SourceInfo`)
	if !k.c.Lost() || k.c.ResumeID() != "res-1" {
		t.Fatal("cannot resume")
	}
	k.c.Open(k.now)
	k.collect()
	k.say(opened, anonymous, success, opened, bindable)
	k.expect(`<resume xmlns="urn:xmpp:sm:3" h="2" previd="res-1"/>`) // the focus's answer and the presence
	k.say(`<resumed xmlns="urn:xmpp:sm:3" previd="res-1" h="5"/>`)
	k.expect(`SourceInfo`)
	k.saw(Resumed)
	if !k.c.InRoom() {
		t.Error("not in the room")
	}
	k.say(`<r xmlns="urn:xmpp:sm:3"/>`)
	k.expect(`<a xmlns="urn:xmpp:sm:3" h="2"/>`)
	k.c.Lost()
	k.c.Open(k.now)
	k.say(opened, anonymous, success, opened, bindable, `<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
	k.saw(Refused)
	if k.c.Lost() || k.c.ResumeID() != "" {
		t.Error("resumable after a refusal")
	}
	before := k.c.Counters()
	k.c = k.c.Anew(k.c.cfg)
	k.c.Open(k.now)
	k.collect()
	k.say(opened, anonymous, success, opened, bindable, bound, enabled, ready, self)
	k.saw(Ready, Requested, Joined)
	if n := k.c.Counters(); n.StanzasIn != before.StanzasIn+3 { // bound, ready and the presence
		t.Errorf("%d stanzas counted, %d before", n.StanzasIn, before.StanzasIn)
	}
}

// TestNotManaged: a server that offers stream management and refuses it is
// not one that refuses to resume.
func TestNotManaged(t *testing.T) {
	k := newTalk(t, nil)
	k.say(opened, anonymous, success, opened, bindable, bound, `<failed xmlns="urn:xmpp:sm:3"/>`)
	k.saw(Fatal)
}

// TestStreamErrorIsNotResumed as in the web client.
func TestStreamErrorIsNotResumed(t *testing.T) {
	k := joined(t)
	k.say(`<stream:error xmlns:stream="http://etherx.jabber.org/streams"><system-shutdown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`)
	k.saw(Broken)
	if k.c.Lost() {
		t.Error("resumable after a stream error")
	}
}

// TestPing: only silence is pinged; two pings without an answer break the
// connection.
func TestPing(t *testing.T) {
	k := joined(t)
	k.pass(9 * time.Second)
	k.say(`<message xmlns="jabber:client" from="a"/>`)
	k.pass(2 * time.Second)
	for _, f := range k.sent {
		if strings.Contains(f, "urn:xmpp:ping") {
			t.Fatal("pinged although something was heard")
		}
	}
	k.pass(10 * time.Second)
	k.expect("urn:xmpp:ping")
	k.pass(30 * time.Second)
	k.saw(Broken)
}

// TestDisco: the answer's hash is the one in the presence, or a server that
// checks (XEP-0115 §5.4) would not believe it.
func TestDisco(t *testing.T) {
	k := newTalk(t, func(c *Config) { c.Rewriting = true })
	k.say(opened, anonymous, success, opened, bindable, bound, enabled, ready, self)
	k.expect(`ver="` + capsHash(append(features[:len(features):len(features)], rewritingFeature)) + `"`)
	k.say(`<iq type="get" id="d1" from="daily@conference.meet.example/focus"><query xmlns="http://jabber.org/protocol/disco#info" node="n#v"/></iq>`)
	k.expect(`type="result" id="d1" to="daily@conference.meet.example/focus"><query xmlns="http://jabber.org/protocol/disco#info" node="n#v"><identity category="client" type="web"`)
	k.say(`<iq type="get" id="d2" from="x"><strange xmlns="urn:x"/></iq>`, `<iq type="get" id="p" from="x"><ping xmlns="urn:xmpp:ping"/></iq>`)
	k.expect(`type="error" id="d2"`, `type="result" id="p"`)
}

const initiate = `<iq type="set" id="j1" from="daily@conference.meet.example/focus"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" initiator="daily@conference.meet.example/focus" sid="sid1"><bridge-session xmlns="http://jitsi.org/protocol/focus" id="b1"/></jingle></iq>`

// TestSession: an offer, sources before and after the answer is confirmed, and
// the end.
func TestSession(t *testing.T) {
	k := joined(t)
	k.say(strings.Replace(initiate, "/focus\"><jingle", "/mallory\"><jingle", 1))
	k.expect(`type="error" id="j1"`)
	k.say(initiate)
	k.expect(`type="result" id="j1"`)
	k.saw(Offered)
	k.c.Accept(k.now, &jingle.Message{Contents: []jingle.Content{{Name: "audio", Creator: "responder", Media: "audio", Description: &media.Description{Kind: media.Audio}}}})
	k.collect()
	add := `<iq type="set" id="s1" from="daily@conference.meet.example/focus"><jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="sid1"><content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="7" name="ffff0000-a0"><parameter name="msid" value="x y"/><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="ffff0000"/></source></description></content></jingle></iq>`
	accept := k.id
	k.say(add)
	k.expect(`action="session-accept"`, `type="result" id="s1"`)
	if len(k.events) != 0 {
		t.Fatal("sources before the answer was confirmed")
	}
	k.say(`<iq type="result" id="` + accept + `" from="daily@conference.meet.example/focus"/>`)
	k.saw(Accepted, Added)
	k.say(strings.Replace(add, "source-add", "source-remove", 1))
	k.saw(Removed)
	k.say(strings.Replace(add, `sid="sid1"`, `sid="other"`, 1))
	k.expect(`unknown-session`)
	k.say(`<iq type="set" id="t1" from="daily@conference.meet.example/focus"><jingle xmlns="urn:xmpp:jingle:1" action="session-terminate" sid="sid1"><reason><expired/></reason></jingle></iq>`)
	k.saw(Terminated)
}

// TestClose: the room is left before the stream ends.
func TestClose(t *testing.T) {
	k := joined(t)
	k.say(initiate)
	k.c.Close()
	k.collect()
	k.expect(`action="session-terminate"`, `type="unavailable"`, `<close `)
	if k.c.Deadline() != 0 {
		t.Error("something is due after the end")
	}
}

// FuzzFrames: whatever a server says at whatever moment, the client neither
// panics nor sends without end.
func FuzzFrames(f *testing.F) {
	f.Add(strings.Join([]string{opened, anonymous, success, opened, bindable, bound, enabled, ready, self, initiate}, "\n"), uint8(0))
	f.Add(`<resumed xmlns="urn:xmpp:sm:3" h="4294967295"/>`+"\n"+`<a xmlns="urn:xmpp:sm:3" h="9"/>`, uint8(9))
	f.Add(`<presence from="daily@conference.meet.example/x"><SourceInfo>{}</SourceInfo></presence>`, uint8(9))
	all := []string{opened, anonymous, success, opened, bindable, bound, enabled, ready, self, initiate}
	f.Fuzz(func(t *testing.T, script string, before uint8) {
		k := newTalk(t, nil)
		k.say(all[:int(before)%(len(all)+1)]...)
		frames := strings.Split(script, "\n")
		k.sent = nil
		k.say(frames[:min(len(frames), 50)]...)
		if len(k.sent) > 20*len(frames)+50 {
			t.Fatalf("%d frames in answer to %d", len(k.sent), len(frames))
		}
		k.pass(5 * time.Second)
		if k.c.Lost() {
			k.c.Open(k.now)
		}
		k.c.Close()
	})
}

// TestRefusal: a server without focus is told from a focus that refuses.
func TestRefusal(t *testing.T) {
	for condition, want := range map[string]string{
		"service-unavailable": "nobody is at focus.meet.example, where the focus should be: does the server run one? (xmpp: cancel/service-unavailable)",
		"not-authorized":      "the focus refuses the conference: xmpp: cancel/not-authorized",
	} {
		if got := refusal("focus.meet.example", &xmpp.StanzaError{Type: "cancel", Condition: condition}); got != want {
			t.Errorf("%s: %s", condition, got)
		}
	}
}
