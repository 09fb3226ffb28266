package web

import (
	"bytes"
	"testing"

	"github.com/plenum-conf/plenum/internal/web/bundle"
)

// TestDistIsCurrent rebuilds the client in memory: what is embedded must be
// what the sources make.
func TestDistIsCurrent(t *testing.T) {
	built, err := bundle.Build("client")
	if err != nil {
		t.Fatal(err)
	}
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range built {
		f, ok := a.files[name]
		if !ok || !bytes.Equal(f.plain, data) {
			t.Errorf("dist/%s is not what internal/web/client makes; run: go run ./internal/web/build", name)
		}
	}
	for name := range a.files {
		if _, ok := built[name]; !ok {
			t.Errorf("dist/%s has no source", name)
		}
	}
}
