package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// The room of TestNarrowLink. Cameras send the samples of the load test in
// three layers, 65, 155 and 360 kbit/s at 15 pictures a second: two pages that
// decode twenty of them take less than one of two shared cores, and what is seen
// is the network's doing.
const (
	narrowCameras    = 23
	narrowVoices     = 3
	narrowThumbnails = 19
	narrowFrameRate  = 15

	narrowRate  = 600_000 // bit/s, of which the voices take a third
	narrowQueue = 300 * time.Millisecond
	narrowFor   = 13 * time.Second
	// narrowSettling is how long it may take until the queue is empty again.
	narrowSettling = 2 * time.Second
)

const (
	// maxStill is how long a picture may stand still, in ms.
	maxStill = 1500
	// maxLostVoice is the share of audio packets that may be lost.
	maxLostVoice = 0.005
	// maxInvented is the share of sound that a browser may have had to make
	// up, besides what the other page makes up when the machine is busy.
	maxInvented = 0.02
)

// TestNarrowLink is a room of synthetic cameras and two pages. Each page shows
// one camera large and nineteen small, and gets exactly these, at the heights
// it asks for. Then the link to one of them becomes narrow for a while: that one
// goes on hearing everything, its large picture goes on moving, and it says what
// is wrong; the other notices nothing. Afterwards everything is as before.
func TestNarrowLink(t *testing.T) {
	browser.Require(t, browser.Chromium)
	a := startServer(t, func(c *config.Config) { c.Media.Listen = "127.0.0.1:0" })
	fillWithCameras(t, a, "narrow")
	s := &stage{a: a, b: browser.StartChromium(t)}
	r := newRelay(t, mediaAddr(t, a))
	n := &narrowRoom{m: &largeMeeting{a: a}}
	n.ada = s.enterThrough(t, "narrow", "Ada", r, noVideo+noAudio)
	n.bea = s.enter(t, "narrow", "Bea", noVideo+noAudio)
	for _, p := range []*actor{n.ada, n.bea} {
		n.stageWithStrip(t, p)
	}
	n.mustGetAll(t, n.ada)
	n.mustGetAll(t, n.bea)
	screenshot(t, n.ada, "narrow-before")

	witness, then := n.watch(t, n.bea), allThreads()
	r.limit(narrowRate, narrowQueue)
	time.Sleep(narrowSettling)
	n.suffer(t)
	screenshot(t, n.ada, "narrow-cut")
	n.mustNotNotice(t, witness, then)

	lifted := time.Now()
	r.limit(0, 0)
	n.mustGetAll(t, n.ada)
	t.Logf("everything is back after %v", time.Since(lifted).Round(time.Second/10))
	n.mustNotNotice(t, witness, then)
}

// fillWithCameras lets the senders in, who ask for no video themselves. They
// leave with the test.
func fillWithCameras(t *testing.T, a *app.App, room string) {
	t.Helper()
	none := 0
	camera := loadtest.Role{Name: "camera", Video: true, FrameRate: narrowFrameRate, LastN: &none}
	voice := camera
	voice.Name, voice.Audio = "voice", true
	plan := loadtest.Plan{
		URL: a.URL(), Duration: 5 * time.Minute, Roles: []loadtest.Role{camera, voice},
		Rooms: []loadtest.Room{{Name: room, Members: []loadtest.Member{
			{Role: "voice", Count: narrowVoices}, {Role: "camera", Count: narrowCameras - narrowVoices, Over: time.Second},
		}}},
	}
	ctx, stop := context.WithCancel(context.Background())
	in, done := make(chan struct{}), make(chan error, 1)
	go func() {
		here := false
		_, err := loadtest.Run(ctx, plan, loadtest.Options{OnSecond: func(s record.Second) {
			if !here && s.InCall >= narrowCameras {
				here = true
				close(in)
			}
		}})
		done <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("synthetic participants: %v", err)
		}
	})
	select {
	case <-in:
	case <-time.After(joinPatience):
		t.Fatal("the synthetic participants do not get in")
	}
}

// mediaAddr is where the bridge receives media.
func mediaAddr(t *testing.T, a *app.App) netip.AddrPort {
	t.Helper()
	var s struct{ Listen netip.AddrPort }
	state(t, a, "bridge", &s)
	return s.Listen
}

// narrowRoom is who looks, and what at.
type narrowRoom struct {
	m        *largeMeeting
	ada, bea *actor
	staged   string
}

// stageWithStrip lets a page show one camera large, the same on all pages, and
// as many small ones as there is room for. The window is that of a wide screen
// far away: it has few device pixels, so that the large picture needs no more
// than 720 lines.
func (n *narrowRoom) stageWithStrip(t *testing.T, p *actor) {
	t.Helper()
	p.do(t, watchMedia)
	if err := browser.Resize(p.Page, 3900, 2400, 0.25); err != nil {
		t.Fatal(err)
	}
	p.until(t, "innerWidth === 3900")
	p.press(t, "w")
	p.until(t, "plenum.screen.staged !== '' && plenum.screen.visible.length === %d", narrowThumbnails+2)
	if n.staged == "" {
		n.staged = p.screen(t).Visible[5]
	}
	p.do(t, "see.click('.grid [data-key=%q]')", n.staged)
	p.until(t, "plenum.screen.staged === %q && plenum.screen.visible.length === %d", n.staged, narrowThumbnails+2)
}

