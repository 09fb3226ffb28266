package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
	"github.com/plenum-conf/plenum/internal/testkit/starved"
)

// serveForTest runs a whole server in this process, with changes to its
// configuration, and returns its URL and that of its metrics.
func serveForTest(t *testing.T, changes ...func(*config.Config)) (public, admin string) {
	t.Helper()
	free := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		return ln.Addr().String()
	}
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = free(), free(), "127.0.0.1:0"
	for _, change := range changes {
		change(&c)
	}
	a, err := app.New(&c, slog.New(slog.DiscardHandler))
	if err == nil {
		err = a.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), app.StopPatience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return a.URL(), "http://" + c.Admin.Listen
}

// loadtestRun runs the command for so many seconds after it has told that
// everybody is in, and ends it as Ctrl-C does: how long it takes until then
// depends on what else the machine does. It reads the reports it wrote.
func loadtestRun(t *testing.T, people, seconds int, args string) (status int, text, errors, page string, sum *verdict.Summary) {
	t.Helper()
	dir := t.TempDir()
	jsonFile, htmlFile := filepath.Join(dir, "a.json"), filepath.Join(dir, "a.html")
	out := &watcher{stages: []stage{{fmt.Sprintf("in call %d of %d", people, people), seconds, interrupt}}}
	var errOut strings.Builder
	status = run(append(strings.Fields("loadtest "+args), "--duration", longest, "--json", jsonFile, "--html", htmlFile), out, &errOut)
	b, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errOut.String())
	}
	var rep record.Report
	if err := json.Unmarshal(b, &rep); err != nil {
		t.Fatal(err)
	}
	h, err := os.ReadFile(htmlFile)
	if err != nil {
		t.Fatal(err)
	}
	return status, out.String(), errOut.String(), string(h), verdict.Judge(&rep)
}

// longest is the duration of tests that are ended before.
const longest = "90s"

// interrupt is Ctrl-C.
func interrupt() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGINT) }

// stage is what is done once something was told so many times.
type stage struct {
	told  string // a regular expression
	times int
	then  func()
}

// watcher is an output that does what its stages say, one after the other.
type watcher struct {
	text   strings.Builder
	begun  int // where in the text the first stage began
	stages []stage
}

func (w *watcher) Write(b []byte) (int, error) {
	w.text.Write(b)
	if len(w.stages) > 0 {
		first, text := w.stages[0], w.text.String()[w.begun:]
		if told := regexp.MustCompile(first.told).FindAllString(text, -1); len(told) >= first.times {
			w.stages, w.begun = w.stages[1:], w.text.Len()
			first.then()
		}
	}
	return len(b), nil
}

func (w *watcher) String() string { return w.text.String() }

// tooBusy reports whether this machine had no time for a test: the generator,
// as the verdict says itself, or the server, which has it beside the generator.
// Then packets grow old in queues and are dropped, and video is left out.
func tooBusy(t *testing.T, admin string, sum *verdict.Summary) bool {
	t.Helper()
	why := strings.Join(append(sum.Generator.Limited, starved.Of(t, admin)), ", ")
	if why != "" {
		t.Log(why)
	}
	return why != ""
}

