package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// evaluationPatience bounds one evaluation, in case a promise never settles.
const evaluationPatience = 90 * time.Second

// ChromiumBrowser is one running Chromium; its pages share a process tree.
type ChromiumBrowser struct {
	ctx context.Context
	t   testing.TB
}

// StartChromium starts a headless Chromium with fake devices; it ends with
// the test. Extra flags are "name" or "name=value" without dashes.
func StartChromium(t testing.TB, flags ...string) *ChromiumBrowser {
	t.Helper()
	path := Require(t, Chromium)
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 720), chromedp.WSURLReadTimeout(startPatience),
	}
	for _, f := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"use-fake-device-for-media-stream", "use-fake-ui-for-media-stream", "disable-dev-shm-usage", "mute-audio",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows"} {
		opts = append(opts, chromedp.Flag(f, true))
	}
	// Every tab is played as if it were looked at, or a hidden one would
	// not decode.
	opts = append(opts, chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
	for _, f := range flags {
		opts = append(opts, extraFlag(f))
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		stop()
		stopAlloc()
		t.Fatalf("chromium does not start: %v", err)
	}
	t.Cleanup(func() { stop(); stopAlloc() })
	return &ChromiumBrowser{ctx: ctx, t: t}
}

// For returns the same browser for a part of a test: pages it opens end, and
// fail, with that part.
func (b *ChromiumBrowser) For(t testing.TB) *ChromiumBrowser {
	return &ChromiumBrowser{ctx: b.ctx, t: t}
}

func extraFlag(f string) chromedp.ExecAllocatorOption {
	for i := range f {
		if f[i] == '=' {
			return chromedp.Flag(f[:i], f[i+1:])
		}
	}
	return chromedp.Flag(f, true)
}

// Open opens a new page in a browser context of its own, so that pages share
// no storage, and navigates it to url.
func (b *ChromiumBrowser) Open(url string) Page {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &chromiumPage{ctx: ctx, stop: stop}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		b.t.Fatalf("chromium opens no page: %v", err)
	}
	go p.listen(chromedp.Console(ctx))
	if err := p.Navigate(url); err != nil {
		b.t.Fatalf("chromium cannot open %s: %v", url, err)
	}
	b.t.Cleanup(func() {
		if b.t.Failed() {
			b.t.Logf("console of %s:\n%s", url, p.ring.String())
		}
		stop()
	})
	return p
}

type chromiumPage struct {
	ctx  context.Context
	stop context.CancelFunc
	ring consoleRing
}

// listen keeps the page's console until the page closes.
func (p *chromiumPage) listen(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return
		}
		p.ring.add(m.String())
	}
}

// Navigate implements [Page].
func (p *chromiumPage) Navigate(url string) error {
	ctx, cancel := context.WithTimeout(p.ctx, evaluationPatience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

// Evaluate implements [Page].
func (p *chromiumPage) Evaluate(expression string, out any) error {
	ctx, cancel := context.WithTimeout(p.ctx, evaluationPatience)
	defer cancel()
	b, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// Press implements [Page].
func (p *chromiumPage) Press(keys string) error {
	ctx, cancel := context.WithTimeout(p.ctx, evaluationPatience)
	defer cancel()
	for _, r := range keys {
		for _, e := range keyEvents(r) {
			if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, *e); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyEvents is how a key goes down and up. What it types goes with its going
// down: as an event of its own it would be typed even where the page has
// taken the key for something else.
func keyEvents(r rune) []*input.DispatchKeyEventParams {
	var out []*input.DispatchKeyEventParams
	for _, e := range kb.Encode(r) {
		if e.Type == kb.KeyChar && len(out) > 0 {
			out[len(out)-1].Text = e.Text
			continue
		}
		out = append(out, e)
	}
	return out
}

// nextToNothing is a loss, in percent, that nobody notices.
const nextToNothing = 0.001

// LosePackets makes a page's peer connections lose that share of all packets,
// in percent, from now on; its WebSockets are left alone. It works only with
// peer connections that were made after the page's first call of LosePackets,
// so call it with 0 on an empty page first. Only pages of Chromium can.
func LosePackets(p Page, percent float64) error {
	c, ok := p.(*chromiumPage)
	if !ok {
		return fmt.Errorf("a %T cannot lose packets", p)
	}
	ctx, cancel := context.WithTimeout(c.ctx, evaluationPatience)
	defer cancel()
	conditions := network.Conditions{PacketLoss: max(percent, nextToNothing), DownloadThroughput: -1, UploadThroughput: -1}
	_, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{&conditions},
	})
	return err
}

// Prepare runs a script in every document that a page navigates to from now
// on, before any script of the document. Only pages of Chromium can.
func Prepare(p Page, script string) error {
	c, ok := p.(*chromiumPage)
	if !ok {
		return fmt.Errorf("a %T cannot be prepared", p)
	}
	ctx, cancel := context.WithTimeout(c.ctx, evaluationPatience)
	defer cancel()
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	return err
}

// Resize gives a page the size of another screen, in CSS pixels, and as many
// device pixels to each as scale says. Only pages of Chromium can.
func Resize(p Page, width, height int64, scale float64) error {
	c, ok := p.(*chromiumPage)
	if !ok {
		return fmt.Errorf("a %T has one size", p)
	}
	ctx, cancel := context.WithTimeout(c.ctx, evaluationPatience)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: scale,
	})
	return err
}

// Busy is how long a page's own thread has been at work, in CPU time: on a
// machine that does other things as well, the clock on the wall says nothing
// of the page. Only pages of Chromium can tell.
func Busy(p Page) (time.Duration, error) {
	c, ok := p.(*chromiumPage)
	if !ok {
		return 0, fmt.Errorf("a %T does not tell its CPU time", p)
	}
	ctx, cancel := context.WithTimeout(c.ctx, evaluationPatience)
	defer cancel()
	if _, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: "threadTicks"}); err != nil {
		return 0, err
	}
	all, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		return 0, err
	}
	for _, m := range all.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second)), nil
		}
	}
	return 0, fmt.Errorf("no TaskDuration among %d metrics", len(all.Metrics))
}

// Screenshot implements [Page].
func (p *chromiumPage) Screenshot() ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, evaluationPatience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

// Close implements [Page].
func (p *chromiumPage) Close() error { return chromedp.Cancel(p.ctx) }
