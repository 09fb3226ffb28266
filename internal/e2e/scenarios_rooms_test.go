package e2e

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// roles plays with who may do what: the meeting outlives its moderator.
func roles(t *testing.T, s *stage) {
	ada := s.enter(t, "Roles", "Ada", noVideo)
	bea := s.enter(t, "Roles", "Bea", noVideo)
	cleo := s.enter(t, "Roles", "Cleo", noVideo)
	meet(t, voice, ada, bea, cleo)
	t.Run("succession", func(t *testing.T) {
		if bea.moderates(t) || cleo.moderates(t) {
			t.Error("there is more than one moderator from the start")
		}
		ada.do(t, "plenum.conference.leave()")
		bea.until(t, "plenum.conference.isModerator")
		bea.until(t, "!plenum.conference.member(%q)", ada.id)
		if cleo.moderates(t) {
			t.Error("both others became moderators")
		}
		meet(t, voice, bea, cleo)
	})
	t.Run("kick", func(t *testing.T) { kicked(t, bea, cleo) })
	t.Run("lock", func(t *testing.T) { locked(t, s, bea) })
	t.Run("grant", func(t *testing.T) {
		cleo.refused(t, "plenum.conference.lock('mine')")
		bea.do(t, "plenum.conference.grantModerator(%q)", cleo.id)
		cleo.until(t, "plenum.conference.isModerator")
		bea.until(t, "plenum.conference.member(%q).role === 'moderator'", cleo.id)
		cleo.do(t, "plenum.conference.lock('ours')")
		bea.until(t, "plenum.conference.info.locked")
	})
}

func (p *actor) moderates(t *testing.T) (yes bool) {
	t.Helper()
	p.ask(t, "plenum.conference.isModerator", &yes)
	return yes
}

// comeBack joins again from the page that says that the meeting is over.
func comeBack(t *testing.T, p *actor) {
	t.Helper()
	p.do(t, "see.click('button.primary')")
	p.until(t, "plenum.state === 'prejoin' && document.querySelector('button.primary:not(:disabled)')")
	p.do(t, "see.click('button.primary')")
	p.joined(t)
}

// kicked: somebody is thrown out, is told by whom and why, and may come back.
func kicked(t *testing.T, mod, p *actor) {
	p.refused(t, "plenum.conference.kick(%q)", mod.id)
	before := p.id
	mod.do(t, "plenum.conference.kick(%q, 'Too <loud>')", p.id)
	p.until(t, "see.text('h1') === 'You were removed from the meeting'")
	p.until(t, "see.text('.lead') === 'Bea removed you. Too <loud>'")
	mod.until(t, "plenum.conference.members.length === 0")
	comeBack(t, p)
	if p.id == before {
		t.Error("who was removed came back as the same")
	}
	meet(t, voice, mod, p)
}

// locked: only who knows the password comes in.
func locked(t *testing.T, s *stage, mod *actor) {
	mod.do(t, "plenum.conference.lock('Sesame')")
	dora := s.open(t, "Roles", "Dora", noVideo)
	dora.until(t, "see.text('dialog h2') === 'This meeting is locked'")
	dora.press(t, "sesame\r")
	dora.until(t, "see.text('dialog [role=alert]').includes('not right')")
	dora.press(t, "Sesame\r")
	dora.joined(t)
	meet(t, voice, mod, dora)
	mod.do(t, "plenum.conference.lock('')")
	dora.until(t, "!plenum.conference.info.locked")
	if err := dora.Close(); err != nil {
		t.Log(err)
	}
}

// alone: the last one loses the media session after a while, and gets another
// when somebody comes.
func alone(t *testing.T, s *stage) {
	ada := s.enter(t, "Alone", "Ada", "")
	bea := s.enter(t, "Alone", "Bea", "")
	meet(t, voiceFace, ada, bea)
	var sid, another string
	ada.ask(t, "plenum.conference.sid", &sid)
	bea.do(t, "plenum.conference.leave()")
	ada.until(t, "plenum.conference.members.length === 0")
	ada.until(t, "plenum.conference.mediaState === 'closed'")
	ada.until(t, "see.text('.lonely') && !document.querySelector('.lonely').hidden")
	comeBack(t, bea)
	meet(t, voiceFace, ada, bea)
	if ada.ask(t, "plenum.conference.sid", &another); another == sid {
		t.Error("the session that was over goes on")
	}
}

// tenants: the same name under a tenant is another room.
func tenants(t *testing.T, s *stage) {
	ada := s.enter(t, "acme/Daily", "Ada", noVideo)
	eve := s.enter(t, "Daily", "Eve", noVideo)
	fay := s.enter(t, "other/Daily", "Fay", noVideo)
	bea := s.enter(t, "acme/Daily", "Bea", noVideo)
	meet(t, voice, ada, bea)
	ada.until(t, "plenum.conference.members.length === 1")
	for _, p := range []*actor{eve, fay} {
		p.until(t, "plenum.conference.members.length === 0 && plenum.conference.mediaState === 'closed'")
	}
}

// sessionRestart: media fails for good, and an ICE restart does not help; so
// the client asks for a new session,
// which brings it back, and nobody has left meanwhile.
func sessionRestart(t *testing.T, s *stage) {
	ada := &actor{Page: s.b.Open("about:blank"), a: s.a, name: "Ada"}
	lose := func(percent float64) {
		if err := browser.LosePackets(ada.Page, percent); err != nil {
			t.Fatal(err)
		}
	}
	lose(0)
	if err := ada.Navigate(roomURL(s.a, "Failure", "Ada")); err != nil {
		t.Fatal(err)
	}
	ada.do(t, onlooker)
	ada.joined(t)
	bea := s.enter(t, "Failure", "Bea", "")
	meet(t, voiceFace, ada, bea)
	bea.do(t, "(() => { window.left = []; plenum.conference.on('left', m => left.push(m.id)) })()")
	ada.do(t, "(() => { window.sid = plenum.conference.sid; window.media = []; plenum.conference.on('media', m => media.push(m)) })()")
	asked, tried := metric(t, s.a, "plenum_focus_session_restarts_total"), metric(t, s.a, "plenum_focus_ice_restarts_total")
	lose(100)
	// Not before there is another session: the old one would come back.
	ada.until(t, "media.includes('interrupted')")
	waitUntil(t, "ICE restart", func() bool { return metric(t, s.a, "plenum_focus_ice_restarts_total") > tried }, func() string { return "not asked for" })
	ada.until(t, "!['', sid].includes(plenum.conference.sid)")
	lose(0)
	if now := metric(t, s.a, "plenum_focus_session_restarts_total"); now <= asked {
		t.Error("there is a new session, but nobody has asked for it")
	}
	ada.until(t, "plenum.conference.mediaState === 'connected'")
	meet(t, voiceFace, ada, bea)
	bea.until(t, "left.length === 0 && plenum.conference.member(%q)", ada.id)
}