// TestLoadtest: five rooms of six against our own server. On a good network
// nothing is lost; with 2 % loss the verdict shows it, retransmissions mend
// the video, and conditions fail.
func TestLoadtest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url, admin := serveForTest(t)
	base := url + " --rooms 5 --participants 6 --ramp 30/s --server-metrics " + admin + " --max-loss 0"
	t.Run("good network", func(t *testing.T) {
		status, text, errors, page, sum := loadtestRun(t, 30, 6, base)
		busy := tooBusy(t, admin, sum) // then somebody's keys may be late, or the server's figures
		if sum.Joined != 30 || sum.Failed > 0 || sum.InCall != 30 && !busy || sum.Audio.Expected == 0 || sum.Video.Expected == 0 {
			t.Errorf("status %d, %s\n%s", status, errors, text)
		}
		wants := []string{"participants got into the call", "ok      failed=0", "first key frame"}
		lost := sum.Audio.Lost + sum.Video.Lost
		if len(sum.Generator.Limited) > 0 {
			wants = append(wants, "may be better than these figures")
		}
		if !busy {
			wants = append(wants, "All 30 participants got into the call", "The server used")
		}
		if (lost > 0 || status != 0) && busy {
			t.Logf("SKIPPED judging losses in %s: the machine was too busy, %d packets were lost", t.Name(), lost)
		} else if wants = append(wants, "ok      loss<=0%"); status != 0 || lost > 0 {
			t.Errorf("status %d, %s\n%s", status, errors, text)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
		}
		if strings.Count(text, "in call") < 6 || strings.Contains(text, "\x1b") || !strings.Contains(page, "participants got into the call") {
			t.Errorf("what was told while it ran: %s", text)
		}
		if (sum.Server == nil || sum.Server.CPU <= 0) && !busy { // it may have had no time to say
			t.Errorf("the server's CPU: %+v", sum.Server)
		}
	})
	t.Run("2 % loss", func(t *testing.T) {
		status, text, errors, page, sum := loadtestRun(t, 30, 6, base+" --network loss=2% --assert audio.loss<0.5%,failed=0 --assert video.loss<1%")
		if status != 1 || !strings.Contains(errors, "audio.loss<0.5% is not met: it is ") || strings.Contains(errors, "failed") {
			t.Errorf("status %d, %s\n%s", status, errors, text)
		}
		busy := tooBusy(t, admin, sum) // then more is lost than was asked for, and less repeated
		if busy {
			t.Logf("SKIPPED judging how much is repeated in time in %s: the machine was too busy", t.Name())
		}
		if loss := sum.Audio.Loss(); loss < 0.02 || loss > 0.06 && !busy { // 2 % on each of two ways
			t.Errorf("%v of audio lost", loss)
		}
		if strings.Contains(errors, "video") && !busy {
			t.Errorf("%s\n%s", errors, text)
		}
		if (sum.Video.Recovered == 0 || sum.Video.Loss() > sum.Video.Repaired()) && !busy {
			t.Errorf("%d packets of video came again, %d did not", sum.Video.Recovered, sum.Video.Lost)
		}
		if !strings.Contains(text, "FAILED  audio.loss<0.5%") || !strings.Contains(text, "of the audio packets") || !strings.Contains(page, `<span class="no">no</span>`) {
			t.Errorf("the loss is not told:\n%s", text)
		}
	})
}

// TestLoadtestInterrupted: Ctrl-C ends a test, with a report of what there is.
func TestLoadtestInterrupted(t *testing.T) {
	url, _ := serveForTest(t)
	out := &watcher{stages: []stage{{"in call 4 of 4", 1, interrupt}}}
	var errOut strings.Builder
	jsonFile := filepath.Join(t.TempDir(), "a.json")
	began := time.Now()
	status := run(strings.Fields("loadtest "+url+" --participants 4 --signalling-only --duration 10m --json "+jsonFile), out, &errOut)
	if status != 0 || time.Since(began) > time.Minute || !strings.Contains(out.String(), "All 4 participants got into the room") {
		t.Errorf("status %d after %v: %s\n%s", status, time.Since(began), errOut.String(), out)
	}
	if b, err := os.ReadFile(jsonFile); err != nil || !strings.Contains(string(b), `"in call"`) {
		t.Errorf("the report: %v", err)
	}
}

