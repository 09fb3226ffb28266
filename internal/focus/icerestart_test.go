package focus

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
)

// restartICE asks for an ICE restart as Jitsi clients do.
func (p *person) restartICE() {
	p.jingle("session-info", `<bridge-session xmlns="http://jitsi.org/protocol/focus" ice-restart="true" id="`+p.stay+`"/>`)
}

// transportInfo answers an ICE restart as Jitsi clients do: the same transport
// for each m-line.
func (p *person) transportInfo(generation, mlines int) {
	p.w.note("%s > focus transport-info generation %d, for %d m-lines", p.short(), generation, mlines)
	content := fmt.Sprintf(`<content creator="responder" name="audio"><transport ufrag="v%d" pwd="p%d" xmlns="urn:xmpp:jingle:transports:ice-udp:1" ice-generation="%d">`+
		`<fingerprint hash="sha-256" xmlns="urn:xmpp:jingle:apps:dtls:0" setup="active">AB:CD</fingerprint></transport></content>`,
		generation, generation, generation)
	p.iq("set", `<jingle xmlns="urn:xmpp:jingle:1" action="transport-info" sid="`+p.sid+`">`+strings.Repeat(content, mlines)+`</jingle>`)
}

func scriptICERestart(w *world) {
	a, b := w.pair()
	w.say("a client restarts ICE: the result, then the bridge's new transport, then its own, as often as it has m-lines")
	w.verbose = true
	b.restartICE()
	w.verbose = false
	b.transportInfo(1, 100)
	w.say("sources go on in the same session")
	b.jingle("source-remove", inContent("audio", b.mic(22)))
	w.pass(6 * time.Second)
	w.say("again, with the next number; an answer to the first comes late and is not passed on")
	b.restartICE()
	b.transportInfo(1, 1)
	b.transportInfo(2, 1)
	w.say("candidates without a number are of no restart, and too late")
	b.transportInfo(0, 1)
	w.say("of another bridge session")
	a.jingle("session-info", `<bridge-session xmlns="http://jitsi.org/protocol/focus" ice-restart="true" id="other"/>`)
	w.say("a new session begins with no restart")
	b.jingle("session-terminate", `<reason><connectivity-error/></reason><bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+b.stay+`" restart="true"/>`)
	w.say("before the accept there is nothing to restart")
	b.restartICE()
	w.bridge.mu.Lock()
	w.bridge.restarts = 0
	w.bridge.mu.Unlock()
	b.accept()
	w.pass(6 * time.Second)
	b.restartICE()
	b.transportInfo(1, 1)
}

func scriptICERestartLimits(w *world) {
	a, b := w.pair()
	w.say("again within 5 s: refused")
	b.restartICE()
	w.pass(4900 * time.Millisecond)
	b.restartICE()
	w.say("others may, and a new session is counted apart")
	a.restartICE()
	w.say("5 a minute are granted, not 6")
	for range 5 {
		w.pass(5 * time.Second)
		b.restartICE()
	}
	w.say("a minute later it may again")
	w.pass(time.Minute)
	b.restartICE()
}

func scriptICERestartFailed(w *world) {
	_, b := w.pair()
	answer := func(t *media.Transport) {
		w.bridge.mu.Lock()
		defer w.bridge.mu.Unlock()
		w.bridge.restarted = func(int) *media.Transport { return t }
	}
	w.say("the bridge keeps what it has: nothing more to say")
	answer(&media.Transport{})
	b.restartICE()
	w.say("an old number is not passed on")
	w.pass(6 * time.Second)
	answer(&media.Transport{Ufrag: "x", Pwd: "y", Generation: 3})
	b.restartICE()
	w.pass(6 * time.Second)
	answer(&media.Transport{Ufrag: "x", Pwd: "y", Generation: 2})
	b.restartICE()
	w.say("a bridge that cannot: a new session at once")
	w.pass(6 * time.Second)
	answer(nil)
	b.restartICE()
	b.accept()
	w.say("a bridge that is slow: the client goes on with what it has")
	w.pass(6 * time.Second)
	w.bridge.set(nil, time.Minute)
	b.restartICE()
	w.pass(20 * time.Second)
	w.say("a bridge that has lost the endpoint")
	w.pass(20 * time.Second)
	w.bridge.set(func(req *colibri.ConferenceModify) error {
		if req.Endpoints[0].RestartICE {
			return &colibri.Error{Reason: colibri.UnknownEndpoint, Endpoint: "bbbbbbbb"}
		}
		return nil
	}, 0)
	b.restartICE()
	w.pass(2 * time.Second)
	b.accept()
	w.say("a bridge that has gone")
	w.pass(20 * time.Second)
	w.bridge.set(func(req *colibri.ConferenceModify) error {
		if len(req.Endpoints) > 0 && req.Endpoints[0].RestartICE {
			return errors.New("connection lost")
		}
		return nil
	}, 0)
	b.restartICE()
	w.pass(2 * time.Second)
	w.say("one who leaves while the bridge thinks is not told")
	b.accept()
	w.pass(20 * time.Second)
	w.bridge.set(nil, 100*time.Millisecond)
	b.restartICE()
	b.leave()
	w.pass(time.Second)
}

func scriptICEState(w *world) {
	_, b := w.pair()
	report := func(state, stay string) {
		b.jingle("session-info", `<ice-state xmlns="http://jitsi.org/protocol/focus">`+state+`</ice-state>`+
			`<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+stay+`"/>`)
	}
	w.say("an older client reports that ICE has failed, and waits for a new session")
	report("failed", b.stay)
	w.say("again at once: it has not accepted yet, so there is nothing to do")
	report("failed", b.stay)
	b.accept()
	w.say("too often")
	report("failed", b.stay)
	w.say("other states are of no interest")
	w.pass(6 * time.Second)
	report("disconnected", b.stay)
	w.say("of another bridge session")
	report("failed", "other")
}
