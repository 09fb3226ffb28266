package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/admin"
)

func get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	return text
}

// TestAdminShowsWhatRuns: the start page has figures of every role, and the
// debug tree one style of keys, and lists where lists are.
func TestAdminShowsWhatRuns(t *testing.T) {
	a, err := New(local(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var figures []admin.Figure
	if err := json.Unmarshal(get(t, a.AdminURL()+"/about/live"), &figures); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range figures {
		if names = append(names, f.Name); f.Value == "" {
			t.Errorf("%s has no value", f.Name)
		}
		if f.Name == "Memory" && !regexp.MustCompile(`^held by the process: \d+(\.\d)? MB lived after the last collection, .* the heap holds \d+(\.\d)? MB; `).MatchString(f.Note) {
			t.Errorf("memory is told as %q", f.Note)
		}
	}
	if got, want := strings.Join(names, ", "), "Rooms, People connected, Conferences, Participants with media, Packets in, out, Delay, Busiest worker, Memory"; got != want {
		t.Errorf("figures %s", got)
	}
	tree := get(t, a.AdminURL()+"/debug/state")
	snake := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, key := range regexp.MustCompile(`"([^"]*)": `).FindAllSubmatch(tree, -1) {
		if !snake.Match(key[1]) {
			t.Errorf("key %q is not in snake_case", key[1])
		}
	}
	if strings.Contains(string(tree), ": null") {
		t.Errorf("a list is null in\n%s", tree)
	}
}

// TestMegabytes: small amounts are not rounded to something else.
func TestMegabytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0.0 MB", 1_971_322: "1.9 MB", 20_600_000: "20 MB", 10_432_000: "9.9 MB", 10_440_000: "10 MB", 3 << 30: "3072 MB"} {
		if got := megabytes(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
	if conferences(0) != "0 conferences" || conferences(1) != "1 conference" {
		t.Error(conferences(0), conferences(1))
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 \u00b5s", 93_400: "93 \u00b5s", 1_250_000: "1.2 ms", 43_700_000: "43 ms", 2 * time.Second: "2000 ms",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
