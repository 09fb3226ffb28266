package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// TestScenarios plays what people do in meetings, on real pages, and asks the
// other side what it sees and hears of it. All share one server and one
// browser, each in rooms of its own.
func TestScenarios(t *testing.T) {
	browser.Require(t, browser.Chromium)
	s := &stage{
		a: startServer(t, func(c *config.Config) { c.Focus.SingleParticipantTimeout = aloneFor }),
		b: browser.StartChromium(t, "auto-select-desktop-capture-source=Entire screen"),
	}
	// Two at a time: some wait for a clock, others for the processor.
	for _, group := range []struct {
		name string
		play func(*testing.T, *stage)
	}{
		{"failure", sessionRestart}, {"meeting", meeting}, {"roles", roles},
		{"alone", alone}, {"tenants", tenants}, {"codecs", codecs},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.play(t, &stage{a: s.a, b: s.b.For(t)})
		})
	}
}

// aloneFor is how long the last participant keeps the media session.
const aloneFor = 2 * time.Second

// stage is where scenarios are played.
type stage struct {
	a *app.App
	b *browser.ChromiumBrowser
}

// actor is a page, and who sits before it.
type actor struct {
	browser.Page
	a    *app.App
	name string
	id   string // endpoint id
}

// source is the name of one of the actor's sources: "a0", "v0" or "v1".
func (p *actor) source(slot string) string { return p.id + "-" + slot }

const (
	noVideo = "&config.startWithVideoMuted=true"
	noAudio = "&config.startWithAudioMuted=true"
)

// enter opens a page and waits until it is in the meeting.
func (s *stage) enter(t *testing.T, room, name, options string) *actor {
	t.Helper()
	p := s.open(t, room, name, options)
	p.joined(t)
	return p
}

func (s *stage) open(t *testing.T, room, name, options string) *actor {
	t.Helper()
	p := &actor{Page: s.b.Open(roomURL(s.a, room, name) + options), a: s.a, name: name}
	p.do(t, onlooker)
	return p
}

// joined waits until the actor is in, and learns under which id.
func (p *actor) joined(t *testing.T) {
	t.Helper()
	p.until(t, "plenum.state === 'joined'")
	p.ask(t, "plenum.conference.id", &p.id)
}

// onlooker gives a page short ways to ask what it sees of others.
const onlooker = `(() => {
	window.see = {
		source: name => plenum.conference.member(name.split('-')[0])?.sources.get(name),
		muted: name => see.source(name)?.muted,
		received: async name => (await plenum.stats()).received.find(r => r.name === name) ?? {},
		// How far a picture or a voice has come: frames, or energy heard.
		progress: async name => {
			const r = await see.received(name)
			return (r.kind === 'audio' ? r.audioEnergy : r.framesDecoded) ?? 0
		},
		shows: name => document.querySelector('[data-key="' + name + '"]')?.classList.contains('has-video') ?? false,
		text: selector => document.querySelector(selector)?.textContent ?? '',
		ask: wanted => {
			const c = plenum.conference
			c.setReceive = () => 0
			return Object.getPrototypeOf(c).setReceive.call(c, wanted)
		},
		click: selector => (document.querySelector(selector)?.click(), 0),
	}
	window.happened = []
	return 0
})()`

// patience is how long anything but joining may take on a busy machine. It is
// spent only when something goes wrong.
const patience = 2 * time.Minute

// until waits until a condition holds on the page.
func (p *actor) until(t *testing.T, format string, args ...any) {
	t.Helper()
	err := browser.WaitFor(p, "("+fmt.Sprintf(format, args...)+")", "plenum.stats().then(s => [document.body.innerText.slice(0, 300), s])", patience)
	if err != nil {
		t.Logf("the bridge: %s", fetch(t, p.a.AdminURL()+"/debug/state/bridge"))
		t.Fatalf("%s: %v", p.name, err)
	}
}

// do evaluates an expression for what it does. Refusals are failures.
func (p *actor) do(t *testing.T, format string, args ...any) {
	t.Helper()
	p.ask(t, fmt.Sprintf(format, args...), nil)
}

func (p *actor) ask(t *testing.T, expression string, out any) {
	t.Helper()
	if err := p.Evaluate(expression, out); err != nil {
		t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
}

// press presses keys, as who sits before the page would.
func (p *actor) press(t *testing.T, keys string) {
	t.Helper()
	if err := p.Press(keys); err != nil {
		t.Fatalf("%s: pressing %q: %v", p.name, keys, err)
	}
}

// refused checks that the page may not do something.
func (p *actor) refused(t *testing.T, format string, args ...any) {
	t.Helper()
	if err := p.Evaluate(fmt.Sprintf(format, args...), nil); err == nil {
		t.Errorf("%s may do %s", p.name, fmt.Sprintf(format, args...))
	}
}

// progress is how far a picture or a voice has come on the page.
func (p *actor) progress(t *testing.T, source string) (v float64) {
	t.Helper()
	p.ask(t, fmt.Sprintf("see.progress(%q)", source), &v)
	return v
}

// Steps in which a source is seen to move: frames, and energy of a voice. The
// microphone of a test beeps once a second; a beep is many times as loud.
const (
	frameStep  = 10
	energyStep = 0.01
)

func step(source string) float64 {
	if source[len(source)-2] == 'a' {
		return energyStep
	}
	return frameStep
}

// gets checks that the page goes on receiving all these sources.
func (p *actor) gets(t *testing.T, sources ...string) {
	t.Helper()
	var from []float64
	for _, s := range sources {
		from = append(from, p.progress(t, s))
	}
	for i, s := range sources {
		p.until(t, "see.progress(%q).then(v => v >= %g)", s, from[i]+step(s))
	}
}

// misses checks that a source stands still while another moves on. What is on
// its way still arrives, so it may take several looks.
func (p *actor) misses(t *testing.T, still, moving string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		before := p.progress(t, still)
		p.gets(t, moving)
		after := p.progress(t, still)
		if after-before < step(still)/10 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still gets %s: %g, then %g", p.name, still, before, after)
		}
	}
}

// meet checks that everybody gets these sources of everybody.
func meet(t *testing.T, slots []string, all ...*actor) {
	t.Helper()
	for _, p := range all {
		p.gets(t, others(p, slots, all)...)
	}
}

// others are the sources of all but one.
func others(p *actor, slots []string, all []*actor) (sources []string) {
	for _, q := range all {
		for _, slot := range slots {
			if p != q {
				sources = append(sources, q.source(slot))
			}
		}
	}
	return sources
}

var (
	voice     = []string{"a0"}
	face      = []string{"v0"}
	voiceFace = []string{"a0", "v0"}
)
