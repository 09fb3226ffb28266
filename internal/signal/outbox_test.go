package signal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// TestOutboxTwin compares with a plain list that is searched.
func TestOutboxTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	o := outbox{to: 3}
	var twin, urgent, sent []*xmpp.Shared
	size := func(list []*xmpp.Shared) (n int) {
		for _, sh := range list {
			n += sh.Size("abc")
		}
		return n
	}
	for step := range 200000 {
		switch r.IntN(20) {
		case 0:
			sh := &xmpp.Shared{Urgent: true, Head: []byte("u")}
			o.push(sh)
			urgent = append(urgent, sh)
		case 1, 2, 3, 4, 5:
			sh := &xmpp.Shared{Head: make([]byte, r.IntN(9))}
			if o.push(sh) {
				t.Fatal("a stanza without a name replaced one")
			}
			twin = append(twin, sh)
		case 6, 7, 8, 9:
			sh := &xmpp.Shared{Head: make([]byte, r.IntN(9)), Replaces: fmt.Sprint(r.IntN(8))}
			i := slices.IndexFunc(twin, func(x *xmpp.Shared) bool { return x.Replaces == sh.Replaces })
			if o.push(sh) != (i >= 0) {
				t.Fatal(step, i)
			}
			if i >= 0 {
				twin[i] = sh
			} else {
				twin = append(twin, sh)
			}
		case 10:
			if r.IntN(100) == 0 {
				o.putBack(sent)
				var all []*xmpp.Shared
				for _, sh := range append(append(append([]*xmpp.Shared{}, sent...), urgent...), twin...) {
					i := slices.IndexFunc(all, func(x *xmpp.Shared) bool { return sh.Replaces != "" && x.Replaces == sh.Replaces })
					if i >= 0 {
						all[i] = sh
					} else {
						all = append(all, sh)
					}
				}
				urgent, twin = nil, nil
				for _, sh := range all {
					if sh.Urgent {
						urgent = append(urgent, sh)
					} else {
						twin = append(twin, sh)
					}
				}
				sent = nil
			}
		default:
			got := o.pop()
			var want *xmpp.Shared
			if len(urgent) > 0 {
				want, urgent = urgent[0], urgent[1:]
			} else if len(twin) > 0 {
				want, twin = twin[0], twin[1:]
			}
			if got != want {
				t.Fatal(step, got, want)
			}
			if got != nil {
				if sent = append(sent, got); len(sent) > 10 {
					sent = sent[1:]
				}
			}
		}
		if o.waiting() != len(twin)+len(urgent) || o.bytes != size(twin)+size(urgent) || o.empty() != (o.waiting() == 0) {
			t.Fatal(step, o.waiting(), o.bytes)
		}
	}
}

// occupants returns a presence of each of so many people.
func occupants(n int) (presences []*xmpp.Shared) {
	for i := range n {
		name := fmt.Sprintf("daily@conference.meet.example/%08x", i)
		presences = append(presences, &xmpp.Shared{Head: []byte("<presence to=\""), Tail: []byte("\"/>"), Replaces: name})
	}
	return presences
}

// TestOutboxAllocatesNothing: nor in a storm, in which many presences wait at once,
// some replaced while they do, and the next time as many.
func TestOutboxAllocatesNothing(t *testing.T) {
	for _, most := range []int{1, indexFrom, indexFrom + 1, 40, 1500} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			var o outbox
			presences := occupants(most)
			allocs.None(t, allocs.Many/10, func() {
				for _, sh := range presences {
					o.push(sh)
				}
				for _, sh := range presences[:most/2] {
					if !o.push(sh) {
						t.Fatal("not replaced")
					}
				}
				for _, sh := range presences {
					if o.pop() != sh {
						t.Fatal("lost")
					}
				}
			})
			if !o.empty() || cap(o.queue) > indexFrom {
				t.Errorf("%d wait, and it holds memory for %d while nothing happens", o.waiting(), cap(o.queue))
			}
		})
	}
}

// TestLoansAreBounded: what more than usual have waited in is not lent again.
func TestLoansAreBounded(t *testing.T) {
	var o outbox
	for _, sh := range occupants(2*mostLent + indexFrom) {
		o.push(sh)
	}
	for o.pop() != nil {
	}
	for _, sh := range occupants(indexFrom + 1) {
		o.push(sh)
	}
	if n := cap(o.queue); o.loan == nil || n > mostLent {
		t.Errorf("lent: %v, with room for %d; want at most %d", o.loan != nil, n, mostLent)
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPace(10, 1000, now)
	for i := range 40 {
		if w := p.take(now, 1); w != 0 {
			t.Fatal(i, w)
		}
	}
	if w := p.take(now, 1); w != 100*time.Millisecond {
		t.Error("41st frame waits", w)
	}
	now = now.Add(time.Hour)
	if w := p.take(now, 5000); w != time.Second {
		t.Error("a long frame waits", w)
	}
	free := newPace(0, 0, now)
	for range 1000 {
		if w := free.take(now, 1<<20); w != 0 {
			t.Fatal(w)
		}
	}
}
