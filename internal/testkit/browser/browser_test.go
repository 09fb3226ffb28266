package browser

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const testPage = `<!doctype html><title>t</title><h1>hello</h1><input id=box><script>
let tracks = 0, keys = ''
document.addEventListener('keydown', ev => {
	if (ev.key === 'c') { ev.preventDefault(); box.focus() }
	keys += ev.key + (navigator.userActivation.isActive ? '!' : '')
})
navigator.mediaDevices.getUserMedia({audio: true, video: true}).then(s => { tracks = s.getTracks().length })
</script>`

func TestPages(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(testPage))
	}))
	defer srv.Close()
	open := map[Engine]func(t *testing.T) Page{
		Chromium: func(t *testing.T) Page { return StartChromium(t).Open(srv.URL) },
		Firefox:  func(t *testing.T) Page { return StartFirefox(t, srv.URL) },
	}
	for engine, start := range open {
		t.Run(string(engine), func(t *testing.T) {
			p := start(t)
			if err := WaitFor(p, "tracks === 2", "tracks", time.Minute); err != nil {
				t.Error(err)
			}
			var sum struct{ A int }
			if err := p.Evaluate("new Promise(r => r({a: 1 + 2}))", &sum); err != nil || sum.A != 3 {
				t.Errorf("got %+v, %v", sum, err)
			}
			if err := p.Evaluate("nosuch.thing", nil); err == nil {
				t.Error("an exception in the page is no error")
			}
			if err := p.Press("mcv\r"); err != nil {
				t.Error(err)
			}
			if err := WaitFor(p, "keys === 'm!c!v!Enter!' && box.value === 'v'", "[keys, box.value]", time.Minute); err != nil {
				t.Error(err)
			}
			if png, err := p.Screenshot(); err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
				t.Errorf("screenshot: %d bytes, %v", len(png), err)
			}
		})
	}
}
