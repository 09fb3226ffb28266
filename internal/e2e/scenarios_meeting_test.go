package e2e

import (
	"fmt"
	"testing"
)

// trio is a meeting of a moderator, another and one who only watches.
type trio struct{ ada, bea, cleo *actor }

// meeting plays what happens within one meeting, one thing after the other.
func meeting(t *testing.T, s *stage) {
	m := &trio{
		ada:  s.enter(t, "Meeting", "Ada", ""),
		bea:  s.enter(t, "Meeting", "Bea", ""),
		cleo: s.enter(t, "Meeting", "Cleo", noVideo+noAudio),
	}
	meet(t, voiceFace, m.ada, m.bea)
	m.cleo.gets(t, m.ada.source("a0"), m.ada.source("v0"), m.bea.source("a0"), m.bea.source("v0"))
	for _, part := range []struct {
		name string
		play func(*testing.T, *trio)
	}{
		{"microphone", microphone}, {"camera", camera}, {"screen", screen}, {"mutedByModerator", mutedByModerator},
		{"chat", chat}, {"constraints", constraints}, {"channel", channelDropped},
	} {
		t.Run(part.name, func(t *testing.T) { part.play(t, m) })
	}
}

// microphone: a muted one is silent and says so, and comes back.
func microphone(t *testing.T, m *trio) {
	voice, face := m.ada.source("a0"), m.ada.source("v0")
	m.ada.press(t, "m")
	m.bea.until(t, "see.muted(%q) === true", voice)
	m.bea.misses(t, voice, face)
	m.ada.press(t, "m")
	m.bea.until(t, "see.muted(%q) === false", voice)
	m.bea.gets(t, voice, face)
}

// camera: a muted one stands still and its picture goes away; when it comes
// back it moves, without the sources having changed.
func camera(t *testing.T, m *trio) {
	voice, face := m.ada.source("a0"), m.ada.source("v0")
	ssrc := fmt.Sprintf("see.received(%q).then(r => r.ssrc)", face)
	var before, after int
	m.bea.ask(t, ssrc, &before)
	m.ada.press(t, "v")
	m.bea.until(t, "see.muted(%q) === true && !see.shows(%[1]q)", face)
	m.bea.misses(t, face, voice)
	m.ada.press(t, "v")
	m.bea.until(t, "see.muted(%q) === false && see.shows(%[1]q)", face)
	m.bea.gets(t, face)
	m.cleo.gets(t, face)
	if m.bea.ask(t, ssrc, &after); before != after {
		t.Errorf("the camera came back with SSRC %d, had %d", after, before)
	}
}

// screen: a shared one is a second source beside the camera, large at the
// others; it ends, and begins again.
func screen(t *testing.T, m *trio) {
	face, shared := m.ada.source("v0"), m.ada.source("v1")
	for range 2 {
		m.ada.press(t, "d")
		m.bea.until(t, "see.source(%q)?.muted === false && see.source(%[1]q).videoType === 'desktop'", shared)
		m.bea.until(t, "document.querySelector('.on-stage [data-key=%q]')", shared)
		m.bea.gets(t, shared, face)
		m.cleo.gets(t, shared)
		m.ada.press(t, "d")
		m.bea.until(t, "see.muted(%q) === true && !see.shows(%[1]q)", shared)
		m.bea.misses(t, shared, face)
	}
}

// mutedByModerator: a moderator silences somebody, which nobody else may.
func mutedByModerator(t *testing.T, m *trio) {
	voice, face := m.bea.source("a0"), m.bea.source("v0")
	m.cleo.refused(t, "plenum.conference.mute(%q, 'audio')", m.bea.id)
	m.ada.press(t, "p")
	m.ada.do(t, "see.click('[data-focus=%q]')", m.bea.id)
	m.ada.until(t, "document.querySelector('[data-focus=%q]')", m.bea.id+" mute")
	m.ada.do(t, "see.click('[data-focus=%q]')", m.bea.id+" mute")
	m.bea.until(t, "see.text('.notices.news').includes('Ada turned your microphone off')")
	m.cleo.until(t, "see.muted(%q) === true", voice)
	m.cleo.misses(t, voice, face)
	m.ada.do(t, "plenum.conference.mute(%q, 'video')", m.bea.id)
	m.cleo.until(t, "see.muted(%q) === true", face)
	m.cleo.misses(t, face, m.ada.source("a0"))
	m.ada.press(t, "\x1b")
	m.bea.press(t, "mv")
	m.cleo.until(t, "see.muted(%q) === false && see.muted(%q) === false", voice, face)
	m.cleo.gets(t, voice, face)
}

