package loadtest

import (
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// TestMomentsOfTheirOwn: what many who came at once do again and again is
// spread over its period, and a worker that was late does not change that.
func TestMomentsOfTheirOwn(t *testing.T) {
	const people, late = 100, 20 * time.Millisecond
	w := &worker{wheel: mono.NewFineWheel(0, grain)}
	did := 0
	fire := func(x *mono.Timer) { did++; w.fire(x) }
	for i := range people {
		m := &peer{w: w, sources: &mySources{seed: uint64(i)}}
		m.agent = ice.NewAgent(ice.Config{Ufrag: "abcdefgh", Pwd: strings.Repeat("p", 32)})
		m.houseT.Owner = houseTimer{m}
		m.scheduleHouse(0)
	}
	for range 50 {
		w.now = w.now.Add(late)
		w.wheel.Advance(w.now, fire)
	}
	if want := people * 50 * int(late) / int(housePeriod); did < want*9/10 || did > want*11/10 {
		t.Errorf("%d times in all, want %d", did, want)
	}
	most, sum := 0, 0
	for range housePeriod / time.Millisecond {
		did = 0
		w.now = w.now.Add(time.Millisecond)
		w.wheel.Advance(w.now, fire)
		most, sum = max(most, did), sum+did
	}
	if sum != people || most > people/10 {
		t.Errorf("%d of %d in one millisecond, %d in a period", most, people, sum)
	}
}

// TestPhases: the phases of what one participant does, and of what many do, lie
// anywhere in the period.
func TestPhases(t *testing.T) {
	const parts, each = 10, 100
	for thing, period := range map[int]time.Duration{housekeeping: housePeriod, reporting: reportPeriod, speaking: lmedia.AudioPeriod, showing: time.Second / 30} {
		var in [parts]int
		for seed := range uint64(parts * each) {
			m := &peer{sources: &mySources{seed: seed}}
			p := m.phase(thing, period)
			if p < 0 || p >= period {
				t.Fatalf("phase %v of %v", p, period)
			}
			in[p*parts/period]++
		}
		for i, n := range in {
			if n < each/2 || n > 2*each {
				t.Errorf("%d: %d in part %d", thing, n, i)
			}
		}
	}
}
