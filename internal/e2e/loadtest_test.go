package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/report"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// TestPageAmongSyntheticParticipants: what the load test sends passes for
// media. A real page in a room with a dozen synthetic participants decodes
// their videos and hears them, and they receive the page's. More of them would
// be a test of how fast the machine is: it has the server, the participants and
// the browser to carry, and what it has no time for is left out.
func TestPageAmongSyntheticParticipants(t *testing.T) {
	browser.Require(t, browser.Chromium)
	a := startServer(t, nil)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	type result struct {
		rep *record.Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		plan := loadtest.Simple{URL: a.URL(), Rooms: 1, Participants: 12, Audio: 8, Video: -1, Duration: 3 * time.Minute, RoomPrefix: "crowd"}.Plan()
		plan.OpenOneIn = 1
		plan.Roles[0].FullBitrate = true // those with microphones, whom a page shows first
		rep, err := loadtest.Run(ctx, plan, loadtest.Options{})
		done <- result{rep, err}
	}()
	page := browser.StartChromium(t).Open(roomURL(a, "crowd-1", "Ada"))
	// A page receives only what it shows; with 13 people that may be less.
	waitForMedia(t, page, pageStats, 8)
	mustGrow(t, "Ada", page, pageStats, 8)
	me := statsOf(t, page, pageStats).Me
	screenshot(t, page, "synthetic")
	reached, then := 0, allThreads()
	waitIfTime(t, "the page's video reaches everybody", func() bool {
		reached = 0
		for _, e := range endpoints(t, a) {
			for _, r := range e.Receives {
				if r.Source == me+"-v0" && r.Packets > 30 {
					reached++
				}
			}
		}
		return reached >= 9
	}, func() string { return fmt.Sprint("it reaches ", reached) })
	stop()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	sees, hears := 0, 0
	for _, p := range r.rep.Participants {
		for _, s := range p.Media.Streams {
			if s.Source == me+"-v0" && s.KeyFrames > 0 {
				sees++
			}
			if s.Source == me+"-a0" && s.Packets > 10 {
				hears++
			}
		}
	}
	if (sees < 9 || hears < 9) && then.hadTime(t, "who sees and hears the page") {
		t.Errorf("of 12 synthetic participants %d see the page and %d hear it\n%s", sees, hears, report.Text(verdict.Judge(r.rep), nil))
	}
}

// TestPageDecodesEveryCodec: cameras of all codecs that the load test has
// samples of are pictures that move in a real page.
func TestPageDecodesEveryCodec(t *testing.T) {
	browser.Require(t, browser.Chromium)
	a := startServer(t, nil)
	ctx, stop := context.WithCancel(context.Background())
	plan := loadtest.Plan{URL: a.URL(), Duration: 2 * time.Minute, OpenOneIn: 1, Rooms: []loadtest.Room{{Name: "codecs"}}}
	for _, c := range media.Codecs() {
		plan.Roles = append(plan.Roles, loadtest.Role{Name: string(c), Audio: true, Video: true, Codec: c, Layout: loadtest.Tile})
		plan.Rooms[0].Members = append(plan.Rooms[0].Members, loadtest.Member{Role: string(c), Count: 1})
	}
	done := make(chan error, 1)
	go func() {
		_, err := loadtest.Run(ctx, plan, loadtest.Options{})
		done <- err
	}()
	page := browser.StartChromium(t).Open(roomURL(a, "codecs", "Ada"))
	waitForMedia(t, page, pageStats, len(plan.Roles))
	mustGrow(t, "Ada", page, pageStats, len(plan.Roles))
	screenshot(t, page, "codecs")
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
