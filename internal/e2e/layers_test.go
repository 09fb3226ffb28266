package e2e

import (
	"fmt"
	"testing"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// TestLayers lets one page send with each codec in turn, changing while it is
// being watched, and two engines watch it, who change their minds about how
// large and how often: the picture follows, and never stands still.
//
// The camera has 540 lines: at 720 two shared cores cannot encode three layers
// of AV1 beside two pages that decode. One of the two always wants the largest
// picture, so that the sender never has a reason to leave layers out: what the
// other one gets is the bridge's doing.
func TestLayers(t *testing.T) {
	browser.Require(t, browser.Chromium)
	browser.Require(t, browser.Firefox)
	a := startServer(t, nil)
	s := &stage{a: a, b: browser.StartChromium(t)}
	ada := s.enter(t, "Layers", "Ada", "&config.resolution=540"+noAudio)
	bea := s.enter(t, "Layers", "Bea", noVideo+noAudio)
	fay := enterFirefox(t, a, "Layers", "Fay", noVideo+noAudio)
	w := watch(t, ada, bea, fay)
	for _, codec := range []string{"vp8", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) { w.play(t, codec, oneAndAnother, threeRates) })
	}
	// A Firefox without its plugin cannot decode H.264.
	fay.do(t, "plenum.conference.leave()")
	bea.until(t, "plenum.conference.members.length === 1")
	w.all = w.all[:1]
	t.Run("h264", func(t *testing.T) { w.play(t, "h264", oneAndAnother, threeRates) })
}

// TestLayersOfFirefox is TestLayers with Firefox as the sender, and both
// engines as watchers. Its VP8 has three sizes and two temporal layers. It
// knows no scalability modes, so that its VP9 and AV1 have one layer: the
// picture is as large as the one who wants most has asked for.
func TestLayersOfFirefox(t *testing.T) {
	browser.Require(t, browser.Chromium)
	browser.Require(t, browser.Firefox)
	a := startServer(t, nil)
	s := &stage{a: a, b: browser.StartChromium(t)}
	ada := enterFirefox(t, a, "Fire", "Ada", "&config.resolution=540"+noAudio)
	bea := s.enter(t, "Fire", "Bea", noVideo+noAudio)
	fay := enterFirefox(t, a, "Fire", "Fay", noVideo+noAudio)
	w := watch(t, ada, bea, fay)
	t.Run("vp8", func(t *testing.T) { w.play(t, "vp8", oneAndAnother, twoRates) })
	for _, codec := range []string{"vp9", "av1"} {
		t.Run(codec, func(t *testing.T) { w.play(t, codec, allTheSame, nil) })
	}
}

// enterFirefox is enter, with a Firefox of its own.
func enterFirefox(t *testing.T, a *app.App, room, name, options string) *actor {
	t.Helper()
	p := &actor{a: a, name: name + " (Firefox)"}
	p.Page = browser.StartFirefox(t, roomURL(a, room, name)+options)
	p.do(t, onlooker)
	p.joined(t)
	return p
}

// The heights of the three layers.
var lines = [3]int{135, 270, 540}

// Which of them two watchers want, one step after the other.
var (
	oneAndAnother = [][2]int{{0, 2}, {1, 2}, {2, 0}, {0, 2}, {2, 1}}
	allTheSame    = [][2]int{{0, 0}, {2, 2}, {1, 1}, {2, 2}}
)

// rate is how many frames somebody wants at most, and what is to be seen then:
// by a browser that has time, and anyway.
type rate struct {
	most         int
	want, anyway string
}

// The camera of Chromium has 20 frames a second, of which three temporal layers
// leave 5, 10 or 20; that of Firefox has 30, of which two leave 15 or 30.
var (
	threeRates = []rate{{-1, "r > 14", "r > 0"}, {10, "r > 6 && r < 13", "r > 0 && r < 13"}, {5, "r > 2 && r < 7", "r > 0 && r < 7"}, {-1, "r > 14", "r > 0"}}
	twoRates   = []rate{{-1, "r > 20", "r > 0"}, {15, "r > 8 && r < 18", "r > 0 && r < 18"}, {-1, "r > 20", "r > 0"}}
)

