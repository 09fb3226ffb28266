package app

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/plenum-conf/plenum/internal/app/memory"
	"github.com/plenum-conf/plenum/internal/bridge"
)

// lookEvery is how often a running server looks after its memory.
const lookEvery = 5 * time.Second

// planMemory decides by the machine, or the container, and the environment.
func planMemory() memory.Plan {
	available, ok := memory.Find(os.DirFS("/"))
	return memory.Decide(available, ok, os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT"))
}

// softLimit is the limit that a plan sets, or leaves as it is, in bytes.
func softLimit(p memory.Plan) int64 {
	if p.Limit > 0 {
		return p.Limit
	}
	return debug.SetMemoryLimit(-1) // asks only
}

// mediaWorkers is one for each core, as long as together they take no more than
// an eighth of the soft limit when all of them have become busy.
func mediaWorkers(cores int, limit int64) int {
	return int(max(1, min(int64(cores), limit/8/bridge.WorkerMemory)))
}

// tendMemory carries a plan out until the function it returns is called, which
// puts everything back. It is for whole processes: the settings are the runtime's.
func tendMemory(p memory.Plan, log *slog.Logger) (stop func()) {
	limit := debug.SetMemoryLimit(-1) // asks only
	if p.Limit > 0 {
		debug.SetMemoryLimit(p.Limit)
	}
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		lookAfterMemory(p, log, quit)
	}()
	return func() {
		close(quit)
		<-gone
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

func lookAfterMemory(p memory.Plan, log *slog.Logger, quit <-chan struct{}) {
	start := time.Now()
	look := func() memory.Look { return memory.Read(time.Since(start), cpuTime()) }
	tuner := memory.NewTuner(p, look())
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		advice := tuner.Look(look())
		if advice.Percent > 0 {
			debug.SetGCPercent(advice.Percent)
			log.Debug("collections are paced anew", "gogc", advice.Percent)
		}
		if advice.Trim {
			debug.FreeOSMemory()
			log.Debug("memory was given back to the system")
		}
		select {
		case <-quit:
			return
		case <-every.C:
		}
	}
}

// processState is the process for the debug tree.
type processState struct {
	Version    string      `json:"version"`
	Goroutines int         `json:"goroutines"`
	Memory     memoryState `json:"memory"`
}

// memoryState is in bytes, except for what is said in words.
type memoryState struct {
	Plan        string     `json:"plan"`
	Limit       int64      `json:"soft_limit"` // 0 for none
	GOGC        int        `json:"gogc"`       // -1 for off
	Live        uint64     `json:"live"`       // in use at the last collection
	Heap        uint64     `json:"heap"`       // objects, and what is not yet known to be garbage
	HeapFree    uint64     `json:"heap_free"`  // empty, not given back
	Stacks      uint64     `json:"stacks"`
	Total       uint64     `json:"total"` // all the runtime has from the system
	Collections uint64     `json:"collections"`
	Pauses      pauseState `json:"collection_pauses"`
}

// pauseState is for how long collections stopped everything, since the start.
type pauseState struct {
	Count uint64 `json:"count"`
	P50   string `json:"p50"`
	P99   string `json:"p99"`
	Max   string `json:"max"`
}

func (a *App) processState() any {
	f := memory.ReadFigures()
	m := memoryState{
		Plan: a.memory.Why, Limit: f.Limit, GOGC: f.GOGC,
		Live: f.Live, Heap: f.Objects, HeapFree: f.Free, Stacks: f.Stacks, Total: f.Total, Collections: f.Collections,
		Pauses: pauseState{Count: f.Pauses, P50: f.PauseP50.String(), P99: f.PauseP99.String(), Max: f.PauseMax.String()},
	}
	if m.Limit == math.MaxInt64 {
		m.Limit = 0
	}
	return processState{Version: Version(), Goroutines: f.Goroutines, Memory: m}
}
