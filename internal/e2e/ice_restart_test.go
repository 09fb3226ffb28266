package e2e

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// onlyBy lets a page know no other way to the bridge than by a port, and the
// bridge no way to the page.
const onlyBy = `(() => {
	const P = RTCPeerConnection.prototype
	const good = c => c.split(' ')[5] === '%d'
	const all = /a=candidate:.*\r\n/g
	const { setRemoteDescription, addIceCandidate } = P
	P.setRemoteDescription = function (d) {
		return setRemoteDescription.call(this, { type: d.type, sdp: d.sdp.replace(all, c => good(c) ? c : '') })
	}
	P.addIceCandidate = function (c) {
		return good(c.candidate) ? addIceCandidate.call(this, c) : Promise.resolve()
	}
	const { get } = Object.getOwnPropertyDescriptor(P, 'localDescription')
	Object.defineProperty(P, 'localDescription', { get() {
		const d = get.call(this)
		return d && { type: d.type, sdp: d.sdp.replace(all, '') }
	} })
})()`

// enterBy opens a page whose media goes by a port.
func (s *stage) enterBy(t *testing.T, room, name string, port uint16) *actor {
	t.Helper()
	p := &actor{Page: s.b.Open("about:blank"), a: s.a, name: name}
	if err := browser.Prepare(p.Page, fmt.Sprintf(onlyBy, port)); err != nil {
		t.Fatal(err)
	}
	if err := p.Navigate(roomURL(s.a, room, name)); err != nil {
		t.Fatal(err)
	}
	p.do(t, onlooker)
	p.joined(t)
	return p
}

// restartsOf counts ICE restarts: asked for, and those that moved media.
func restartsOf(t *testing.T, a *app.App) (asked, done float64) {
	t.Helper()
	return metric(t, a, "plenum_focus_ice_restarts_total"), metric(t, a, "plenum_bridge_ice_restarts_done_total")
}

// TestPathsThatBreak is a page whose way to the bridge changes, for no reason,
// because its NAT has forgotten it, and because its network is gone. Its media
// goes on in the same session.
func TestPathsThatBreak(t *testing.T) {
	browser.Require(t, browser.Chromium)
	direct := loopback(t)
	port := direct.LocalAddr().(*net.UDPAddr).AddrPort()
	direct.Close()
	r := newRelay(t, port)
	a := startServer(t, func(c *config.Config) {
		c.Media.Listen, c.Media.Advertise = port.String(), []string{r.addr().String()}
	})
	s := &stage{a: a, b: browser.StartChromium(t)}
	ada, bea := s.enterBy(t, "Paths", "Ada", r.addr().Port()), s.enterBy(t, "Paths", "Bea", port.Port())
	meet(t, voiceFace, ada, bea)
	var sid, sidNow string
	ada.ask(t, "plenum.conference.sid", &sid)
	same := func(step string, since time.Time) {
		t.Helper()
		meet(t, voiceFace, ada, bea)
		t.Logf("%s: both ways after %v", step, time.Since(since))
		if ada.ask(t, "plenum.conference.sid", &sidNow); sidNow != sid {
			t.Fatalf("%s: session %s has become %s", step, sid, sidNow)
		}
		if n := metric(t, a, "plenum_focus_session_restarts_total"); n != 0 {
			t.Fatalf("%s: %v sessions have begun anew", step, n)
		}
	}
	restarted := func(n float64) {
		t.Helper()
		waitUntil(t, fmt.Sprintf("%v ICE restarts", n), func() bool { _, done := restartsOf(t, a); return done >= n },
			func() string { return fmt.Sprint(restartsOf(t, a)) })
	}

	start := time.Now()
	r.rebind()
	same("another address", start)
	if asked, _ := restartsOf(t, a); asked != 0 {
		t.Errorf("%v ICE restarts were asked for when only an address has changed", asked)
	}

	var before, after []int
	ada.ask(t, lostPackets, &before)
	start = time.Now()
	ada.do(t, "(dispatchEvent(new Event('online')), 0)")
	restarted(1)
	same("a restart for no reason", start)
	if ada.ask(t, lostPackets, &after); !slices.Equal(before, after) {
		t.Errorf("packets lost: %v, before the restart %v", after, before)
	}

	start = time.Now()
	r.kill()
	restarted(2)
	same("a network that is gone", start)
}

// lostPackets asks how many packets of each source have not arrived.
const lostPackets = `plenum.stats().then(s => s.received.filter(r => r.name).sort((a, b) => a.name < b.name ? -1 : 1).map(r => r.lost))`
