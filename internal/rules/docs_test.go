package rules

import (
	"bufio"
	"go/ast"
	"go/token"
	"os"
	"path"
	"strings"
	"testing"
)

func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range load(t) {
		if f.test {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || (f.ast.Doc != nil && (path.Base(f.path) == "doc.go" || f.ast.Name.Name == "main"))
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no doc.go with a package comment", pkg)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	files := load(t)
	promised := interfaceMethods(files)
	for _, f := range files {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			for _, name := range undocumented(d) {
				if !promised[f.pkg+"."+name] {
					t.Errorf("%s: exported %s has no comment", f.path, name)
				}
			}
		}
	}
}

// interfaceMethods collects the documented methods of every package's
// interfaces: what implements one there need not repeat its comment.
func interfaceMethods(files []*file) map[string]bool {
	methods := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			it, ok := n.(*ast.InterfaceType)
			if !ok {
				return true
			}
			for _, m := range it.Methods.List {
				for _, name := range m.Names {
					methods[f.pkg+"."+name.Name] = m.Doc != nil
				}
			}
			return true
		})
	}
	return methods
}

// undocumented returns the exported names of one declaration that lack a
// comment. A group's comment covers its members.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT || d.Doc != nil {
			return nil
		}
		return undocumentedSpecs(d.Specs)
	}
	return nil
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if ix, ok := typ.(*ast.IndexExpr); ok {
		typ = ix.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func undocumentedSpecs(specs []ast.Spec) []string {
	var out []string
	for _, s := range specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
				out = append(out, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && s.Doc == nil && s.Comment == nil {
					out = append(out, n.Name)
				}
			}
		}
	}
	return out
}

// statuses are the words docs/conformance.tsv may use.
var statuses = map[string]bool{"yes": true, "partial": true, "no": true, "not needed": true}

func TestConformanceReferencesExist(t *testing.T) {
	f, err := os.Open("../../docs/conformance.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if n == 1 || line == "" {
			continue
		}
		cols := strings.Split(line, "\t")
		if len(cols) != 5 {
			t.Errorf("line %d has %d columns, want standard, section, status, where, note", n, len(cols))
			continue
		}
		if !statuses[cols[2]] {
			t.Errorf("line %d: status %q is not one of yes, partial, no, not needed", n, cols[2])
		}
		for _, where := range strings.Fields(cols[3]) {
			if _, err := os.Stat("../../" + where); err != nil {
				t.Errorf("line %d: %s does not exist", n, where)
			}
		}
		if cols[2] == "yes" && cols[3] == "" {
			t.Errorf("line %d claims yes and points nowhere", n)
		}
	}
}
