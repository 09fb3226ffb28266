package e2e

import (
	"encoding/json"
	"testing"

	"github.com/plenum-conf/plenum/internal/app"
)

func jsObject(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// mustCrossBridge checks with the bridge that n endpoints have sent media to
// it and been sent media by it: nobody has found a way around.
func mustCrossBridge(t *testing.T, a *app.App, n int) {
	t.Helper()
	t.Log("TODO")
}
