package memory

import (
	"math"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func files(all map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range all {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const meminfo = "MemTotal:       16384000 kB\nMemFree:          100 kB\n"

func TestFind(t *testing.T) {
	const machine = 16384000 << 10
	for name, tc := range map[string]struct {
		files map[string]string
		want  Available
		ok    bool
	}{
		"nothing is said": {nil, Available{}, false},
		"machine":         {map[string]string{"proc/meminfo": meminfo}, Available{machine, false}, true},
		"nonsense":        {map[string]string{"proc/meminfo": "MemTotal: lots\n", "proc/self/cgroup": "0::\n::\n:\nx\n"}, Available{}, false},
		"version 2": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "536870912\n"}, Available{512 * mb, true}, true},
		"version 2 without a limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n"}, Available{machine, false}, true},
		"a group around it has less": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "1073741824\n", "sys/fs/cgroup/a/memory.max": "268435456\n"}, Available{256 * mb, true}, true},
		"inside of a container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "536870912\n"}, Available{512 * mb, true}, true},
		"the host's path": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../x/../y\n",
			"sys/fs/cgroup/memory.max": "536870912\n"}, Available{512 * mb, true}, true},
		"version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/c\n4:hugetlb,memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "134217728\n"}, Available{128 * mb, true}, true},
		"version 1 inside": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n"}, Available{128 * mb, true}, true},
		"version 1 without a limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, Available{machine, false}, true},
		"more than the machine has": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "1099511627776\n"}, Available{machine, false}, true},
	} {
		if got, ok := Find(files(tc.files)); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %+v %v, want %+v %v", name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestDecide(t *testing.T) {
	const gb = 1 << 30
	for name, tc := range map[string]struct {
		a                Available
		ok               bool
		gogc, gomemlimit string
		limit, room      int64 // MB
		why              string
	}{
		"small container": {Available{512 * mb, true}, true, "", "", 435, 54, "this container has 512 MB"},
		"tiny container":  {Available{64 * mb, true}, true, "", "", 54, 8, "this container has 64 MB"},
		"big host":        {Available{64 * gb, false}, true, "", "", 49152, 128, "this machine has 64 GB"},
		"small host":      {Available{gb, false}, true, "", "", 768, 96, "this machine has 1024 MB"},
		"unknown":         {Available{}, false, "", "", 0, 32, "nobody says"},
		"own limit":       {Available{512 * mb, true}, true, "", "300MiB", 0, 54, "GOMEMLIMIT=300MiB"},
		"own pace":        {Available{512 * mb, true}, true, "50", "", 435, 0, "GOGC=50"},
		"both":            {Available{}, false, "off", "1GiB", 0, 0, "GOGC=off"},
	} {
		p := Decide(tc.a, tc.ok, tc.gogc, tc.gomemlimit)
		if near := func(got, want int64) bool { return got/mb >= want-1 && got/mb <= want }; !near(p.Limit, tc.limit) || !near(p.Room, tc.room) {
			t.Errorf("%s: limit %d MB, room %d MB; want %d and %d", name, p.Limit/mb, p.Room/mb, tc.limit, tc.room)
		}
		if !strings.Contains(p.Why, tc.why) {
			t.Errorf("%s: %q does not say %q", name, p.Why, tc.why)
		}
		if tc.ok && tc.gomemlimit == "" && (p.Limit <= 0 || uint64(p.Limit) >= tc.a.Bytes) {
			t.Errorf("%s: the limit %d is not below %d", name, p.Limit, tc.a.Bytes)
		}
	}
}

// TestPercent: whatever lives, at least the room is left, and no more than the
// double is used where that is larger.
func TestPercent(t *testing.T) {
	tuner := NewTuner(Plan{Room: 128 * mb}, Look{})
	for _, tc := range []struct {
		live uint64
		want int // 0: as it was
	}{
		{4 * mb, 3200}, {4 * mb, 0}, {5 * mb, 0}, {8 * mb, 1600}, {64 * mb, 200}, {128 * mb, 100}, {1000 * mb, 0}, {64 * mb, 200}, {0, 3200}, {mb, 0},
	} {
		if got := tuner.Look(Look{Live: tc.live * 3 / 4, Roots: tc.live / 4}).Percent; got != tc.want {
			t.Errorf("%d MB live: GOGC %d, want %d", tc.live/mb, got, tc.want)
		}
	}
	if got := NewTuner(Plan{}, Look{}).Look(Look{Live: mb}).Percent; got != 0 {
		t.Errorf("the operator's GOGC is set to %d", got)
	}
}

