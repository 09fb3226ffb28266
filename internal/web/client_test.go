package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/plenum-conf/plenum/internal/web/bundle"
)

// TestClient runs the unit tests of the TypeScript client with node.
func TestClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED for want of node")
	}
	paths, err := filepath.Glob("client/test/*.test.ts")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tests of the client: %v", err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	script, err := bundle.BuildTests("client", names)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tests.mjs")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, "--enable-source-maps", "--test", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
