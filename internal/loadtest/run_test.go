package loadtest

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
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
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = freePort(t), "", "127.0.0.1:0"
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
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), app.StopPatience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return a.URL()
}

// carryOut runs a plan and fails the test if anybody failed or anything was
// lost.
func carryOut(t *testing.T, plan Plan) *record.Report {
	t.Helper()
	rep, err := Run(context.Background(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum := rep.Sum()
	if problems := sum.Problems(0); len(problems) > 0 {
		t.Errorf("%q\n%s", problems, sum.Text())
	}
	for _, p := range rep.Participants {
		if p.State != record.InCall || len(p.Errors) > 0 {
			t.Errorf("%s in %s: %s, %+v", p.Name, p.Room, p.State, p.Errors)
		}
	}
	return rep
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
		if audio != people-1 || video != people-1 || keys != people-1 {
			t.Errorf("%s in %s hears %d, sees %d, %d with a key frame: %+v", p.Name, p.Room, audio, video, keys, m.Streams)
		}
		if m.Delay == nil || m.Delay.Count() == 0 || m.Delay.Quantile(0.5) > time.Second {
			t.Errorf("%s: delay %v", p.Name, m.Delay)
		}
		for _, step := range record.Steps() {
			if !hasStep(p, step) && step != record.TLS {
				t.Errorf("%s has not taken the step %q", p.Name, step)
			}
		}
		if m.Malformed+m.Unauthentic+m.UnknownType > 0 {
			t.Errorf("%s: %+v", p.Name, m)
		}
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
