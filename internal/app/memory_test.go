package app

import (
	"encoding/json"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/app/memory"
)

// TestMemoryIsTended: a plan is carried out at once, and undone at the end.
func TestMemoryIsTended(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), gogc()
	stop := tendMemory(memory.Plan{Limit: 3 << 30, Room: 100 << 20}, slog.New(slog.DiscardHandler))
	if got := debug.SetMemoryLimit(-1); got != 3<<30 {
		t.Errorf("the limit is %d", got)
	}
	for begun := time.Now(); gogc() == percent; {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("GOGC stays as it is")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if debug.SetMemoryLimit(-1) != limit || gogc() != percent {
		t.Error("the settings stay when the server has gone")
	}
}

func TestMediaWorkers(t *testing.T) {
	for _, c := range []struct {
		cores int
		limit int64
		want  int
	}{
		{1, 64 << 20, 1},
		{2, 64 << 20, 2},
		{8, 16 << 20, 1},
		{8, 435 << 20, 8},
		{64, 435 << 20, 13},
		{64, 3 << 30, 64},
		{128, math.MaxInt64, 128},
	} {
		if got := mediaWorkers(c.cores, c.limit); got != c.want {
			t.Errorf("%d cores, %d MB: %d workers, want %d", c.cores, c.limit>>20, got, c.want)
		}
	}
	if got := softLimit(memory.Plan{Limit: 435 << 20}); got != 435<<20 {
		t.Errorf("the plan's soft limit is %d", got)
	}
	if got := softLimit(memory.Plan{}); got != debug.SetMemoryLimit(-1) {
		t.Errorf("without a plan the soft limit is %d", got)
	}
}

func gogc() int { return memory.ReadFigures().GOGC }

func TestProcessState(t *testing.T) {
	a := &App{memory: memory.Decide(memory.Available{Bytes: 512 << 20, Container: true}, true, "", "")}
	text, err := json.Marshal(a.processState())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"plan":"this container has 512 MB`, `"gogc":`, `"collection_pauses":{"count":`, `"stacks":`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
	if b := a.memory.Why; !strings.Contains(b, "435 MB") {
		t.Errorf("the plan does not say its limit: %s", b)
	}
}
