package e2e

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
	"github.com/plenum-conf/plenum/internal/testkit/participant"
)

const (
	largeRoom = 300
	// earlyBirds are there before the page comes.
	earlyBirds = 100
)

// TestLargeRoom opens one page in a room with three hundred others: it stays
// quick, has elements only for what can be seen, and asks the bridge for
// exactly that, as large as it is shown.
func TestLargeRoom(t *testing.T) {
	browser.Require(t, browser.Chromium)
	a := startServer(t, func(c *config.Config) { c.Signal.Hibernation = 2 * time.Second })
	room := &largeMeeting{a: a}
	t.Cleanup(room.end)
	room.fill(t, earlyBirds)
	s := &stage{a: a, b: browser.StartChromium(t)}
	p := s.open(t, "large", "Ada", noAudio)
	p.do(t, watchPage)
	p.joined(t)
	p.busy(t)
	room.fill(t, largeRoom)
	p.until(t, "document.querySelector('.top').textContent.includes('%d people')", largeRoom+1)
	crowdCame := p.busy(t)
	p.until(t, "plenum.conference.channelOpen")
	for _, part := range []struct {
		name string
		play func(*testing.T, *largeMeeting, *actor)
	}{
		{"news", fewNews}, {"pages", tilePages}, {"size", otherSizes}, {"stage", stageView}, {"quality", audioOnly},
		{"list", peopleList}, {"phone", onPhone}, {"hidden", hiddenPage}, {"words", saysWhy}, {"leaving", crowdLeaves},
		{"speakers", speakersCome},
	} {
		t.Run(part.name, func(t *testing.T) { part.play(t, room, p) })
	}
	p.staysQuick(t, crowdCame)
}

// TestPagesInFirefox turns the pages of a smaller meeting in the other engine.
func TestPagesInFirefox(t *testing.T) {
	browser.Require(t, browser.Firefox)
	room := &largeMeeting{a: startServer(t, nil)}
	t.Cleanup(room.end)
	room.fill(t, 60)
	p := &actor{Page: browser.StartFirefox(t, roomURL(room.a, "large", "Ada")+noAudio), a: room.a, name: "Ada"}
	p.do(t, onlooker)
	p.do(t, watchPage)
	p.joined(t)
	p.until(t, "document.querySelector('.top').textContent.includes('61 people') && plenum.conference.channelOpen")
	p.until(t, "plenum.screen.visible.length > 1")
	tilePages(t, room, p)
	p.press(t, "w")
	p.until(t, "plenum.screen.staged !== ''")
	room.mustAskForWhatIsSeen(t, p)
	screenshot(t, p, "firefox-stage")
}

// largeMeeting is the others.
type largeMeeting struct {
	a      *app.App
	people []*participant.Participant
}

