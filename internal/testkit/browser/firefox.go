package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// firefoxPreferences make a Firefox that meets without asking anybody and
// looks for nothing on the network.
const firefoxPreferences = `
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.autoplay.default", 0);
user_pref("media.gmp-manager.url", "");
user_pref("media.gmp-provider.enabled", false);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("services.settings.server", "");
user_pref("extensions.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("remote.active-protocols", 1);
`

var bidiAddress = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// StartFirefox starts a headless Firefox with fake devices and opens url in
// it; the browser ends with the test.
func StartFirefox(t testing.TB, url string) Page {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Require(t, Firefox), "--headless", "--no-remote", "--profile", dir, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "MOZ_DISABLE_CONTENT_SANDBOX=1", "HOME="+dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	end, err := startGroup(cmd)
	if err != nil {
		t.Fatalf("firefox does not start: %v", err)
	}
	t.Cleanup(end)
	p, err := connectFirefox(stderr)
	if err != nil {
		t.Fatalf("firefox: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of firefox at %s:\n%s", url, p.ring.String())
		}
		_ = p.conn.Close()
	})
	if err := p.Navigate(url); err != nil {
		t.Fatalf("firefox cannot open %s: %v", url, err)
	}
	return p
}

// startGroup starts a process as the first of a group, and returns what ends them
// all. The first ends with this process as well, however that does: one that is
// killed ends nothing itself.
func startGroup(cmd *exec.Cmd) (end func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, over := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // whose end the signal is for, prctl(2)
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-over
	}()
	if err := <-started; err != nil {
		close(over)
		return nil, err
	}
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		close(over)
	}, nil
}

// connectFirefox waits for the address Firefox prints and opens a session.
func connectFirefox(stderr io.Reader) (*firefoxPage, error) {
	address := make(chan string, 1)
	go func() {
		for sc := bufio.NewScanner(stderr); sc.Scan(); {
			if m := bidiAddress.FindStringSubmatch(sc.Text()); m != nil {
				address <- m[1]
			}
		}
		close(address)
	}()
	select {
	case a, ok := <-address:
		if !ok {
			return nil, errors.New("it ended before it was ready")
		}
		return dialFirefox(a + "/session")
	case <-time.After(startPatience):
		return nil, fmt.Errorf("not ready after %v", startPatience)
	}
}

type firefoxPage struct {
	conn    net.Conn
	context string
	ring    consoleRing

	mu      sync.Mutex
	next    int
	waiting map[int]chan bidiReply
}

type bidiReply struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"`
	Method  string          `json:"method"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Result  json.RawMessage `json:"result"`
	Params  struct {
		Text string `json:"text"`
	} `json:"params"`
}

func dialFirefox(url string) (*firefoxPage, error) {
	conn, br, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		return nil, err
	}
	p := &firefoxPage{conn: conn, waiting: map[int]chan bidiReply{}}
	var r io.Reader = conn
	if br != nil {
		r = br
	}
	go p.read(struct {
		io.Reader
		io.Writer
	}{r, conn})
	if err := p.call("session.new", map[string]any{"capabilities": map[string]any{}}, nil); err != nil {
		return nil, err
	}
	var tree struct {
		Contexts []struct{ Context string }
	}
	if err := p.call("browsingContext.getTree", map[string]any{}, &tree); err != nil {
		return nil, err
	}
	if len(tree.Contexts) == 0 {
		return nil, errors.New("it has no window")
	}
	p.context = tree.Contexts[0].Context
	return p, p.call("session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}, nil)
}

func (p *firefoxPage) read(rw io.ReadWriter) {
	for {
		b, err := wsutil.ReadServerText(rw)
		if err != nil {
			return
		}
		var r bidiReply
		if json.Unmarshal(b, &r) != nil {
			continue
		}
		if r.Type == "event" {
			p.ring.add(r.Params.Text)
			continue
		}
		p.mu.Lock()
		ch := p.waiting[r.ID]
		delete(p.waiting, r.ID)
		p.mu.Unlock()
		if ch != nil {
			ch <- r
		}
	}
}

// call sends one BiDi command and decodes its result into out, if not nil.
func (p *firefoxPage) call(method string, params, out any) error {
	p.mu.Lock()
	p.next++
	id, ch := p.next, make(chan bidiReply, 1)
	p.waiting[id] = ch
	b, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err == nil {
		err = wsutil.WriteClientText(p.conn, b)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case r := <-ch:
		if r.Type == "error" {
			return fmt.Errorf("%s: %s: %s", method, r.Error, r.Message)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(r.Result, out)
	case <-time.After(evaluationPatience):
		return fmt.Errorf("%s: no answer in %v", method, evaluationPatience)
	}
}

// Navigate implements [Page].
func (p *firefoxPage) Navigate(url string) error {
	return p.call("browsingContext.navigate", map[string]any{"context": p.context, "url": url, "wait": "complete"}, nil)
}

// Evaluate implements [Page]; the value travels as JSON text.
func (p *firefoxPage) Evaluate(expression string, out any) error {
	var res struct {
		Type   string
		Result struct{ Value json.RawMessage }
		Detail struct{ Text string } `json:"exceptionDetails"`
	}
	err := p.call("script.evaluate", map[string]any{
		"expression":   "Promise.resolve(" + expression + ").then(v => JSON.stringify(v) ?? 'null')",
		"awaitPromise": true, "target": map[string]any{"context": p.context},
	}, &res)
	if err != nil {
		return err
	}
	if res.Type != "success" {
		return fmt.Errorf("the page threw: %s", res.Detail.Text)
	}
	if out == nil {
		return nil
	}
	var text string
	if err := json.Unmarshal(res.Result.Value, &text); err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), out)
}

// Press implements [Page].
func (p *firefoxPage) Press(keys string) error {
	var actions []map[string]string
	for _, key := range keys {
		if key == '\r' {
			key = '\uE006' // WebDriver's name of Enter
		}
		actions = append(actions, map[string]string{"type": "keyDown", "value": string(key)}, map[string]string{"type": "keyUp", "value": string(key)})
	}
	return p.call("input.performActions", map[string]any{
		"context": p.context, "actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}},
	}, nil)
}

// Screenshot implements [Page].
func (p *firefoxPage) Screenshot() ([]byte, error) {
	var res struct{ Data string }
	if err := p.call("browsingContext.captureScreenshot", map[string]any{"context": p.context}, &res); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(res.Data)
}

// Close implements [Page].
func (p *firefoxPage) Close() error {
	return p.call("browsingContext.close", map[string]any{"context": p.context}, nil)
}
