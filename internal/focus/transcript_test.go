package focus

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/focus/admission"
)

// Every script tells one story; what was said is in testdata/<name>.txt and
// is meant to be read.
func TestTranscript(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		script func(w *world)
	}{
		{"first_path", nil, scriptFirstPath},
		{"offer", func(o *Options) { o.SCTP = true }, scriptOffer},
		{"nobody_comes", nil, scriptNobodyComes},
		{"switch_room", nil, scriptSwitchRoom},
		{"promised", nil, scriptPromised},
		{"owners", nil, scriptOwners},
		{"breakout", nil, scriptBreakout},
		{"capabilities", nil, scriptCapabilities},
		{"accept", nil, scriptAccept},
		{"slow_bridge", nil, scriptSlowBridge},
		{"sources_refused", nil, scriptSourcesRefused},
		{"batching", nil, scriptBatching},
		{"restart", nil, scriptRestart},
		{"session_info", func(o *Options) { o.ICERestart = false }, scriptSessionInfo},
		{"ice_restart", nil, scriptICERestart},
		{"ice_restart_limits", nil, scriptICERestartLimits},
		{"ice_restart_failed", nil, scriptICERestartFailed},
		{"ice_state", nil, scriptICEState},
		{"leavers", nil, scriptLeavers},
		{"rewriting", func(o *Options) { o.SSRCRewriting, o.RTPMIDDemux = true, true }, scriptRewriting},
		{"alone", nil, scriptAlone},
		{"endpoint_expired", nil, scriptEndpointExpired},
		{"bridge_down", nil, scriptBridgeDown},
		{"bridge_refuses_one", nil, scriptBridgeRefusesOne},
		{"bridge_lost", func(o *Options) {
			o.Invites = admission.Limits{First: 2, Least: 2, Most: 2, Patience: time.Minute, Delay: time.Second}
		}, scriptBridgeLost},
		{"offer_refused", nil, scriptOfferRefused},
		{"gone_meanwhile", nil, scriptGoneMeanwhile},
		{"mute", nil, scriptMute},
		{"unanswerable", nil, scriptUnanswerable},
		{"sender_limits", func(o *Options) { o.MaxAudioSenders = 1 }, scriptSenderLimits},
		{"removed", nil, scriptRemoved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { inWorld(t, tt.change, tt.script) })
	}
}

func scriptFirstPath(w *world) {
	w.say("a conference request creates the conference; the answer waits for the focus to be in the room")
	w.ask(roomName)
	w.say("one participant is made owner and waits")
	a := w.join("aaaaaaaa")
	w.say("two are invited")
	b := w.join("bbbbbbbb")
	w.say("both accept and hear of each other")
	a.accept(a.mic(11))
	w.pass(time.Second)
	b.accept(b.mic(22))
	w.pass(time.Second)
	w.say("a source comes and goes")
	b.jingle("source-remove", inContent("audio", b.mic(22)))
	w.pass(time.Second)
	b.jingle("source-add", inContent("audio", b.mic(23)))
	w.pass(time.Second)
	w.say("the third finds what is there in its offer")
	c := w.join("cccccccc")
	w.say("everybody leaves")
	b.leave()
	c.leave()
	a.leave()
	w.pass(20 * time.Second)
}

// pair brings two participants into a running conference.
func (w *world) pair(changes ...func(*person)) (a, b *person) {
	w.open()
	a, b = w.join("aaaaaaaa", changes...), w.join("bbbbbbbb", changes...)
	a.accept(a.mic(11))
	b.accept(b.mic(22))
	w.pass(time.Second)
	w.quiet()
	return a, b
}

// quiet forgets what has been written down.
func (w *world) quiet() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = nil
}

func without(features ...string) func(*person) {
	return func(p *person) {
		p.features = slices.DeleteFunc(slices.Clone(p.features), func(f string) bool { return slices.Contains(features, f) })
	}
}

func with(features ...string) func(*person) {
	return func(p *person) { p.features = append(slices.Clone(p.features), features...) }
}

func scriptOffer(w *world) {
	a, _ := w.pair()
	a.jingle("source-add", inContent("video", a.camera(3001)))
	w.pass(time.Second)
	w.quiet()
	w.say("an offer for a browser, with compact sources and both kinds of channel")
	w.verbose = true
	w.join("cccccccc")
	w.say("an offer for a client without JSON, RTX, transport-cc and data channels")
	w.join("dddddddd", without("http://jitsi.org/json-encoded-sources", "urn:ietf:rfc:4588", "http://jitsi.org/tcc",
		"urn:xmpp:jingle:transports:dtls-sctp:1"))
	w.verbose = false
}

