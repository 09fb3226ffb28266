package mono

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// ms is a time in milliseconds and nanoseconds.
func ms(m int64, ns ...int64) Time {
	t := Time(m * 1e6)
	for _, n := range ns {
		t += Time(n)
	}
	return t
}

// twin is the obvious timer queue: a list that is searched.
type twin struct {
	tick   Duration
	now    uint64
	timers map[*Timer]uint64
}

func (w *twin) schedule(t *Timer, at Time) {
	delete(w.timers, t)
	if at != 0 {
		w.timers[t] = max(ceil(at, w.tick), w.now+1)
	}
}

// advance removes and returns what is due, ordered by tick.
func (w *twin) advance(now Time) []*Timer {
	type due struct {
		t  *Timer
		at uint64
	}
	var all []due
	for t, at := range w.timers {
		if at <= floor(now, w.tick) {
			all = append(all, due{t, at})
			delete(w.timers, t)
		}
	}
	w.now = max(w.now, floor(now, w.tick))
	slices.SortFunc(all, func(a, b due) int { return cmp.Compare(a.at, b.at) })
	var timers []*Timer
	for _, d := range all {
		timers = append(timers, d.t)
	}
	return timers
}

func (w *twin) earliest() (at uint64, ok bool) {
	at = math.MaxUint64
	for _, t := range w.timers {
		at, ok = min(at, t), true
	}
	return at, ok
}

// play drives wheel and twin with the same choices and compares them.
func play(t *testing.T, steps int, choose func(n int) int) {
	start := Time(choose(1 << 30))
	tick := []Duration{millisecond, millisecond / 10, 7}[choose(3)]
	w, slow := NewFineWheel(start, tick), &twin{tick: tick, now: floor(start, tick), timers: map[*Timer]uint64{}}
	timers := make([]Timer, 40)
	for i := range timers {
		timers[i].Owner = i
	}
	now := start
	span := func() Time { return Time(choose(1000)) * Time(math.Pow10(choose(13))) }
	for range steps {
		x := &timers[choose(len(timers))]
		switch choose(4) {
		case 0, 1:
			at := now + span() - 1000
			w.Schedule(x, at)
			slow.schedule(x, at)
		case 2:
			w.Cancel(x)
			slow.schedule(x, 0)
		case 3:
			if now += span(); now > 1<<61 {
				return // far enough: 73 years
			}
			advanceBoth(t, w, slow, now)
		}
		checkNext(t, w, slow)
	}
}

func advanceBoth(t *testing.T, w *Wheel, slow *twin, now Time) {
	t.Helper()
	var got []*Timer
	w.Advance(now, func(x *Timer) { got = append(got, x) })
	want := slow.advance(now)
	if !slices.IsSortedFunc(got, func(a, b *Timer) int { return cmp.Compare(a.at, b.at) }) {
		t.Fatal("fired out of order")
	}
	byOwner := func(a, b *Timer) int { return cmp.Compare(a.Owner.(int), b.Owner.(int)) }
	slices.SortFunc(got, byOwner)
	slices.SortFunc(want, byOwner)
	if !slices.Equal(got, want) {
		t.Fatalf("at %d: %d timers fired, want %d", now, len(got), len(want))
	}
}

func checkNext(t *testing.T, w *Wheel, slow *twin) {
	t.Helper()
	at, ok := slow.earliest()
	next := w.Next()
	if w.Len() != len(slow.timers) || (next != 0) != ok {
		t.Fatalf("%d timers and next %d, want %d timers", w.Len(), next, len(slow.timers))
	}
	if ok && (floor(next, slow.tick) > at || floor(next, slow.tick) <= w.now) {
		t.Fatalf("now %d, next %d, earliest timer %d", w.now, floor(next, slow.tick), at)
	}
}

func TestWheelFiresLikeTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		play(t, 500, rng.IntN)
	}
}

func FuzzWheel(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 100, 50})
	f.Fuzz(func(t *testing.T, data []byte) {
		play(t, len(data)/3, func(n int) int {
			v := 0
			for range min(2, len(data)) {
				v, data = v<<8|int(data[0]), data[1:]
			}
			return v % n
		})
	})
}

