package e2e

import (
	"testing"

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
	w := &watchers{}
	ada := s.enter(t, "Layers", "Ada", "&config.resolution=540"+noAudio)
	w.ada, w.face = ada, ada.source("v0")
	w.bea = s.enter(t, "Layers", "Bea", noVideo+noAudio)
	w.fay = &actor{a: a, name: "Fay (Firefox)"}
	w.fay.Page = browser.StartFirefox(t, roomURL(a, "Layers", "Fay")+noVideo+noAudio)
	w.fay.do(t, onlooker)
	w.fay.joined(t)
	for _, p := range []*actor{w.bea, w.fay} { // the hooks keep pages from asking for anything themselves
		p.gets(t, w.face)
	}
	for _, p := range []*actor{w.ada, w.bea, w.fay} {
		p.do(t, layerHooks)
	}
	for _, codec := range []string{"vp8", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) { w.play(t, codec, w.bea, w.fay) })
	}
	// A Firefox without its plugin cannot decode H.264.
	w.fay.do(t, "plenum.conference.leave()")
	w.bea.until(t, "plenum.conference.members.length === 1")
	t.Run("h264", func(t *testing.T) { w.play(t, "h264", w.bea) })
}

// The heights of the three layers.
var lines = [3]int{135, 270, 540}

// watchers are the one who sends, and those who watch.
type watchers struct {
	ada, bea, fay *actor
	face          string
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
		frames: async () => {
			const in_ = (await layers.reports('inbound-rtp')).filter(r => r.framesDecoded > 0)
			const out = (await layers.reports('outbound-rtp')).filter(r => r.framesEncoded > 0)
			return in_.concat(out).reduce((n, r) => n + (r.framesDecoded ?? 0) + (r.framesEncoded ?? 0), 0)
		},
		gap: 0, last: performance.now(), count: 0,
		forget: () => { layers.gap = 0; layers.last = performance.now() },
		look: async () => {
			const n = await layers.frames(), now = performance.now()
			if (n !== layers.count) { layers.count = n; layers.last = now }
			layers.gap = Math.max(layers.gap, now - layers.last)
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

// play lets them watch one codec.
func (w *watchers) play(t *testing.T, codec string, all ...*actor) {
	w.ada.do(t, "likeCodec(%q)", codec)
	for _, p := range all {
		p.until(t, "typeof bridge === 'function' && see.received(%q).then(r => r.codec === %q)", w.face, codec)
	}
	before := make([]pictureReport, len(all))
	for i, p := range all {
		p.ask(t, "layers.report()", &before[i])
	}
	for _, p := range append(all, w.ada) {
		p.do(t, "layers.forget()")
	}
	for _, step := range [][2]int{{0, 2}, {1, 2}, {2, 0}, {0, 2}, {2, 1}} {
		for i, p := range all {
			p.do(t, "layers.want(%q, %d, -1)", w.face, lines[step[i]])
		}
		for i, p := range all { // encoders want widths and heights to be even
			p.until(t, "see.received(%q).then(r => Math.abs(r.height - %d) < 4)", w.face, lines[step[i]])
		}
	}
	w.slower(t, lines[2])
	var paused float64
	w.ada.ask(t, "layers.gap", &paused)
	for i, p := range all {
		p.smooth(t, before[i], paused)
	}
}

// slower lets Bea ask for fewer frames, and for all of them again. The camera
// has 20 a second; with three temporal layers she can have 5, 10 or 20.
func (w *watchers) slower(t *testing.T, height int) {
	t.Helper()
	for _, step := range []struct {
		most int
		want string
	}{{-1, "r > 14"}, {10, "r > 6 && r < 13"}, {5, "r > 2 && r < 7"}, {-1, "r > 14"}} {
		w.bea.do(t, "layers.want(%q, %d, %d)", w.face, height, step.most)
		w.bea.until(t, "layers.rate(1000).then(r => %s)", step.want)
	}
}

// pictureReport is what an engine says of the picture it receives.
type pictureReport struct{ Dropped, Decoded, PLIs, Lost, Frozen float64 }

const (
	// maxGap is how long a picture may stand still in ms, longer than the
	// sender itself has paused.
	maxGap = 1000
	// maxPLIs is how often an engine may have to ask for a key frame itself;
	// what it cannot decode makes it do so all the time.
	maxPLIs = 5
)

// smooth checks that the picture has gone on all the time.
func (p *actor) smooth(t *testing.T, before pictureReport, paused float64) {
	t.Helper()
	var now pictureReport
	var gap float64
	p.ask(t, "layers.report()", &now)
	p.ask(t, "layers.gap", &gap)
	decoded, dropped := now.Decoded-before.Decoded, now.Dropped-before.Dropped
	t.Logf("%s: %g pictures, %g dropped, stood still for %g ms (the sender for %g), %g s of freezes, %g lost packets, %g PLIs",
		p.name, decoded, dropped, gap, paused, now.Frozen-before.Frozen, now.Lost-before.Lost, now.PLIs-before.PLIs)
	if gap > maxGap+paused {
		t.Errorf("%s: the picture stood still for %g ms, the sender for %g", p.name, gap, paused)
	}
	if dropped > decoded/5+5 || now.PLIs-before.PLIs > maxPLIs {
		t.Errorf("%s: %g of %g pictures dropped, %g PLIs", p.name, dropped, decoded, now.PLIs-before.PLIs)
	}
}
