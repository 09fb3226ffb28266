package rtp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func newSeqMap() *SeqMap {
	m := &SeqMap{}
	m.Init(90000, 3000)
	return m
}

// at is an instant in milliseconds.
func at(ms int) mono.Time { return mono.Time(time.Hour).Add(time.Duration(ms) * time.Millisecond) }

func TestSeqMapKeepsLossesAndHidesDrops(t *testing.T) {
	m := newSeqMap()
	m.Switch(2, 65534, 1000, at(0), 0)
	steps := []struct {
		seq  uint16
		drop bool
		out  uint16
		ok   bool
	}{
		{seq: 65534, out: 32766, ok: true}, // the highest bit is removed
		{seq: 65535, out: 32767, ok: true},
		{seq: 1, out: 32769, ok: true}, // 0 is lost
		{seq: 2, drop: true},
		{seq: 3, drop: true},
		{seq: 4, out: 32770, ok: true},
		{seq: 0, out: 32768, ok: true}, // 0 comes late
		{seq: 2},                       // was dropped
		{seq: 65533},                   // before the switch
		{seq: 7, drop: true},           // 5 and 6 are lost
		{seq: 8, out: 32773, ok: true},
		{seq: 6, drop: true}, // too late to hide it
		{seq: 9, out: 32774, ok: true},
	}
	for i, s := range steps {
		if s.drop {
			m.Drop(s.seq)
			continue
		}
		out, ts, ok := m.Forward(s.seq, 1000+uint32(i), at(i))
		if ok != s.ok || ok && (out != s.out || ts != 1000+uint32(i)) {
			t.Errorf("step %d: Forward(%d) = %d %d %v, want %d %v", i, s.seq, out, ts, ok, s.out, s.ok)
		}
	}
	for _, c := range []struct{ seq, out uint16 }{{0, 32768}, {4, 32770}, {5, 32771}, {6, 32772}, {8, 32773}} {
		o, ok := m.Source(c.out)
		if !ok || o.Seq != c.seq || o.Encoding != 2 || o.Epoch != 0 {
			t.Errorf("Source(%d) = %+v %v, want %d", c.out, o, ok, c.seq)
		}
	}
	if !m.Reserved(5) || m.Reserved(2) || m.Reserved(10) {
		t.Error("Reserved:", m.Reserved(5), m.Reserved(2), m.Reserved(10))
	}
	if _, ok := m.Source(32775); ok {
		t.Error("Source of a number that was not assigned")
	}
}

func TestSeqMapSwitch(t *testing.T) {
	m := newSeqMap()
	m.Switch(0, 100, 5000, at(0), 0)
	m.Forward(100, 5000, at(0))
	m.Forward(101, 8000, at(33))
	m.Switch(1, 60000, 4e9, at(133), 1)
	out, ts, ok := m.Forward(60000, 4e9, at(133))
	if !ok || out != 103 || ts != 8000+9000 {
		t.Fatalf("after the switch: %d %d %v", out, ts, ok)
	}
	if _, _, ok := m.Forward(59999, 4e9, at(140)); ok {
		t.Error("a packet before the switch was forwarded")
	}
	if in := uint32(4e9); m.TSOffset() != 17000-in {
		t.Error("offset", m.TSOffset())
	}
	if o, ok := m.Source(101); !ok || o.Encoding != 0 || o.Seq != 101 || o.TSOffset != 0 || o.Epoch != 0 {
		t.Errorf("Source before the switch: %+v %v", o, ok)
	}
	if o, ok := m.Source(103); !ok || o.Encoding != 1 || o.Seq != 60000 || o.TSOffset != m.TSOffset() || o.Epoch != 1 {
		t.Errorf("Source behind the switch: %+v %v", o, ok)
	}
	if o, ok := m.Source(102); ok {
		t.Errorf("Source of a skipped number: %+v", o)
	}
	// A switch right after a packet advances by one frame at least.
	m.Switch(0, 500, 77, at(134), 0)
	if out, ts, ok = m.Forward(500, 77, at(134)); !ok || out != 104 || ts != 20000 {
		t.Errorf("second switch: %d %d %v", out, ts, ok)
	}
}

