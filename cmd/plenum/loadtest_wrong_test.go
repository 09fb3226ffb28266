package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/loadtest/scenario"
)

// lock sits down in a room, and gives it a password.
func lock(t *testing.T, url, room, password string) {
	t.Helper()
	res, err := http.Post(url+"/conference-request/v1", "application/json", strings.NewReader(`{"room":"`+room+`@conference.localhost","properties":{}}`))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	_ = res.Body.Close()
	d := ws.Dialer{Protocols: []string{"xmpp"}}
	conn, _, _, err := d.Dial(context.Background(), strings.Replace(url, "http", "ws", 1)+"/xmpp-websocket?room="+room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	const open = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>`
	at := room + "@conference.localhost"
	jid := ""
	for _, step := range [][2]string{
		{open, "<mechanisms"},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, "<success"},
		{open, "<bind"},
		{`<iq xmlns="jabber:client" type="set" id="1"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, "<jid>"},
		{`<presence xmlns="jabber:client" to="` + at + `/JID"><x xmlns="http://jabber.org/protocol/muc"/></presence>`, `from="` + at + `/JID"|affiliation="owner"`}, // the focus makes it so
		{`<iq xmlns="jabber:client" type="set" id="2" to="` + at + `"><query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit">` +
			`<field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_roomsecret"><value>` + password + `</value></field></x></query></iq>`,
			`id="2"`},
	} {
		if err := wsutil.WriteClientText(conn, []byte(strings.ReplaceAll(step[0], "JID", jid))); err != nil {
			t.Fatal(err)
		}
		for {
			b, err := wsutil.ReadServerText(conn)
			if err != nil {
				t.Fatalf("after %s: %v", step[0], err)
			}
			if strings.Contains(string(b), `type="error"`) {
				t.Fatalf("%s", b)
			}
			if _, after, ok := strings.Cut(string(b), "<jid>"); ok {
				jid = after[:8]
			}
			if hasAll(string(b), strings.ReplaceAll(step[1], "JID", jid)) {
				break
			}
		}
	}
}

// hasAll reports whether all words, with | between, are in a text.
func hasAll(text, words string) bool {
	for word := range strings.SplitSeq(words, "|") {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// TestLoadtestPassword: who does not know a room's password reads so, in one
// line; who knows it gets in.
func TestLoadtestPassword(t *testing.T) {
	url, _ := serveForTest(t)
	lock(t, url, "loadtest-1", "sesame")
	args := "loadtest " + url + " --signalling-only --participants 2 --plain --duration "
	var out, errOut strings.Builder
	status := run(strings.Fields(args+"10m"), &out, &errOut)
	const want = "plenum: nobody got in: room: the room cannot be joined: the room has a password, and none or a wrong one was given\n"
	if status != 1 || errOut.String() != want {
		t.Errorf("status %d: %s", status, errOut.String())
	}
	errOut.Reset()
	if status := run(strings.Fields(args+"8s --room-password sesame"), &out, &errOut); status != 0 || !strings.Contains(out.String(), "ok      unfinished=0") {
		t.Errorf("status %d: %s\n%s", status, errOut.String(), out.String())
	}
}

// TestLoadtestWrongPlace: when there is no deployment at the URL, or the
// connection ends, there is one line that says so, soon.
func TestLoadtestWrongPlace(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>Welcome!</html>")) }))
	defer page.Close()
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // strangers do not trust it
	secure.StartTLS()
	defer secure.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	for url, want := range map[string]string{
		"http://nowhere.invalid":       "nowhere.invalid does not answer: ",
		"http://127.0.0.1:1":           "127.0.0.1:1 does not answer: dial tcp 127.0.0.1:1: connect: connection refused",
		"http://" + ln.Addr().String(): "does not answer: ",
		page.URL:                       page.URL + "/config.js: ",
		nothing.URL:                    "nobody got in: websocket: unexpected HTTP response status: 404",
		secure.URL:                     "the certificate of " + strings.TrimPrefix(secure.URL, "https://") + " is not trusted: x509: certificate signed by unknown authority (--insecure accepts any)",
		secure.URL + " --insecure":     "nobody got in: websocket: unexpected HTTP response status: 404",
		"ws" + nothing.URL[4:] + " --signalling-only": "nobody got in: websocket: unexpected HTTP response status: 404",
		"ws://127.0.0.1:1 --signalling-only":          "nobody got in: tcp: dial: connect: connection refused",
	} {
		var out, errOut strings.Builder
		began := time.Now()
		status := run(strings.Fields("loadtest --duration 10m "+url), &out, &errOut)
		if status != 1 || !strings.Contains(errOut.String(), want) || strings.Count(errOut.String(), "\n") != 1 || time.Since(began) > time.Minute {
			t.Errorf("%s: status %d after %v: %s; want %q", url, status, time.Since(began), errOut.String(), want)
		}
	}
}

// TestLoadtestShippedStart: each scenario that is shipped begins, made small,
// against a whole server. One after the other: who comes beside too many others
// has no keys in time on a slow machine.
func TestLoadtestShippedStart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url, _ := serveForTest(t)
	small := map[string]string{ // how small it can be
		"forum-81x40": "--rooms 2 --participants 6", "forum-321": "--participants 30", "forum-6000": "--rooms 2 --participants 5",
		"storm-500": "--participants 8", "webinar": "--participants 6", "classroom": "--participants 6",
	}
	for _, name := range scenario.Names() {
		over, ok := small[name]
		if !ok {
			t.Errorf("%s is not tested", name)
			continue
		}
		delete(small, name)
		out := &watcher{stages: []stage{{`in call ([2-9]|\d\d)`, 4, interrupt}}}
		var errOut strings.Builder
		status := run(strings.Fields(fmt.Sprintf("loadtest %s --scenario %s %s --room-prefix %s --duration %s --assert failed=0,joined>=2,errors=0", url, name, over, name, longest)), out, &errOut)
		if status != 0 {
			t.Errorf("%s: status %d: %s\n%s", name, status, errOut.String(), out)
		}
	}
	if len(small) > 0 {
		t.Errorf("not shipped: %v", small)
	}
}
