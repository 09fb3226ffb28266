package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

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
	w := &watchers{face: "", t: t}
	ada := s.enter(t, "Layers", "Ada", "&config.resolution=540"+noAudio)
	w.ada, w.face = ada, ada.source("v0")
	w.bea = s.enter(t, "Layers", "Bea", noVideo+noAudio)
	w.fay = &actor{a: a, name: "Fay (Firefox)"}
	w.fay.Page = browser.StartFirefox(t, roomURL(a, "Layers", "Fay")+noVideo+noAudio)
	w.fay.do(t, onlooker)
	w.fay.joined(t)
	for _, p := range []*actor{w.ada, w.bea, w.fay} {
		p.do(t, layerHooks)
	}
	for _, codec := range []string{"vp8", "vp9", "av1", "h264"} {
		t.Run(codec, func(t *testing.T) { w.play(t, codec) })
	}
}

// watchers are the one who sends, and those who watch.
type watchers struct {
	t             *testing.T
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
		rate: async ms => {
			const a = await layers.frames(), from = performance.now()
			await new Promise(done => setTimeout(done, ms))
			return (await layers.frames() - a) * 1000 / (performance.now() - from)
		},
	}
	layers.look()
	return 0
})()`

func (w *watchers) play(t *testing.T, codec string) {
	if codec == "h264" { // which a Firefox without its plugin cannot decode
		w.fay.do(t, "plenum.conference.leave()")
		w.bea.until(t, "plenum.conference.members.length === 1")
	}
	start := time.Now()
	w.ada.do(t, "likeCodec(%q)", codec)
	all := []*actor{w.bea, w.fay}
	if codec == "h264" {
		all = all[:1]
	}
	for _, p := range all {
		p.until(t, "typeof bridge === 'function' && see.received(%q).then(r => r.codec === %q)", w.face, codec)
	}
	t.Logf("codec after %v", time.Since(start))
	for _, p := range all {
		p.do(t, "layers.forget()")
	}
	w.ada.do(t, "layers.forget()")
	for _, step := range [][2]int{{135, 540}, {270, 540}, {540, 135}, {135, 540}, {540, 270}} {
		from := time.Now()
		for i, p := range all {
			p.do(t, "layers.want(%q, %d, -1)", w.face, step[i])
		}
		var took []string
		for i, p := range all {
			p.until(t, "see.received(%q).then(r => Math.abs(r.height - %d) < 4)", w.face, step[i])
			took = append(took, fmt.Sprint(time.Since(from).Round(time.Millisecond)))
		}
		t.Logf("%v after %s", step, strings.Join(took, ", "))
	}
	var rates [2]float64
	for i, max := range []int{-1, 10} {
		w.bea.do(t, "layers.want(%q, 540, %d)", w.face, max)
		time.Sleep(500 * time.Millisecond)
		w.bea.ask(t, "layers.rate(1500)", &rates[i])
	}
	t.Logf("%v frames a second", rates)
	for _, p := range append(all, w.ada) {
		var v any
		p.ask(t, "layers.reports('inbound-rtp').then(l => ({gap: layers.gap, l: l.filter(r => r.framesDecoded).map(r => [r.frameHeight, r.framesDecoded, r.framesDropped, r.totalFreezesDuration, r.freezeCount, r.pliCount, r.nackCount, r.packetsLost, r.keyFramesDecoded])}))", &v)
		t.Logf("%s: %v", p.name, v)
	}
	var sp any
	w.ada.ask(t, "layers.reports('outbound-rtp').then(l => [l.map(r => [r.frameHeight, r.scalabilityMode, r.framesPerSecond, r.qualityLimitationReason, r.framesEncoded]), pc.getSenders().filter(s => s.track?.kind === 'video').map(s => JSON.stringify(s.getParameters().encodings))])", &sp)
	t.Log(sp)
	if os.Getenv("SHOWB") != "" {
		t.Log(fetch(t, w.ada.a.AdminURL()+"/debug/state/bridge"))
	}
}
