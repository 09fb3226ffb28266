package app

import (
	"encoding/json"
	"log/slog"
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
