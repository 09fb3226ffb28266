package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// attackOccupants is somebody in the room of the call who pretends to be
// others, and wants what only moderators and the focus may.
func attackOccupants(t *testing.T, c *call) {
	a := enter(t, c.host, c.room)
	forgedSender(t, c, a)
	stolenNicks(t, c, a)
	forbidden(t, c, a)
	oversized(t, a)
	nonsense(t, c, a)
	a.alive()

	leaver := enter(t, c.host, c.room)
	leaver.send(fmt.Sprintf(`<presence xmlns="jabber:client" type="unavailable" from="%s/%s" to="%[1]s/%[2]s"/>`, c.room, c.ids[0]))
	leaver.until("<presence", `type="unavailable"`, `from="`+c.room+"/"+leaver.nick+`"`)
}

// forgedSender writes other addresses into from: the server's word counts.
func forgedSender(t *testing.T, c *call, a *attacker) {
	for _, from := range []string{c.room + "/" + c.ids[0], c.room + "/focus", "focus.localhost", "localhost", c.room, "&lt;&quot;"} {
		forged := strings.Replace(a.say("forged "+from), "<message", `<message from="`+from+`"`, 1)
		a.send(forged)
		if got := a.until("<message", "forged "); !strings.Contains(got, `from="`+c.room+"/"+a.nick+`"`) {
			t.Errorf("a message in the name of %s came as %s", from, got)
		}
	}
	b := login(t, c.host)
	_, direct := a.iq("get", b.jid, `<query xmlns="urn:example:nothing"/>`)
	a.send(strings.Replace(direct, "<iq", `<iq from="focus.localhost"`, 1))
	b.until("<iq", "urn:example:nothing", `from="`+a.jid+`"`)
	for _, id := range c.ids {
		terminate := `<jingle xmlns="urn:xmpp:jingle:1" action="session-terminate" sid="x" initiator="` + c.room + `/focus"><reason><success/></reason></jingle>`
		for _, from := range []string{c.room + "/focus", c.room + "/" + a.nick} {
			_, frame := a.iq("set", c.room+"/"+id, terminate)
			a.send(strings.Replace(frame, "<iq", `<iq from="`+from+`"`, 1))
		}
		a.send(`<presence xmlns="jabber:client" type="unavailable" from="` + c.room + "/focus" + `" to="` + c.room + "/" + id + `x"/>`)
		a.join(c.room)
	}
}