// TestLoadtestRefuses: what cannot be done is said in a line.
func TestLoadtestRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("duration: 1m\nrooms:\n  - members:\n      - {count: 3, vidoe: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	churning := filepath.Join(t.TempDir(), "churn.yaml")
	if err := os.WriteFile(churning, []byte("duration: 1m\nrooms:\n  - members:\n      - {count: 3, signalling: true, churn: 600%/min}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	_ = ln.Close()
	nowhere := filepath.Join(t.TempDir(), "none")
	for args, want := range map[string]string{
		"":                 "which deployment?",
		"foo":              `"foo" is not the URL`,
		"ftp://x":          "is not the URL",
		closed:             "does not answer: dial tcp",
		"http://192.0.2.1": "say --i-run-this-server",
		"http://x.example --signalling-only --muted":           "--muted is about media",
		"http://x.example --signalling-only --silence":         "--silence is about media",
		"http://x.example --silence":                           "silence is what a muted microphone sends",
		"http://x.example --signalling-only --screens 1":       "--screens is about media",
		"http://x.example --signalling-only --codec vp9":       "--codec is about media",
		"http://x.example --signalling-only --full-bitrate":    "--full-bitrate is about media",
		"http://192.0.2.1 --signalling-only --participants 11": "say --i-run-this-server",
		"http://192.0.2.1 --signalling-only --duration 11m":    "say --i-run-this-server",
		"http://192.0.2.1 --signalling-only --break-every 10s": "say --i-run-this-server",
		"http://192.0.2.1 --scenario " + churning:              "say --i-run-this-server",
		closed + " --assert x<1":                               `there is no "x"`,
		closed + " --assert x":                                 "join.p50|p90",
		closed + " --html " + nowhere + "/a.html":              "--html: open " + nowhere,
		closed + " --json " + nowhere + "/a.json":              "--json: open " + nowhere,
		closed + " --scenario nope":                            "shipped are classroom",
		closed + " --scenario " + bad:                          "line 4: vidoe",
		closed + " --scenario webinar --video 3":               "--scenario the file says",
		closed + " --network bad":                              "such as loss=2%",
		closed + " --churn lots":                               "10%/min",
		closed + " --ramp fast":                                "50/s",
		closed + " --layout wall":                              `--layout must be one of "tile","stage","mixed" but`,
		closed + " --codec h265":                               `--codec must be one of "vp8","vp9","h264","av1" but`,
		closed + " --duration 10":                              "such as 30s",
		closed + " --duration 0s":                              "longer than 0",
		closed + " --duration 48h":                             "at most 24h",
		closed + " --rooms=-1":                                 "--rooms: it must be from 1",
		closed + " --rooms=0":                                  "--rooms: it must be from 1",
		closed + " --participants 0":                           "--participants: it must be from 1",
		closed + " --scenario webinar --participants 0":        "--participants: it must be from 1",
		closed + " --participants 3 --video 5":                 "--video: it must be from 0 to 3",
		closed + " --rooms 20000 --participants 20000":         "more than 100000",
		closed + " --server-metrics nowhere":                   "such as http://127.0.0.1:8081/metrics",
		closed + " --server-pid 1999999999":                    "there is no process",
		"--show nope":                                          "shipped are",
	} {
		var out, errOut strings.Builder
		status := run(strings.Fields("loadtest "+args), &out, &errOut)
		if status != 1 || !strings.Contains(errOut.String(), want) || out.Len() > 0 {
			t.Errorf("%q: status %d, %s%s; want %q", args, status, out.String(), errOut.String(), want)
		}
	}
}

// TestLoadtestNobody: when nobody gets in, there is a line with the cause, and
// no waiting for the end.
func TestLoadtestNobody(t *testing.T) {
	url, _ := serveForTest(t)
	var out, errOut strings.Builder
	began := time.Now()
	status := run(strings.Fields("loadtest "+url+" --user nobody@nowhere --password x --duration 10m"), &out, &errOut)
	if status != 1 || !strings.Contains(errOut.String(), "nobody got in: ") || strings.Count(errOut.String(), "\n") != 1 || time.Since(began) > time.Minute {
		t.Errorf("status %d after %v: %s", status, time.Since(began), errOut.String())
	}
}

// TestLoadtestEarlyEnd: a test that cannot begin leaves no file behind, and
// takes nothing from one that was there.
func TestLoadtestEarlyEnd(t *testing.T) {
	dir := t.TempDir()
	fresh, old := filepath.Join(dir, "a.json"), filepath.Join(dir, "a.html")
	if err := os.WriteFile(old, []byte("yesterday's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"--json " + fresh + " --html " + old, "--json " + fresh + " --html " + dir} {
		var out, errOut strings.Builder
		if status := run(strings.Fields("loadtest http://127.0.0.1:1 "+args), &out, &errOut); status != 1 {
			t.Errorf("%s: status %d", args, status)
		}
		if _, err := os.Stat(fresh); !os.IsNotExist(err) {
			t.Errorf("%s: the new file: %v", args, err)
		}
		if b, err := os.ReadFile(old); string(b) != "yesterday's" {
			t.Errorf("%s: the old file: %q, %v", args, b, err)
		}
	}
}

// TestLoadtestTellsAnyway: a file that cannot be written, and metrics that
// cannot be read, are said beside the verdict and the other file, not instead.
func TestLoadtestTellsAnyway(t *testing.T) {
	const full = "/dev/full" // takes nothing: full(4)
	if info, err := os.Stat(full); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Skipf("there is no %s here: %v", full, err)
	}
	url, _ := serveForTest(t)
	page := filepath.Join(t.TempDir(), "a.html")
	if err := os.WriteFile(page, []byte(strings.Repeat("yesterday's", 100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &watcher{stages: []stage{{"in call 2 of 2", 1, interrupt}}}
	var errOut strings.Builder
	status := run(strings.Fields("loadtest "+url+" --participants 2 --signalling-only --duration 10m --server-metrics http://127.0.0.1:1/ --assert failed=1 --json "+full+" --html "+page), out, &errOut)
	for _, want := range []string{"All 2 participants got into the room", "Read with care: the server's own figures are not complete: the server's metrics do not answer.", "FAILED  failed=1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if status != 1 || !strings.Contains(errOut.String(), "--json: write "+full) || !strings.Contains(errOut.String(), "failed=1 is not met") {
		t.Errorf("status %d: %s", status, errOut.String())
	}
	b, err := os.ReadFile(page)
	if text := string(b); err != nil || !strings.Contains(text, "All 2 participants") || strings.Contains(text, "yesterday") || !strings.HasSuffix(strings.TrimSpace(text), "</html>") {
		t.Errorf("%d bytes of the page, %v", len(text), err)
	}
}

// TestChoicesAreNamed: the help of a flag that takes one of several words names
// them all, and no message offers an empty one.
func TestChoicesAreNamed(t *testing.T) {
	choices := 0
	for _, command := range kong.Must(&cli{}).Model.Children {
		for _, flag := range command.Flags {
			for word := range strings.SplitSeq(flag.Enum, ",") {
				if flag.Enum == "" {
					continue
				}
				choices++
				if word == "" || !strings.Contains(flag.Help+" "+flag.PlaceHolder, word) {
					t.Errorf("%s --%s: the help does not name %q", command.Name, flag.Name, word)
				}
			}
		}
	}
	if choices == 0 {
		t.Error("no flag is a choice")
	}
}

func TestLoadtestShipped(t *testing.T) {
	var out, errOut strings.Builder
	if status := run([]string{"loadtest", "--list"}, &out, &errOut); status != 0 || !strings.Contains(out.String(), "forum-81x40") {
		t.Error(out.String(), errOut.String())
	}
	out.Reset()
	if status := run([]string{"loadtest", "--show", "webinar"}, &out, &errOut); status != 0 || !strings.Contains(out.String(), "count: 2000") {
		t.Error(out.String(), errOut.String())
	}
}

// TestLoadtestNothingCame: where media should have come and none ever did, the
// conditions about media are there, and fail.
func TestLoadtestNothingCame(t *testing.T) {
	sum := &verdict.Summary{Participants: 3, InCall: 3, Sent: 4000, Listened: 15 * time.Second, Silent: 15 * time.Second, SilentPeople: 3}
	checks, err := held((&loadtestCmd{MaxLoss: 1}).usual(sum, true), sum)
	const want = "loss<=1% is not met: nothing came; silent<=1% is not met: it is 100.0 %"
	if err == nil || err.Error() != want || len(checks) != 3 || !checks[0].OK {
		t.Errorf("%+v: %v", checks, err)
	}
}

// TestLoadtestThroughProxy: behind a proxy that has the certificate, with
// public-url, participants hear each other: docs/operating.md.
func TestLoadtestThroughProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	behind := new(httputil.ReverseProxy)
	front := httptest.NewUnstartedServer(behind)
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	defer front.Close()
	listen := ""
	serveForTest(t, func(c *config.Config) { listen, c.PublicURL = c.HTTP.Listen, front.URL })
	behind.Rewrite = func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: listen})
		r.SetXForwarded()
	}
	status, text, errors, _, sum := loadtestRun(t, 3, 5, front.URL+" --insecure --participants 3 --assert failed=0,channel.lost=0,step.tls.max>0,step.channel.max>0")
	if status != 0 || sum.Audio.Packets == 0 || sum.Video.Packets == 0 {
		t.Errorf("status %d: %s\n%s", status, errors, text)
	}
}
