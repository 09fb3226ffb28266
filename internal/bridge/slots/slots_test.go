package slots

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

const linger = 20 * time.Second

func options(limit int) Options {
	next := uint32(0)
	return Options{
		Limit: limit, Spare: limit / 2, Linger: linger, Prefix: "v", RTX: true,
		SSRC: func() uint32 { next++; return next },
	}
}

func at(d time.Duration) mono.Time { return mono.Time(time.Hour + d) }

func TestWhoGetsWhichSlot(t *testing.T) {
	type step struct {
		after  time.Duration // since the first
		do     string        // take, idle, forget
		source string
		slot   int // take only; -1 for none
		change Change
	}
	tests := []struct {
		name  string
		limit int
		steps []step
	}{
		{"each its own", 2, []step{
			{0, "take", "a", 0, Made}, {0, "take", "b", 1, Made}, {0, "take", "a", 0, Kept},
		}},
		{"nobody loses a slot while being sent", 1, []step{
			{0, "take", "a", 0, Made}, {time.Hour, "take", "b", -1, None},
		}},
		{"who comes back soon is where it was", 3, []step{
			{0, "take", "a", 0, Made}, {0, "take", "b", 1, Made}, {1, "idle", "a", 0, 0}, {2, "take", "c", 2, Made}, {3, "take", "a", 0, Kept},
		}},
		{"long idle slots are used again before new ones are made", 3, []step{
			{0, "take", "a", 0, Made}, {0, "idle", "a", 0, 0}, {linger - 1, "take", "b", 1, Made},
			{linger + 1, "take", "c", 0, Moved}, {linger + 1, "take", "a", 2, Made},
		}},
		{"a few slots are made although others are idle", 4, []step{
			{0, "take", "a", 0, Made}, {0, "idle", "a", 0, 0}, {time.Hour, "take", "b", 1, Made}, {2 * time.Hour, "take", "c", 0, Moved},
		}},
		{"at the limit the longest idle goes first", 2, []step{
			{0, "take", "a", 0, Made}, {0, "take", "b", 1, Made}, {1, "idle", "b", 0, 0}, {2, "idle", "a", 0, 0},
			{3, "take", "c", 1, Moved}, {3, "take", "d", 0, Moved}, {3, "take", "a", -1, None},
		}},
		{"being idle twice does not make one younger", 2, []step{
			{0, "take", "a", 0, Made}, {0, "take", "b", 1, Made}, {1, "idle", "a", 0, 0}, {2, "idle", "b", 0, 0}, {3, "idle", "a", 0, 0},
			{4, "take", "c", 0, Moved},
		}},
		{"slots of who has gone are used first", 3, []step{
			{0, "take", "a", 0, Made}, {0, "take", "b", 1, Made}, {0, "idle", "a", 0, 0}, {1, "forget", "b", 0, 0}, {2, "take", "c", 1, Moved},
			{3, "take", "b", 2, Made},
		}},
		{"who is back after having gone must be told of", 3, []step{
			{0, "take", "a", 0, Made}, {1, "forget", "a", 0, 0}, {2, "take", "a", 0, Moved}, {3, "take", "a", 0, Kept},
		}},
		{"who is unknown can go", 3, []step{{0, "idle", "x", 0, 0}, {0, "forget", "x", 0, 0}, {0, "take", "x", 0, Made}}},
		{"gone is gone, not idle", 1, []step{
			{0, "take", "a", 0, Made}, {0, "forget", "a", 0, 0}, {0, "idle", "a", 0, 0}, {0, "take", "a", 0, Moved},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := New(options(tt.limit))
			for i, s := range tt.steps {
				switch s.do {
				case "idle":
					table.Idle(s.source, at(s.after))
				case "forget":
					table.Forget(s.source)
				case "take":
					slot, change := table.Take(s.source, at(s.after))
					index := -1
					if slot != nil {
						index = slot.Index
					}
					if index != s.slot || change != s.change {
						t.Fatalf("step %d, %s: slot %d, change %d; want %d, %d", i, s.source, index, change, s.slot, s.change)
					}
				}
			}
		})
	}
}

func TestNumbersOfASlot(t *testing.T) {
	table := New(options(3))
	seen := map[uint32]bool{}
	for i, source := range []string{"a", "b", "c"} {
		s, _ := table.Take(source, at(0))
		if len(s.MID) != MIDLen || seen[s.SSRC] || seen[s.RTX] || s.SSRC == s.RTX || string(s.MID) != fmt.Sprint("v0", i) || s.Source() != source || s.Gone() {
			t.Errorf("slot %d: %+v", i, s)
		}
		seen[s.SSRC], seen[s.RTX] = true, true
	}
	before := *table.Slots()[1]
	table.Forget("b")
	if !table.Slots()[1].Gone() {
		t.Error("a slot does not know that its source has gone")
	}
	after, _ := table.Take("d", at(1))
	if after.SSRC != before.SSRC || after.RTX != before.RTX || string(after.MID) != string(before.MID) || len(table.Slots()) != 3 {
		t.Errorf("was %+v, is %+v", before, after)
	}
	plain := New(Options{Limit: 1, SSRC: func() uint32 { return 7 }, Prefix: "a"})
	if s, _ := plain.Take("a", at(0)); s.RTX != 0 || string(s.MID) != "a00" {
		t.Errorf("%+v", s)
	}
}

