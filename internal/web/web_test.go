package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// echo is another role: it says what it was asked.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	})
}

func testOptions() Options {
	opt := DefaultOptions()
	opt.Domain = "meet.example"
	opt.Log = slog.New(slog.DiscardHandler)
	opt.Handlers = Handlers{Signal: echo("signal"), BOSH: echo("bosh"), ConferenceRequest: echo("focus"), ColibriWS: echo("bridge")}
	return opt
}

func newTestHandler(t testing.TB, change func(*Options)) http.Handler {
	t.Helper()
	opt := testOptions()
	if change != nil {
		change(&opt)
	}
	h, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	h := newTestHandler(t, nil)
	for _, c := range []struct {
		target string
		status int
		want   string // in the body
	}{
		{"/", 200, `content=""`},
		{"/daily", 200, `name="plenum-room" content="daily"`},
		{"/team/daily", 200, `name="plenum-tenant" content="team"`},
		{"/team/daily", 200, `src="/team/config.js"`},
		{"/r%C3%A9union", 200, "réunion"},
		{"/foo.php", 200, "foo.php"},
		{"/daily/", 301, ""},
		{"/team/daily/", 301, ""},
		{"/a/b/c", 404, "no page here"},
		{"/a%2Fb", 200, `name="plenum-tenant" content="a"`},
		{"/config.js", 200, `var config = {`},
		{"/team/config.js", 200, `"muc": "conference.team.meet.example"`},
		{"/interface_config.js", 200, "var interfaceConfig"},
		{"/team/interface_config.js", 200, "var interfaceConfig"},
		{"/about/health", 200, `"ok"`},
		{"/_unlock", 200, "OK"},
		{"/team/_unlock", 200, "OK"},
		{"/robots.txt", 200, "Disallow"},
		{"/favicon.ico", 200, "<svg"},
		{"/manifest.json", 200, "start_url"},
		{"/team/manifest.json", 200, "start_url"},
		{"/_plenum/app.js", 200, ""},
		{"/_plenum/nothing.js", 404, ""},
		{"/_plenum/", 404, ""},
		{"/_plenum", 404, ""},
		{"/_plenum/../web.go", 404, ""},
		{"/xmpp-websocket?room=daily&token=t", 200, "signal GET /xmpp-websocket?room=daily&token=t"},
		{"/xmpp-websocket?prefix=evil&room=daily", 200, "signal GET /xmpp-websocket?room=daily"},
		{"/xmpp-websocket?%70refix=evil&room=daily", 200, "signal GET /xmpp-websocket?room=daily"},
		{"/team/xmpp-websocket?room=daily&prefix=evil", 200, "signal GET /xmpp-websocket?prefix=team&room=daily"},
		{"/http-bind?room=x", 200, "bosh GET /http-bind?room=x"},
		{"/conference-request/v1", 200, "focus GET /conference-request/v1?"},
		{"/team/conference-request/v1", 200, "focus GET /conference-request/v1?prefix=team"},
		{"/conference-request/v2", 404, ""},
		{"/colibri-ws/s/c/e?pwd=x", 200, "bridge GET /colibri-ws/s/c/e?pwd=x"},
		{"/libs/app.bundle.min.js", 404, ""},
		{"/libs", 404, ""},
		{"/external_api.js", 404, ""},
		{"/_api/room-info?room=x", 404, ""},
		{"/about/health/x", 404, ""},
	} {
		w := get(h, c.target)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("GET %s: %d %q, want %d with %q", c.target, w.Code, w.Body.String(), c.status, c.want)
		}
	}
}

func TestHostilePaths(t *testing.T) {
	h := newTestHandler(t, nil)
	for _, target := range []string{
		"//evil.example/", "/%2F%2Fevil.example/", "/a//b", "/../etc/passwd", "/a/../b", "/a/./b", "/%00", "/a%0d%0aSet-Cookie:x",
		"/%3Cscript%3E", "/x%5Cy", "/%ff", "/a%E2%80%A8b/c", "/'%22/config.js", "/a:b/config.js", "/a&b/room", "/a%3Fb/room",
		"/" + strings.Repeat("a", 300), "/" + strings.Repeat("a/", 2000),
	} {
		w := get(h, target)
		if w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", target, w.Code)
		}
		if strings.Contains(w.Body.String(), "evil") {
			t.Errorf("GET %s: the answer quotes the request", target)
		}
	}
}

