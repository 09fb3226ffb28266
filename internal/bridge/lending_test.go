package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// TestWhoLendsToWhom is the policy: a worker that is busy gives the least busy
// one what would make both equal, and then waits to see what comes of it.
func TestWhoLendsToWhom(t *testing.T) {
	const receivers = 36
	for _, tc := range []struct {
		busy []float64
		want []int64 // receivers each worker sends to
	}{
		{[]float64{0.9}, []int64{37}},
		{[]float64{0.4, 0}, []int64{37, 0}},
		{[]float64{0.9, 0.8}, []int64{37, 0}},
		{[]float64{0.9, 0.1}, []int64{21, 16}},
		{[]float64{0.9, 0.6, 0.1, 0.3}, []int64{21, 0, 16, 0}},
	} {
		n := newBenches(t, len(tc.busy), receivers, srtp.AEADAES128GCM)
		for i, b := range tc.busy {
			n.w.b.workers[i].busy.share.Store(uint64(1e6 * b))
		}
		n.w.lend()
		check := func(when string) {
			t.Helper()
			for i, w := range n.w.b.workers {
				if got := w.lending.sends.Load(); got != tc.want[i] {
					t.Errorf("busy %v, %s: worker %d sends to %d receivers, want %d", tc.busy, when, i, got, tc.want[i])
				}
			}
		}
		check("at first")
		n.w.now = n.w.now.Add(time.Second)
		n.w.lend()
		check("a second later")
		n.w.now = n.w.now.Add(2 * time.Second)
		n.w.lend()
		check("before the other has measured")
		for _, w := range n.w.b.workers[1:] {
			w.lend()
			w.lend()
		}
		n.w.lend()
		for i, w := range n.w.b.workers {
			if got := w.lending.sends.Load(); tc.want[i] > 0 && i > 0 && got <= tc.want[i] {
				t.Errorf("busy %v: nothing more is given to worker %d", tc.busy, i)
			}
		}
	}
}

// TestLendsBySeconds: that is asked once a second, about the second that is over.
func TestLendsBySeconds(t *testing.T) {
	n := newBenches(t, 2, 10, srtp.AEADAES128GCM)
	n.w.now = n.w.busy.begun.Add(time.Second)
	n.w.busy.ended, n.w.busy.idle = n.w.now, 200*time.Millisecond
	n.w.rollSecond()
	if got := n.w.b.workers[1].lending.sends.Load(); got == 0 {
		t.Error("a worker that was busy for a second keeps all receivers")
	}
}

// TestOutletsLoadCounts: a worker whose outlet is full forwards less, unless the
// outlet has a larger conference of its own, which is to get less first; but not
// if a queue stands there nevertheless.
func TestOutletsLoadCounts(t *testing.T) {
	n := newBenches(t, 3, 2, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	stranger := n.w.b.workers[2]
	at := n.w.now
	step := func(full *worker, waited time.Duration) {
		for range 20 {
			at = at.Add(100 * time.Millisecond)
			for _, w := range n.w.b.workers {
				w.now = at
				if w == full {
					w.stress.Read(0, waited)
				} else {
					w.stress.Read(100*time.Millisecond, 0)
				}
			}
			for _, w := range []*worker{outlet, stranger, n.w} {
				w.govern()
			}
		}
	}
	step(stranger, 0)
	if n.w.stress.Thrifty() {
		t.Error("the load of a worker that sends nothing for this one counts")
	}
	step(outlet, 0)
	if !n.w.stress.Thrifty() || n.w.stress.Stress() < 0.9 {
		t.Errorf("the outlet is full, the stress is %.2f", n.w.stress.Stress())
	}
	if busy, _ := n.w.stress.Window(); busy > 0.1 {
		t.Errorf("busy %.2f itself: others would take that for its own", busy)
	}
	step(nil, 0)
	other := &colibri.ConferenceModify{MeetingID: "another", Create: true}
	for i := range 20 {
		other.Endpoints = append(other.Endpoints, colibri.EndpointModify{ID: fmt.Sprintf("%08x", i), Create: true, Media: offer()})
	}
	if _, err := outlet.modify(other); err != nil {
		t.Fatal(err)
	}
	step(outlet, 20*time.Millisecond)
	if n.w.stress.Thrifty() || n.w.stress.Stress() > 0.2 {
		t.Errorf("the outlet is full of its own, the stress is %.2f", n.w.stress.Stress())
	}
	if !outlet.stress.Thrifty() {
		t.Error("the outlet does nothing about it")
	}
	step(outlet, 200*time.Millisecond)
	if !n.w.stress.Thrifty() {
		t.Error("a queue stands at the outlet, and that counts nothing")
	}
}
