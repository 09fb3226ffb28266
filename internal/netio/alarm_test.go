package netio

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// TestAlarm: a sleep is not shorter than asked for, though it may be below a
// millisecond.
func TestAlarm(t *testing.T) {
	a, err := NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, d := range []time.Duration{-1, 0, 1, 200 * time.Microsecond, 3 * time.Millisecond} {
		begin := time.Now()
		a.Sleep(d)
		if slept := time.Since(begin); slept < d {
			t.Errorf("slept %v of %v", slept, d)
		}
	}
}

func TestAlarmAllocatesNothing(t *testing.T) {
	a, err := NewAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	allocs.None(t, allocs.Many, func() { a.Sleep(time.Microsecond) })
}
