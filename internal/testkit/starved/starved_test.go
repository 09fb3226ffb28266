package starved

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
)

// TestFiguresExist: a server that has nothing to do has time for it, and knows
// every figure that is looked for by that name.
func TestFiguresExist(t *testing.T) {
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen, c.Media.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	a, err := app.New(&c, slog.New(slog.DiscardHandler))
	if err == nil {
		err = a.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if why := Of(t, a.AdminURL()); why != "" {
		t.Error(why)
	}
	known := get(t, a.AdminURL()+"/debug/state/bridge") + get(t, a.AdminURL()+"/metrics") // the state has no counters that are 0
	for _, name := range figures {
		if !strings.Contains(known, `"`+name+`": `) && !strings.Contains(known, "plenum_bridge_"+name+"_total{") {
			t.Errorf("the bridge does not count %s", name)
		}
	}
}

func TestOf(t *testing.T) {
	for state, want := range map[string]string{
		`{"cuts": 0, "kernel_drops": 0, "raises": 3}`:                    "",
		`{"cuts": 0, "kernel_drops": 0}, {"cuts": 12, "limit": 1}`:       `"cuts": 12`,
		`{"cuts": 0, "kernel_drops": 7, "dropped_stale_video": 1}`:       `"kernel_drops": 7, "dropped_stale_video": 1`,
		`{"cuts": 0, "dropped_silence": 9, "dropped_authentication": 1}`: "",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, state) }))
		if got := Of(t, s.URL); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
		s.Close()
	}
}
