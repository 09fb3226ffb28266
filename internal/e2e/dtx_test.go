package e2e

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// What a page sends of audio in two seconds, in packets, and what it hears in one.
const (
	audioSent = `(async () => {
		const sent = async () => {
			let n = 0
			for (const pc of connections) for (const s of (await pc.getStats()).values())
				if (s.type === 'outbound-rtp' && s.kind === 'audio') n += s.packetsSent
			return n
		}
		const before = await sent()
		await new Promise(done => setTimeout(done, 2000))
		return await sent() - before
	})()`
	audioHeard = `(async () => {
		const heard = async () => Object.values((await stats()).audio).reduce((a, b) => a + b, 0)
		const before = await heard()
		await new Promise(done => setTimeout(done, 1000))
		return await heard() - before
	})()`
)

// TestMutedMicrophonePauses: the public library mutes a microphone by disabling its
// track, and the browser encodes silence then. Asked for, it pauses: a tenth of the
// packets is left. Nobody hears anything else of that.
func TestMutedMicrophonePauses(t *testing.T) {
	browser.Require(t, browser.Chromium)
	js, _ := library(t)
	b := browser.StartChromium(t)
	for name, tc := range map[string]struct {
		pauses bool
		muted  string
	}{
		"asked to":     {true, audioSent + `.then(n => n > 0 && n < 25)`},
		"not asked to": {false, audioSent + `.then(n => n > 75)`},
	} {
		t.Run(name, func(t *testing.T) {
			a := startServer(t, func(c *config.Config) { c.Focus.OpusDTX = tc.pauses })
			base := serveLibraryPage(t, a, js)
			talker, listener := b.Open(base+"/?room=pauses&name=Ada"), b.Open(base+"/?room=pauses&name=Bea")
			wait := func(p browser.Page, until, what string) {
				t.Helper()
				if err := browser.WaitFor(p, until, libStats, joinPatience); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			microphone := func(what string) {
				t.Helper()
				if err := talker.Evaluate(`conference.getLocalTracks().find(t => t.getType() === 'audio').`+what+`().then(() => 1)`, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []browser.Page{talker, listener} {
				waitForMedia(t, p, libStats, 1)
			}
			microphone("mute")
			wait(talker, tc.muted, "what is sent when muted")
			wait(listener, audioHeard+`.then(e => e === 0)`, "silence")
			microphone("unmute")
			wait(listener, audioHeard+`.then(e => e > 0.01)`, "what is said after that")
		})
	}
}
