package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var dist embed.FS

// gzipFrom is the size in bytes below which compression is not worth it.
const gzipFrom = 860

// file is one static file, ready to be sent.
type file struct {
	contentType string
	hash        string // of the plain bytes, hex, short
	plain       []byte
	gzipped     []byte // nil when it would not be smaller
}

// assets are the files below /_plenum/, by name.
type assets struct{ files map[string]*file }

func loadAssets() (*assets, error) {
	entries, err := dist.ReadDir("dist")
	if err != nil {
		return nil, fmt.Errorf("web: built client: %w", err)
	}
	a := &assets{files: make(map[string]*file)}
	for _, e := range entries {
		data, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("web: built client: %w", err)
		}
		a.files[e.Name()] = newFile(e.Name(), data)
	}
	return a, nil
}

func newFile(name string, data []byte) *file {
	sum := sha256.Sum256(data)
	f := &file{contentType: contentType(name), hash: hex.EncodeToString(sum[:8]), plain: data}
	if len(data) >= gzipFrom {
		f.gzipped = compress(data)
	}
	return f
}

// compress returns data in gzip form, or nil when that is not smaller.
func compress(data []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(data); err != nil || z.Close() != nil || b.Len() >= len(data) {
		return nil
	}
	return b.Bytes()
}

// contentType is a fixed table: the system's MIME database differs between
// machines.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".html":
		return "text/html; charset=utf-8"
	}
	return "application/octet-stream"
}

// url is the address of a file, with its hash: it may be cached for ever.
func (a *assets) url(name string) (string, error) {
	f, ok := a.files[name]
	if !ok {
		return "", fmt.Errorf("web: no asset %q", name)
	}
	return "/_plenum/" + name + "?v=" + f.hash, nil
}

func (s *server) serveAsset(w http.ResponseWriter, r *http.Request, rt route) {
	f, ok := s.assets.files[rt.file]
	if !ok {
		s.serveNotFound(w, r, rt)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	// Only the address with the right hash is immutable; an old one gets the
	// new file, which must not be stored under it.
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	f.serve(w, r)
}

// serve sends f, compressed when the client takes it (RFC 9110 §12.5.3), or
// 304 when it has it (§13.1.2).
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := f.plain, `"`+f.hash+`"`
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, etag = f.gzipped, `"`+f.hash+`-gz"`
		}
	}
	h.Set("ETag", etag)
	if etagMatches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	writeBody(w, r, http.StatusOK, body)
}

// acceptsGzip reads Accept-Encoding; a weight of zero is a refusal.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.TrimSpace(coding)
		if !strings.EqualFold(coding, "gzip") && coding != "*" {
			continue
		}
		q := strings.ReplaceAll(strings.TrimSpace(params), " ", "")
		return !(q == "q=0" || strings.HasPrefix(q, "q=0.") && strings.Trim(q[4:], "0") == "")
	}
	return false
}

func etagMatches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == etag || part == "*" {
			return true
		}
	}
	return false
}