func scriptNobodyComes(w *world) {
	w.say("nobody comes within 15 s")
	w.ask(roomName)
	w.pass(10 * time.Second)
	w.say("a second request gives 15 s more")
	w.ask(roomName)
	w.pass(16 * time.Second)
}

func scriptSwitchRoom(w *world) {
	a, _ := w.pair()
	w.say("the last one moves to a breakout room: the focus waits for it")
	w.f.deliverUser([]byte(`<presence from="` + roomName + `/bbbbbbbb" type="unavailable"/>`))
	synctest.Wait()
	a.leave("<status>switch_room</status>")
	w.pass(14 * time.Second)
	w.say("it comes back in time, and goes for good")
	a.w.mu.Lock()
	a.w.rooms[roomName][a.nick] = a
	a.w.mu.Unlock()
	a.present("")
	w.pass(20 * time.Second)
	a.leave()
}

func scriptPromised(w *world) {
	w.open()
	a := w.join("aaaaaaaa")
	w.quiet()
	w.say("somebody was told that the conference is ready when the last participant leaves: the focus waits for 15 s")
	w.ask(roomName)
	a.leave()
	w.pass(5 * time.Second)
	b := w.join("bbbbbbbb")
	w.pass(time.Minute)
	b.leave()
}

func scriptOwners(w *world) {
	w.open()
	w.say("a recorder is passed over")
	w.join("00000000", func(p *person) {
		p.extra = `<features><feature var="http://jitsi.org/protocol/jibri"/></features>`
	})
	w.say("the first participant becomes owner, the second does not")
	a := w.join("aaaaaaaa")
	b := w.join("bbbbbbbb")
	w.say("when the last owner leaves the next one follows")
	a.leave()
	w.say("somebody else is owner already: nobody follows")
	w.join("cccccccc", func(p *person) { p.affiliation = "owner" })
	b.leave()
}

func scriptBreakout(w *world) {
	const room = "b1@breakout.meet.example"
	w.ask(room)
	w.say("nobody becomes owner of a breakout room by being first")
	w.join("aaaaaaaa", func(p *person) { p.room = room })
}

func scriptCapabilities(w *world) {
	w.open()
	w.say("the first two are asked at the same time")
	a, b := w.join("aaaaaaaa"), w.join("bbbbbbbb")
	w.say("the third runs the same version and is not asked")
	w.join("cccccccc")
	w.say("one whose hash does not fit is asked, and so is the next of its kind")
	lie := func(p *person) { p.features, p.lies = append(p.features[:0:0], "urn:xmpp:jingle:apps:rtp:audio"), true }
	w.join("dddddddd", lie)
	w.join("eeeeeeee", lie)
	w.say("one does not answer: the least is assumed after 5 s")
	w.join("ffffffff", func(p *person) { p.mute, p.lies = true, true })
	w.pass(6 * time.Second)
	a.leave()
	b.leave()
}

func scriptAccept(w *world) {
	w.open()
	a := w.join("aaaaaaaa")
	b := w.join("bbbbbbbb")
	a.accept(a.mic(11))
	w.pass(time.Second)
	w.quiet()
	w.say("without a transport")
	b.jingle("session-accept", inContent("audio", b.mic(22)))
	w.say("with a source that somebody else has")
	b.accept(b.mic(11))
	w.say("with somebody else's name")
	b.accept(a.mic(33))
	w.say("with 10,000 sources")
	many := ""
	for i := range 10_000 {
		many += fmt.Sprintf(`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%d"/>`, i+1)
	}
	b.iq("set", fmt.Sprintf(`<jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="%s">%s</jingle>`, b.sid, inContent("audio", many)))
	w.say("source-add before session-accept")
	b.jingle("source-add", inContent("audio", b.mic(22)))
	w.say("properly; and only now is it told of the other")
	b.accept(b.mic(22))
	w.pass(time.Second)
	w.say("once more")
	b.accept(b.mic(22))
	w.say("in an unknown session")
	b.jingleIn("nosuch", "session-accept", "")
	w.say("muted at the start, with initial-last-n, is fine too")
	c := w.join("cccccccc")
	c.jingle("session-accept", `<content name="video"><initial-last-n xmlns="jitsi:colibri2" value="7"/>`+
		`<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="uc" pwd="p">`+
		`<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256">AB</fingerprint></transport></content>`)
}