func TestRedirectStaysHere(t *testing.T) {
	h := newTestHandler(t, nil)
	for target, want := range map[string]string{
		"/daily/?jwt=1":    "/daily?jwt=1",
		"/t/r%C3%A9union/": "/t/r%C3%A9union",
	} {
		if got := get(h, target).Header().Get("Location"); got != want {
			t.Errorf("GET %s: Location %q, want %q", target, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	h := newTestHandler(t, nil)
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{http.MethodPost, "/", 405},
		{http.MethodDelete, "/daily", 405},
		{http.MethodPost, "/config.js", 405},
		{http.MethodHead, "/daily", 200},
		{http.MethodHead, "/_plenum/app.js", 200},
		{http.MethodPost, "/conference-request/v1", 200},
		{http.MethodOptions, "/conference-request/v1", 200}, // the focus answers itself
		{http.MethodOptions, "/xmpp-websocket", 204},
		{http.MethodPost, "/http-bind", 200},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, w.Code, c.status)
		}
		if c.method == http.MethodHead && w.Body.Len() > 0 {
			t.Errorf("HEAD %s has a body", c.target)
		}
	}
}

// parseConfig reads config.js the way a script would.
func parseConfig(t testing.TB, body string) clientConfig {
	t.Helper()
	text, ok := strings.CutPrefix(body, "var config = ")
	text, ok2 := strings.CutSuffix(text, ";\n")
	if !ok || !ok2 {
		t.Fatalf("not an assignment: %q", body)
	}
	var c clientConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfig(t *testing.T) {
	h := newTestHandler(t, nil)
	c := parseConfig(t, get(h, "http://host.example:8080/config.js").Body.String())
	if c.WebSocket != "ws://host.example:8080/xmpp-websocket" || c.ConferenceRequestURL != "http://host.example:8080/conference-request/v1" {
		t.Errorf("addresses: %q %q", c.WebSocket, c.ConferenceRequestURL)
	}
	if c.Hosts != (hostsConfig{"meet.example", "conference.meet.example", "focus.meet.example"}) || c.FocusUserJID != "focus@auth.meet.example" {
		t.Errorf("hosts: %+v %q", c.Hosts, c.FocusUserJID)
	}
	if c.P2P.Enabled || c.P2P.STUNServers == nil || c.Flags.SSRCRewriting || c.BridgeChannel.PreferSCTP {
		t.Errorf("flags: %+v %+v %+v", c.P2P, c.Flags, c.BridgeChannel)
	}
	body := get(h, "/config.js").Body.String()
	for _, want := range []string{`"stunServers": []`, `"ssrcRewritingEnabled": false`, `"rtpMidDemuxEnabled": false`, `"preferSctp": false`} {
		if !strings.Contains(body, want) {
			t.Errorf("config.js has no %s", want)
		}
	}
}

func TestConfigOrigin(t *testing.T) {
	for _, c := range []struct {
		name, publicURL, host, remote, forwarded, want string
	}{
		{"plain", "", "a.example", "192.0.2.1:1", "", "ws://a.example/xmpp-websocket"},
		{"proxy on loopback", "", "a.example", "127.0.0.1:1", "https", "wss://a.example/xmpp-websocket"},
		{"proxy on IPv6 loopback", "", "a.example", "[::1]:1", "https", "wss://a.example/xmpp-websocket"},
		{"a stranger's header", "", "a.example", "192.0.2.1:1", "https", "ws://a.example/xmpp-websocket"},
		{"public URL", "https://meet.example", "a.example", "192.0.2.1:1", "", "wss://meet.example/xmpp-websocket"},
		{"public URL with port", "http://meet.example:81/", "a.example", "192.0.2.1:1", "https", "ws://meet.example:81/xmpp-websocket"},
		{"hostile host", "", `a"b.example`, "192.0.2.1:1", "", "ws://meet.example/xmpp-websocket"},
		{"IPv6 host", "", "[2001:db8::1]:8080", "192.0.2.1:1", "", "ws://[2001:db8::1]:8080/xmpp-websocket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newTestHandler(t, func(o *Options) { o.PublicURL = c.publicURL })
			r := httptest.NewRequest(http.MethodGet, "/config.js", nil)
			r.Host, r.RemoteAddr = c.host, c.remote
			r.Header.Set("X-Forwarded-Proto", c.forwarded)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := parseConfig(t, w.Body.String()).WebSocket; got != c.want {
				t.Errorf("websocket %q, want %q", got, c.want)
			}
		})
	}
}

func TestTenantIsEscaped(t *testing.T) {
	h := newTestHandler(t, nil)
	for _, tenant := range []string{"Te.Am", "a%60$%7B1%7D", "%7B%7B.%7D%7D", "a;alert(1)", "%E2%82%AC"} {
		body := get(h, "/"+tenant+"/config.js").Body.String()
		c := parseConfig(t, body)
		if !strings.HasSuffix(c.Hosts.MUC, ".meet.example") {
			t.Errorf("tenant %s: muc %q", tenant, c.Hosts.MUC)
		}
		if page := get(h, "/"+tenant+"/room"); page.Code != 200 {
			t.Errorf("tenant %s: page %d", tenant, page.Code)
		}
	}
	if c := parseConfig(t, get(h, "/Te.Am/config.js").Body.String()); c.Hosts.MUC != "conference.te_am.meet.example" || c.WebSocket != "ws://example.com/Te.Am/xmpp-websocket" {
		t.Errorf("tenant with a dot: %q %q", c.Hosts.MUC, c.WebSocket)
	}
}

