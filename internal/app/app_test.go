package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/bridge"
	"github.com/plenum-conf/plenum/internal/config"
)

func TestPublicURL(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*config.Config)
		port   int
		want   string
	}{
		{"as it comes", func(*config.Config) {}, 8080, "http://localhost:8080"},
		{"port of http", func(c *config.Config) { c.Domain = "meet.example" }, 80, "http://meet.example"},
		{"with a certificate", func(c *config.Config) { c.Domain, c.HTTP.Certificate = "meet.example", "c.pem" }, 443, "https://meet.example"},
		{"with a certificate elsewhere", func(c *config.Config) { c.Domain, c.HTTP.Certificate = "meet.example", "c.pem" }, 8443, "https://meet.example:8443"},
		{"told", func(c *config.Config) { c.PublicURL = "https://meet.example/" }, 8080, "https://meet.example"},
	} {
		c := config.Default()
		tc.change(&c)
		if got := publicURL(&c, fmt.Sprintf("[::]:%d", tc.port)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestBridgeOptions: what an operator writes about media reaches the bridge,
// and the defaults are the bridge's own.
func TestBridgeOptions(t *testing.T) {
	c := config.Default()
	o, err := bridgeOptions(&c.Media)
	if want := bridge.DefaultOptions(); err != nil || o.Listen != want.Listen || o.Loudest != want.Loudest || len(o.LastNLimits) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	c.Media.Loudest, c.Media.LastNLimits = config.Loudest{Above: 7, Speakers: 2}, map[int]int{20: 10}
	c.Media.Advertise = []string{"198.51.100.7"}
	o, err = bridgeOptions(&c.Media)
	if err != nil || o.Loudest != (bridge.Loudest{Above: 7, Speakers: 2}) || o.LastNLimits[20] != 10 || len(o.Advertise) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

func local() *config.Config {
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	return &c
}

// TestStopDoesNotWaitForRequests: somebody who takes a long profile does not
// make the stop late or an error.
func TestStopDoesNotWaitForRequests(t *testing.T) {
	a, err := New(local(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", a.adminLn.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /debug/pprof/trace?seconds=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := c.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), StopPatience)
	defer cancel()
	if err := a.Stop(ctx); err != nil || ctx.Err() != nil {
		t.Error(err, ctx.Err())
	}
}

// TestLifeOfAnApp: it serves after Start, says what runs, is unhealthy while
// it stops, and lets go of its ports.
func TestLifeOfAnApp(t *testing.T) {
	a, err := New(local(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{a.URL() + "/AnyRoom", "127.0.0.1:", "because", a.AdminURL()} {
		if !strings.Contains(a.Banner(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, a.Banner())
		}
	}
	for _, url := range []string{a.URL() + "/AnyRoom", a.URL() + "/config.js", a.URL() + "/about/health", a.AdminURL() + "/about/health", a.AdminURL() + "/debug/state", a.AdminURL() + "/metrics"} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, res.Status)
		}
	}
	if err := a.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if a.Health() == nil {
		t.Error("healthy after the stop")
	}
	ln, err := net.Listen("tcp", a.httpLn.Addr().String())
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = ln.Close()
}

// TestPortTaken: the error says which setting is at fault, and what was
// opened before it is closed again.
func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	for key, change := range map[string]func(*config.Config){
		"media.listen": func(c *config.Config) { c.Media.Listen = udp.LocalAddr().String() },
		"http.listen":  func(c *config.Config) { c.HTTP.Listen = taken.Addr().String() },
		"admin.listen": func(c *config.Config) { c.Admin.Listen = taken.Addr().String() },
		"certificate":  func(c *config.Config) { c.HTTP.Certificate, c.HTTP.Key = "none.pem", "none.pem" },
	} {
		c := local()
		change(c)
		if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		} else if flag := "--" + strings.TrimSuffix(key, ".listen"); key != "certificate" && !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v does not say to use %s", key, err, flag)
		}
	}
}

// TestSignalAlone runs the one role that is whole without the others: XMPP is
// answered, and nothing that needs the others is.
func TestSignalAlone(t *testing.T) {
	c := config.Default()
	c.Roles, c.HTTP.Listen, c.Admin.Listen = []string{"signal"}, "127.0.0.1:0", ""
	a, err := New(&c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if b := a.Banner(); !strings.Contains(b, "XMPP") || strings.Contains(b, "Open ") {
		t.Error("banner:", b)
	}
	for path, want := range map[string]int{
		"/xmpp-websocket": http.StatusOK, "/about/health": http.StatusOK, "/config.js": http.StatusOK,
		"/": http.StatusNotFound, "/AnyRoom": http.StatusNotFound,
		"/conference-request/v1": http.StatusNotFound, "/colibri-ws/x/y/z": http.StatusNotFound,
	} {
		resp, err := http.Get("http://" + a.httpLn.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}
