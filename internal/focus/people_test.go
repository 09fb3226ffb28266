package focus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

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
		b, _ := payload.Child("bridge-session", "")
		p.w.mu.Lock()
		p.sid, p.stay = payload.AttrOr("sid", ""), b.AttrOr("id", "")
		p.w.mu.Unlock()
	}
	switch {
	case p.mute || payload.Name == "mute":
	case action != "" && action == p.refused():
		p.reply(`<iq type="error" id="%s" from="%s/%s" to="%s"><error type="cancel"><bad-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`,
			st.ID, p.room, p.nick, p.w.f.self)
	case payload.NS == xmpp.NSDiscoInfo:
		p.reply(`<iq type="result" id="%s" from="%s/%s" to="%s"><query xmlns="%s">%s</query></iq>`,
			st.ID, p.room, p.nick, p.w.f.self, xmpp.NSDiscoInfo, p.disco())
	default:
		p.reply(`<iq type="result" id="%s" from="%s/%s" to="%s"/>`, st.ID, p.room, p.nick, p.w.f.self)
	}
}

func (p *person) refused() string {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.refuse
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