func TestAbsentRolesAreNotAdvertised(t *testing.T) {
	h := newTestHandler(t, func(o *Options) { o.Handlers = Handlers{} })
	if c := parseConfig(t, get(h, "/config.js").Body.String()); c.WebSocket+c.BOSH+c.ConferenceRequestURL != "" {
		t.Errorf("config.js advertises %q %q %q", c.WebSocket, c.BOSH, c.ConferenceRequestURL)
	}
	for _, target := range []string{"/xmpp-websocket", "/http-bind", "/conference-request/v1", "/colibri-ws/a/b/c"} {
		if w := get(h, target); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", target, w.Code)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := newTestHandler(t, func(o *Options) { o.Shard = "s1"; o.PublicURL = "" })
	page := get(h, "/daily").Header()
	for key, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": pagePolicy, "Permissions-Policy": permissionsPolicy, "X-Frame-Options": "",
	} {
		if got := page.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if strings.Contains(pagePolicy, "frame-ancestors") || strings.Contains(pagePolicy, "unsafe") {
		t.Error("the policy forbids embedding or allows inline code")
	}
	door := get(h, "/xmpp-websocket").Header()
	if door.Get("X-Jitsi-Shard") != "s1" || door.Get("Access-Control-Allow-Origin") != "*" || door.Get("Access-Control-Expose-Headers") == "" {
		t.Errorf("keepalive headers: %v", door)
	}
	if got := get(h, "/", "X-Forwarded-Proto", "https").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS for a stranger's header: %q", got)
	}
}

func TestAssetCaching(t *testing.T) {
	h := newTestHandler(t, nil)
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	url, err := a.url("app.js")
	if err != nil {
		t.Fatal(err)
	}
	w := get(h, url)
	if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("hashed address: Cache-Control %q", got)
	}
	if got := get(h, "/_plenum/app.js?v=old").Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("old address: Cache-Control %q", got)
	}
	etag := w.Header().Get("ETag")
	if again := get(h, url, "If-None-Match", "W/"+etag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("known ETag: %d", again.Code)
	}
	if other := get(h, url, "If-None-Match", `"x"`); other.Code != http.StatusOK {
		t.Errorf("unknown ETag: %d", other.Code)
	}
}

func TestCompression(t *testing.T) {
	f := newFile("a.css", []byte(strings.Repeat("body{color:red}", 200)))
	for _, c := range []struct {
		accept string
		gzip   bool
	}{
		{"", false}, {"gzip", true}, {"br, gzip;q=0.5", true}, {"gzip;q=0", false}, {"gzip;q=0.000", false}, {"*", true}, {"deflate", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		f.serve(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.gzip {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", c.accept, got, c.gzip)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary", c.accept)
		}
	}
	if small := newFile("a.css", []byte("body{}")); small.gzipped != nil {
		t.Error("a small file was compressed")
	}
}

func TestHealth(t *testing.T) {
	var deadline bool
	h := newTestHandler(t, func(o *Options) {
		o.Health = func(ctx context.Context) error {
			_, deadline = ctx.Deadline()
			return errors.New("secret reason")
		}
	})
	w := get(h, "/about/health")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") || !deadline {
		t.Errorf("unhealthy: %d %q, deadline %v", w.Code, w.Body.String(), deadline)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"defaults", func(*Options) {}, true},
		{"no domain", func(o *Options) { o.Domain = "" }, false},
		{"bad domain", func(o *Options) { o.Domain = "a b" }, false},
		{"public URL", func(o *Options) { o.PublicURL = "https://meet.example" }, true},
		{"public URL with path", func(o *Options) { o.PublicURL = "https://meet.example/x" }, false},
		{"public URL of another scheme", func(o *Options) { o.PublicURL = "ftp://meet.example" }, false},
		{"codec", func(o *Options) { o.Client.Codecs = []string{"H265"} }, false},
	} {
		opt := testOptions()
		c.change(&opt)
		if err := opt.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNewServerLimits(t *testing.T) {
	srv := NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if srv.ReadHeaderTimeout != 10*time.Second || srv.ReadTimeout != 0 || srv.WriteTimeout != 0 {
		t.Errorf("%+v", srv)
	}
}

// FuzzParsePath checks what the rest of the role relies on: names in a route
// are bounded and free of what could end a string or a path.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/a", "/a/b", "/a/config.js", "//x", "/a/conference-request/v1", "/_plenum/app.js", "/é/", "/%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := parsePath(path)
		for _, name := range []string{r.tenant, r.room} {
			if len(name) > maxSegment || strings.ContainsAny(name, "/\\<>\"'&?:\x00\r\n") || name == ".." {
				t.Fatalf("%q: name %q", path, name)
			}
		}
		if r.kind == roomPage && r.room == "" {
			t.Fatalf("%q: room page without a room", path)
		}
	})
}