func scriptSlowBridge(w *world) {
	w.open()
	a, b := w.join("aaaaaaaa"), w.join("bbbbbbbb")
	w.quiet()
	w.bridge.set(nil, 14*time.Second)
	w.say("the bridge takes 14 s for everything: accepts are answered and announced at once")
	a.accept(a.mic(11))
	b.accept(b.mic(22))
	w.pass(time.Minute)
	w.bridge.set(nil, time.Hour)
	w.say("it does not answer an update at all: nothing happens, sessions go on")
	b.jingle("source-add", inContent("video", b.camera(100)))
	w.pass(time.Minute)
	w.say("it does not answer an allocation: the bridge is given up after 15 s")
	w.join("cccccccc")
	w.pass(15*time.Second + turn)
}

func scriptSourcesRefused(w *world) {
	a, b := w.pair()
	w.say("an SSRC that is in use, one's own included")
	b.jingle("source-add", inContent("audio", b.mic(22)))
	b.jingle("source-add", inContent("audio", b.mic(11)))
	w.say("nothing at all")
	b.jingle("source-add", "")
	w.say("removal of what one does not have")
	b.jingle("source-remove", inContent("audio", a.mic(11)))
	w.say("compact JSON is understood, if it speaks of the sender")
	b.set(fmt.Sprintf(`<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="%s"><json-message xmlns="http://jitsi.org/jitmeet">`+
		`{"sources":{"bbbbbbbb":[[{"s":77,"n":"bbbbbbbb-v1","m":"b desk","v":"d"}]]}}</json-message></jingle>`, b.sid))
	b.set(fmt.Sprintf(`<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="%s"><json-message xmlns="http://jitsi.org/jitmeet">`+
		`{"sources":{"aaaaaaaa":[[{"s":78,"n":"aaaaaaaa-v1","m":"a desk"}]]}}</json-message></jingle>`, b.sid))
	w.say("visitors do not send")
	c := w.join("cccccccc", func(p *person) { p.role = "visitor" })
	c.accept(c.mic(33))
	w.say("no jingle at all in it")
	b.set(`<jingle xmlns="urn:xmpp:jingle:1"/>`)
	w.say("actions that are not for us")
	b.jingle("content-modify", "")
	b.jingle("session-initiate", "")
}

func scriptBatching(w *world) {
	a, b := w.pair()
	w.say("many changes within 20 ms are one message")
	b.jingle("source-add", inContent("video", b.camera(100)))
	b.jingle("source-add", inContent("audio", b.mic2(50)))
	w.pass(time.Second)
	w.say("what comes and goes in between is not mentioned")
	b.jingle("source-add", inContent("video", b.desktop(60)))
	b.jingle("source-remove", inContent("video", b.desktop(60)))
	w.pass(time.Second)
	w.say("at most one source-remove, then one source-add")
	b.jingle("source-remove", inContent("audio", b.mic2(50)))
	b.jingle("source-add", inContent("video", b.desktop(61)))
	a.jingle("source-remove", inContent("audio", a.mic(11)))
	w.pass(time.Second)
	w.say("with 10 participants 100 ms are gathered")
	for i := range 8 {
		w.join(fmt.Sprintf("0000000%d", i))
	}
	w.pass(time.Second)
	w.quiet()
	a.jingle("source-add", inContent("audio", a.mic(12)))
	w.pass(time.Second)
}

