package loadtest

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// prosody runs the Prosody of the system with the configuration that the
// benchmark has for it, and returns the URL of its WebSocket.
func prosody(t *testing.T, authentication string) string {
	t.Helper()
	program, err := exec.LookPath("prosody")
	if err != nil {
		if os.Getenv("PLENUM_REQUIRE_PEERS") != "" {
			t.Fatal("Prosody is required here and not installed (apt-get install prosody)")
		}
		t.Skip("SKIPPED tests with Prosody: it is not installed (apt-get install prosody)")
	}
	text, err := os.ReadFile("../bench/peers/prosody.cfg.lua")
	if err != nil {
		t.Fatal(err)
	}
	const anonymous = `authentication = "anonymous"`
	if !strings.Contains(string(text), anonymous) {
		t.Fatal("the configuration has no anonymous login any more")
	}
	dir, at := t.TempDir(), freePort(t)
	_, port, _ := net.SplitHostPort(at)
	var config strings.Builder
	err = template.Must(template.New("").Parse(strings.Replace(string(text), anonymous, authentication, 1))).
		Execute(&config, map[string]any{"Dir": dir, "Port": port, "GC": `mode = "incremental"`})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prosody.cfg.lua")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-F", "--config", file)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for try := time.Now(); ; time.Sleep(50 * time.Millisecond) { // a server that starts tells nobody
		res, err := http.Get("http://" + at + "/xmpp-websocket")
		if err == nil {
			_ = res.Body.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("Prosody has ended: %s", out.String())
		default:
		}
		if time.Since(try) > 30*time.Second {
			t.Fatal(errors.Join(errors.New("Prosody does not answer"), err))
		}
	}
	return "ws://" + at + "/xmpp-websocket"
}

// TestProsody: a server that is not ours, without a focus: everybody sees
// everybody, nothing goes wrong, and nobody sends keepalives, for which such a
// server has no address.
func TestProsody(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const people = 5
	plan := Simple{URL: prosody(t, `authentication = "anonymous"`), Rooms: 3, Participants: people, Audio: -1, Video: -1, Duration: keepFirst + time.Second, Signalling: true, RoomPrefix: "peer"}.Plan()
	plan.Domain = "localhost"
	rep := carryOut(t, plan)
	for _, p := range rep.Participants {
		if s := p.Signalling; s.KeepAlives > 0 || s.Occupants != people || s.Malformed > 0 {
			t.Errorf("%s in %s: %+v", p.Name, p.Room, s)
		}
	}
}

// TestProsodyResume: connections to Prosody that break are resumed. Everybody
// has an account, because Prosody resumes nobody who logs in as somebody else,
// and who is anonymous has a new name each time.
func TestProsodyResume(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const insecure = "authentication = \"insecure\"\n\tinsecure_open_authentication = \"Yes please, I know what I'm doing!\""
	plan := Simple{URL: prosody(t, insecure), Rooms: 1, Participants: 3, Duration: 6 * time.Second, Signalling: true, RoomPrefix: "peer"}.Plan()
	plan.Domain, plan.User, plan.Password = "localhost", "load", "any"
	plan.Roles[0].BreakEvery = 2 * time.Second // at one to three seconds
	rep := carryOut(t, plan)
	for _, p := range rep.Participants {
		if p.Resumes == 0 || p.Signalling.Occupants != 3 {
			t.Errorf("%s resumed %d times and sees %d occupants", p.Name, p.Resumes, p.Signalling.Occupants)
		}
	}
}

// TestProsodyRejoin: who is anonymous is refused by Prosody, and joins anew.
func TestProsodyRejoin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: prosody(t, `authentication = "anonymous"`), Rooms: 1, Participants: 3, Duration: 8 * time.Second, Signalling: true, RoomPrefix: "peer"}.Plan()
	plan.Domain = "localhost"
	plan.Roles[0].BreakEvery = 2 * time.Second // at one to three seconds
	rep, err := runFully(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rep.Participants {
		if p.Rejoins == 0 || p.Resumes > 0 || p.State == record.Failed {
			t.Errorf("%s: %s, begun anew %d times, resumed %d: %+v", p.Name, p.State, p.Rejoins, p.Resumes, p.Errors)
		}
	}
}

// TestBare: what may be said of a bare XMPP server, and of others.
func TestBare(t *testing.T) {
	for _, tc := range []struct {
		url        string
		domain     string
		signalling bool
		fine       bool
	}{
		{"ws://x.example/xmpp-websocket", "", true, true},
		{"wss://x.example/xmpp-websocket", "y.example", true, true},
		{"ws://x.example/xmpp-websocket", "", false, false},
		{"https://x.example", "y.example", true, false},
		{"xmpp://x.example", "", true, false},
	} {
		plan := Simple{URL: tc.url, Rooms: 1, Participants: 1, Duration: time.Second, Signalling: tc.signalling}.Plan()
		plan.Domain = tc.domain
		if err := plan.Check(); (err == nil) != tc.fine {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}
