package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Page is one page of a running browser.
type Page interface {
	// Navigate opens a URL and waits until the document is loaded.
	Navigate(url string) error
	// Evaluate runs a JavaScript expression, awaits it when it is a promise,
	// and decodes its JSON value into out, which may be nil.
	Evaluate(expression string, out any) error
	// Press presses and releases one key after the other, as a person would:
	// pages may take it for a user's wish. "\r" is Enter.
	Press(keys string) error
	// Screenshot returns the visible page as PNG.
	Screenshot() ([]byte, error)
	// Close closes the page, as a person closes a tab.
	Close() error
}

// Engine names a browser.
type Engine string

// The two engines tests use.
const (
	Chromium Engine = "chromium"
	Firefox  Engine = "firefox"
)

var binaries = map[Engine][]string{
	Chromium: {"chromium", "chromium-browser", "google-chrome"},
	Firefox:  {"firefox-esr", "firefox"},
}

// Find returns the path of an engine's program, or "" when the machine has none.
func Find(e Engine) string {
	for _, name := range binaries[e] {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

// Require returns the engine's program and skips the test, saying so, when
// there is none; with PLENUM_REQUIRE_BROWSERS set the test fails instead.
func Require(t testing.TB, e Engine) string {
	t.Helper()
	p := Find(e)
	if p == "" && os.Getenv("PLENUM_REQUIRE_BROWSERS") != "" {
		t.Fatalf("%s is not installed (apt-get install %s)", e, binaries[e][0])
	}
	if p == "" {
		t.Skipf("SKIPPED for want of %s (apt-get install %s)", e, binaries[e][0])
	}
	return p
}

// startPatience is how long a browser may take to start on a busy machine.
const startPatience = 2 * time.Minute

// poll is how often [WaitFor] looks. Pages cannot call us; looking again is
// the only way to learn what they see.
const poll = 200 * time.Millisecond

// WaitFor evaluates expression until it is truthy and returns an error that
// shows what show evaluates to if that does not happen in time.
func WaitFor(p Page, expression, show string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		var ok bool
		err := p.Evaluate("Promise.resolve("+expression+").then(v => !!v)", &ok)
		if err == nil && ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v still not: %s (last error %v); the page says %s", patience, expression, err, describe(p, show))
		}
		time.Sleep(poll)
	}
}

func describe(p Page, show string) string {
	if show == "" {
		return "nothing"
	}
	var v json.RawMessage
	if err := p.Evaluate(show, &v); err != nil {
		return err.Error()
	}
	return string(v)
}
