package e2e

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// bridgeSays lets a test say things to the page in the bridge's place, again
// and again, since the bridge says what is so every few seconds.
const bridgeSays = `(() => {
	const Socket = WebSocket
	window.WebSocket = class extends Socket {
		constructor(url, ...rest) {
			super(url, ...rest)
			if (String(url).includes('/colibri-ws/')) window.bridgeSocket = this
		}
	}
	window.bridgeSays = message => {
		clearInterval(window.saying)
		const say = () => bridgeSocket.dispatchEvent(new MessageEvent('message', {data: JSON.stringify(message)}))
		window.saying = setInterval(say, 200)
	}
})()`

// tooMuchToDo leaves a page a fifth of its time.
const tooMuchToDo = `(window.working = setInterval(() => {
	const end = performance.now() + 800
	while (performance.now() < end);
}, 1000), 0)`

// TestWhoIsToBlame: a page that gets less video says whether the server or the
// device it runs on is too slow for more: neither is to look like a narrow
// connection. What is said of that is tested without a browser: a machine that
// runs tests may be too slow itself.
func TestWhoIsToBlame(t *testing.T) {
	browser.Require(t, browser.Chromium)
	s := &stage{a: startServer(t, nil), b: browser.StartChromium(t)}
	ada := &actor{Page: s.b.Open("about:blank"), a: s.a, name: "Ada"}
	if err := browser.Prepare(ada.Page, bridgeSays); err != nil {
		t.Fatal(err)
	}
	if err := ada.Navigate(roomURL(s.a, "Blame", "Ada")); err != nil {
		t.Fatal(err)
	}
	ada.do(t, onlooker)
	ada.joined(t)
	bea := s.enter(t, "Blame", "Bea", "")
	ada.until(t, "plenum.conference.channelOpen && see.muted(%q) === false", bea.source("v0"))
	says := func(pattern string) {
		t.Helper()
		ada.until(t, "/^Your connection: %s$/.test(document.querySelector('.top .own-link:not([hidden])')?.ariaLabel)", pattern)
		ada.until(t, "/: %s$/.test(document.querySelector('[data-key=%q] .bars').ariaLabel)", pattern, ada.source("v0"))
	}
	ada.do(t, "bridgeSays({colibriClass: 'ConnectionStats', estimatedDownlinkBandwidth: 90000, bridgeBusy: true})")
	says("Video reduced: the server has too much to do")
	screenshot(t, ada, "blame-server")
	ada.do(t, "bridgeSays({colibriClass: 'ConnectionStats', estimatedDownlinkBandwidth: 90000})")
	ada.do(t, tooMuchToDo)
	says(".*our device cannot keep up.*")
	screenshot(t, ada, "blame-device")
}
