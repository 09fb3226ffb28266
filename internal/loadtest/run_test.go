package loadtest

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/report"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/starved"
)

// freePort finds a port for the public listener: the URL has to be known
// beforehand.
func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// serve runs a whole server in this process and returns its URL.
func serve(t testing.TB, change func(*config.Config)) string {
	t.Helper()
	url, stop := serveMortal(t, change)
	t.Cleanup(stop)
	return url
}

// serveMortal is serve for a server that is stopped, once, by the test.
func serveMortal(t testing.TB, change func(*config.Config)) (url string, stop func()) {
	t.Helper()
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = freePort(t), "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	a, err := app.New(&c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	admins.Store(a.URL(), a.AdminURL())
	return a.URL(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), app.StopPatience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
}

// admins are the admin listeners of the servers of tests, by their URLs.
var admins sync.Map

// inTime is within what time everybody has to be in.
const inTime = time.Minute

// settling is for how long after everybody has come in seconds do not count in
// which media are not sent in time: where much else is done, it takes a while
// until those who have come in have no more to do than to send and to receive.
const settling = 8

// runFully runs a plan whose duration begins when everybody is in: how long
// that takes depends on what else the machine does.
func runFully(plan Plan) (*record.Report, error) {
	left := int(plan.Duration / time.Second)
	plan.Duration += inTime
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, in, restless := new(run), false, settling
	return r.carryOut(ctx, plan, Options{OnSecond: func(s record.Second) {
		in = in || s.InCall == plan.Participants() && allHaveKeys(r)
		switch {
		case !in:
		case s.Late*100 > s.PacketsOut && restless > 0:
			restless--
		default:
			left--
		}
		if left < 0 {
			cancel()
		}
	}})
}

// allHaveKeys reports whether media can go to and fro: who is in the call has
// only agreed on them, while ICE and DTLS may still be under way. It is called
// at the end of a second.
func allHaveKeys(r *run) bool {
	return !slices.ContainsFunc(r.all, func(p *participant) bool { return !p.role.Signalling && !p.pulse.secure.Load() })
}

// carryOut runs a plan and fails the test if anybody failed or anything was
// lost.
func carryOut(t *testing.T, plan Plan) *record.Report {
	t.Helper()
	rep, err := runFully(plan)
	if err != nil {
		t.Fatal(err)
	}
	sum := verdict.Judge(rep)
	if sum.Joined < plan.Participants() || sum.Failed > 0 {
		t.Errorf("%d of %d joined, %d failed\n%s", sum.Joined, plan.Participants(), sum.Failed, report.Text(sum, nil))
	}
	if lost := sum.Audio.Lost + sum.Video.Lost; lost > 0 && !tooBusy(t, rep, "losses") {
		t.Errorf("%d packets were lost\n%s", lost, report.Text(sum, nil))
	}
	for _, p := range rep.Participants {
		if p.State != record.InCall || len(p.Errors) > 0 {
			t.Errorf("%s in %s: %s, %+v", p.Name, p.Room, p.State, p.Errors)
		}
	}
	return rep
}

// tooBusy reports whether the machine had no time for a test: the generator, or
// the server, which has it beside the generator. Then what came of the media
// says nothing: packets grow old in queues, and video is left out. ./test says
// at its end that this was not judged.
func tooBusy(t *testing.T, rep *record.Report, what string) bool {
	t.Helper()
	why := rep.Machine.Limited
	if admin, ok := admins.Load(rep.Target); ok { // one of ours
		if server := starved.Of(t, admin.(string)); server != "" {
			why = append(why, server)
		}
	}
	if len(why) == 0 {
		return false
	}
	t.Logf("SKIPPED judging %s in %s: the machine was too busy", what, t.Name())
	t.Log(why)
	return true
}

