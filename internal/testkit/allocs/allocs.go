package allocs

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// Many is how many calls of a step a test measures if nothing speaks against it.
const Many = 5000

const (
	// perCalls of calls one allocation is forgiven: the runtime and what else
	// lives in the test's process need some.
	perCalls = 1000
	// attempts to stay below that. What the step allocates shows in each; what
	// others do, or what grows until it has its size, does not.
	attempts = 3
	// named is how many places a failure names.
	named = 3
)

// None fails the test if step allocates when it is called so many times in a
// row, and says where. It may call it three times as often before it knows, so
// that step must be able to go on for ever. It returns how often it did.
func None(t testing.TB, calls int, step func()) (called int) {
	t.Helper()
	if raceEnabled {
		calls /= 10 // there is nothing to see but races
	}
	least, where := uint64(math.MaxUint64), ""
	for range attempts {
		n, at := Of(calls, step)
		if called += calls + pools(calls); n < least {
			least, where = n, at
		}
		if least <= uint64(calls/perCalls) {
			return called
		}
	}
	t.Errorf("%d allocations in %d calls, at the least of %d measurements:%s", least, calls, attempts, where)
	return called
}

// Of returns how many objects are allocated, by whomever, while step is called
// so many times, after a hundredth of that which does not count, and where most of
// them are: a line for each place. The collector is off and Go has one processor
// meanwhile. It is for tests whose step cannot be
// repeated often enough for [None]; under the race detector it counts nothing.
func Of(calls int, step func()) (n uint64, where string) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	known := profile()
	for range pools(calls) {
		step()
	}
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 1
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		step()
	}
	runtime.ReadMemStats(&after)
	if n = after.Mallocs - before.Mallocs; n == 0 || raceEnabled {
		return 0, ""
	}
	return n, describe(known)
}

// pools is how often step is called before that counts: collections and the change
// of processors have emptied each sync.Pool.
func pools(calls int) int { return 1 + calls/100 }

// place is a line that allocates, by way of its callers.
type place struct {
	stack [32]uintptr
	count int64
}

// describe names the places that have allocated most since known.
func describe(known map[[32]uintptr]int64) string {
	var places []place
	for stack, n := range profile() {
		if n -= known[stack]; n > 0 {
			places = append(places, place{stack, n})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(b.count, a.count) })
	var text strings.Builder
	for _, p := range places[:min(named, len(places))] {
		if at := p.trace(); !strings.HasPrefix(at, "allocs.go:") { // which is the profile itself
			fmt.Fprintf(&text, "\n%6d %s", p.count, at)
		}
	}
	return text.String()
}

// profile returns how many objects have been allocated, by stack.
func profile() map[[32]uintptr]int64 {
	for range 2 { // the profile is that of the last collection but one
		runtime.GC()
	}
	n, ok := runtime.MemProfile(nil, true)
	var records []runtime.MemProfileRecord
	for !ok {
		records = make([]runtime.MemProfileRecord, n+50)
		n, ok = runtime.MemProfile(records, true)
	}
	counts := map[[32]uintptr]int64{}
	for _, r := range records[:n] {
		counts[r.Stack0] += r.AllocObjects
	}
	return counts
}

// trace names the lines, from the one that allocates outwards.
func (p place) trace() string {
	const depth = 4
	depths := slices.Index(p.stack[:], 0)
	if depths < 0 {
		depths = len(p.stack)
	}
	frames := runtime.CallersFrames(p.stack[:depths])
	var lines []string
	for more := depths > 0; more && len(lines) < depth; {
		var f runtime.Frame
		f, more = frames.Next()
		if strings.HasPrefix(f.Function, "runtime.") && len(lines) == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line))
	}
	return strings.Join(lines, " < ")
}