// mustGetAll checks that a page asks for one large picture and the small ones,
// that the bridge sends just these, and that the page shows them, in these
// sizes, and they move.
func (n *narrowRoom) mustGetAll(t *testing.T, p *actor) {
	t.Helper()
	want := n.m.mustAskForWhatIsSeen(t, p)
	for key, height := range want {
		if (height == 720) != (key == n.staged) || height != 720 && height != 180 || len(want) != narrowThumbnails+1 {
			t.Fatalf("%s asks for %v with %s on stage", p.name, want, n.staged)
		}
	}
	wrong := fmt.Sprintf("watched.gets(%s).then(s => s", jsObject(want))
	all := p.untilIfTime(t, wrong+" === '')", wrong+".split(',').every(s => !s.endsWith('was not asked for')))")
	e := n.endpoint(t, p)
	for _, r := range e.Receives {
		if want[r.Source] == 0 {
			t.Errorf("%s is sent %s, which it did not ask for", p.name, r.Source)
		}
	}
	if all && len(e.Receives) != len(want) {
		t.Errorf("%s is sent %v, and asked for %v", p.name, e.Receives, want)
	}
}

func (n *narrowRoom) endpoint(t *testing.T, p *actor) bridgeEndpoint {
	t.Helper()
	for _, e := range endpoints(t, n.m.a) {
		if e.ID == p.id {
			return e
		}
	}
	t.Fatalf("the bridge does not know %s", p.name)
	return bridgeEndpoint{}
}

// suffer watches the page behind the narrow link.
func (n *narrowRoom) suffer(t *testing.T) {
	t.Helper()
	then, before, others := allThreads(), n.watch(t, n.ada), n.watch(t, n.bea)
	sum, looks := int64(0), int64(0)
	for end := time.Now().Add(narrowFor); time.Now().Before(end); time.Sleep(time.Second / 4) {
		sum += n.endpoint(t, n.ada).Bandwidth.Details.Estimate
		looks++
	}
	heard, reference := n.hears(t, n.ada).since(before.heard), n.hears(t, n.bea).since(others.heard)
	still, watched := n.still(t, n.ada)[n.staged]
	t.Logf("narrow: estimate %d bit/s; %.0f of %.0f packets of audio lost, %.2f %% invented (%.2f %% by the other page); the large picture stood still for %.0f ms",
		sum/looks, heard.Lost, heard.Lost+heard.Packets, 100*heard.invented(), 100*reference.invented(), still)
	if sum/looks > narrowRate*115/100 {
		t.Errorf("the bridge takes a link of %d bit/s for one of %d", narrowRate, sum/looks)
	}
	var wrong []string
	if sum/looks < narrowRate/3 {
		wrong = append(wrong, fmt.Sprintf("the bridge takes a link of %d bit/s for one of %d", narrowRate, sum/looks))
	}
	if enough := narrowVoices * 45 * narrowFor.Seconds(); heard.Packets < enough || heard.Lost > maxLostVoice*heard.Packets {
		wrong = append(wrong, fmt.Sprintf("of %g packets of audio %g were lost", heard.Packets, heard.Lost))
	}
	if heard.invented() > reference.invented()+maxInvented {
		wrong = append(wrong, fmt.Sprintf("%.1f %% of the sound is invented, %.1f %% on the other page", 100*heard.invented(), 100*reference.invented()))
	}
	if still > maxStill || !watched {
		wrong = append(wrong, fmt.Sprintf("the large picture stood still for %g ms", still))
	}
	then.judge(t, "what is seen and heard over a narrow link", wrong)
	const words = "[...document.querySelectorAll('.tiles .bars')].some(b => b.closest('.on-stage') %s && /^Connection of \\w+ \\d+: Video %s: your connection carries \\d+ kbit.s$/.test(b.getAttribute('aria-label')))"
	n.ada.untilIfTime(t, fmt.Sprintf(words, "", "reduced"), "true")
	n.ada.untilIfTime(t, fmt.Sprintf(words, "=== null", "paused"), "true")
}