// chat: all read what is written to all, one reads what is written to one.
func chat(t *testing.T, m *trio) {
	for _, p := range []*actor{m.ada, m.bea, m.cleo} {
		p.do(t, "(() => { window.said = []; plenum.conference.on('chat', c => said.push(c.name + (c.private ? '*' : '') + ': ' + c.text)) })()")
	}
	m.ada.press(t, "c")
	m.ada.press(t, "Hello <all>\r")
	m.ada.until(t, "said.length === 1") // the room sends it back to us, which the next one does not wait for
	m.ada.do(t, "document.querySelector('.chat select').value = %q", m.bea.id)
	m.ada.press(t, "Hush\r")
	m.bea.until(t, "said.length === 2")
	m.bea.do(t, "plenum.conference.say('Yes', %q)", m.ada.id)
	m.bea.do(t, "plenum.conference.say('Bye')")
	for p, want := range map[*actor][]string{
		m.ada:  {"Ada: Hello <all>", "Ada*: Hush", "Bea*: Yes", "Bea: Bye"},
		m.bea:  {"Ada: Hello <all>", "Ada*: Hush", "Bea*: Yes", "Bea: Bye"},
		m.cleo: {"Ada: Hello <all>", "Bea: Bye"},
	} {
		p.until(t, "said.some(s => s === 'Bea: Bye')")
		p.until(t, "JSON.stringify(said) === JSON.stringify(%s)", jsObject(want))
	}
	m.ada.until(t, "see.text('.chat .messages').includes('Hello <all>')")
	m.ada.do(t, "document.querySelector('.chat button').focus()")
	m.ada.press(t, "\x1b")
}

// wants lets a page ask for a picture of that many lines, and no longer for
// what its tiles have room for.
func (p *actor) wants(t *testing.T, source string, height int) {
	t.Helper()
	p.do(t, "see.ask({lastN: -1, onStage: [], selected: [], defaultHeight: 180, heights: new Map([[%q, %d]])})", source, height)
}

// constraints: each gets the size it asks for, of one and the same source.
func constraints(t *testing.T, m *trio) {
	face := m.ada.source("v0")
	m.bea.wants(t, face, 360)
	m.cleo.wants(t, face, 180)
	m.bea.until(t, "see.received(%q).then(r => r.height === 360)", face)
	m.cleo.until(t, "see.received(%q).then(r => r.height === 180)", face)
	m.bea.gets(t, face)
	m.cleo.gets(t, face)
	m.cleo.wants(t, face, 360)
	m.cleo.until(t, "see.received(%q).then(r => r.height === 360)", face)
	m.cleo.gets(t, face)
	m.cleo.wants(t, face, 0)
	m.cleo.misses(t, face, m.bea.source("v0"))
	m.bea.gets(t, face)
	m.cleo.wants(t, face, 180)
	m.cleo.gets(t, face)
	m.cleo.until(t, "see.received(%q).then(r => r.height === 180)", face)
}

// channelDropped: the bridge channel comes back by itself, and both sides
// learn what they missed.
func channelDropped(t *testing.T, m *trio) {
	face := m.ada.source("v0")
	m.bea.wants(t, face, 180)
	m.cleo.wants(t, face, 180)
	m.ada.until(t, "plenum.conference.slots.v0.maxHeight === 180")
	for _, p := range []*actor{m.ada, m.cleo} {
		p.do(t, `new Promise(done => {
			plenum.dropChannel()
			const look = setInterval(() => plenum.conference.channelOpen || (clearInterval(look), done(0)), 5)
		})`)
	}
	m.cleo.wants(t, face, 360)
	for _, p := range []*actor{m.ada, m.cleo} {
		p.until(t, "plenum.conference.channelOpen")
	}
	m.ada.until(t, "plenum.conference.slots.v0.maxHeight === 360")
	m.ada.until(t, "plenum.stats().then(s => s.sent.some(r => r.name === %q && r.height === 360))", face)
	m.cleo.until(t, "see.received(%q).then(r => r.height === 360)", face)
	m.cleo.gets(t, face, m.ada.source("a0"))
	m.bea.gets(t, face)
}
