package bwe

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// slowHistory remembers everything, by full number.
type slowHistory struct {
	packets map[int64]slowPacket
	newest  int64
}

type slowPacket struct {
	at   mono.Time
	size uint16
	fate fate
}

func (h *slowHistory) add(n int64, p slowPacket) {
	h.packets[n], h.newest = p, n
}

// mustKnow reports whether a packet has to be found: among the last
// historyMin, or not reported and young, as far as memory goes.
func (h *slowHistory) mustKnow(n int64, now mono.Time) bool {
	p, ok := h.packets[n]
	behind := h.newest - n
	return ok && (behind < historyMin || behind < historyMax && p.fate == fateSent && now.Sub(p.at) < historyAge)
}

// Packets in bursts, with gaps in their numbers and pauses, some reported and
// some not: nothing is forgotten too early, and nothing is mistaken for
// something else.
func TestHistoryAgainstTwin(t *testing.T) {
	for seed := range uint64(20) {
		r := newRand(seed)
		var h history
		twin := slowHistory{packets: map[int64]slowPacket{}}
		n, now := int64(r.IntN(1<<16)), mono.Time(time.Hour+11*time.Minute+30*time.Second) // stamps begin again soon
		for range 800 {
			for range 1 + r.IntN(40) {
				n += 1 + int64(r.IntN(20)/19*r.IntN(300))
				p := slowPacket{at: now, size: uint16(r.Uint32()), fate: fateSent}
				h.add(uint16(n), p.at, p.size)
				twin.add(n, p)
			}
			now = now.Add(time.Duration(r.IntN(20)) * ms)
			for range 30 {
				ask := n - int64(r.IntN(1<<(1+r.IntN(14))))
				compareHistory(t, &h, &twin, ask, now)
				if _, p := h.find(uint16(ask)); p != nil && r.IntN(2) == 0 {
					p.fate = fateReceived
					q := twin.packets[ask]
					q.fate = fateReceived
					twin.packets[ask] = q
				}
			}
		}
		if len(h.ring) > historyMax {
			t.Fatalf("grew to %d", len(h.ring))
		}
	}
}

func compareHistory(t *testing.T, h *history, twin *slowHistory, ask int64, now mono.Time) {
	t.Helper()
	_, got := h.find(uint16(ask))
	want, known := twin.packets[ask]
	switch {
	case got == nil && twin.mustKnow(ask, now):
		t.Fatalf("forgot packet %d of %d, ring of %d", ask, twin.newest, len(h.ring))
	case got != nil && (!known || slowPacket{h.sentAt(got), got.size, got.fate} != want):
		t.Fatalf("packet %d of %d is %+v, want %+v", ask, twin.newest, *got, want)
	}
}

func TestHistoryRefuses(t *testing.T) {
	var h history
	if _, p := h.find(7); p != nil {
		t.Error("an empty history knows something")
	}
	for _, tc := range []struct {
		seq uint16
		ok  bool
	}{{65_530, true}, {65_530, false}, {65_529, false}, {3, true}, {65_535, false}, {40_000, false}, {32_000, true}} {
		if got := h.add(tc.seq, 1, 0) != nil; got != tc.ok {
			t.Errorf("add(%d): %v, want %v", tc.seq, got, tc.ok)
		}
	}
	for _, seq := range []uint16{31_999, 32_001, 65_530, 65_000} {
		if _, p := h.find(seq); p != nil {
			t.Errorf("%d was found", seq)
		}
	}
	if n, p := h.find(32_000); p == nil || uint16(n) != 32_000 {
		t.Errorf("%d was not found", n)
	}
}

// A path with 20 Mbit/s and a delay of a second keeps all its packets, one
// with little in flight stays small.
func TestHistorySize(t *testing.T) {
	for _, tc := range []struct{ perSecond, inFlight, want int }{{300, 60, historyMin}, {2500, 2500, 4096}} {
		var h history
		for i := range 20_000 {
			now := mono.Time(time.Hour).Add(time.Duration(i) * time.Second / time.Duration(tc.perSecond))
			h.add(uint16(i), now, 0)
			if i < tc.inFlight {
				continue
			}
			_, p := h.find(uint16(i - tc.inFlight))
			if p == nil {
				t.Fatalf("forgot a packet %d ago", tc.inFlight)
			}
			p.fate = fateReceived
		}
		if len(h.ring) != tc.want {
			t.Errorf("%d packets/s, %d in flight: ring of %d, want %d", tc.perSecond, tc.inFlight, len(h.ring), tc.want)
		}
	}
}

// TestHistoryPause: however long nothing was sent, what went before is no reason
// to remember more.
func TestHistoryPause(t *testing.T) {
	for _, pause := range []time.Duration{time.Minute, 40 * time.Minute, 2 * time.Hour} {
		var h history
		now := mono.Time(time.Hour)
		for i := range 4 * historyMin {
			if i == historyMin {
				now = now.Add(pause)
			}
			now = now.Add(20 * ms)
			if p := h.add(uint16(i), now, 0); h.sentAt(p) != now {
				t.Fatalf("sent at %v, not at %v", h.sentAt(p), now)
			}
			if i > 50 {
				_, p := h.find(uint16(i - 50))
				p.fate = fateReceived
			}
			if i == historyMin-1 { // nobody reports on the last ones
				for n := range h.ring {
					h.ring[n].fate = fateSent
				}
			}
		}
		if len(h.ring) != historyMin {
			t.Errorf("a ring of %d after a pause of %v", len(h.ring), pause)
		}
	}
}