// mustNotNotice checks that the other page has everything it had, without a
// pause since then, and that no sender was told to send less.
func (n *narrowRoom) mustNotNotice(t *testing.T, w watchedPage, then threads) {
	t.Helper()
	still := n.still(t, n.bea)
	n.mustGetAll(t, n.bea)
	worst := slices.Max(slices.Collect(maps.Values(still)))
	heard := n.hears(t, n.bea).since(w.heard)
	t.Logf("the other page: %d pictures, the worst stood still for %.0f ms; %.0f of %.0f packets of audio lost", len(still), worst, heard.Lost, heard.Packets)
	var wrong []string
	if len(still) != narrowThumbnails+1 || worst > maxStill {
		wrong = append(wrong, fmt.Sprintf("on the other page pictures stood still: %v", still))
	}
	if heard.Lost > maxLostVoice*heard.Packets {
		wrong = append(wrong, fmt.Sprintf("of %g packets of audio to the other page %g were lost", heard.Packets, heard.Lost))
	}
	if wanted := n.wanted(t); !maps.Equal(wanted, w.wanted) {
		wrong = append(wrong, fmt.Sprintf("senders were told other heights:\n%v\n%v", w.wanted, wanted))
	}
	then.judge(t, "that the other page notices nothing of a narrow link", wrong)
}

// watchedPage is what there was when watching began.
type watchedPage struct {
	heard  heardSound
	wanted map[string]int
}

// watch begins to watch a page.
func (n *narrowRoom) watch(t *testing.T, p *actor) watchedPage {
	t.Helper()
	p.do(t, "(watched.forget(), 0)")
	return watchedPage{n.hears(t, p), n.wanted(t)}
}

// wanted is what senders have been told to send at most.
func (n *narrowRoom) wanted(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, e := range endpoints(t, n.m.a) {
		for _, s := range e.Sources {
			if s.Kind == "video" {
				all[s.Name] = s.Wanted
			}
		}
	}
	return all
}

// still is how long each picture has stood still at most, in ms.
func (n *narrowRoom) still(t *testing.T, p *actor) (still map[string]float64) {
	t.Helper()
	p.ask(t, "Object.fromEntries(Object.entries(watched.tiles).map(([k, t]) => [k, t.worst]))", &still)
	return still
}

// heardSound is what a page has received of all voices: packets, and samples.
type heardSound struct{ Packets, Lost, Concealed, Samples float64 }

func (n *narrowRoom) hears(t *testing.T, p *actor) (h heardSound) {
	t.Helper()
	p.ask(t, "watched.audio()", &h)
	return h
}

func (h heardSound) since(b heardSound) heardSound {
	return heardSound{h.Packets - b.Packets, h.Lost - b.Lost, h.Concealed - b.Concealed, h.Samples - b.Samples}
}

// invented is the share of sound that did not come in time.
func (h heardSound) invented() float64 { return h.Concealed / max(h.Samples, 1) }

// watchMedia lets a page watch how each picture goes on, and count sound that
// had to be invented. Time in which the page itself was too busy to look does
// not count as time in which a picture stood still.
const watchMedia = `(() => {
	const get = RTCPeerConnection.prototype.getStats
	let pc
	RTCPeerConnection.prototype.getStats = function (...args) {
		pc = this
		return get.apply(this, args)
	}
	const period = 100
	window.watched = {
		tiles: {},
		forget: () => { watched.tiles = {} },
		look: () => {
			const now = performance.now()
			for (const e of document.querySelectorAll('.tiles .tile')) {
				const key = e.dataset.key, v = e.querySelector('video')
				if (key === plenum.conference.id + '-v0') continue
				const frames = v?.srcObject ? v.getVideoPlaybackQuality().totalVideoFrames : -1
				const t = watched.tiles[key] ??= { frames, still: 0, worst: 0, at: now }
				t.still = frames < 0 || frames === t.frames ? t.still + Math.min(now - t.at, 2 * period) : 0
				t.worst = Math.max(t.worst, t.still)
				t.frames = frames
				t.at = now
			}
		},
		audio: async () => {
			const sum = { Packets: 0, Lost: 0, Concealed: 0, Samples: 0 }
			for (const r of (await get.call(pc)).values()) {
				if (r.type !== 'inbound-rtp' || r.kind !== 'audio') continue
				sum.Packets += r.packetsReceived
				sum.Lost += r.packetsLost
				sum.Concealed += r.concealedSamples - r.silentConcealedSamples
				sum.Samples += r.totalSamplesReceived
			}
			return sum
		},
		// What is wrong with what is received, compared with heights that were asked for.
		gets: async heights => {
			const videos = async () => new Map((await plenum.stats()).received.filter(r => r.kind === 'video').map(r => [r.name, r]))
			const before = await videos()
			await new Promise(done => setTimeout(done, 800))
			const wrong = []
			for (const [name, r] of await videos()) {
				const frames = r.framesDecoded - (before.get(name)?.framesDecoded ?? 0)
				if (!(name in heights) && frames > 0) wrong.push(name + ' was not asked for')
				if (name in heights && frames < 3) wrong.push(name + ' stands still')
				if (name in heights && r.height !== heights[name]) wrong.push(name + ' has ' + r.height + ' lines')
			}
			for (const name in heights) if (!before.has(name)) wrong.push(name + ' is missing')
			return wrong.join()
		},
	}
	setInterval(watched.look, period)
	return plenum.stats().then(() => 0) // which makes pc known
})()`