func TestWheelRounding(t *testing.T) {
	for _, tc := range []struct {
		name          string
		start, at     Time
		silent, fires Time // no timer at the first, one at the second
	}{
		{"exact", ms(10), ms(12), ms(11, 999_999), ms(12)},
		{"rounded up", ms(10), ms(12, 1), ms(12, 999_999), ms(13)},
		{"overdue", ms(10), ms(3), ms(10, 999_999), ms(11)},
		{"now", ms(10), ms(10), ms(10, 999_999), ms(11)},
		{"late call", ms(10), ms(12), ms(11), ms(5000)},
		{"far", ms(10), ms(1e9), ms(1e9 - 1), ms(1e9)},
		{"negative", 0, -5, 0, ms(1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWheel(tc.start)
			var x Timer
			w.Schedule(&x, tc.at)
			fired := 0
			w.Advance(tc.silent, func(*Timer) { fired++ })
			if fired != 0 || !x.Scheduled() {
				t.Fatalf("fired early")
			}
			w.Advance(tc.fires, func(*Timer) { fired++ })
			if fired != 1 || x.Scheduled() || w.Next() != 0 {
				t.Fatalf("fired %d times", fired)
			}
		})
	}
}

// A timer that its own function schedules again at once must not keep Advance
// from returning, and one that is cancelled by another of the same millisecond
// must not fire.
func TestWheelChangesWhileFiring(t *testing.T) {
	w := NewWheel(0)
	var again, killer, victim Timer
	w.Schedule(&again, ms(1))
	fired := 0
	w.Advance(ms(5), func(x *Timer) {
		fired++
		w.Schedule(x, ms(1))
	})
	if fired != 5 {
		t.Errorf("fired %d times in 5 ms", fired)
	}
	w.Cancel(&again)
	w.Schedule(&victim, ms(9))
	w.Schedule(&killer, ms(9))
	fired = 0
	w.Advance(ms(20), func(x *Timer) {
		fired++
		w.Cancel(&victim)
		w.Cancel(&killer)
	})
	if fired != 1 || w.Len() != 0 {
		t.Errorf("fired %d, %d left", fired, w.Len())
	}
}

func TestWheelTimeGoesBack(t *testing.T) {
	w := NewWheel(ms(100))
	var x Timer
	w.Schedule(&x, ms(50))
	w.Advance(ms(20), func(*Timer) { t.Error("fired") })
	if w.Next() != ms(101) {
		t.Errorf("next %v", time.Duration(w.Next()))
	}
}

func TestWheelAllocatesNothing(t *testing.T) {
	w := NewWheel(0)
	var timers [64]Timer
	now := Time(0)
	fire := func(x *Timer) { w.Schedule(x, now.Add(20*time.Millisecond)) }
	allocs.None(t, allocs.Many, func() {
		for i := range timers {
			w.Schedule(&timers[i], now.Add(time.Duration(i)*time.Second))
		}
		now = now.Add(30 * time.Millisecond)
		w.Advance(now, fire)
	})
}

func TestEarliest(t *testing.T) {
	for _, tc := range []struct{ a, b, want Time }{
		{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3},
	} {
		if got := Earliest(tc.a, tc.b); got != tc.want {
			t.Errorf("Earliest(%d, %d) = %d", tc.a, tc.b, got)
		}
	}
}

// BenchmarkWheel schedules one of 10,000 timers and lets the due ones fire,
// once a microsecond of simulated time.
func BenchmarkWheel(b *testing.B) {
	w := NewWheel(0)
	timers := make([]Timer, 10_000)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	now := Time(0)
	for i := 0; b.Loop(); i++ {
		now += 1000
		w.Schedule(&timers[i%len(timers)], now+Time(rng.Uint64N(20e6)))
		if w.Next() <= now {
			w.Advance(now, func(*Timer) {})
		}
	}
}

// TestRoundUp: what is due at a grain stays there, all else comes after.
func TestRoundUp(t *testing.T) {
	const at = 50 * Time(Grain)
	for from, want := range map[Time]Time{0: 0, 1: Time(Grain), at: at, at - 1: at, at + 1: at + Time(Grain)} {
		if got := from.RoundUp(Grain); got != want {
			t.Errorf("%d is rounded up to %d, want %d", from, got, want)
		}
	}
}
