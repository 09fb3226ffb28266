package rules

import (
	"strings"
	"testing"
)

// allowed says which packages of this module a package may import, by
// directory; "x/..." covers subpackages. What stands in common is allowed to
// all. The picture is in ARCHITECTURE.md.
var allowed = map[string][]string{
	"cmd/plenum":              {"internal/app", "internal/config", "internal/loadtest", "internal/loadtest/..."},
	"internal/app/memory":     {},
	"internal/app":            {"internal/admin", "internal/bridge", "internal/cluster", "internal/colibri", "internal/config", "internal/focus", "internal/metrics", "internal/signal", "internal/signal/service/...", "internal/web", "internal/xmpp"},
	"internal/signal":         {"internal/muc", "internal/xmpp", "internal/signal/service/...", "internal/quota", "internal/netio/nowait", "internal/netio/readable", "internal/netio/wsframe"},
	"internal/signal/service": {"internal/muc", "internal/signal/service", "internal/xmpp"},
	"internal/focus":          {"internal/colibri", "internal/jingle", "internal/xmpp", "internal/source", "internal/focus/placement", "internal/quota"},
	"internal/bridge":         {"internal/colibri", "internal/ice", "internal/srtp", "internal/rtp", "internal/rtp/...", "internal/bwe", "internal/netio", "internal/netio/nowait", "internal/netio/readable", "internal/netio/wsframe", "internal/source", "internal/bridge/..."},
	"internal/bridge/secure":  {},
	"internal/bridge/alloc":   {"internal/colibri"},
	"internal/bridge/speech":  {},
	"internal/bridge/slots":   {},
	"internal/bridge/delay":   {},
	"internal/bridge/stress":  {},
	"internal/web":            {"internal/web/..."},
	"internal/loadtest":       {"internal/colibri", "internal/xmpp", "internal/jingle", "internal/ice", "internal/srtp", "internal/rtp", "internal/rtp/...", "internal/bwe", "internal/netio", "internal/source", "internal/loadtest/..."},

	"internal/loadtest/record": {},
	"internal/loadtest/site":   {},
	"internal/loadtest/shape":  {},

	"internal/loadtest/verdict":  {"internal/loadtest/record"},
	"internal/loadtest/scenario": {"internal/loadtest", "internal/loadtest/media", "internal/loadtest/shape"},
	"internal/loadtest/report":   {"internal/loadtest/record", "internal/loadtest/verdict"},
	"internal/loadtest/fleet":    {"internal/loadtest", "internal/loadtest/record"},
	"internal/loadtest/probe":    {"internal/loadtest/record"},
	"internal/loadtest/dial":     {"internal/srtp"},
	"internal/loadtest/wire":     {"internal/xmpp", "internal/jingle", "internal/source"},
	"internal/loadtest/media":    {"internal/rtp", "internal/rtp/codec"},

	"internal/cluster": {"internal/colibri", "internal/source"},
	"internal/admin":   {},
	"internal/colibri": {"internal/source"},
	"internal/xmpp":    {},
	"internal/muc":     {"internal/xmpp"},
	"internal/jingle":  {"internal/xmpp", "internal/source"},
	"internal/source":  {},
	"internal/media":   {},
	"internal/ice":     {},
	"internal/bwe":     {"internal/rtp"},
	"internal/srtp":    {},
	"internal/rtp":     {"internal/rtp/..."},
	"internal/netio":   {"internal/netio/gate"},
	"internal/quota":   {},
	"internal/mono":    {},
	"internal/config":  {},
	"internal/metrics": {},
	"internal/testkit": {"internal/..."},
	"internal/bench":   {"internal/loadtest/record"},
	"internal/rules":   {},
	"internal/e2e":     {},
}

var common = []string{"internal/mono", "internal/media"}

// fences name third-party modules that only some packages may import.
var fences = map[string][]string{
	"github.com/pion/":           {"internal/bridge/secure", "internal/loadtest/dial"},
	"github.com/nats-io/":        {"internal/cluster"},
	"github.com/chromedp/":       {"internal/testkit/browser"},
	"github.com/evanw/esbuild":   {"internal/web/build", "internal/web/bundle"},
	"github.com/alecthomas/kong": {"cmd/plenum"},
	"github.com/google/pprof/":   {"internal/bench"},
	"github.com/goccy/go-yaml":   {"internal/config", "internal/loadtest/scenario"}, // files that people write, with mistakes told by line
	"github.com/prometheus/":     {"internal/metrics", "internal/signal", "internal/focus", "internal/bridge", "internal/web", "internal/admin", "internal/app"},
}

// ruleFor finds the row of the longest prefix of pkg.
func ruleFor(pkg string) ([]string, bool) {
	for p := pkg; p != "." && p != ""; {
		if r, ok := allowed[p]; ok {
			return r, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return nil, false
}

func matches(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

func TestImportsPointDown(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue // tests may build a whole neighbourhood
		}
		rule, known := ruleFor(f.pkg)
		if !known {
			t.Errorf("%s: package %s has no row in the import matrix", f.path, f.pkg)
			continue
		}
		for _, im := range f.imports() {
			if rel, ours := strings.CutPrefix(im, module+"/"); ours && !mayImport(rule, f.pkg, rel) {
				t.Errorf("%s: %s may not import %s", f.path, f.pkg, rel)
			}
		}
	}
}

func mayImport(rule []string, from, to string) bool {
	if strings.HasPrefix(to, from+"/") {
		return true // a package may use what lives under it
	}
	for _, set := range [][]string{rule, common} {
		for _, p := range set {
			if matches(p, to) {
				return true
			}
		}
	}
	return false
}

func TestFences(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		for _, im := range f.imports() {
			for prefix, pkgs := range fences {
				if strings.HasPrefix(im, prefix) && !inAny(pkgs, f.pkg) {
					t.Errorf("%s: only %v may import %s", f.path, pkgs, im)
				}
			}
		}
	}
}

func inAny(pkgs []string, pkg string) bool {
	for _, p := range pkgs {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return true
		}
	}
	return false
}
