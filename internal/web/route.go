package web

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a path may hold, in bytes.
const (
	maxPath    = 2048
	maxSegment = 256
)

// kind says what a path asks for.
type kind uint8

const (
	notFound kind = iota
	welcome
	roomPage
	goTrimmed // the same path without its trailing slash
	configJS
	interfaceConfigJS
	signalling
	bosh
	conferenceRequest
	bridgeChannel
	health
	unlock
	robots
	favicon
	manifest
	asset
)

// route is a parsed path.
type route struct {
	kind   kind
	tenant string // as requested, not lower-cased
	room   string // with roomPage
	file   string // with asset: the name in dist
}

// files are the names that mean the same below a tenant as at the root.
var files = map[string]kind{
	"config.js":           configJS,
	"interface_config.js": interfaceConfigJS,
	"xmpp-websocket":      signalling,
	"http-bind":           bosh,
	"_unlock":             unlock,
	"manifest.json":       manifest,
}

// rootFiles are the names that mean something only at the root.
var rootFiles = map[string]kind{
	"robots.txt":  robots,
	"favicon.ico": favicon,
}

// reserved are first segments that are neither a room nor a tenant: they
// belong to plenum or are directories of a stock web client.
var reserved = map[string]bool{
	"_plenum": true, "about": true, "colibri-ws": true, "conference-request": true, "_api": true,
	"libs": true, "css": true, "static": true, "images": true, "fonts": true, "lang": true, "sounds": true,
	".well-known": true, "external_api.js": true, "pwa-worker.js": true,
}

// parsePath says what path, percent-decoded and beginning with a slash, asks for.
func parsePath(path string) route {
	if path == "/" {
		return route{kind: welcome}
	}
	if !cleanPath(path) {
		return route{}
	}
	if rest, ok := strings.CutPrefix(path, "/_plenum/"); ok {
		return route{kind: asset, file: rest}
	}
	if strings.HasPrefix(path, "/colibri-ws/") {
		return route{kind: bridgeChannel}
	}
	if path == "/about/health" {
		return route{kind: health}
	}
	return parseSegments(strings.Split(path[1:], "/"))
}

// parseSegments handles what is left: files, rooms and tenants.
func parseSegments(seg []string) route {
	if last := len(seg) - 1; seg[last] == "" {
		return trailingSlash(seg[:last])
	}
	if isConferenceRequest(seg) {
		return route{kind: conferenceRequest}
	}
	if k, ok := rootFiles[seg[0]]; ok && len(seg) == 1 {
		return route{kind: k}
	}
	switch {
	case len(seg) == 1:
		return leaf("", seg[0])
	case reserved[seg[0]] || !validName(seg[0]):
		return route{}
	case len(seg) == 2:
		return leaf(seg[0], seg[1])
	case isConferenceRequest(seg[1:]):
		return route{kind: conferenceRequest, tenant: seg[0]}
	}
	return route{}
}

func isConferenceRequest(seg []string) bool {
	return len(seg) == 2 && seg[0] == "conference-request" && seg[1] == "v1"
}

// leaf is the last segment of a path, a file or a room.
func leaf(tenant, name string) route {
	if k, ok := files[name]; ok {
		return route{kind: k, tenant: tenant}
	}
	if !validName(name) || reserved[name] {
		return route{}
	}
	return route{kind: roomPage, tenant: tenant, room: name}
}

// trailingSlash sends "/room/" to "/room"; anything that would not be a room
// page without its slash is not found.
func trailingSlash(seg []string) route {
	if len(seg) == 0 || seg[len(seg)-1] == "" {
		return route{}
	}
	r := parseSegments(seg)
	if r.kind != roomPage {
		return route{}
	}
	r.kind = goTrimmed
	return r
}

// cleanPath refuses what no client of ours sends: empty and dot segments,
// control characters, text that is not UTF-8.
func cleanPath(path string) bool {
	if len(path) > maxPath || path == "" || path[0] != '/' || !utf8.ValidString(path) {
		return false
	}
	if strings.Contains(path, "//") || strings.ContainsFunc(path, forbiddenRune) {
		return false
	}
	for seg := range strings.SplitSeq(path, "/") {
		if seg == "." || seg == ".." {
			return false
		}
	}
	return true
}

func forbiddenRune(r rune) bool {
	return r == '\\' || r == '<' || r == '>' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// validName reports whether s may be a room or a tenant: what nginx of a
// stock deployment lets through (`[^/?&:'"]+`), within our bounds.
func validName(s string) bool {
	return s != "" && len(s) <= maxSegment && !strings.ContainsAny(s, `/?&:'"`)
}

// tenantDomainPart is the form of a tenant inside hosts.muc: stock config.js
// lower-cases it and turns dots into underscores.
func tenantDomainPart(tenant string) string {
	return strings.ReplaceAll(strings.ToLower(tenant), ".", "_")
}
