package media

import (
	"encoding/base64"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

var generate = flag.String("generate", "", "make the files in samples whose names match anew, with the encoders of a browser; . for all")

// TestGenerate makes the samples: a page of a real browser draws an animation
// and computes a voice, its encoders (WebCodecs) encode them, and what they
// yield is kept as it is. samples/README.md tells more.
//
//	go test ./internal/loadtest/media -run Generate -generate .
func TestGenerate(t *testing.T) {
	if *generate == "" {
		t.Skip("makes samples anew, only with -generate")
	}
	script, err := os.ReadFile("samples/generate.html")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(script)
	}))
	defer srv.Close()
	page := browser.StartChromium(t).Open(srv.URL)
	for _, name := range []string{"voice.opus", "quiet.opus", "camera-180.vp8", "camera-360.vp8", "camera-720.vp8", "screen-720.vp8", "camera-360.vp9", "camera-360.h264", "camera-360.av1"} {
		if !regexp.MustCompile(*generate).MatchString(name) {
			continue
		}
		var encoded string
		if err := page.Evaluate("make('"+name+"')", &encoded); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("samples", name+".bin"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, len(data))
	}
}
