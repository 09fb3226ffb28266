package starved

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// figures of the bridge's state stand for media that it has given up for want of
// time, ever: what it left out deliberately, and what grew too old in queues or
// found no room in them.
var figures = []string{
	"cuts", "kernel_drops",
	"dropped_stale_video", "dropped_stale_audio", "dropped_handover", "dropped_outlet",
}

var some = regexp.MustCompile(`"(` + strings.Join(figures, "|") + `)": [1-9][0-9]*`)

// Of returns for what a server with a bridge has had too little time since it
// was started, as figures of its state, or "" if it has had enough. admin is the
// URL of its admin listener. No goroutine is left behind.
func Of(t testing.TB, admin string) string {
	t.Helper()
	state := get(t, admin+"/debug/state/bridge")
	if !strings.Contains(state, `"cuts": `) {
		t.Fatalf("the bridge does not say whether it left anything out: %s", state)
	}
	return strings.Join(some.FindAllString(state, -1), ", ")
}

func get(t testing.TB, url string) string {
	t.Helper()
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := once.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(text)
}
