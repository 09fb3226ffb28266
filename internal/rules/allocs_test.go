package rules

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// withoutRace is the expression by which ./test chooses what it runs once more
// without the race detector.
func withoutRace(t *testing.T) *regexp.Regexp {
	t.Helper()
	script, err := os.ReadFile("../../test")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^go test -run '(.*)' \./internal/\.\.\. `).FindAllSubmatch(script, -1)
	if len(lines) != 1 {
		t.Fatalf("%d lines of ./test choose tests to run without the race detector, want one", len(lines))
	}
	return regexp.MustCompile(string(lines[0][1]))
}

// TestAllocationTestsAreRun: the race detector allocates, so that whoever counts
// allocations or memory judges nothing under it. ./test runs these tests once more
// without it, by their names; none may have another name.
func TestAllocationTestsAreRun(t *testing.T) {
	expr, judged := withoutRace(t), 0
	for _, funcs := range functions(load(t)) {
		for name, path := range blindUnderRace(funcs) {
			if !strings.HasPrefix(name, "Test") {
				continue
			}
			if judged++; !expr.MatchString(name) {
				t.Errorf("%s: %s judges nothing under the race detector, and by its name %q ./test does not run it without", path, name, expr)
			}
		}
	}
	if judged < 40 {
		t.Errorf("only %d such tests were found: looking for the wrong names", judged)
	}
}

// functions are all functions and methods, by package. Those of a package and
// its external test are together.
func functions(files []*file) map[string][]function {
	all := map[string][]function{}
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				all[f.pkg] = append(all[f.pkg], function{fn, f})
			}
		}
	}
	return all
}

type function struct {
	*ast.FuncDecl
	in *file
}

// mentions reports whether one of the names stands in the function; "a.B" is B
// of package a.
func (fn function) mentions(named func(string) bool) (any bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			any = any || named(n.Name)
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok {
				any = any || named(id.Name+"."+n.Sel.Name)
			}
		}
		return !any
	})
	return any
}

// blindUnderRace returns the functions of a package that ask whether the race
// detector is on, or count allocations, or mention a function that does; with
// their files.
func blindUnderRace(funcs []function) map[string]string {
	blind := map[string]string{}
	named := func(name string) bool {
		_, is := blind[name]
		return is || name == "raceEnabled" || name == "testing.AllocsPerRun" || strings.HasPrefix(name, "allocs.")
	}
	for grown := true; grown; {
		grown = false
		for _, fn := range funcs {
			if _, is := blind[fn.Name.Name]; !is && fn.mentions(named) {
				blind[fn.Name.Name], grown = fn.in.path, true
			}
		}
	}
	return blind
}
