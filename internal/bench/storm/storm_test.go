package storm

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/signal"
)

// TestStorm runs a small storm against the real signal role.
func TestStorm(t *testing.T) {
	opt := signal.DefaultOptions("localhost")
	opt.AnyoneOpens = true
	s := signal.New(opt)
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	target := Target{
		URL: strings.Replace(h.URL, "http", "ws", 1) + "/xmpp-websocket", Domain: "localhost",
		PID: os.Getpid(), Rooms: 3, People: 7, Idle: time.Millisecond,
	}
	bare := target
	bare.Unmanaged, bare.People = true, 2
	if res, err := Run(context.Background(), bare); err != nil || res.Acks != 0 {
		t.Errorf("without stream management: %d acknowledgements, %v", res.Acks, err)
	}
	res, err := Run(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	if res.Acks == 0 {
		t.Error("nobody was asked to acknowledge what came, or nobody did")
	}
	if len(res.Phases) != 4 {
		t.Fatalf("%d phases", len(res.Phases))
	}
	for _, p := range res.Phases[1:3] {
		if p.Presences != 3*7*7 || p.Bytes < p.Presences*1200 || p.P99 <= 0 || p.RSS == 0 {
			t.Errorf("%+v", p)
		}
	}
}

// TestStormFails shows that a storm that does not reach its end is not taken
// for a fast one.
func TestStormFails(t *testing.T) {
	opt := signal.DefaultOptions("localhost") // rooms wait for a focus
	s := signal.New(opt)
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { h.Close(); _ = s.Shutdown(context.Background()) })
	url := strings.Replace(h.URL, "http", "ws", 1) + "/xmpp-websocket"
	for _, tc := range []struct {
		name, want string
		target     Target
	}{
		{"refused", "join: the server refused", Target{URL: url, Domain: "localhost", Rooms: 1, People: 2}},
		{"no server", "connect", Target{URL: "ws://127.0.0.1:1/", Domain: "localhost", Rooms: 1, People: 2}},
		{"elsewhere", "loopback", Target{URL: "ws://192.0.2.1/", Domain: "localhost", Rooms: 1, People: 2}},
		{"nobody", "between", Target{URL: url, Domain: "localhost", Rooms: 1}},
	} {
		if _, err := Run(context.Background(), tc.target); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