// TestTrim: memory is given back once it is quiet, and rarely.
func TestTrim(t *testing.T) {
	const every = 5 * time.Second
	base := Look{Live: 70 * mb, Objects: 150 * mb, Free: 100 * mb}
	for name, tc := range map[string]struct {
		change func(i int, l *Look)
		want   []int // looks at which memory is given back
	}{
		"quiet after a storm": {func(i int, l *Look) {
			if i > 3 {
				l.Objects, l.Free = l.Live, mb
			}
		}, []int{2}},
		"no more often than it says": {func(int, *Look) {}, []int{2, 26}},
		"nothing to gain":            {func(_ int, l *Look) { l.Objects, l.Free = 75*mb, 3*mb }, nil},
		"little beside what lives":   {func(_ int, l *Look) { l.Live, l.Objects, l.Free = 700*mb, 760*mb, 40*mb }, nil},
		"memory is used again":       {func(i int, l *Look) { l.Allocated = uint64(i) * 16 * mb }, nil},
		"a little is used":           {func(i int, l *Look) { l.Allocated = uint64(i) * 4 * mb }, []int{2, 26}},
		"the processor is busy":      {func(i int, l *Look) { l.CPU = time.Duration(i) * 2 * time.Second }, nil},
		"quiet from the tenth on": {func(i int, l *Look) {
			l.Allocated = uint64(min(i, 10)) * 100 * mb
		}, []int{12, 36}},
		"now and then quiet": {func(i int, l *Look) { l.Allocated = uint64(i/2) * 100 * mb }, nil},
	} {
		tuner := NewTuner(Plan{}, Look{})
		var got []int
		for i := 1; i <= 45; i++ {
			l := base
			l.At = time.Duration(i) * every
			tc.change(i, &l)
			if tuner.Look(l).Trim {
				got = append(got, i)
			}
		}
		if len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] || len(got) > 1 && got[1] != tc.want[1] {
			t.Errorf("%s: at looks %v, want %v", name, got, tc.want)
		}
	}
}

// TestRead: the names are the runtime's.
func TestRead(t *testing.T) {
	runtime.GC()
	l := Read(3, 4)
	if l.Live == 0 || l.Roots == 0 || l.Objects == 0 || l.Allocated == 0 || l.At != 3 || l.CPU != 4 {
		t.Errorf("%+v", l)
	}
}

// TestFigures: the names are the runtime's here too.
func TestFigures(t *testing.T) {
	runtime.GC()
	f := ReadFigures()
	if f.Live == 0 || f.Objects == 0 || f.Stacks == 0 || f.Total < f.Live || f.Limit == 0 || f.GOGC == 0 || f.Collections == 0 || f.Goroutines == 0 {
		t.Errorf("%+v", f)
	}
	if f.Pauses == 0 || f.PauseP50 <= 0 || f.PauseP50 > f.PauseP99 || f.PauseP99 > f.PauseMax {
		t.Errorf("pauses %+v", f)
	}
}

func TestQuantile(t *testing.T) {
	h := &metrics.Float64Histogram{Counts: []uint64{0, 98, 1, 1}, Buckets: []float64{0, 0.001, 0.002, 0.004, math.Inf(1)}}
	for q, want := range map[float64]time.Duration{0.5: 2 * time.Millisecond, 0.98: 4 * time.Millisecond, 1: 4 * time.Millisecond} {
		if got, n := quantile(h, q); got != want || n != 100 {
			t.Errorf("quantile %v is %v of %d, want %v", q, got, n, want)
		}
	}
	if got, n := quantile(&metrics.Float64Histogram{Counts: []uint64{0}, Buckets: []float64{0, 1}}, 1); got != 0 || n != 0 {
		t.Errorf("of none: %v, %d", got, n)
	}
}
