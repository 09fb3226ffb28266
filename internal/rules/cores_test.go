package rules

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// cores are the sans-IO packages: time is passed in, output is drained into
// the caller's memory, one owner per value.
var cores = []string{
	"internal/xmpp", "internal/muc", "internal/jingle", "internal/source", "internal/media", "internal/ice",
	"internal/srtp", "internal/rtp", "internal/bwe", "internal/bridge/alloc", "internal/bridge/speech", "internal/bridge/slots", "internal/bridge/delay", "internal/bridge/stress", "internal/focus/placement",
	"internal/focus/admission",
	"internal/loadtest/shape", "internal/loadtest/verdict", "internal/loadtest/scenario", "internal/loadtest/record",
}

// clockCalls are functions that read a clock or wait on one.
var clockCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"mono": {"Now"},
}

// bannedImports are what a core has no business with: sockets, locks, logs, metrics.
var bannedImports = []string{"net", "net/http", "os", "sync", "sync/atomic", "log", "log/slog", "syscall", "context"}

func isCore(pkg string) bool {
	return slices.ContainsFunc(cores, func(c string) bool { return pkg == c || strings.HasPrefix(pkg, c+"/") })
}

func TestCoresAreSansIO(t *testing.T) {
	for _, f := range load(t) {
		if f.test || !isCore(f.pkg) {
			continue
		}
		for _, im := range f.imports() {
			if slices.Contains(bannedImports, im) || strings.HasPrefix(im, "github.com/prometheus/") {
				t.Errorf("%s: a core must not import %s", f.path, im)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s:%d: a core must not start goroutines", f.path, f.line(n.Pos()))
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && slices.Contains(clockCalls[id.Name], n.Sel.Name) {
					t.Errorf("%s:%d: a core must not call %s.%s: time is passed in", f.path, f.line(n.Pos()), id.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}