// fill lets people in until there are n; every third has a camera. They speak
// all of the signalling, and send nothing.
func (m *largeMeeting) fill(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), crowdPatience)
	defer cancel()
	for len(m.people) < n {
		from := len(m.people)
		for i := from; i < min(n, from+50); i++ {
			p, err := participant.Join(ctx, participant.Options{
				Host: strings.TrimPrefix(m.a.URL(), "http://"), Room: "large", Name: fmt.Sprintf("Number %d", i), Shows: i%3 == 0, NoMedia: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			m.people = append(m.people, p)
		}
		for _, p := range m.people[from:] {
			if err := p.Wait(ctx, participant.Accepted); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (m *largeMeeting) end() { m.leave(len(m.people)) }

func (m *largeMeeting) leave(n int) {
	done := make(chan struct{})
	for _, p := range m.people[:n] {
		go func() { p.Close(); done <- struct{}{} }()
	}
	for range n {
		<-done
	}
	m.people = m.people[n:]
}

// watchPage counts what a page must not do too much of.
const watchPage = `(() => {
	window.watched = {longest: 0, long: 0, news: [], videos: 0}
	new PerformanceObserver(list => {
		for (const e of list.getEntries()) [watched.longest, watched.long] = [Math.max(watched.longest, e.duration), watched.long + e.duration]
	}).observe({type: 'longtask'})
	new MutationObserver(list => {
		for (const m of list) for (const n of m.addedNodes) if (n.classList?.contains('notice')) watched.news.push(n.textContent)
	}).observe(document.body, {childList: true, subtree: true})
	const create = document.createElement
	document.createElement = function (name, ...rest) {
		if (name === 'video') watched.videos++
		return create.call(document, name, ...rest)
	}
})()`

// screenState is what the page says of itself; see hooks.ts.
type screenState struct {
	Mode, Quality, Staged string
	Visible               []string
	Page, Pages, Asks     int
}

func (p *actor) screen(t *testing.T) (s screenState) {
	t.Helper()
	p.ask(t, "plenum.screen", &s)
	return s
}

// askedFor is what the bridge was asked for.
type askedFor struct {
	LastN   int            `json:"last_n"`
	OnStage []string       `json:"on_stage"`
	Heights map[string]int `json:"heights"`
	Others  int            `json:"others"`
}

// asked is what the bridge knows the page wants.
func (m *largeMeeting) asked(t *testing.T, p *actor) (a askedFor) {
	t.Helper()
	for _, e := range endpoints(t, m.a) {
		if e.ID == p.id && e.Asked != nil {
			return *e.Asked
		}
	}
	return askedFor{LastN: math.MinInt}
}

// shown measures the tiles of others, in device pixels, in another way than
// the page does.
func (p *actor) shown(t *testing.T) map[string]float64 {
	t.Helper()
	heights := map[string]float64{}
	p.ask(t, `Object.fromEntries([...document.querySelectorAll('.tiles .tile')].map(e => {
		const r = e.getBoundingClientRect()
		return [e.dataset.key, Math.min(r.height, r.width * 9 / 16) * devicePixelRatio]
	}))`, &heights)
	delete(heights, p.id+"-v0")
	return heights
}

// fits reports whether a height is right for a picture of so many pixels. A
// page that asked for it before keeps it while it is a tenth off.
func fits(height int, px float64) bool {
	below := map[int]float64{180: 0, 360: 180, 720: 360, 1080: 720, 2160: 1080}
	lower, known := below[height]
	return known && px <= 1.1*float64(height) && px > 0.9*lower
}

// mustAskForWhatIsSeen waits until the bridge has been asked for exactly the
// tiles that there are.
func (m *largeMeeting) mustAskForWhatIsSeen(t *testing.T, p *actor) map[string]int {
	t.Helper()
	var seen map[string]float64
	var got askedFor
	waitUntil(t, "the bridge is asked for what is seen", func() bool {
		seen, got = p.shown(t), m.asked(t, p)
		right := len(seen) > 0 && len(got.Heights) == len(seen) && got.LastN == len(seen) && got.Others == 0
		for key, px := range seen {
			right = right && fits(got.Heights[key], px)
		}
		return right
	}, func() string { return fmt.Sprintf("seen %v, asked for %+v", seen, got) })
	return got.Heights
}

func (m *largeMeeting) mustAskForNothing(t *testing.T, p *actor) {
	t.Helper()
	var got askedFor
	waitUntil(t, "the bridge is asked for nothing", func() bool {
		got = m.asked(t, p)
		return got.LastN == 0 && len(got.Heights) == 0 && got.Others == 0
	}, func() string { return fmt.Sprintf("asked for %+v", got) })
}

// fewNews: two hundred people came, and that is few sentences.
func fewNews(t *testing.T, _ *largeMeeting, p *actor) {
	p.until(t, "watched.news.some(s => /\\d+ people joined/.test(s))")
	var news []string
	if p.ask(t, "watched.news", &news); len(news) > 12 {
		t.Errorf("%d notices: %q", len(news), news)
	}
}

// tilePages: pages of a grid, of which only the open one exists.
func tilePages(t *testing.T, m *largeMeeting, p *actor) {
	first := p.screen(t)
	perPage := len(first.Visible)
	if want := (len(m.people) + perPage) / perPage; first.Pages != want || first.Page != 0 || perPage < 12 || perPage > 49 {
		t.Fatalf("page %d of %d with %d tiles, want %d pages", first.Page, first.Pages, perPage, want)
	}
	p.until(t, "see.text('.page-text') === 'Page 1 of %d'", first.Pages)
	if !slices.Contains(first.Visible, p.id+"-v0") {
		t.Errorf("our own tile is not on the first page: %v", first.Visible)
	}
	m.mustAskForWhatIsSeen(t, p)
	screenshot(t, p, "large-tiles")
	seen := map[string]bool{}
	var videos int
	p.ask(t, "watched.videos", &videos)
	for page := range first.Pages {
		p.until(t, "plenum.screen.page === %d", page)
		for _, key := range p.screen(t).Visible {
			if seen[key] {
				t.Errorf("%s is on two pages", key)
			}
			seen[key] = true
		}
		p.until(t, "document.querySelectorAll('.tile').length === plenum.screen.visible.length")
		p.turn(t, "PageDown")
	}
	if len(seen) != len(m.people)+1 {
		t.Errorf("%d people on all pages, want %d", len(seen), len(m.people)+1)
	}
	m.mustAskForWhatIsSeen(t, p)
	p.until(t, "watched.videos === %d", videos)
	p.do(t, "see.click('[aria-label=\"Previous page\"]')")
	p.until(t, "plenum.screen.page === %d", first.Pages-2)
	m.mustAskForWhatIsSeen(t, p)
	for range first.Pages {
		p.turn(t, "ArrowLeft")
	}
	p.until(t, "plenum.screen.page === 0")
	if again := p.screen(t).Visible; !slices.Equal(again, first.Visible) {
		t.Errorf("the first page has changed:\n%v\n%v", first.Visible, again)
	}
	m.mustAskForWhatIsSeen(t, p)
}

// turn presses a key that has no character.
func (p *actor) turn(t *testing.T, key string) {
	t.Helper()
	p.do(t, "(document.activeElement?.blur(), document.body.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true})), 0)", key)
}

// otherSizes: another window asks for other sizes.
func otherSizes(t *testing.T, m *largeMeeting, p *actor) {
	for _, size := range []struct {
		width, height int64
		scale         float64
	}{{1920, 1080, 1}, {1280, 720, 3}, {1280, 720, 1}} {
		if err := browser.Resize(p.Page, size.width, size.height, size.scale); err != nil {
			t.Fatal(err)
		}
		p.until(t, "innerWidth === %d && devicePixelRatio === %g", size.width, size.scale)
		heights := m.mustAskForWhatIsSeen(t, p)
		if most := slices.Max(slices.Collect(maps.Values(heights))); (most > 180) != (size.scale > 1) {
			t.Errorf("%+v: asked for %d lines", size, most)
		}
	}
}

// stageView: one large and a strip, which has pages too.
func stageView(t *testing.T, m *largeMeeting, p *actor) {
	p.press(t, "w")
	p.until(t, "plenum.screen.staged !== '' && document.querySelectorAll('.on-stage > .tile').length === 1")
	s := p.screen(t)
	heights := m.mustAskForWhatIsSeen(t, p)
	if got := m.asked(t, p); !slices.Equal(got.OnStage, []string{s.Staged}) || heights[s.Staged] < 720 {
		t.Errorf("%s is on stage, asked for %+v", s.Staged, got)
	}
	if s.Pages < 20 || len(heights) > 10 {
		t.Errorf("a strip of %d pages with %d videos", s.Pages, len(heights))
	}
	screenshot(t, p, "large-stage")
	p.turn(t, "PageDown")
	p.until(t, "plenum.screen.page === 1")
	m.mustAskForWhatIsSeen(t, p)
	pinned := p.screen(t).Visible[2]
	p.do(t, "see.click('.grid [data-key=%q]')", pinned)
	p.until(t, "plenum.screen.staged === %q", pinned)
	m.mustAskForWhatIsSeen(t, p)
	p.press(t, "w")
	p.until(t, "plenum.screen.staged === '' && plenum.screen.mode === 'tiles'")
	p.turn(t, "PageUp")
	m.mustAskForWhatIsSeen(t, p)
}

// audioOnly: no picture is asked for, the page says so and how to go back.
func audioOnly(t *testing.T, m *largeMeeting, p *actor) {
	choose := func(q string) {
		p.press(t, "a")
		p.until(t, "document.querySelector('dialog [value=%s]')", q)
		p.do(t, "see.click('dialog [value=%s]')", q)
		p.press(t, "\x1b")
		p.until(t, "!document.querySelector('dialog')")
	}
	choose("audio")
	p.until(t, "!document.querySelector('.audio-only').hidden")
	m.mustAskForNothing(t, p)
	p.until(t, "[...document.querySelectorAll('.tile video')].filter(v => v.srcObject).length === 1")
	p.until(t, "plenum.conference.slots.v0.track?.readyState === 'live'")
	screenshot(t, p, "large-audio-only")
	p.do(t, "see.click('.audio-only button')")
	p.until(t, "document.querySelector('.audio-only').hidden")
	m.mustAskForWhatIsSeen(t, p)
	p.press(t, "w")
	stageOf := func() int { a := m.asked(t, p); return a.Heights[p.screen(t).Staged] }
	for _, q := range []struct {
		name   string
		height int
	}{{"low", 180}, {"standard", 360}} {
		choose(q.name)
		waitUntil(t, q.name, func() bool { return stageOf() == q.height }, func() string { return fmt.Sprint(stageOf()) })
	}
	choose("best")
	p.press(t, "w")
	m.mustAskForWhatIsSeen(t, p)
}

// peopleList: everybody is in it, few are drawn.
func peopleList(t *testing.T, m *largeMeeting, p *actor) {
	const rows = "document.querySelectorAll('.people-list > [data-id]')"
	p.press(t, "p")
	p.until(t, "see.text('.people-panel h2') === 'Participants (%d)'", largeRoom+1)
	p.until(t, "document.activeElement === document.querySelector('.people-panel [type=search]')")
	p.until(t, rows+".length >= 8 && "+rows+".length < 30")
	p.until(t, rows+"[0].getAttribute('aria-setsize') === '%d' && "+rows+"[0].getAttribute('aria-posinset') === '1'", largeRoom+1)
	m.mustAskForWhatIsSeen(t, p) // the panel takes room from the tiles
	screenshot(t, p, "large-people")
	p.scrollsSmoothly(t)
	p.do(t, "document.querySelector('.people-list').scrollTop = 1e6")
	p.until(t, "[..."+rows+"].some(e => e.getAttribute('aria-posinset') === '%d')", largeRoom+1)
	p.until(t, "[..."+rows+"].at(-1).querySelector('.name').textContent === 'Number %d'", largeRoom-1)
	p.until(t, rows+".length < 30")
	p.do(t, "(() => { const s = document.querySelector('.people-panel [type=search]'); s.focus(); s.value = 'number 27'; s.dispatchEvent(new Event('input')) })()")
	p.until(t, "see.text('.found') === '13 found' && [..."+rows+"].every(e => /27/.test(e.textContent) && e.getAttribute('aria-setsize') === '13')")
	p.do(t, "document.querySelector('.people-panel [type=search]').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}))")
	p.until(t, "document.activeElement.dataset.id && document.activeElement.textContent.includes('Number 27')")
	p.do(t, "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))")
	p.do(t, "see.click('.people-list .actions [data-focus$=\" pin\"]')")
	p.until(t, "plenum.screen.staged === document.querySelector('.people-list .opened').dataset.id + '-v0'")
	screenshot(t, p, "large-search")
	p.do(t, "see.click('.people-list .actions [data-focus$=\" pin\"]')")
	p.until(t, "plenum.screen.staged === ''")
	p.do(t, "see.click('[aria-label=\"Close list of participants\"]')")
}

// onPhone: two columns, everything within the screen; what is covered is not
// asked for.
func onPhone(t *testing.T, m *largeMeeting, p *actor) {
	if err := browser.Resize(p.Page, 360, 740, 2); err != nil {
		t.Fatal(err)
	}
	p.until(t, "innerWidth === 360 && document.documentElement.scrollWidth <= 360")
	m.mustAskForWhatIsSeen(t, p)
	p.until(t, "[...document.querySelectorAll('.tool')].every(e => e.offsetParent === null || (e.getBoundingClientRect().left >= 0 && e.getBoundingClientRect().right <= 360))")
	screenshot(t, p, "large-phone")
	p.press(t, "w")
	m.mustAskForWhatIsSeen(t, p)
	screenshot(t, p, "large-phone-stage")
	p.press(t, "w")
	p.press(t, "p")
	m.mustAskForNothing(t, p)
	screenshot(t, p, "large-phone-people")
	p.do(t, "see.click('[aria-label=\"Close list of participants\"]')")
	m.mustAskForWhatIsSeen(t, p)
	if err := browser.Resize(p.Page, 1280, 720, 1); err != nil {
		t.Fatal(err)
	}
	p.until(t, "innerWidth === 1280")
	m.mustAskForWhatIsSeen(t, p)
}

// hiddenPage: a page that nobody looks at receives no pictures after a while.
func hiddenPage(t *testing.T, m *largeMeeting, p *actor) {
	hide := "(() => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => %t}); document.dispatchEvent(new Event('visibilitychange')) })()"
	p.do(t, hide, true)
	m.mustAskForNothing(t, p)
	p.do(t, hide, false)
	m.mustAskForWhatIsSeen(t, p)
}

// crowdLeaves: half of them go; who stays on the page keeps their place.
func crowdLeaves(t *testing.T, m *largeMeeting, p *actor) {
	before := p.screen(t).Visible
	var news int
	p.ask(t, "watched.news.length", &news)
	gone := map[string]bool{}
	for _, x := range m.people[:largeRoom/2] {
		gone[x.Nick()+"-v0"] = true
	}
	m.leave(largeRoom / 2)
	p.until(t, "document.querySelector('.top').textContent.includes('%d people')", largeRoom/2+1)
	after := m.mustAskForWhatIsSeen(t, p)
	now := p.screen(t).Visible
	for i, key := range before {
		if !gone[key] && (i >= len(now) || now[i] != key) {
			t.Errorf("%s was at place %d and is not any more: %v", key, i, now)
		}
		if _, asked := after[key]; gone[key] && asked {
			t.Errorf("%s is gone and asked for", key)
		}
	}
	p.until(t, "watched.news.slice(%d).some(s => /people left/.test(s))", news)
	var more []string
	if p.ask(t, fmt.Sprintf("watched.news.slice(%d)", news), &more); len(more) > 10 {
		t.Errorf("%d notices: %q", len(more), more)
	}
}

// saysWhy: the others here have no media at all, and their tiles say so, also
// to those who have neither eyes nor a mouse for it.
func saysWhy(t *testing.T, _ *largeMeeting, p *actor) {
	const first = "document.querySelector('.grid .tile .bars')"
	p.until(t, first+".dataset.bars === '0' && /^Connection of Number \\d+: Their connection is interrupted$/.test("+first+".getAttribute('aria-label'))")
	p.do(t, "document.querySelector('.grid .tile[tabindex=\"0\"]').focus()")
	p.press(t, "\t")
	p.until(t, "document.activeElement === document.querySelector('.grid .tile .bars[tabindex=\"0\"]')")
	p.press(t, "\r")
	p.until(t, "document.activeElement.parentElement.querySelector('.bubble').checkVisibility()")
	screenshot(t, p, "large-words")
	p.do(t, "document.activeElement.blur()")
}

// speakersCome: somebody of the last page speaks and is seen, in the place of
// one other.
func speakersCome(t *testing.T, m *largeMeeting, p *actor) {
	for range 2 {
		before := p.screen(t).Visible
		key := m.speaker(t)
		p.until(t, "plenum.screen.visible.includes(%q)", key)
		if now := p.screen(t).Visible; differences(before, now) != 1 {
			t.Errorf("%s spoke, and the tiles changed from %v to %v", key, before, now)
		}
		heights := m.mustAskForWhatIsSeen(t, p)
		if heights[key] == 0 {
			t.Errorf("%s is seen and not asked for: %v", key, heights)
		}
		m.speakerLeaves(t, p)
	}
	p.press(t, "w")
	p.until(t, "plenum.screen.staged !== ''")
	before := p.screen(t)
	key := m.speaker(t)
	p.until(t, "plenum.screen.staged === %q", key)
	if now := p.screen(t).Visible[1:]; differences(before.Visible[1:], now) > 1 {
		t.Errorf("%s came on stage, and the strip changed from %v to %v", key, before.Visible[1:], now)
	}
	waitUntil(t, "the speaker is asked for", func() bool { return slices.Equal(m.asked(t, p).OnStage, []string{key}) },
		func() string { return fmt.Sprintf("%+v", m.asked(t, p)) })
	m.speakerLeaves(t, p)
	p.press(t, "w")
}

// speaker lets somebody in who speaks, and returns the key of their tile.
func (m *largeMeeting) speaker(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), crowdPatience)
	defer cancel()
	s, err := participant.Join(ctx, participant.Options{Host: strings.TrimPrefix(m.a.URL(), "http://"), Room: "large", Name: "Speaker", Speaks: true})
	if err != nil {
		t.Fatal(err)
	}
	m.people = append([]*participant.Participant{s}, m.people...)
	if err := s.Wait(ctx, participant.Secured); err != nil {
		t.Fatal(err)
	}
	return s.Nick() + "-v0"
}

func (m *largeMeeting) speakerLeaves(t *testing.T, p *actor) {
	t.Helper()
	id := m.people[0].Nick()
	m.leave(1)
	p.until(t, "!plenum.conference.member(%q) && !plenum.screen.visible.includes(%q)", id, id+"-v0")
}

// differences counts places with something else in them.
func differences(a, b []string) (n int) {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestConnectionInWords loses packets of one page: its own tile and that of
// its picture elsewhere say what is wrong, and when it is well again.
func TestConnectionInWords(t *testing.T) {
	browser.Require(t, browser.Chromium)
	s := &stage{a: startServer(t, nil), b: browser.StartChromium(t)}
	ada := &actor{Page: s.b.Open("about:blank"), a: s.a, name: "Ada"}
	lose := func(percent float64) {
		if err := browser.LosePackets(ada.Page, percent); err != nil {
			t.Fatal(err)
		}
	}
	lose(0)
	if err := ada.Navigate(roomURL(s.a, "Words", "Ada")); err != nil {
		t.Fatal(err)
	}
	ada.do(t, onlooker)
	ada.joined(t)
	bea := s.enter(t, "Words", "Bea", "")
	meet(t, voiceFace, ada, bea)
	const label = "document.querySelector('[data-key=%q] .bars').getAttribute('aria-label')"
	says := func(p *actor, of *actor, pattern string) {
		t.Helper()
		p.until(t, "/%s/.test("+label+")", pattern, of.source("v0"))
	}
	says(ada, ada, "^Connection of Ada .you.: Good$")
	says(bea, ada, "^Connection of Ada: Good$")
	lose(20)
	says(ada, ada, "You are losing \\d+ % of packets on the way")
	says(bea, ada, "(Losing|They are losing) \\d+ % of packets")
	screenshot(t, bea, "words")
	// What ails Ada is said on top of her page, and is not put down to Bea.
	ada.until(t, "/^Your connection: You are losing \\d+ %% of packets/.test(document.querySelector('.top .own-link:not([hidden])')?.ariaLabel)")
	says(ada, bea, ": Good$")
	screenshot(t, ada, "words-own")
	lose(0)
	ada.until(t, "document.querySelector('.top .own-link').hidden")
	says(ada, ada, ": Good$")
	says(bea, ada, ": Good$")
}

// busy is the CPU time of the page's own thread so far.
func (p *actor) busy(t *testing.T) time.Duration {
	t.Helper()
	d, err := browser.Busy(p.Page)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// scrollsSmoothly goes through the whole list, some rows with each frame.
func (p *actor) scrollsSmoothly(t *testing.T) {
	t.Helper()
	const frames = 100
	before := p.busy(t)
	p.ask(t, fmt.Sprintf(`new Promise(done => {
		const list = document.querySelector('.people-list'), by = (list.scrollHeight - list.clientHeight) / %d
		let left = %[1]d
		const step = () => {
			list.scrollTop += by
			if (--left > 0) requestAnimationFrame(step)
			else done(0)
		}
		step()
	})`, frames), nil)
	each := (p.busy(t) - before) / frames
	t.Logf("scrolling took %v of CPU time a frame", each)
	if each > frameCosts {
		t.Errorf("scrolling took %v of CPU time a frame", each)
	}
}

const (
	// crowdCosts is how much CPU time a page may take until two hundred have come.
	crowdCosts = time.Second
	// idleCosts is the part of its time that a page may take when nobody does anything.
	idleCosts = 0.1
	// frameCosts is the CPU time of a frame while the list of people is scrolled; a frame lasts 16 ms. Two
	// cores that do other things as well need 5.
	frameCosts = 16 * time.Millisecond
)

// staysQuick: a crowd that comes keeps the page busy for little of its time,
// and a large room in which nothing happens for less. Long tasks are told only: on a machine
// that runs server, browser and three hundred others they wait for a core.
func (p *actor) staysQuick(t *testing.T, crowdCame time.Duration) {
	var w struct{ Longest, Long float64 }
	p.ask(t, "watched", &w)
	begun, before := time.Now(), p.busy(t)
	p.ask(t, "new Promise(done => setTimeout(() => done(0), 5000))", nil)
	idle := (p.busy(t) - before).Seconds() / time.Since(begun).Seconds()
	t.Logf("a crowd took %v of CPU time, all of it %v, doing nothing %.1f %%; the longest task took %.0f ms, all that took over 50 ms together %.0f ms",
		crowdCame, before, 100*idle, w.Longest, w.Long)
	if crowdCame > crowdCosts || idle > idleCosts {
		t.Errorf("a crowd took %v of CPU time, doing nothing %.1f %%", crowdCame, 100*idle)
	}
}
