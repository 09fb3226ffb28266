package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// libraryPackage is a build of the library on npm. It is from 2021: whoever
// has a current lib-jitsi-meet.min.js, for example from the libs folder of an
// installed Jitsi Meet, names it in PLENUM_LIB_JITSI_MEET.
const libraryPackage = "@lyno/lib-jitsi-meet@2.6726.2"

// jqueryPackage is what builds of that age expect the page to have loaded.
const jqueryPackage = "jquery@3.7.1"

// library returns the JavaScript of lib-jitsi-meet, with what it needs in
// front of it, and where it came from.
func library(t *testing.T) ([]byte, string) {
	t.Helper()
	if path := os.Getenv("PLENUM_LIB_JITSI_MEET"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b, path
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("SKIPPED lib-jitsi-meet: npm is not installed and PLENUM_LIB_JITSI_MEET is not set")
	}
	js := fromNPM(t, jqueryPackage, "package/dist/jquery.min.js")
	js = append(js, ";\nwindow.jquery = window.jQuery\n"...)
	return append(js, fromNPM(t, libraryPackage, "package/lib-jitsi-meet.min.js")...), libraryPackage
}

// fromNPM downloads a package, without installing it, and returns one file.
func fromNPM(t *testing.T, pkg, file string) []byte {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("npm", "pack", "--silent", pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED lib-jitsi-meet: npm cannot fetch %s: %v %.200s", pkg, err, out)
	}
	all, _ := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if len(all) != 1 {
		t.Fatalf("npm pack left %v", all)
	}
	b, err := fromTarball(all[0], file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fromTarball(path, name string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s holds no %s", path, name)
		}
		if err != nil {
			return nil, err
		}
		if h.Name == name {
			return io.ReadAll(r)
		}
	}
}

// serveLibraryPage serves the test page with the library, and config.js as
// the server under test writes it.
func serveLibraryPage(t *testing.T, a *app.App, js []byte) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/lib-jitsi-meet.html")
	})
	mux.HandleFunc("GET /lib-jitsi-meet.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.Copy(w, bytes.NewReader(js))
	})
	mux.HandleFunc("GET /config.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, fetch(t, a.URL()+"/config.js"))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

const libStats = "stats()"

// TestLibJitsiMeet lets three pages with the public library meet, each with
// another way through the protocol.
func TestLibJitsiMeet(t *testing.T) {
	browser.Require(t, browser.Chromium)
	js, from := library(t)
	t.Logf("lib-jitsi-meet from %s", from)
	a := startServer(t, nil)
	base := serveLibraryPage(t, a, js)
	b := browser.StartChromium(t)
	var pages []browser.Page
	for _, how := range []string{"name=Ada", "name=Bea&sctp=1", "name=Cleo&iq=1"} {
		pages = append(pages, b.Open(base+"/?room=library&"+how))
	}
	for i, p := range pages {
		waitForMedia(t, p, libStats, 2)
		if s := statsOf(t, p, libStats); s.Failed != "" || !s.Joined || len(s.Users) != 2 {
			t.Errorf("page %d: %+v", i, s)
		}
	}
	for i, p := range pages {
		mustGrow(t, fmt.Sprintf("page %d", i), p, libStats, 2)
	}
	mustCrossBridge(t, a, 3)
	if err := pages[2].Close(); err != nil && !strings.Contains(err.Error(), "context canceled") {
		t.Log(err)
	}
	gone := fmt.Sprintf("%s.then(s => s.users.length === 1)", libStats)
	if err := browser.WaitFor(pages[0], gone, libStats, joinPatience*2); err != nil {
		t.Errorf("a closed page stays: %v", err)
	}
}
