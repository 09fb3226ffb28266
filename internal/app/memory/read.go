package memory

import (
	"runtime/metrics"
	"time"
)

var names = [...]string{
	"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes",
	"/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes", "/gc/heap/allocs:bytes",
}

// Read looks at the runtime. at and cpu are the caller's, who has the clocks.
func Read(at, cpu time.Duration) Look {
	var s [len(names)]metrics.Sample
	for i, name := range names {
		s[i].Name = name
	}
	metrics.Read(s[:])
	v := func(i int) uint64 {
		if s[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return s[i].Value.Uint64()
	}
	return Look{At: at, CPU: cpu, Live: v(0), Roots: v(1) + v(2), Objects: v(3), Free: v(4), Allocated: v(5)}
}