// TestRooms: five rooms of six, everybody with microphone and camera: all
// come in, nothing is lost, and everybody sees and hears everybody.
func TestRooms(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const rooms, people = 5, 6
	plan := Simple{URL: serve(t, nil), Rooms: rooms, Participants: people, Audio: -1, Video: -1, Duration: 4 * time.Second, RoomPrefix: "test"}.Plan()
	rep := carryOut(t, plan)
	if len(rep.Participants) != rooms*people || len(rep.Seconds) < 3 {
		t.Fatalf("%d participants, %d seconds", len(rep.Participants), len(rep.Seconds))
	}
	all := 0 // videos seen by anybody
	busy := tooBusy(t, rep, "how much is heard and seen")
	for _, p := range rep.Participants {
		m := p.Media
		var audio, video, keys int
		for _, s := range m.Streams {
			switch {
			case s.Kind == "audio" && s.Source != "" && s.Packets > 50:
				audio++
			case s.Kind == "video" && s.Source != "" && s.Frames > 20:
				video++
			}
			if s.KeyFrames > 0 && s.Height > 0 {
				keys++
			}
		}
		all += video
		if !busy && (audio != people-1 || video == 0 || keys < video) {
			t.Errorf("%s in %s hears %d, sees %d, %d with a key frame: %+v", p.Name, p.Room, audio, video, keys, m.Streams)
		}
		if !busy && (m.Delay == nil || m.Delay.Count() == 0 || m.Delay.Quantile(0.5) > time.Second) {
			t.Errorf("%s: delay %v", p.Name, m.Delay)
		}
		for _, step := range record.Steps() {
			media := step == record.FirstAudio || step == record.FirstKeyFrame
			if !hasStep(p, step) && step != record.TLS && !(busy && media) {
				t.Errorf("%s has not taken the step %q", p.Name, step)
			}
		}
		if m.Malformed+m.Unauthentic+m.UnknownType > 0 {
			t.Errorf("%s: %+v", p.Name, m)
		}
	}
	// On a machine that is busy with other things the server may find that
	// there is not room for all of them.
	if !busy && all < rooms*people*(people-1)/2 {
		t.Errorf("only %d videos were seen", all)
	}
}

func hasStep(p record.Participant, step record.Step) bool {
	for _, s := range p.Steps {
		if s.Step == step {
			return true
		}
	}
	return false
}

// TestSignallingOnly: participants who join and decline media.
func TestSignallingOnly(t *testing.T) {
	plan := Simple{URL: serve(t, nil), Rooms: 2, Participants: 20, Audio: -1, Video: -1, Duration: 2 * time.Second, Signalling: true, RoomPrefix: "quiet"}.Plan()
	rep := carryOut(t, plan)
	for _, p := range rep.Participants {
		if p.Media != nil || p.Signalling.Occupants != 21 {
			t.Errorf("%s sees %d occupants; media %v", p.Name, p.Signalling.Occupants, p.Media)
		}
	}
}