// stolenNicks wants to be somebody else.
func stolenNicks(t *testing.T, c *call, a *attacker) {
	thief := login(t, c.host)
	for _, x := range [][2]string{
		{c.ids[0], "not-allowed"}, {"focus", "conflict"}, {"FOCUS", "conflict"}, {strings.Repeat("n", 1000), "not-allowed"}, {"&lt;b&gt;", "not-allowed"},
	} {
		thief.send(`<presence xmlns="jabber:client" to="` + c.room + "/" + x[0] + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		if got := thief.until("<presence"); !strings.Contains(got, "<"+x[1]+" ") {
			t.Errorf("as %.20s: %s", x[0], got)
		}
	}
	a.send(`<presence xmlns="jabber:client" to="` + c.room + "/" + c.ids[0] + `"/>`)
	a.until("<presence", `type="error"`, "not-allowed")
}

// forbidden are the rights of others (XEP-0045 §8 to §10).
func forbidden(t *testing.T, c *call, a *attacker) {
	victim := c.room + "/" + c.ids[0]
	admin := func(items string) string {
		return `<query xmlns="http://jabber.org/protocol/muc#admin">` + items + `</query>`
	}
	a.refused("kick", "forbidden", "set", c.room, admin(`<item nick="`+c.ids[0]+`" role="none"/>`))
	a.refused("ban", "forbidden", "set", c.room, admin(`<item nick="`+c.ids[0]+`" affiliation="outcast"/>`))
	a.refused("crown", "forbidden", "set", c.room, admin(`<item nick="`+a.nick+`" affiliation="owner"/>`))
	a.refused("everybody", "forbidden", "set", c.room, admin(strings.Repeat(`<item nick="focus" role="none"/>`, 5000)))
	owner := `<query xmlns="http://jabber.org/protocol/muc#owner">`
	a.refused("destroy", "forbidden", "set", c.room, owner+`<destroy/></query>`)
	a.refused("configure", "forbidden", "set", c.room, owner+`<x xmlns="jabber:x:data" type="submit"/></query>`)
	a.refused("mute", "not-allowed", "set", c.room+"/focus", `<mute xmlns="http://jitsi.org/jitmeet/audio" jid="`+victim+`">true</mute>`)
	a.refused("unmute", "not-allowed", "set", c.room+"/focus", `<mute xmlns="http://jitsi.org/jitmeet/video" jid="`+victim+`">false</mute>`)
	a.refused("other users", "service-unavailable", "get", "focus@auth.localhost/focus", `<query xmlns="jabber:iq:private"/>`)
	for _, to := range []string{"endconference.localhost", "metadata.localhost", "speakerstats.localhost"} {
		a.send(`<message xmlns="jabber:client" to="` + to + `"><end_conference xmlns="http://jitsi.org/jitmeet"/>` +
			`<room_metadata xmlns="http://jitsi.org/jitmeet" room="` + c.room + `">{"key":"startMuted","data":{"audio":true}}</room_metadata></message>`)
	}
	a.alive()
}

// oversized is what fits a frame but not a room.
func oversized(t *testing.T, a *attacker) {
	big := strings.Repeat("x", 40<<10)
	a.send(a.presence("<nick xmlns='http://jabber.org/protocol/nick'>" + big + "</nick>"))
	a.until("<presence", `type="error"`, "policy-violation")
	a.send(a.say(big))
	a.until("<message", `type="error"`, "policy-violation")
	a.send(a.whisper(a.nick, big))
	a.until("<message", `type="error"`, "policy-violation")
	a.send(`<message xmlns="jabber:client" type="groupchat" to="` + a.room + `"><subject>` + big[:30<<10] + `</subject></message>`)
	a.until("<message", `type="error"`, "forbidden")
}

// nonsense goes everywhere a stanza can go. Requests are answered, the rest
// is nobody's business.
func nonsense(t *testing.T, c *call, a *attacker) {
	for _, to := range []string{
		"localhost", "conference.localhost", c.room, c.room + "/focus", c.room + "/nobody", "focus.localhost", "auth.localhost",
		"focus@auth.localhost", "speakerstats.localhost", "unknown.localhost", "elsewhere.example", "nobody@localhost/x", "@/", "a@b@c/d/e",
	} {
		a.ask("set", to, `<query xmlns="urn:example:nothing"><a><b c="d"/></a></query>`)
		a.send(`<message xmlns="jabber:client" to="` + to + `"><x xmlns="urn:example:nothing"/></message>`)
		a.send(`<presence xmlns="jabber:client" type="subscribe" to="` + to + `"/>`)
		a.send(`<iq xmlns="jabber:client" type="result" id="x" to="` + to + `"/>`)
		a.send(`<iq xmlns="jabber:client" type="error" id="x" to="` + to + `"><error/></iq>`)
	}
	for i := range 100 { // answers to what others were asked
		a.send(fmt.Sprintf(`<iq xmlns="jabber:client" type="result" id="f%d" to="%s/focus"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, i, c.room))
	}
	for _, x := range []string{`type="get"`, `type="set" id="1"`, `type="bogus" id="1"`, `id="1"`} {
		a.send(`<iq xmlns="jabber:client" ` + x + ` to="` + c.room + `"/>`)
		a.until("<iq", "bad-request")
	}
}

// attackJingle are messages to the focus: far too many sources, sessions that
// do not exist, and people who come and go without ever answering.
func attackJingle(t *testing.T, c *call) {
	before := scrape(t, c.app)
	a := enter(t, c.host, c.room)
	focus := c.room + "/focus"
	for _, action := range []string{"session-accept", "source-add", "source-remove"} {
		a.refused(action+" in XML", "bad-request", "set", focus, jingleOf(action, "x", xmlSources(10_000)))
		a.refused(action+" in JSON", "bad-request", "set", focus, jingleOf(action, "x", jsonSources(a.nick, 10_000)))
		a.refused(action+" without session", "item-not-found", "set", focus, jingleOf(action, "x", xmlSources(1)))
	}
	a.refused("terminate", "item-not-found", "set", focus, jingleOf("session-terminate", "x", ""))
	a.refused("no action", "bad-request", "set", focus, jingleOf("", "x", ""))
	a.refused("no sid", "bad-request", "set", focus, jingleOf("session-info", "", ""))
	a.refused("deep JSON", "bad-request", "set", focus, jingleOf("source-add", "x",
		`<json-message xmlns="http://jitsi.org/jitmeet">`+strings.Repeat("[", 100_000)+`</json-message>`))
	a.refused("contents", "bad-request", "set", focus, jingleOf("session-accept", "x", strings.Repeat(`<content name="video"/>`, 5000)))
	for range 20 {
		_ = enter(t, c.host, c.room).conn.Close()
	}
	a.alive()
	c.counted(t, before, map[string]float64{"focus_jingle_received_total": 4})
}

func jingleOf(action, sid, children string) string {
	return `<jingle xmlns="urn:xmpp:jingle:1" action="` + action + `" sid="` + sid + `">` + children + `</jingle>`
}

func xmlSources(n int) string {
	var b strings.Builder
	b.WriteString(`<content name="video"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video" xmlns:s="urn:xmpp:jingle:apps:rtp:ssma:0">`)
	for i := range n {
		fmt.Fprintf(&b, `<s:source ssrc="%d"/>`, i+1)
	}
	return b.String() + `</description></content>`
}

func jsonSources(owner string, n int) string {
	var b strings.Builder
	b.WriteString(`<json-message xmlns="http://jitsi.org/jitmeet">{"sources":{"` + owner + `":[[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"s":%d}`, i+1)
	}
	return b.String() + `],[],[],[]]}}</json-message>`
}

// attackFloods are occupants who say much more than anybody should. They are
// read more slowly than they speak; nobody is cut off for it.
func attackFloods(t *testing.T, c *call) {
	before := scrape(t, c.app)
	text := func(s string) ws.Frame { return ws.NewTextFrame([]byte(s)) }
	floods := []func(a *attacker, i int) ws.Frame{
		func(a *attacker, i int) ws.Frame {
			return text(a.presence(fmt.Sprintf(`<nick xmlns="http://jabber.org/protocol/nick">flood %d</nick>`, i)))
		},
		func(a *attacker, i int) ws.Frame { return text(a.whisper(c.ids[i%2], fmt.Sprint("flood ", i))) },
		func(a *attacker, i int) ws.Frame {
			_, frame := a.iq("get", []string{"localhost", c.room, c.room + "/focus"}[i%3], `<ping xmlns="urn:xmpp:ping"/>`)
			return text(frame)
		},
		// What is no stanza costs as much: pings, and a message in pieces of
		// which none holds anything.
		func(*attacker, int) ws.Frame { return ws.NewPingFrame([]byte("x")) },
		func(_ *attacker, i int) ws.Frame {
			return ws.NewFrame([]ws.OpCode{ws.OpText, ws.OpContinuation}[min(i, 1)], i == floodFrames-1, []byte(" "))
		},
	}
	var all []*attacker
	for range floods {
		all = append(all, enter(t, c.host, c.room))
	}
	began := time.Now()
	for i, frame := range floods {
		all[i].sendAll(floodFrames, func(n int) ws.Frame { return frame(all[i], n) })
	}
	for i, a := range all {
		if i == len(all)-1 {
			a.until("not-well-formed") // blanks are no stanza
		} else {
			a.alive()
		}
		if took := time.Since(began); took < floodTime {
			t.Errorf("flood %d was dealt with in %v, want at least %v", i, took, floodTime)
		}
	}
	c.counted(t, before, map[string]float64{"signal_throttled_total": 1})
}

// A client may send 400 frames at once and 100 a second after that.
const (
	floodFrames = 600
	floodTime   = 2*time.Second - 100*time.Millisecond
)

// attackSlowReader is somebody in the room who reads nothing while much is
// said to them. The server gives up on them, not on the others.
func attackSlowReader(t *testing.T, c *call) {
	before := scrape(t, c.app)
	slow, err := dial(t, c.host, func(conn net.Conn) { _ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) })
	if err != nil {
		t.Fatal(err)
	}
	slow.login()
	slow.join(c.room)
	body := strings.Repeat("x", 30<<10)
	for range 9 { // each may say a megabyte at once
		a := enter(t, c.host, c.room)
		a.sendAll(38, func(int) ws.Frame { return ws.NewTextFrame([]byte(a.whisper(slow.nick, body))) })
	}
	c.counted(t, before, map[string]float64{`signal_outbox_closes_total{reason="slow"}`: 1})
}

// attackGhosts are people whose connection breaks as soon as they are in the
// room, and who keep a seat to come back to, which they never do.
func attackGhosts(t *testing.T, c *call) {
	for range 25 {
		a := login(t, c.host)
		a.send(smFrame)
		a.until("<enabled")
		a.join(c.room)
		_ = a.conn.Close()
	}
	c.settles(t, `signal_sessions{state="hibernating"}`, 25)
}

// attackOwnRoom is somebody who may do everything, in a room of their own.
func attackOwnRoom(t *testing.T, c *call) {
	const room = "lair" + conference
	a := login(t, c.host)
	ready := a.ask("set", "focus.localhost", `<conference xmlns="http://jitsi.org/protocol/focus" room="`+room+`"/>`)
	if !strings.Contains(ready, `ready="true"`) {
		t.Fatal(ready)
	}
	// The news of becoming owner may have replaced that of coming in.
	if owner := `affiliation="owner"`; !strings.Contains(a.join(room), owner) {
		a.until("<presence", owner, a.nick)
	}
	admin := func(aff string, from, n int) string {
		var b strings.Builder
		b.WriteString(`<query xmlns="http://jabber.org/protocol/muc#admin">`)
		for i := range n {
			fmt.Fprintf(&b, `<item affiliation="%s" jid="u%d@a"/>`, aff, from+i)
		}
		return b.String() + `</query>`
	}
	a.refused("too many at once", "policy-violation", "set", room, admin("member", 0, 4500))
	for i, aff := range []string{"member", "member", "outcast"} {
		if got := a.ask("set", room, admin(aff, i*10_000, 3900)); !strings.Contains(got, `type="result"`) {
			t.Errorf("many of %s: %.300s", aff, got)
		}
	}
	a.refused("too many in all", "resource-constraint", "set", room, admin("outcast", 90_000, 500))
	a.refused("long password", "not-acceptable", "set", room, `<query xmlns="http://jabber.org/protocol/muc#owner">`+
		`<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>`+
		`<field var="muc#roomconfig_roomsecret"><value>`+strings.Repeat("p", 10_000)+`</value></field></x></query>`)
	a.sendAll(100, func(i int) ws.Frame {
		return ws.NewTextFrame(fmt.Appendf(nil, `<message xmlns="jabber:client" to="metadata.localhost"><room_metadata xmlns="http://jitsi.org/jitmeet" room="%s">`+
			`{"key":"k%d","data":"%s"}</room_metadata></message>`, room, i, strings.Repeat("x", 2000)))
	})
	a.alive()
}
