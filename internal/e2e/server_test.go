package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
)

// startServer runs the whole system on free loopback ports; it ends with the
// test. Logs go to the test only when PLENUM_TEST_LOG names a level.
func startServer(t *testing.T, change func(*config.Config)) *app.App {
	t.Helper()
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = "127.0.0.1:0", "127.0.0.1:0", ":0"
	if change != nil {
		change(&c)
	}
	a, err := app.New(&c, testLogger())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("state at the end:\n%s", fetch(t, a.AdminURL()+"/debug/state"))
		}
		ctx, cancel := context.WithTimeout(context.Background(), app.StopPatience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return a
}

func testLogger() *slog.Logger {
	var level slog.Level
	if name := os.Getenv("PLENUM_TEST_LOG"); name == "" || level.UnmarshalText([]byte(name)) != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<25))
	return string(b)
}

// state decodes one role's part of the debug tree into out.
func state(t *testing.T, a *app.App, role string, out any) {
	t.Helper()
	text := fetch(t, a.AdminURL()+"/debug/state/"+role)
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("state of %s: %v: %.300s", role, err, text)
	}
}

// roomURL is a page of our own client that joins at once, without its pre-join page.
func roomURL(a *app.App, room, name string) string {
	return fmt.Sprintf(`%s/%s#config.prejoinConfig.enabled=false&userInfo.displayName="%s"&config.resolution=360`, a.URL(), room, name)
}

// joinPatience is how long three browsers on a small machine may take to meet.
const joinPatience = 2 * time.Minute