// TestVariants: what else a role or a deployment may want. Each finds the
// media it should, and loses nothing. Where the machine was too busy less of
// them may come, never more, and never others.
func TestVariants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url := serve(t, nil)
	for _, tc := range []struct {
		name   string
		change func(*Simple, *Plan)
		check  func(t *testing.T, p record.Participant, busy bool)
	}{
		{"sctp", func(_ *Simple, p *Plan) { p.Channel = "sctp" }, func(t *testing.T, p record.Participant, busy bool) {
			if p.Media.ChannelKind != "sctp" || p.Media.Forwarded != 2 && !busy {
				t.Errorf("channel %q, %d forwarded", p.Media.ChannelKind, p.Media.Forwarded)
			}
		}},
		{"rewriting", func(_ *Simple, p *Plan) { p.Rewriting = "on" }, func(t *testing.T, p record.Participant, busy bool) {
			if m := p.Media.Mapped; m > 4 || m < 4 && !busy { // two microphones and two cameras
				t.Errorf("%d SSRCs are mapped", p.Media.Mapped)
			}
		}},
		{"no rewriting", func(_ *Simple, p *Plan) { p.Rewriting = "off" }, func(t *testing.T, p record.Participant, _ bool) {
			if p.Media.Mapped != 0 {
				t.Errorf("%d SSRCs are mapped", p.Media.Mapped)
			}
			for _, s := range p.Media.Streams {
				if s.Source == "" {
					t.Errorf("%+v", s)
				}
			}
		}},
		{"iq", func(_ *Simple, p *Plan) { p.Request = "iq" }, nil},
		{"profile", func(_ *Simple, p *Plan) { p.Profiles = []srtp.Profile{srtp.AES128CMHMACSHA180} }, func(t *testing.T, p record.Participant, _ bool) {
			if p.Media.Profile != srtp.AES128CMHMACSHA180.String() {
				t.Error(p.Media.Profile)
			}
		}},
		{"vp9", func(s *Simple, _ *Plan) { s.Codec = media.VP9 }, func(t *testing.T, p record.Participant, busy bool) {
			for _, s := range p.Media.Streams {
				if s.Kind == "video" && (s.Codec != "VP9" || s.KeyFrames == 0 && !busy) {
					t.Errorf("%+v", s)
				}
			}
		}},
		{"screen", func(s *Simple, _ *Plan) { s.Screens, s.Layout = 1, Stage }, func(t *testing.T, p record.Participant, busy bool) {
			desktops := 0
			for _, s := range p.Media.Streams {
				if s.Desktop && s.Frames > 3 {
					desktops++
				}
			}
			if p.Role != "audio+video+screen" && (desktops > 1 || desktops < 1 && !busy) {
				t.Errorf("%s sees %d screens", p.Name, desktops)
			}
		}},
		{"all opened", func(_ *Simple, p *Plan) { p.OpenOneIn = 1 }, func(t *testing.T, p record.Participant, _ bool) {
			if p.Media.Opened != p.Media.PacketsIn {
				t.Errorf("%d of %d packets were opened", p.Media.Opened, p.Media.PacketsIn)
			}
		}},
		{"listeners", func(s *Simple, _ *Plan) { s.Video, s.Audio = 1, 1 }, func(t *testing.T, p record.Participant, busy bool) {
			if n := len(p.Media.Streams); p.Role == "listener" && (n > 2 || n < 2 && !busy) {
				t.Errorf("%+v", p.Media.Streams)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := Simple{URL: url, Rooms: 1, Participants: 3, Audio: -1, Video: -1, Duration: 3 * time.Second, RoomPrefix: "variant-" + strings.ReplaceAll(tc.name, " ", "-")}
			tc.change(&s, &Plan{})
			plan := s.Plan()
			tc.change(&Simple{}, &plan)
			rep := carryOut(t, plan)
			if tc.check == nil {
				return
			}
			busy := tooBusy(t, rep, "how much is heard and seen")
			for _, p := range rep.Participants {
				if p.Media == nil {
					t.Errorf("%s has no media", p.Name)
					continue
				}
				tc.check(t, p, busy)
			}
		})
	}
}

// TestResume: connections that break are resumed, and media do not notice.
func TestResume(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 3, Audio: -1, Video: -1, Duration: 6 * time.Second, RoomPrefix: "resume"}.Plan()
	plan.Roles[0].BreakEvery = 2 * time.Second // at one to three seconds
	rep := carryOut(t, plan)
	for _, p := range rep.Participants {
		if p.Resumes == 0 || p.Signalling.Occupants != 4 {
			t.Errorf("%s resumed %d times and sees %d occupants", p.Name, p.Resumes, p.Signalling.Occupants)
		}
	}
}

// TestEverybodyLeaves: after a run nobody stays behind.
func TestEverybodyLeaves(t *testing.T) {
	url := serve(t, nil)
	var goroutines int
	for i := range 3 {
		if i == 1 {
			goroutines = settled(0)
		}
		plan := Simple{URL: url, Rooms: 1, Participants: 5, Audio: -1, Duration: time.Second, RoomPrefix: "again"}.Plan()
		if i == 2 {
			plan.Channel = "sctp"
		}
		rep := carryOut(t, plan)
		for _, p := range rep.Participants {
			if p.Signalling.Occupants != 6 {
				t.Errorf("%s sees %d occupants", p.Name, p.Signalling.Occupants)
			}
		}
	}
	if n := settled(goroutines); n > goroutines {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines after one run, %d after three\n%s", goroutines, n, buf[:runtime.Stack(buf, true)])
	}
}

// settled waits until there are no more goroutines than wanted, or until
// their number has not fallen for a second, and returns it.
func settled(wanted int) int {
	n := runtime.NumGoroutine()
	for quiet := 0; quiet < 20 && n > wanted; quiet++ {
		time.Sleep(50 * time.Millisecond) // there is no event to wait for: goroutines end silently
		if now := runtime.NumGoroutine(); now < n {
			n, quiet = now, 0
		}
	}
	return n
}
