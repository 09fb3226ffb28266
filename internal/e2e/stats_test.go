package e2e

import (
	"fmt"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// stats is what a page says it receives: per SSRC, the video frames it has
// decoded and the audio energy it has heard.
type stats struct {
	Me     string              `json:"me"`
	Joined bool                `json:"joined"`
	Failed string              `json:"failed"`
	Users  []string            `json:"users"`
	Video  map[string]int      `json:"video"`
	Audio  map[string]float64  `json:"audio"`
	Tracks map[string][]string `json:"tracks"` // kinds by participant, of the library only
	MIDs   map[string]string   `json:"mids"`   // of m-lines that receive something, by SSRC; of the library only
}

// statsOf asks a page, through the expression that its kind of client offers.
func statsOf(t *testing.T, p browser.Page, expression string) stats {
	t.Helper()
	var s stats
	if err := p.Evaluate(expression, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// waitForMedia waits until a page decodes n videos and hears n voices.
func waitForMedia(t *testing.T, p browser.Page, expression string, n int) {
	t.Helper()
	cond := fmt.Sprintf(`%s.then(s => Object.keys(s.video).length >= %d && Object.keys(s.audio).length >= %d)`, expression, n, n)
	if err := browser.WaitFor(p, cond, expression, joinPatience); err != nil {
		t.Fatal(err)
	}
}

// mustGrow checks that every video of a page goes on moving and every voice
// goes on sounding.
func mustGrow(t *testing.T, who string, p browser.Page, expression string, n int) {
	t.Helper()
	before := statsOf(t, p, expression)
	moved := fmt.Sprintf(`(async () => {
		const old = %s, now = await %s
		const grown = (a, b) => Object.keys(b).filter(k => b[k] > (a[k] || 0)).length
		return grown(old.video, now.video) >= %d && grown(old.audio, now.audio) >= %d
	})()`, jsObject(before), expression, n, n)
	if err := browser.WaitFor(p, moved, expression, patience); err != nil {
		t.Errorf("%s: media stands still: %v", who, err)
	}
}
