package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed pages
var pageFiles embed.FS

// pages are the HTML templates.
type pages struct {
	index    *template.Template
	notFound []byte
}

// pageData is what index.html may use. Names from the request are escaped by
// html/template for the place they stand in.
type pageData struct {
	Tenant string
	Room   string
	Base   string // directory of config.js: "/" or "/tenant/"
}

func loadPages(a *assets) (*pages, error) {
	t, err := template.New("").Funcs(template.FuncMap{"asset": a.url}).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: pages: %w", err)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "404.html", nil); err != nil {
		return nil, fmt.Errorf("web: pages: %w", err)
	}
	return &pages{index: t.Lookup("index.html"), notFound: b.Bytes()}, nil
}

func (s *server) servePage(w http.ResponseWriter, r *http.Request, rt route) {
	var b bytes.Buffer
	data := pageData{Tenant: rt.tenant, Room: rt.room, Base: tenantPath(rt.tenant)}
	if err := s.pages.index.Execute(&b, data); err != nil {
		s.fail(w, r, err)
		return
	}
	f := newFile("index.html", b.Bytes())
	s.setPageHeaders(w)
	w.Header().Set("Cache-Control", "no-cache")
	f.serve(w, r)
}

func (s *server) serveNotFound(w http.ResponseWriter, r *http.Request, _ route) {
	s.setPageHeaders(w)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	writeBody(w, r, http.StatusNotFound, s.pages.notFound)
}

func (s *server) setPageHeaders(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", s.policy())
	w.Header().Set("Permissions-Policy", permissionsPolicy)
}

// serveRobots keeps meetings out of search engines; the welcome page may be found.
func (s *server) serveRobots(w http.ResponseWriter, r *http.Request, _ route) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeBody(w, r, http.StatusOK, []byte("User-agent: *\nAllow: /$\nDisallow: /\n"))
}

// serveFavicon answers the address browsers try on their own.
func (s *server) serveFavicon(w http.ResponseWriter, r *http.Request, rt route) {
	w.Header().Set("Cache-Control", "max-age=86400")
	rt.file = "icon.svg"
	s.assets.files[rt.file].serve(w, r)
}

func (s *server) serveManifest(w http.ResponseWriter, r *http.Request, _ route) {
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Header().Set("Cache-Control", "max-age=86400")
	writeBody(w, r, http.StatusOK, []byte(`{"name":"plenum","short_name":"plenum","start_url":"/",`+
		`"display":"standalone","background_color":"#0f1216","theme_color":"#0f1216",`+
		`"icons":[{"src":"/_plenum/icon.svg","type":"image/svg+xml","sizes":"any"}]}`+"\n"))
}