// watchers are the one who sends, and those who watch.
type watchers struct {
	ada  *actor
	all  []*actor
	face string
}

func watch(t *testing.T, ada *actor, all ...*actor) *watchers {
	t.Helper()
	w := &watchers{ada, all, ada.source("v0")}
	for _, p := range all { // the hooks keep pages from asking for anything themselves
		p.gets(t, w.face)
	}
	for _, p := range append(all, ada) {
		p.do(t, layerHooks)
	}
	return w
}

// layerHooks let a page ask the bridge for anything, and watch how a picture
// goes on.
const layerHooks = `(() => {
	const send = WebSocket.prototype.send
	WebSocket.prototype.send = function (m) {
		if (this.url.includes('colibri')) {
			window.bridge = m => send.call(this, JSON.stringify(m))
			if (m.includes('ReceiverVideoConstraints')) return
		}
		return send.call(this, m)
	}
	const get = RTCPeerConnection.prototype.getStats
	RTCPeerConnection.prototype.getStats = function (...args) {
		window.pc = this
		return get.apply(this, args)
	}
	window.likeCodec = name => {
		plenum.conference.options.settings.codecs = [name, 'vp8']
		plenum.conference.setName('Ada ' + name)
	}
	window.layers = {
		reports: async type => window.pc ? [...(await get.call(window.pc)).values()].filter(r => r.type === type && r.kind === 'video') : [],
		moving: async () => (await layers.reports('inbound-rtp')).filter(r => r.framesDecoded > 0)
			.concat((await layers.reports('outbound-rtp')).filter(r => r.framesEncoded > 0)),
		sum: all => all.reduce((n, r) => n + (r.framesDecoded ?? 0) + (r.framesEncoded ?? 0), 0),
		frames: async () => layers.sum(await layers.moving()),
		gap: 0, last: performance.now(), count: 0, squares: new Map(),
		forget: () => { layers.gap = 0; layers.last = performance.now() },
		// The time since a picture was seen to come says how long it stands
		// still. Who looks too seldom learns it from the squares of the delays
		// between pictures: their sum is no less than that of the longest.
		look: async () => {
			const all = await layers.moving(), now = performance.now()
			const n = layers.sum(all)
			if (n !== layers.count) { layers.count = n; layers.last = now }
			layers.gap = Math.max(layers.gap, now - layers.last)
			for (const r of all.filter(r => r.totalSquaredInterFrameDelay > 0)) {
				const more = r.totalSquaredInterFrameDelay - (layers.squares.get(r.id) ?? r.totalSquaredInterFrameDelay)
				layers.gap = Math.max(layers.gap, 1000 * Math.sqrt(Math.max(more, 0)))
				layers.squares.set(r.id, r.totalSquaredInterFrameDelay)
			}
			setTimeout(layers.look, 40)
		},
		want: (name, maxHeight, maxFrameRate) => window.bridge({
			colibriClass: 'ReceiverVideoConstraints', lastN: -1, onStageSources: [], selectedSources: [],
			defaultConstraints: { maxHeight: 180 }, constraints: { [name]: { maxHeight, maxFrameRate } },
		}),
		report: async () => (await layers.reports('inbound-rtp')).filter(r => r.framesDecoded > 0).map(r => ({
			dropped: r.framesDropped ?? 0, decoded: r.framesDecoded, plis: r.pliCount ?? 0, lost: r.packetsLost, frozen: r.totalFreezesDuration ?? 0,
		}))[0],
		rate: async ms => {
			const a = await layers.frames(), from = performance.now()
			await new Promise(done => setTimeout(done, ms))
			return (await layers.frames() - a) * 1000 / (performance.now() - from)
		},
	}
	layers.look()
	return plenum.stats().then(() => 0) // which makes pc known
})()`