// Sequence numbers must go up by one per forwarded packet across many wraps
// when nothing is lost, whatever is dropped.
func TestSeqMapContiguous(t *testing.T) {
	m := newSeqMap()
	r := rand.New(rand.NewPCG(1, 2))
	seq, ts, want := uint16(7), uint32(0), uint16(7)
	m.Switch(0, seq, ts, at(0), 0)
	for i := range 300000 {
		if r.IntN(3) == 0 {
			m.Drop(seq)
		} else {
			out, _, ok := m.Forward(seq, ts, at(i))
			if !ok || out != want {
				t.Fatalf("packet %d: %d %v, want %d", i, out, ok, want)
			}
			if o, ok := m.Source(out); !ok || o.Seq != seq {
				t.Fatalf("packet %d: source %+v %v, want %d", i, o, ok, seq)
			}
			want++
		}
		seq++
		ts += 3000
	}
}

func TestSeqMapBeforeFirstPacket(t *testing.T) {
	m := newSeqMap()
	m.Drop(1)
	_, _, forwarded := m.Forward(1, 1, at(0))
	_, found := m.Source(1)
	_, newest := m.NewestOut()
	if forwarded || found || newest || m.Reserved(1) || m.Started() || m.TSOffset() != 0 {
		t.Error("an empty map answered")
	}
}

func TestSeqMapAllocatesOnlyOnFirstDrop(t *testing.T) {
	m := newSeqMap()
	m.Switch(0, 0, 0, at(0), 0)
	m.Drop(0)
	seq := uint16(1)
	allocs.None(t, allocs.Many, func() {
		m.Forward(seq, 0, at(0))
		m.Drop(seq + 1)
		m.Source(seq)
		seq += 2
	})
}

// TestSeqMapRemembersASecond: whatever the pace, what a Ring still has can be
// found, and a slow stream takes little memory for it.
func TestSeqMapRemembersASecond(t *testing.T) {
	for _, c := range []struct {
		perSecond int
		window    int64
	}{{30, 64}, {60, 64}, {120, 128}, {250, 256}, {500, 512}, {900, 1024}} {
		m := newSeqMap()
		m.Switch(0, 0, 0, at(0), 0)
		sent := map[int]uint16{} // by time in milliseconds
		for i := range 3 * c.perSecond {
			ms := i * 1000 / c.perSecond
			if i%3 == 1 {
				m.Drop(uint16(i))
				continue
			}
			out, _, _ := m.Forward(uint16(i), 0, at(ms*2/3)) // at the pace of what is forwarded
			sent[ms*2/3] = out
			for ago := 0; ago < 1000; ago += 90 {
				if old, ok := sent[ms*2/3-ago]; ok {
					if _, found := m.Source(old); !found {
						t.Fatalf("%d a second: what went out %d ms ago is forgotten", c.perSecond, ago)
					}
				}
			}
		}
		if w := m.numbers.Window(); w != c.window {
			t.Errorf("%d a second: a window of %d, want %d", c.perSecond, w, c.window)
		}
	}
}

func BenchmarkSeqMapForward(b *testing.B) {
	m := newSeqMap()
	m.Switch(0, 0, 0, at(0), 0)
	b.ReportAllocs()
	for i := range b.N {
		m.Forward(uint16(i), uint32(i), at(0))
	}
}

// TestSeqMapResumes: a stream that goes on later uses no number twice, also
// across the wrap, and its timestamps go on by the time that passed.
func TestSeqMapResumes(t *testing.T) {
	var m SeqMap
	m.Resume(90000, 3000, Mark{Seq: 65535, TS: 1000, At: mono.Time(time.Second)})
	if _, ok := m.Mark(); ok {
		t.Error("a stream that has not begun has a mark")
	}
	now := mono.Time(3 * time.Second)
	m.Switch(1, 500, 7, now, 1)
	seq, ts, ok := m.Forward(500, 7, now)
	if seq != 1 || ts != 1000+2*90000 || !ok {
		t.Errorf("went on with number %d, time %d, %v", seq, ts, ok)
	}
	if k, ok := m.Mark(); k != (Mark{1, ts, now}) || !ok {
		t.Errorf("mark %+v %v", k, ok)
	}
	if from, ok := m.Source(1); !ok || from.Seq != 500 || from.Epoch != 0 {
		t.Errorf("source %+v %v", from, ok)
	}
}
