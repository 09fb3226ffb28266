package signal_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/signal"
	"github.com/plenum-conf/plenum/internal/signal/service/endconference"
	"github.com/plenum-conf/plenum/internal/signal/service/metadata"
	"github.com/plenum-conf/plenum/internal/signal/service/speakerstats"
	"github.com/plenum-conf/plenum/internal/testkit/transcript"
)

const domain = "meet.example"

// TestTranscripts plays every conversation in testdata/transcripts.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script, err := transcript.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			script.Run(t, serve(t, optionsOf(t, script.Options)))
		})
	}
}

// serve runs a server for one test.
func serve(t testing.TB, opt signal.Options) transcript.Target {
	srv := signal.New(opt)
	web := httptest.NewServer(srv.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
		web.Close()
	})
	return transcript.Target{
		URL:    "ws" + strings.TrimPrefix(web.URL, "http") + "/xmpp-websocket",
		Domain: opt.Domain, Router: srv,
	}
}

// optionsOf reads the option lines of a transcript.
func optionsOf(t *testing.T, set map[string]string) signal.Options {
	opt := signal.DefaultOptions(domain)
	opt.AckEvery = 1 << 20 // scripts that want to see <r/> say so
	for key, value := range set {
		switch key {
		case "hibernation":
			opt.Hibernation = duration(t, value)
		case "park":
			opt.ParkTimeout = duration(t, value)
		case "ack-every":
			opt.AckEvery = number(t, value)
		case "max-frame":
			opt.MaxFrame = number(t, value)
		case "max-occupants":
			opt.MaxOccupants = number(t, value)
		case "services":
			opt.Services = []signal.Service{metadata.Feature(), speakerstats.Feature(), endconference.Feature()}
		case "turn":
			opt.ExternalServices = []signal.ExternalService{
				{Type: "stun", Host: "stun." + domain, Port: 3478},
				{Type: "turns", Host: value, Port: 443, Transport: "tcp", Secret: "s3cret", TTL: time.Hour},
			}
		default:
			t.Fatalf("unknown option %q", key)
		}
	}
	return opt
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
