package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// pageStats turns what our own client offers to tests into [stats].
const pageStats = `plenum.stats().then(s => ({
	me: s.id, joined: s.state === 'joined', failed: '', users: s.members.map(m => m.id),
	video: Object.fromEntries(s.received.filter(r => r.kind === 'video' && r.framesDecoded > 0).map(r => [r.ssrc, r.framesDecoded])),
	audio: Object.fromEntries(s.received.filter(r => r.kind === 'audio' && r.audioEnergy > 0).map(r => [r.ssrc, r.audioEnergy])),
	raw: s,
}))`

// hibernation is short in tests, so that the end of a killed page is seen.
const hibernation = 6 * time.Second

// TestThreePagesMeet is the whole system in one test: three real pages see
// and hear each other through the bridge; one loses its connection and comes
// back to its seat; one is killed and, after the time a seat is kept, gone.
func TestThreePagesMeet(t *testing.T) {
	browser.Require(t, browser.Chromium)
	a := startServer(t, func(c *config.Config) { c.Signal.Hibernation = hibernation })
	b := browser.StartChromium(t)
	names := []string{"Ada", "Bea", "Cleo"}
	var pages []browser.Page
	for _, name := range names {
		pages = append(pages, b.Open(roomURL(a, "Three", name)))
	}
	for _, p := range pages {
		waitForMedia(t, p, pageStats, 2)
	}
	for i, p := range pages {
		mustGrow(t, names[i], p, pageStats, 2)
	}
	mustCrossBridge(t, a, 3)
	screenshot(t, pages[0], "call")
	resumes(t, a, pages)
	vanishes(t, pages)
}

// resumes breaks one page's WebSocket: it must come back to the same seat, and
// the others must not notice.
func resumes(t *testing.T, a *app.App, pages []browser.Page) {
	t.Helper()
	me := statsOf(t, pages[1], pageStats).Me
	watch := `window.left = []; plenum.conference.on('left', m => window.left.push(m.id)); 0`
	if err := pages[0].Evaluate("(() => {"+watch+"})()", nil); err != nil {
		t.Fatal(err)
	}
	resumed := metric(t, a, "plenum_signal_resumes_total")
	if err := pages[1].Evaluate("plenum.dropSocket()", nil); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the session is resumed", func() bool { return metric(t, a, "plenum_signal_resumes_total") > resumed },
		func() string { return "no session was resumed" })
	if err := browser.WaitFor(pages[1], "plenum.state === 'joined'", "plenum.state", joinPatience); err != nil {
		t.Fatal(err)
	}
	if s := statsOf(t, pages[1], pageStats); s.Me != me || len(s.Users) != 2 {
		t.Errorf("came back as %s with %v, was %s", s.Me, s.Users, me)
	}
	mustGrow(t, "the page that came back", pages[1], pageStats, 2)
	mustGrow(t, "the page that stayed", pages[0], pageStats, 2)
	var left []string
	if err := pages[0].Evaluate("window.left", &left); err != nil || len(left) > 0 {
		t.Errorf("others saw %v leave (%v)", left, err)
	}
}

// vanishes kills one page without a goodbye: the others keep its seat until
// hibernation ends, and then it is gone. That [resumes] listens for the right
// event shows here, where one has to come.
func vanishes(t *testing.T, pages []browser.Page) {
	t.Helper()
	killedID := statsOf(t, pages[2], pageStats).Me
	// With a socket that comes to nothing it can neither resume nor take its
	// leave, however long it takes until the page is gone.
	const cut = "window.WebSocket = class { send() {} close() {} }, plenum.dropSocket(), Promise.resolve(0)"
	if err := pages[2].Evaluate(cut, nil); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if err := pages[2].Navigate("about:blank"); err != nil {
		t.Fatal(err)
	}
	gone := pageStats + ".then(s => s.users.length === 1)"
	for _, p := range pages[:2] {
		if err := browser.WaitFor(p, gone, pageStats, hibernation+joinPatience); err != nil {
			t.Errorf("the killed page stays: %v", err)
		}
	}
	if took := time.Since(killed); took < hibernation-2*time.Second {
		t.Errorf("gone after %v, before the %v a seat is kept", took, hibernation)
	}
	var left []string
	if err := pages[0].Evaluate("window.left", &left); err != nil || len(left) != 1 || left[0] != killedID {
		t.Errorf("others saw %v leave, want %s (%v)", left, killedID, err)
	}
	mustGrow(t, "a page that is left", pages[0], pageStats, 1)
}

// TestFirefoxMeetsChromium lets the two engines meet, both directions.
func TestFirefoxMeetsChromium(t *testing.T) {
	browser.Require(t, browser.Chromium)
	browser.Require(t, browser.Firefox)
	a := startServer(t, nil)
	chromium := browser.StartChromium(t).Open(roomURL(a, "Engines", "Chromium"))
	firefox := browser.StartFirefox(t, roomURL(a, "Engines", "Firefox"))
	for name, p := range map[string]browser.Page{"chromium": chromium, "firefox": firefox} {
		waitForMedia(t, p, pageStats, 1)
		mustGrow(t, name, p, pageStats, 1)
	}
	mustCrossBridge(t, a, 2)
}

// screenshot writes what a page shows to PLENUM_SCREENSHOTS, if that is set.
func screenshot(t *testing.T, p browser.Page, name string) {
	t.Helper()
	dir := os.Getenv("PLENUM_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := p.Screenshot()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		t.Errorf("screenshot: %v", err)
	}
}

// metric returns the sum of a metric over its labels.
func metric(t *testing.T, a *app.App, name string) float64 {
	t.Helper()
	sum := 0.0
	for line := range strings.Lines(fetch(t, a.AdminURL()+"/metrics")) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err == nil {
			sum += v
		}
	}
	return sum
}

// waitUntil asks until ok, and fails the test with what detail says if that
// takes too long.
func waitUntil(t *testing.T, what string, ok func() bool, detail func() string) {
	t.Helper()
	for deadline := time.Now().Add(joinPatience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %s", joinPatience, what, detail())
		}
	}
}
