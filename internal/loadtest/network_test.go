package loadtest

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
)

// TestBadNetwork: with packets that get lost on the way the report shows it,
// and retransmissions mend the pictures; the delay is as long as was asked for.
func TestBadNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 3, Audio: -1, Video: -1, Duration: 6 * time.Second, RoomPrefix: "bad"}.Plan()
	plan.Roles[0].Network = shape.Profile{Loss: 0.05, Delay: 30 * time.Millisecond}
	rep, err := runFully(plan)
	if err != nil {
		t.Fatal(err)
	}
	var video, audio, recovered, expected, heard float64
	for _, p := range rep.Participants {
		if p.State != record.InCall || p.Media == nil {
			t.Fatalf("%s: %s, %+v", p.Name, p.State, p.Errors)
		}
		if d := p.Media.Delay.Quantile(0.5); d < 55*time.Millisecond {
			t.Errorf("%s: half of the packets within %v, with 30 ms twice on their way", p.Name, d)
		}
		for _, s := range p.Media.Streams {
			if s.Kind == "audio" {
				audio += float64(s.Lost)
				heard += float64(s.Expected)
				continue
			}
			video += float64(s.Lost)
			recovered += float64(s.Recovered)
			expected += float64(s.Expected)
		}
	}
	t.Logf("audio: %v of %v lost; video: %v of %v, %v recovered", audio, heard, video, expected, recovered)
	if audio/heard < 0.02 {
		t.Errorf("%v of %v packets of audio lost, at 5 %% twice on their way", audio, heard)
	}
	if recovered/expected < 0.02 || video/expected > 0.03 {
		t.Errorf("of %v packets of video %v came again and %v are lost", expected, recovered, video)
	}
}

// TestChurn: people leave, and come back as others.
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 10, Duration: 7 * time.Second, RoomPrefix: "churn", Signalling: true}.Plan()
	plan.Roles[0].Churn = 15 // a minute: each leaves after 4 s
	rep, err := Run(context.Background(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	left, again := 0, 0
	for _, p := range rep.Participants {
		if p.State == record.Left {
			left++
		}
		if p.Again && p.State == record.InCall {
			again++
		}
		if len(p.Errors) > 0 {
			t.Errorf("%s: %+v", p.Name, p.Errors)
		}
	}
	last := rep.Seconds[len(rep.Seconds)-1]
	if left == 0 || again == 0 || last.Left == 0 || last.Failed > 0 {
		t.Errorf("%d left and %d came back; %+v", left, again, last)
	}
}

// TestPrivateOnly: nothing is sent beyond private networks.
func TestPrivateOnly(t *testing.T) {
	plan := Simple{URL: "http://192.0.2.1:8080", Rooms: 1, Participants: 2, Duration: time.Second, RoomPrefix: "x"}.Plan()
	plan.PrivateOnly = true
	_, err := Run(context.Background(), plan, Options{})
	var refused *NotPrivateError
	if !errors.As(err, &refused) || refused.Addr != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "192.168.1.1": true, "172.16.0.1": true, "fd00::1": true, "fe80::1": true,
		"100.64.1.1": true, "::ffff:10.0.0.1": true, "8.8.8.8": false, "172.32.0.1": false, "2001:db8::1": false, "::ffff:8.8.8.8": false, "0.0.0.0": false,
	} {
		if got := private(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s private: %v", text, got)
		}
	}
}
