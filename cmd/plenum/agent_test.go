package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// TestMain lets the test's program be plenum, for those tests that need more
// than one process.
func TestMain(m *testing.M) {
	if os.Getenv("PLENUM_TEST_BE_PLENUM") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// helper is a process with an agent.
type helper struct {
	addr string
	cmd  *exec.Cmd
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// startHelper starts an agent in a process of its own and learns where it is.
func startHelper(t *testing.T, secret string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0], "loadtest-agent", "--listen", "127.0.0.1:0", "--secret-file", secret)
	cmd.Env = append(os.Environ(), "PLENUM_TEST_BE_PLENUM=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = lines.WriteTo(devNull{}) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil && cmd.ProcessState.Exited() {
			t.Error(err)
		}
	})
	return &helper{strings.TrimSpace(strings.TrimPrefix(first, "waiting for tests at ")), cmd}
}

type devNull struct{}

func (devNull) Write(b []byte) (int, error) { return len(b), nil }

// TestLoadtestFrom: three processes, two of which have the participants of the
// third's test: one report, in which everybody is once, hears and sees people
// of the other process, and in which each machine has its CPU.
func TestLoadtestFrom(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url, admin := serveForTest(t)
	secret := secretFile(t, "a secret for the tests\n")
	one, two := startHelper(t, secret), startHelper(t, secret)
	status, text, errors, page, sum := loadtestRun(t, 15, 5, url+" --rooms 3 --participants 5 --ramp 20/s --max-loss 100 --from "+one.addr+","+two.addr+" --secret-file "+secret)
	busy := tooBusy(t, admin, sum) // then some hear nothing for a while
	if status != 0 && !busy || sum.InCall != 15 || sum.Failed+sum.Unfinished > 0 || sum.Audio.Expected == 0 || sum.Video.Expected == 0 {
		t.Fatalf("status %d, %s\n%s", status, errors, text)
	}
	if m := sum.Machines; len(m) != 2 || m[0].Name != one.addr || m[1].Name != two.addr || m[0].Participants+m[1].Participants != 15 || m[0].Used <= 0 || m[1].Used <= 0 {
		t.Errorf("%+v", m)
	}
	// Everybody hears the four others, whichever process they are of.
	if n := sum.Audio.Streams; busy && (status != 0 || n != 15*4) {
		t.Logf("SKIPPED judging who is heard in %s: the machine was too busy, %d streams of audio", t.Name(), n)
	} else if n != 15*4 {
		t.Errorf("%d streams of audio, not %d", n, 15*4)
	}
	for _, want := range []string{"All 15 participants got into the call", "where both are on the same machine", "ok      machines.lost=0", one.addr, two.addr} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if !strings.Contains(page, "<h2>Machines</h2>") || !strings.Contains(page, one.addr) {
		t.Error("the page does not tell of the machines")
	}
	seen := map[int]bool{}
	for _, p := range sum.People {
		seen[p.Index] = true
	}
	if len(seen) != 15 {
		t.Errorf("%d different numbers", len(seen))
	}
}

// TestLoadtestMachineDies: a machine that dies in the middle is said in the
// report, and the rest goes on.
func TestLoadtestMachineDies(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url, _ := serveForTest(t)
	secret := secretFile(t, "a secret for the tests\n")
	one, two := startHelper(t, secret), startHelper(t, secret)
	out := &watcher{stages: []stage{
		{"in call 6 of 6", 1, func() { _ = two.cmd.Process.Kill() }},
		{"in call 3 of ", 3, interrupt}, // the others go on
	}}
	var errOut strings.Builder
	status := run(strings.Fields("loadtest "+url+" --participants 6 --signalling-only --duration "+longest+" --from "+one.addr+","+two.addr+" --secret-file "+secret), out, &errOut)
	text := out.String()
	if status != 1 || errOut.String() != "plenum: machines.lost=0 is not met: it is 1\n" {
		t.Errorf("status %d, %s\n%s", status, errOut.String(), text)
	}
	for _, want := range []string{"All 3 participants got into the room", "The machine " + two.addr + " with 3 of the participants was lost (after ", "LOST: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Count(text, "in call 3 of ") < 3 {
		t.Errorf("the others did not go on:\n%s", text)
	}
}

