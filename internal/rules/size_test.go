package rules

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

const (
	hardFileLines     = 1200
	hardFunctionLines = 200
	// reasonedFunctionLines is the length from which a function needs a
	// written reason: a line "LONG: …" in its doc comment.
	reasonedFunctionLines = 150
	medianFunctionLines   = 10
)

func TestSizes(t *testing.T) {
	var lengths []int
	for _, f := range load(t) {
		if n := f.line(f.ast.End()); n > hardFileLines {
			t.Errorf("%s has %d lines, more than %d", f.path, n, hardFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := f.line(fn.Body.Rbrace) - f.line(fn.Body.Lbrace) - 1
			if !f.test {
				lengths = append(lengths, max(n, 1))
			}
			switch {
			case n > hardFunctionLines:
				t.Errorf("%s: %s has %d lines, more than %d", f.path, fn.Name.Name, n, hardFunctionLines)
			case n > reasonedFunctionLines && !strings.Contains(fn.Doc.Text(), "LONG:"):
				t.Errorf("%s: %s has %d lines and no written reason (LONG: …)", f.path, fn.Name.Name, n)
			}
		}
	}
	slices.Sort(lengths)
	if m := lengths[len(lengths)/2]; m > medianFunctionLines {
		t.Errorf("the median function has %d lines, more than %d", m, medianFunctionLines)
	}
}