// play lets them watch one codec. The first of them wants fewer frames, too.
func (w *watchers) play(t *testing.T, codec string, sizes [][2]int, rates []rate) {
	then := allThreads()
	before := make([]pictureReport, len(w.all))
	for i, p := range w.all {
		p.ask(t, "layers.report()", &before[i])
	}
	w.forget(t)
	w.ada.do(t, "likeCodec(%q)", codec)
	for _, p := range w.all {
		p.until(t, "typeof bridge === 'function' && see.received(%q).then(r => r.codec === %q)", w.face, codec)
		p.gets(t, w.face)
	}
	w.smooth(t, then, before, maxChange)
	w.forget(t)
	for _, step := range sizes {
		for i, p := range w.all {
			p.do(t, "layers.want(%q, %d, -1)", w.face, lines[step[i]])
		}
		w.senderIsAskedFor(t, lines[max(step[0], step[len(w.all)-1])])
		for i, p := range w.all { // encoders want widths and heights to be even
			const is = "see.received(%q).then(r => %s(r.height - %d) < 4)"
			wanted := lines[step[i]]
			if !p.untilIfTime(t, fmt.Sprintf(is, w.face, "Math.abs", wanted), fmt.Sprintf(is, w.face, "", wanted)) {
				p.gets(t, w.face)
			}
		}
	}
	for _, r := range rates {
		w.all[0].do(t, "layers.want(%q, %d, %d)", w.face, lines[2], r.most)
		rate := "layers.rate(1000).then(r => "
		w.all[0].untilIfTime(t, rate+r.want+")", rate+r.anyway+")")
	}
	w.smooth(t, then, before, maxGap)
}

// senderIsAskedFor checks that the bridge has asked the sender for as many
// lines as somebody wants. That less is wanted it tells later.
func (w *watchers) senderIsAskedFor(t *testing.T, height int) {
	t.Helper()
	asked := 0
	waitUntil(t, fmt.Sprintf("the sender is asked for %d lines", height), func() bool {
		for _, e := range endpoints(t, w.ada.a) {
			for _, s := range e.Sources {
				if s.Name == w.face {
					asked = s.Wanted
				}
			}
		}
		return asked >= height
	}, func() string { return fmt.Sprintf("it is asked for %d", asked) })
}

// forget begins to watch anew how long the picture stands still.
func (w *watchers) forget(t *testing.T) {
	t.Helper()
	for _, p := range append(w.all, w.ada) {
		p.do(t, "layers.forget()")
	}
}

// smooth checks that the picture has gone on all the time, if there was time
// since then for it to do so.
func (w *watchers) smooth(t *testing.T, then threads, before []pictureReport, most float64) {
	t.Helper()
	var paused float64
	var wrong []string
	w.ada.ask(t, "layers.gap", &paused)
	for i, p := range w.all {
		wrong = append(wrong, p.notSmooth(t, before[i], most, paused)...)
	}
	then.judge(t, "how smoothly pictures go on", wrong)
}

// pictureReport is what an engine says of the picture it receives.
type pictureReport struct{ Dropped, Decoded, PLIs, Lost, Frozen float64 }

const (
	// maxGap is how long a picture may stand still, in ms. That the sender
	// itself has paused is no excuse.
	maxGap = 1000
	// maxChange is the same for a change of the codec, for which the sender
	// negotiates and both sides make new coders.
	maxChange = 2000
	// maxPLIs is how often an engine may have to ask for a key frame itself;
	// what it cannot decode makes it do so all the time.
	maxPLIs = 5
)

// notSmooth tells what one of them has seen, and returns what was wrong with it.
func (p *actor) notSmooth(t *testing.T, before pictureReport, most, paused float64) (wrong []string) {
	t.Helper()
	var now pictureReport
	var gap float64
	p.ask(t, "layers.report()", &now)
	p.ask(t, "layers.gap", &gap)
	decoded, dropped := now.Decoded-before.Decoded, now.Dropped-before.Dropped
	t.Logf("%s: %g pictures, %g dropped, stood still for %.0f ms (the sender for %.0f), %.2f s of freezes, %g lost packets, %g PLIs",
		p.name, decoded, dropped, gap, paused, now.Frozen-before.Frozen, now.Lost-before.Lost, now.PLIs-before.PLIs)
	if gap > most {
		wrong = append(wrong, fmt.Sprintf("%s: the picture stood still for %.0f ms, the sender for %.0f", p.name, gap, paused))
	}
	if dropped > decoded/5+5 || now.PLIs-before.PLIs > maxPLIs {
		wrong = append(wrong, fmt.Sprintf("%s: %g of %g pictures dropped, %g PLIs", p.name, dropped, decoded, now.PLIs-before.PLIs))
	}
	return wrong
}
