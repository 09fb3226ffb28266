package focus

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/jingle"
)

// TestReasonOf: the log has a reason without blanks around it.
func TestReasonOf(t *testing.T) {
	for want, reason := range map[string]*jingle.Reason{"": nil, "success": {Condition: "success"}, "gone away": {Condition: "gone", Text: "away"}} {
		if got := reasonOf(&jingle.Message{Reason: reason}); got != want {
			t.Errorf("%+v: %q, want %q", reason, got, want)
		}
	}
}