// TestLoadtestFromInterrupted: Ctrl-C ends the test on all machines, with a
// report of what there is.
func TestLoadtestFromInterrupted(t *testing.T) {
	url, _ := serveForTest(t)
	secret := secretFile(t, "a secret for the tests\n")
	one, two := startHelper(t, secret), startHelper(t, secret)
	out := &watcher{stages: []stage{{"in call 4 of 4", 1, interrupt}}}
	var errOut strings.Builder
	began := time.Now()
	status := run(strings.Fields("loadtest "+url+" --participants 4 --signalling-only --duration 10m --from "+one.addr+","+two.addr+" --secret-file "+secret), out, &errOut)
	if status != 0 || time.Since(began) > time.Minute || !strings.Contains(out.String(), "All 4 participants got into the room") {
		t.Errorf("status %d after %v: %s\n%s", status, time.Since(began), errOut.String(), out.String())
	}
}

// TestLoadtestFromRefuses: what cannot be done is said in a line.
func TestLoadtestFromRefuses(t *testing.T) {
	secret := secretFile(t, "a secret for the tests\n")
	h := startHelper(t, secret)
	long := secretFile(t, "another secret for the tests")
	short := secretFile(t, "short")
	for args, want := range map[string]string{
		"http://127.0.0.1:1 --from " + h.addr:                                                "needs --secret-file",
		"http://127.0.0.1:1 --secret-file " + secret:                                         "for --from",
		"http://127.0.0.1:1 --secret-file " + short + " --from " + h.addr:                    "from 16 to",
		"http://127.0.0.1:1 --secret-file nowhere --from " + h.addr:                          "no such file",
		"http://127.0.0.1:1 --secret-file " + long + " --from " + h.addr:                     "it has another secret",
		"http://127.0.0.1:1 --secret-file " + secret + " --from 127.0.0.1:1":                 "no agent answers",
		"http://127.0.0.1:1 --secret-file " + secret + " --from " + h.addr:                   h.addr + ": 127.0.0.1:1 does not answer",
		"http://192.0.2.1 --secret-file " + secret + " --from " + h.addr:                     "say --i-run-this-server, to the test and to this agent",
		"http://192.0.2.1 --i-run-this-server --secret-file " + secret + " --from " + h.addr: "say --i-run-this-server, to the test and to this agent",
	} {
		var out, errOut strings.Builder
		status := run(strings.Fields("loadtest "+args), &out, &errOut)
		if status != 1 || !strings.Contains(errOut.String(), want) || strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("%q: status %d, %s%s; want %q", args, status, out.String(), errOut.String(), want)
		}
	}
	for args, want := range map[string]string{
		"": "--secret-file", "--secret-file " + short: "from 16 to", "--secret-file " + secret + " --listen nowhere": "listen tcp",
	} {
		var out, errOut strings.Builder
		if status := run(strings.Fields("loadtest-agent "+args), &out, &errOut); status != 1 || !strings.Contains(errOut.String(), want) {
			t.Errorf("%q: status %d, %s; want %q", args, status, errOut.String(), want)
		}
	}
}

// TestNoMachineLost: the usual conditions name machines only where there are
// several.
func TestNoMachineLost(t *testing.T) {
	l := &loadtestCmd{}
	for n, want := range map[int]string{0: "[failed=0 unfinished=0]", 2: "[failed=0 unfinished=0 machines.lost=0]"} {
		sum := &verdict.Summary{Machines: make([]verdict.MachineSum, n)}
		var all []string
		for _, a := range l.usual(sum, false) {
			all = append(all, a.Text)
		}
		if fmt.Sprint(all) != want {
			t.Errorf("%v", all)
		}
	}
}
