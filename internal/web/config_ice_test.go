package web

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestICERestartIsNeverForbidden: false would make older clients reload the
// page instead of asking for a new session.
func TestICERestartIsNeverForbidden(t *testing.T) {
	for _, on := range []bool{true, false} {
		text, err := json.Marshal(clientConfig{ICERestart: on})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), `"enableIceRestart":true`); got != on || strings.Contains(string(text), `"enableIceRestart":false`) {
			t.Errorf("with %v: %s", on, text)
		}
	}
}