func scriptRestart(w *world) {
	a, b := w.pair()
	restart := func(p *person) {
		p.jingle("session-terminate", `<reason><connectivity-error/><text>ICE FAILED</text></reason>`+
			`<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+p.stay+`" restart="true"/>`)
	}
	w.say("a client wants a new session: the result comes first, then a new offer; its sources are gone for the others")
	old := b.sid
	restart(b)
	w.pass(time.Second)
	b.accept(b.mic(23))
	w.pass(time.Second)
	w.say("again within 5 s: refused, the session lives on")
	restart(b)
	w.say("late messages in the old session")
	b.jingleIn(old, "source-add", inContent("audio", b.mic(24)))
	b.jingleIn(old, "session-terminate", `<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+b.stay+`" restart="true"/>`)
	w.say("such a wish crossed with our own restart: the client forgets the new session, so it gets another")
	w.pass(5 * time.Second)
	b.jingleIn(old, "session-terminate", `<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+b.stay+`" restart="true"/>`)
	w.pass(time.Minute)
	w.say("a restart that speaks of another bridge session")
	a.jingle("session-terminate", `<bridge-session xmlns="http://jitsi.org/protocol/focus" id="other" restart="true"/>`)
	w.say("5 a minute are granted, not 6")
	for range 5 {
		w.pass(6 * time.Second)
		restart(b)
	}
	w.say("a minute later it may again")
	w.pass(time.Minute)
	restart(b)
	w.say("one ends its session for good and is not invited again, but stays in the room")
	a.jingle("session-terminate", `<reason><success/></reason>`)
	w.join("cccccccc")
}

func scriptSessionInfo(w *world) {
	_, b := w.pair()
	w.say("restarting ICE in place is switched off: the client will ask for a new session")
	b.jingle("session-info", `<bridge-session xmlns="http://jitsi.org/protocol/focus" ice-restart="true" id="`+b.stay+`"/>`)
	w.say("empty, as a ping")
	b.jingle("session-info", "")
	w.say("trickled candidates are passed on")
	b.jingle("transport-info", `<content name="audio"><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="u2" pwd="p2">`+
		`<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256">AB</fingerprint></transport></content>`)
}

func scriptLeavers(w *world) {
	w.open()
	a := w.join("aaaaaaaa")
	b := w.join("bbbbbbbb", with("http://jitsi.org/ssrc-rewriting-1"))
	c := w.join("cccccccc", without("http://jitsi.org/json-encoded-sources"))
	d := w.join("dddddddd")
	for i, p := range []*person{a, b, c, d} {
		p.accept(p.mic(11 * (i + 1)))
	}
	w.pass(10 * time.Second)
	w.quiet()
	w.say("one leaves: only the client prepared for SSRC rewriting is told, the others know")
	d.leave()
	w.pass(time.Second)
	w.say("one comes, sends and leaves at once: the news may have crossed with its leaving, so all are told")
	e := w.join("eeeeeeee")
	e.accept(e.mic(55))
	w.pass(20 * time.Millisecond)
	e.leave()
	w.pass(10 * time.Second)
	w.say("one stays but stops sending: everybody is told, each in its language")
	a.jingle("source-remove", inContent("audio", a.mic(11)))
	w.pass(time.Second)
}

func scriptAlone(w *world) {
	a, b := w.pair()
	w.say("one is left; somebody comes back within 20 s")
	b.leave()
	w.pass(15 * time.Second)
	b = w.join("bbbbbbbb")
	b.accept(b.mic(22))
	w.pass(15 * time.Second)
	w.say("one is left for 20 s: its session ends, and the bridge is given back")
	b.leave()
	w.pass(21 * time.Second)
	w.say("when somebody comes, both are invited")
	w.join("bbbbbbbb")
	a.accept(a.mic(11))
}

func scriptEndpointExpired(w *world) {
	_, b := w.pair()
	expired := func() {
		w.note("bridge > focus endpoint bbbbbbbb expired")
		b.w.f.Report(colibri.EndpointEvent{MeetingID: "00000000-0000-4000-8000-000000000001", Endpoint: "bbbbbbbb", Kind: colibri.EndpointExpired})
		w.pass(turn)
	}
	w.say("the bridge has lost an endpoint: its session ends, and it is invited again after a pause")
	expired()
	w.pass(2 * time.Second)
	b.accept(b.mic(22))
	w.pass(2 * time.Second)
	w.say("the pause grows each time")
	expired()
	w.pass(3 * time.Second)
	expired()
	w.pass(5 * time.Second)
	w.say("a report about a conference or endpoint nobody knows changes nothing")
	w.f.Report(colibri.EndpointEvent{MeetingID: "x", Endpoint: "bbbbbbbb", Kind: colibri.EndpointExpired})
	w.f.Report(colibri.EndpointEvent{MeetingID: "00000000-0000-4000-8000-000000000001", Endpoint: "ffffffff", Kind: colibri.EndpointExpired})
	w.pass(turn)
}

func scriptBridgeDown(w *world) {
	w.open()
	a := w.join("aaaaaaaa")
	w.bridge.set(func(*colibri.ConferenceModify) error { return errors.New("connection refused") }, time.Millisecond)
	w.say("the bridge cannot be reached: it is tried again 1, 2, 4 s later, and the third failure is told")
	b := w.join("bbbbbbbb")
	w.pass(8 * time.Second)
	w.say("somebody comes in the meantime")
	w.join("cccccccc")
	w.say("it is back")
	w.bridge.set(nil, time.Millisecond)
	w.pass(10 * time.Second)
	a.accept(a.mic(11))
	b.accept(b.mic(22))
}

func scriptBridgeRefusesOne(w *world) {
	w.pair()
	w.bridge.set(func(req *colibri.ConferenceModify) error {
		if em := req.Endpoints; len(em) == 1 && em[0].ID == "cccccccc" && em[0].Create {
			return &colibri.Error{Reason: colibri.BadRequest, Text: "no"}
		}
		return nil
	}, time.Millisecond)
	w.say("the bridge refuses one endpoint: the others keep their sessions, this one is tried again")
	w.join("cccccccc")
	w.pass(4 * time.Second)
}

func scriptBridgeLost(w *world) {
	a, b := w.pair()
	c, d := w.join("cccccccc"), w.join("dddddddd")
	for _, p := range []*person{c, d} {
		p.accept(p.mic(500 + int(p.nick[0])))
	}
	w.pass(time.Second)
	w.quiet()
	once := true
	w.bridge.set(func(req *colibri.ConferenceModify) error {
		if once && !req.Expire {
			once = false
			return &colibri.Error{Reason: colibri.ConferenceNotFound}
		}
		return nil
	}, time.Millisecond)
	w.say("the bridge has forgotten the conference: all sessions end, and all are invited again, two at a time")
	b.jingle("source-add", inContent("video", b.camera(100)))
	w.pass(2 * time.Second)
	for i, p := range []*person{a, b, c, d} {
		p.accept(p.mic(111 + i))
	}
	w.pass(time.Second)
	w.say("the bridge has forgotten one endpoint: only that session ends")
	w.bridge.set(func(req *colibri.ConferenceModify) error {
		if em := req.Endpoints; len(em) == 1 && em[0].ID == "bbbbbbbb" && !em[0].Create && !em[0].Expire {
			return &colibri.Error{Reason: colibri.UnknownEndpoint, Endpoint: "bbbbbbbb"}
		}
		return nil
	}, time.Millisecond)
	b.jingle("source-add", inContent("video", b.camera(200)))
	w.pass(2 * time.Second)
}

func scriptOfferRefused(w *world) {
	w.open()
	w.join("aaaaaaaa")
	w.say("a client answers the offer with an error: its session ends and it is tried again")
	b := w.join("bbbbbbbb", func(p *person) { p.refuse = "session-initiate" })
	w.mu.Lock()
	b.refuse = ""
	w.mu.Unlock()
	w.pass(4 * time.Second)
}

func scriptGoneMeanwhile(w *world) {
	w.pair()
	w.bridge.set(nil, time.Second)
	w.say("somebody leaves while the bridge prepares its endpoint: it is not sent an offer")
	c := w.join("cccccccc")
	c.leave()
	w.pass(5 * time.Second)
	w.say("somebody leaves before it has told what it can do")
	d := w.join("dddddddd", func(p *person) { p.mute, p.lies = true, true })
	d.leave()
	w.pass(10 * time.Second)
}

func scriptMute(w *world) {
	a, b := w.pair()
	mute := func(kind, whom, value string) string {
		return `<mute xmlns="http://jitsi.org/jitmeet/` + kind + `" jid="` + roomName + `/` + whom + `">` + value + `</mute>`
	}
	w.say("a moderator mutes somebody: result, bridge, and the one who is muted")
	a.set(mute("audio", "bbbbbbbb", "true"))
	a.set(mute("video", "bbbbbbbb", "true"))
	a.set(mute("desktop", "bbbbbbbb", "true"))
	w.say("it unmutes itself")
	b.set(mute("audio", "bbbbbbbb", "false"))
	w.say("it tells that it has muted itself")
	b.set(mute("audio", "bbbbbbbb", "true"))
	w.say("who is no moderator mutes nobody else, and nobody unmutes anybody")
	b.set(mute("audio", "aaaaaaaa", "true"))
	a.set(mute("video", "bbbbbbbb", "false"))
	w.say("nobody, nothing, neither")
	a.set(mute("audio", "ffffffff", "true"))
	a.set(`<mute xmlns="http://jitsi.org/jitmeet/audio">true</mute>`)
	a.set(mute("audio", "bbbbbbbb", "perhaps"))
	a.set(mute("smell", "bbbbbbbb", "true"))
	w.say("what was muted stays so in a new session")
	b.jingle("session-terminate", `<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+b.stay+`" restart="true"/>`)
}

func scriptUnanswerable(w *world) {
	a, _ := w.pair()
	for _, x := range []struct{ what, payload string }{
		{"recording", `<jibri xmlns="http://jitsi.org/protocol/jibri" action="start" recording_mode="file"/>`},
		{"dialling out", `<dial xmlns="urn:xmpp:rayo:1" to="+4912345" from="x"/>`},
		{"anything", `<query xmlns="urn:example:unheard-of"/>`},
		{"nothing", ``},
	} {
		w.say(x.what)
		a.set(x.payload)
	}
	w.say("ping and disco#info are answered")
	a.iq("get", `<ping xmlns="urn:xmpp:ping"/>`)
	a.iq("get", `<query xmlns="http://jabber.org/protocol/disco#info"/>`)
	w.say("to the focus's service address: logout, login-url, and a room that is not ours")
	for i, payload := range []string{
		`<logout xmlns="http://jitsi.org/protocol/focus" session-id="s"/>`,
		`<login-url xmlns="http://jitsi.org/protocol/focus" room="daily@conference.meet.example"/>`,
		`<conference xmlns="http://jitsi.org/protocol/focus" room="daily@conference.elsewhere.example"/>`,
		`<conference xmlns="http://jitsi.org/protocol/focus"/>`,
		``,
	} {
		w.f.deliverService([]byte(fmt.Sprintf(`<iq type="set" id="s%d" from="u@meet.example/r" to="focus.meet.example">%s</iq>`, i, payload)))
		w.pass(turn)
	}
	w.say("from a room in which the focus is not, or from nobody it knows")
	w.toFocus(`<iq type="set" id="x1" from="other@conference.meet.example/aaaaaaaa"><mute xmlns="http://jitsi.org/jitmeet/audio" jid="x@y/z">true</mute></iq>`)
	w.pass(turn)
	w.toFocus(`<iq type="set" id="x2" from="` + roomName + `/99999999"><jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="x"/></iq>`)
	w.pass(turn)
	w.say("answers nobody waits for, and what is no XML, change nothing")
	w.toFocus(`<iq type="result" id="f1" from="` + roomName + `/aaaaaaaa"/>`)
	w.toFocus(`<iq type="error" id="f1" from="` + roomName + `/aaaaaaaa"/>`)
	w.toFocus(`<iq`)
	w.toFocus(`<presence from="` + roomName + `" />`)
	w.toFocus(`<message from="` + roomName + `/aaaaaaaa"/>`)
	w.pass(turn)
}

func scriptSenderLimits(w *world) {
	a, b := w.pair()
	w.say("a second one would be one too many: everybody is told, and attempts are refused")
	a.extra = `<SourceInfo>{"aaaaaaaa-a0":{"muted":false}}</SourceInfo>`
	a.present("")
	w.pass(turn)
	b.jingle("source-add", inContent("audio", b.mic2(50)))
	w.say("the first mutes itself")
	a.extra = `<SourceInfo>{"aaaaaaaa-a0":{"muted":true}}</SourceInfo>`
	a.present("")
	w.pass(turn)
	b.jingle("source-add", inContent("audio", b.mic2(50)))
}

func scriptRemoved(w *world) {
	w.pair()
	w.say("the room is destroyed: the bridge is given back")
	w.toFocus(`<presence type="unavailable" from="` + roomName + `/focus"><x xmlns="http://jabber.org/protocol/muc#user">` +
		`<item affiliation="none" role="none"/><destroy/><status code="110"/></x></presence>`)
	w.pass(turn)
	w.mu.Lock()
	delete(w.rooms, roomName)
	w.mu.Unlock()
	w.say("a new request begins anew")
	w.ask(roomName)
}
