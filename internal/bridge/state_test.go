package bridge

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// TestStateIsTakenInTurns: the state of a large conference costs a turn the
// description of a few endpoints; who leaves meanwhile is left out, and each of
// the others is there once. Who asks twice is answered twice.
func TestStateIsTakenInTurns(t *testing.T) {
	const people = 300
	n := newCrowd(t, people, func(*Options) {})
	n.rounds(5, speaking(1))
	first, second := make(chan WorkerState, 1), make(chan WorkerState, 1)
	stateWanted{first}.handle(n.w)
	stateWanted{second}.handle(n.w)
	var turns int
	var longest, all time.Duration
	for len(n.w.telling) > 0 {
		before := mono.Now()
		n.w.tell()
		took := mono.Now().Sub(before)
		longest, all = max(longest, took), all+took
		if turns++; turns == 10 {
			n.leave()
		}
		if turns > people {
			t.Fatal("it does not end")
		}
	}
	t.Logf("%d turns of %v together, the longest %v", turns, all, longest)
	if most := 2 * (people + statesPerTurn - 1) / statesPerTurn; turns < most-2 || turns > most {
		t.Errorf("%d turns, want about %d", turns, most)
	}
	for _, answer := range []chan WorkerState{first, second} {
		seen := map[string]int{}
		for _, ep := range (<-answer).Conferences[0].Endpoints {
			if seen[ep.ID]++; seen[ep.ID] > 1 {
				t.Errorf("%s is there twice", ep.ID)
			}
		}
		if len(seen) < people-1 {
			t.Errorf("%d endpoints of %d", len(seen), people)
		}
	}
}

// TestStateIsNoStress: a worker that only writes down its state is not taken
// for one that cannot keep up, and what nobody waits for is not written.
func TestStateIsNoStress(t *testing.T) {
	n := newCrowd(t, 100, func(*Options) {})
	w := n.w
	w.now = mono.Now()
	w.busy.begun, w.busy.idle, w.busy.ended = w.now, 0, w.now
	stateWanted{make(chan WorkerState, 1)}.handle(w)
	for len(w.telling) > 0 {
		before := w.busy.idle
		w.tell()
		if w.busy.idle <= before || w.busy.spare != w.busy.idle {
			t.Fatalf("%v count as idle after a turn, %v before; %v as spare", w.busy.idle, before, w.busy.spare)
		}
	}
	if took := mono.Now().Sub(w.now); w.busy.idle > took {
		t.Errorf("%v of %v count as idle", w.busy.idle, took)
	}
	late := make(chan WorkerState, 1)
	stateWanted{late}.handle(w)
	w.now = w.now.Add(stateWait + time.Second)
	w.tell()
	if len(w.telling) != 0 || len(late) != 0 {
		t.Error("it tells who does not wait any more")
	}
}
