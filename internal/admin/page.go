package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strings"
)

//go:embed index.html
var indexPage string

// policy lets the start page run its own script and style, and nothing else.
var policy = "default-src 'none'; connect-src 'self'; script-src '" + hashOf("script") + "'; style-src '" + hashOf("style") +
	"'; base-uri 'none'; frame-ancestors 'none'"

// hashOf is what a content security policy calls an element of the page by.
func hashOf(element string) string {
	_, rest, _ := strings.Cut(indexPage, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	_, _ = w.Write([]byte(indexPage))
}

// live writes what the start page shows.
func live(w http.ResponseWriter, figures func() []Figure) {
	all := []Figure{}
	if figures != nil {
		all = append(all, figures()...)
	}
	writeJSON(w, http.StatusOK, all)
}