// twin does the same with nothing but a list of records.
type twin struct {
	limit   int
	records []record
	clock   int // orders what happens at one time
}

type record struct {
	source string
	state  state
	since  mono.Time
	order  int
}

func (w *twin) take(source string, now mono.Time) (int, Change) {
	for i := range w.records {
		if r := &w.records[i]; r.source == source {
			was := r.state
			r.state = busy
			if was == gone {
				return i, Moved
			}
			return i, Kept
		}
	}
	i, change := w.choose(now)
	if i < 0 {
		return i, None
	}
	w.records[i] = record{source: source}
	return i, change
}

func (w *twin) prepare(source string, now mono.Time) (int, Change) {
	i := w.oldest(gone)
	for k, r := range w.records {
		if r.source != source {
			continue
		}
		if r.state != gone {
			return -1, None
		}
		i = k
	}
	change := Moved
	if i < 0 {
		if len(w.records) == w.limit {
			return -1, None
		}
		i, change = len(w.records), Made
		w.records = append(w.records, record{})
	}
	w.clock++
	w.records[i] = record{source, idle, now, w.clock}
	return i, change
}

func (w *twin) choose(now mono.Time) (int, Change) {
	if i := w.oldest(gone); i >= 0 {
		return i, Moved
	}
	if len(w.records) < w.limit/2 {
		w.records = append(w.records, record{})
		return len(w.records) - 1, Made
	}
	i := w.oldest(idle)
	if i >= 0 && now.Sub(w.records[i].since) >= linger {
		return i, Moved
	}
	if len(w.records) < w.limit {
		w.records = append(w.records, record{})
		return len(w.records) - 1, Made
	}
	return i, Moved
}

func (w *twin) oldest(st state) int {
	best := -1
	for i, r := range w.records {
		if r.state == st && (best < 0 || r.order < w.records[best].order) {
			best = i
		}
	}
	return best
}

func (w *twin) set(source string, st state, now mono.Time, from ...state) {
	for i := range w.records {
		r := &w.records[i]
		for _, f := range from {
			if r.source == source && r.state == f {
				w.clock++
				r.state, r.since, r.order = st, now, w.clock
				return
			}
		}
	}
}

func TestLikeTwin(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit := 1 + rng.IntN(8)
		play(t, seed, limit, 400, rng.IntN)
	}
}

func FuzzSlots(f *testing.F) {
	f.Add([]byte{3, 0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		i := 0
		play(t, 0, 4, len(script)/4, func(n int) int {
			i++
			return int(script[(i-1)%len(script)]) % n
		})
	})
}

func play(t *testing.T, seed uint64, limit, steps int, choose func(n int) int) {
	t.Helper()
	table, slow := New(options(limit)), &twin{limit: limit}
	now := at(0)
	for step := range steps {
		now = now.Add(time.Duration(choose(12)) * time.Second)
		source := string(rune('a' + choose(3*limit)))
		switch choose(6) {
		case 5:
			slot, change := table.Prepare(source, now)
			index, want := slow.prepare(source, now)
			if change != want || (slot == nil) != (want == None) || slot != nil && slot.Index != index {
				t.Fatalf("seed %d step %d: prepare %s: %v %d, twin %d %d", seed, step, source, slot, change, index, want)
			}
		case 0, 1, 2:
			slot, change := table.Take(source, now)
			index, want := slow.take(source, now)
			if change != want || (slot == nil) != (want == None) || slot != nil && slot.Index != index {
				t.Fatalf("seed %d step %d: take %s: %v %d, twin %d %d", seed, step, source, slot, change, index, want)
			}
		case 3:
			table.Idle(source, now)
			slow.set(source, idle, now, busy)
		case 4:
			table.Forget(source)
			slow.set(source, gone, now, busy, idle)
		}
		compare(t, table, slow)
	}
}

func compare(t *testing.T, table *Table, slow *twin) {
	t.Helper()
	if len(table.Slots()) != len(slow.records) || len(table.names) != len(slow.records) {
		t.Fatalf("%d slots, %d names, twin %d", len(table.Slots()), len(table.names), len(slow.records))
	}
	free, here := 0, 0
	for i, s := range table.Slots() {
		r := slow.records[i]
		if r.state != busy {
			free++
		}
		if r.state != gone {
			here++
		}
		if s.Source() != r.source || s.state != r.state || table.Find(r.source) != s {
			t.Fatalf("slot %d: %q %d, twin %q %d", i, s.source, s.state, r.source, r.state)
		}
	}
	if table.Free() != free || table.Here() != here {
		t.Fatalf("%d free, %d here, twin %d, %d", table.Free(), table.Here(), free, here)
	}
}

func TestSlotsAllocateNothing(t *testing.T) {
	table := New(options(2))
	table.Take("a", at(0))
	table.Take("b", at(0))
	now := at(1)
	allocs.None(t, allocs.Many, func() {
		now++
		table.Idle("a", now)
		table.Take("a", now)
		table.Idle("b", now)
		table.Take("c", now)
		table.Forget("c")
		table.Take("b", now)
	})
}

func BenchmarkMove(b *testing.B) {
	table := New(options(50))
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	now := at(0)
	b.ReportAllocs()
	for i := range b.N {
		now++
		table.Idle(names[(i+50)%100], now)
		table.Take(names[i%100], now)
	}
}
