package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func readAll(res *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return string(b)
}

// newClient returns an HTTP client whose connections end with the test.
func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: attackPatience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// attackHTTP sends garbage to every door of the public listener.
func attackHTTP(t *testing.T, c *call) {
	garbageBodies(t, c)
	traversal(t, c)
	wrongPasswords(t, c)
}

func garbageBodies(t *testing.T, c *call) {
	before := scrape(t, c.app)
	client := newClient(t)
	bodies := map[string]string{
		"nothing": "", "no JSON": "room=x", "array": "[]", "wrong type": `{"room":{"room":5}}`, "no room": `{}`,
		"elsewhere": `{"room":"x@conference.elsewhere.example"}`, "resource": `{"room":"x` + conference + `/focus"}`,
		"internal": `{"room":"[t]x` + conference + `"}`, "nul": `{"room":"x\u0000` + conference + `"}`,
		"broken UTF-8": "{\"room\":\"\xff" + conference + "\"}", "half a surrogate": `{"room":"\ud800@"}`,
		"deep": strings.Repeat(`{"room":`, 3000), "deeper": strings.Repeat("[", 30_000),
		"long name": `{"room":"` + strings.Repeat("x", 20_000) + conference + `"}`,
		"large":     `{"room":"x` + conference + `","y":"` + strings.Repeat("y", 10<<20) + `"}`,
	}
	for name, body := range bodies {
		res, err := client.Post("http://"+c.host+"/conference-request/v1", "application/json", strings.NewReader(body))
		if err != nil {
			if name != "large" { // which may end before it is read
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if said := readAll(res); res.StatusCode != http.StatusBadRequest || strings.Contains(said, "yyy") {
			t.Errorf("%s: %s %.200s", name, res.Status, said)
		}
		_ = res.Body.Close()
	}
	c.counted(t, before, map[string]float64{`focus_conference_requests_total{outcome="refused"}`: float64(len(bodies) - 1)})
}

// traversal asks for files outside and for the admin listener's paths. Raw
// requests, because clients clean paths.
func traversal(t *testing.T, c *call) {
	for _, path := range []string{
		"/../../../../etc/passwd", "/_plenum/../../../../etc/passwd", "/_plenum/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd",
		"/_plenum/%2e%2e/%2e%2e/web.go", "/_plenum//etc/passwd", "//etc/passwd", "/_plenum/..\\..\\etc\\passwd", "/_plenum/app.js%00.css",
		"/_plenum/", "/_plenum", "/..;/debug/state", "/%c0%ae%c0%ae/etc/passwd", "/debug/../debug/state", "/colibri-ws/../../etc/passwd",
		"/about/../metrics", "/conference-request/../debug/state", "/" + strings.Repeat("a/", 1500), "/" + strings.Repeat("x", 20_000),
		"/debug/pprof/goroutine", "/tenant/debug/state", "http://127.0.0.1/etc/passwd",
	} {
		status, body := rawGet(t, c, path)
		if status/100 == 2 && !strings.Contains(body, "<title>") {
			t.Errorf("%.60s: %d %.200s", path, status, body)
		}
		for _, secret := range []string{"root:", "package web", "goroutine", "plenum_signal", `"listen"`} {
			if strings.Contains(body, secret) {
				t.Errorf("%.60s tells %s", path, secret)
			}
		}
	}
}

func rawGet(t *testing.T, c *call, path string) (status int, body string) {
	conn := tcp(t, c.host)
	_ = conn.SetDeadline(time.Now().Add(attackPatience))
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%.60s: %v", path, err)
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, readAll(res)
}

// wrongPasswords knocks at bridge channels. Nobody learns from the answer
// whether there is such an endpoint.
func wrongPasswords(t *testing.T, c *call) {
	client := newClient(t)
	for _, path := range []string{
		"x/" + c.ids[0] + "?pwd=", "x/" + c.ids[0] + "?pwd=" + strings.Repeat("0", 32), "x/" + c.ids[0],
		"../" + c.ids[0] + "?pwd=x", "x/nobody?pwd=x", "x/" + c.ids[0] + "?pwd=x&pwd=y",
	} {
		req, err := http.NewRequestWithContext(context.Background(), "GET", "http://"+c.host+"/colibri-ws/plenum/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			req.Header.Set(k, v)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// attackRooms asks for thousands of rooms in which nobody ever is. The focus
// keeps a bounded number of them, for a bounded time.
func attackRooms(t *testing.T, c *call) {
	const rooms, atOnce, most = 2500, 12, 4000
	before := scrape(t, c.app)
	client := newClient(t)
	var next, ready, refused atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := next.Add(1); i <= rooms; i = next.Add(1) {
				body := fmt.Appendf(nil, `{"room":"empty%d%s"}`, i, conference)
				res, err := client.Post("http://"+c.host+"/conference-request/v1", "application/json", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				if said := readAll(res); res.StatusCode == http.StatusOK && strings.Contains(said, `"ready":true`) {
					ready.Add(1)
				} else if res.StatusCode == http.StatusServiceUnavailable {
					refused.Add(1)
				}
				_ = res.Body.Close()
			}
		})
	}
	peak := 0.0
	for began := time.Now(); next.Load() < rooms && time.Since(began) < attackPatience; time.Sleep(20 * time.Millisecond) {
		peak = max(peak, scrape(t, c.app).sum("focus_conferences"))
	}
	all.Wait()
	if ready.Load()+refused.Load() != rooms || peak > most+1 {
		t.Errorf("%d rooms were opened and %d refused of %d, and up to %v kept", ready.Load(), refused.Load(), rooms, peak)
	}
	t.Logf("%d rooms opened, %d refused, at most %v at once", ready.Load(), refused.Load(), peak)
	c.counted(t, before, map[string]float64{
		"focus_conferences_created_total":                    float64(ready.Load()),
		`focus_conference_requests_total{outcome="refused"}`: float64(refused.Load()),
	})
}

// attackHoarder is one connection that opens rooms and stays in all of them,
// which would keep them for good.
func attackHoarder(t *testing.T, c *call) {
	const rooms, most = 95, 64
	a := login(t, c.host)
	a.sendAll(2*rooms, func(i int) ws.Frame {
		room := fmt.Sprintf("hoard%d%s", i/2, conference)
		if i%2 == 0 {
			_, frame := a.iq("set", "focus.localhost", `<conference xmlns="http://jitsi.org/protocol/focus" room="`+room+`"/>`)
			return ws.NewTextFrame([]byte(frame))
		}
		a.room = room
		return ws.NewTextFrame([]byte(a.presence(`<x xmlns="http://jabber.org/protocol/muc"/>`)))
	})
	for refused := 0; refused < rooms-most; refused++ {
		a.until("<presence", `type="error"`, "resource-constraint")
	}
	a.alive()
	c.settles(t, "focus_participants", most+float64(len(c.pages)))
	c.settles(t, "focus_conferences", most+1)
}
