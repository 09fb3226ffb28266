package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestHandler(t *testing.T) {
	reg := prometheus.NewRegistry()
	prometheus.WrapRegistererWithPrefix("plenum_", reg).MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "things", Help: "Things."}))
	var sick error
	h := Handler(Options{
		Version: "1.2.3", Gatherer: reg, Health: func() error { return sick },
		Live:  func() []Figure { return []Figure{{Name: "Rooms", Value: "3"}} },
		State: map[string]func() any{"signal": func() any { return map[string]int{"rooms": 3} }, "focus": func() any { return nil }},
	})
	get := func(path, site string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, tc := range []struct {
		path string
		code int
		has  string
	}{
		{"/", 200, "/debug/state"},
		{"/", 200, "/about/live"},
		{"/about/live", 200, `"name": "Rooms"`},
		{"/about/health", 200, `"ok"`},
		{"/about/version", 200, "1.2.3"},
		{"/metrics", 200, "plenum_things 0"},
		{"/debug/state", 200, `"rooms": 3`},
		{"/debug/state/signal", 200, `"rooms": 3`},
		{"/debug/state/nosuch", 404, "focus, signal"},
		{"/debug/pprof/", 200, "goroutine"},
		{"/nothing", 404, ""},
	} {
		if w := get(tc.path, ""); w.Code != tc.code || !strings.Contains(w.Body.String(), tc.has) {
			t.Errorf("%s: %d %q, want %d with %q", tc.path, w.Code, w.Body, tc.code, tc.has)
		}
	}
	if w := get("/debug/state", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("another site's page got %d", w.Code)
	}
	sick = errors.New("no media socket")
	if w := get("/about/health", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "no media socket") {
		t.Errorf("sick: %d %q", w.Code, w.Body)
	}
}

// TestOwnName: a name that somebody else made point to this machine is not
// answered.
func TestOwnName(t *testing.T) {
	h := Handler(Options{Loopback: true, Gatherer: prometheus.NewRegistry(), Health: func() error { return nil }})
	for host, code := range map[string]int{
		"localhost:8081": 200, "127.0.0.1:8081": 200, "[::1]:8081": 200, "localhost": 200, "[::1]": 200, "a.localhost": 200,
		"rebound.example:8081": 403, "127.0.0.1.rebound.example": 403, "": 403, "198.51.100.7": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/about/health", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != code {
			t.Errorf("%q: %d, want %d", host, w.Code, code)
		}
	}
}

// TestPageRunsItsOwnScriptOnly: the policy names what is in the page.
func TestPageRunsItsOwnScriptOnly(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(Options{Gatherer: prometheus.NewRegistry()}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	csp, page := w.Header().Get("Content-Security-Policy"), w.Body.String()
	for _, element := range []string{"script", "style"} {
		text, ok := strings.CutPrefix(page[strings.Index(page, "<"+element+">"):], "<"+element+">")
		text, _, end := strings.Cut(text, "</"+element+">")
		sum := sha256.Sum256([]byte(text))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !ok || !end || !strings.Contains(csp, want) {
			t.Errorf("%q does not allow %s", csp, want)
		}
	}
	if strings.Contains(page, "http:") || strings.Contains(page, "https:") || strings.Contains(page, " src=") || strings.Contains(page, " style=") {
		t.Error("the page loads something from elsewhere, or has a style the policy refuses")
	}
	w = httptest.NewRecorder()
	Handler(Options{Gatherer: prometheus.NewRegistry()}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/about/live", nil))
	if got := strings.TrimSpace(w.Body.String()); got != "[]" {
		t.Errorf("without figures: %s", got)
	}
}

// TestCollect: a collection is made by the time of the answer, but not for a page
// of another origin and not because somebody looks at an address.
func TestCollect(t *testing.T) {
	h := Handler(Options{Gatherer: prometheus.NewRegistry()})
	for _, tc := range []struct {
		method, site string
		code         int
		collects     bool
	}{{http.MethodPost, "", 204, true}, {http.MethodPost, "cross-site", 403, false}, {http.MethodGet, "", 405, false}} {
		r := httptest.NewRequest(tc.method, "/debug/collect", nil)
		if tc.site != "" {
			r.Header.Set("Sec-Fetch-Site", tc.site)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if collected := after.NumForcedGC > before.NumForcedGC; w.Code != tc.code || collected != tc.collects {
			t.Errorf("%+v: %d, collected: %v", tc, w.Code, collected)
		}
	}
}
