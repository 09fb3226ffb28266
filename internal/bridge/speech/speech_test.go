package speech

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

const ms = mono.Time(1e6)

// meeting feeds a detector with one packet every 20 ms from everybody.
type meeting struct {
	*Detector
	now     mono.Time
	r       *rand.Rand
	people  map[string]*Speaker
	talking map[string]func(ms int) uint8 // level of a frame this many ms into the sound
	since   map[string]mono.Time
	floor   []string // everyone who got the floor, in order
}

func newMeeting(names ...string) *meeting {
	m := &meeting{
		Detector: New(), now: 1e9, r: rand.New(rand.NewPCG(1, 2)),
		people: map[string]*Speaker{}, talking: map[string]func(int) uint8{}, since: map[string]mono.Time{},
	}
	for _, n := range names {
		m.people[n] = m.Join(n)
	}
	return m
}

func (m *meeting) make(name string, sound func(ms int) uint8) {
	m.talking[name], m.since[name] = sound, m.now
}

// run lets d pass. Speakers without a sound send nothing.
func (m *meeting) run(d mono.Duration) {
	for end := m.now.Add(d); m.now < end; m.now += 20 * ms {
		for _, s := range m.Order() {
			if sound := m.talking[s.ID]; sound != nil {
				m.Add(s, sound(int((m.now-m.since[s.ID])/ms)), m.now)
			}
		}
		if m.Deadline() != 0 && m.now >= m.Deadline() && m.Tick(m.now) {
			m.floor = append(m.floor, m.Dominant().ID)
		}
	}
}

func (m *meeting) around(level, spread int) uint8 {
	return uint8(level - spread + m.r.IntN(2*spread+1))
}

// Sounds. Levels are -dBov: small is loud.

func (m *meeting) muted(int) uint8 { return 127 }

func (m *meeting) room(int) uint8 { return m.around(75, 4) }

// speech is words of 300 ms with pauses of 80 ms, and a breath every 3 s.
func (m *meeting) speech(t int) uint8 {
	if t%380 >= 300 || t%3000 < 200 {
		return m.room(t)
	}
	return m.around(32, 8)
}

// cough is 180 ms of noise, once.
func (m *meeting) cough(t int) uint8 {
	if t < 180 {
		return m.around(15, 5)
	}
	return m.room(t)
}

// fan is loud and constant after 2 s of quiet.
func (m *meeting) fan(t int) uint8 {
	if t < 2000 {
		return m.room(t)
	}
	return m.around(42, 3)
}

const second = mono.Duration(1e9)

func TestNobodySpeaks(t *testing.T) {
	m := newMeeting("a", "b", "c")
	m.make("a", m.muted)
	m.make("b", m.room)
	m.run(60 * second)
	if len(m.floor) > 0 || m.Dominant() != nil {
		t.Errorf("floor %v", m.floor)
	}
	if got := m.AppendPrevious(nil); len(got) != 0 {
		t.Errorf("previous %v", got)
	}
}

func TestTurnTaking(t *testing.T) {
	m := newMeeting("a", "b", "c", "d")
	for name := range m.people {
		m.make(name, m.room)
	}
	turns := []string{"b", "a", "c", "a"}
	for i, who := range turns {
		m.make(who, m.speech)
		m.run(2 * second)
		if d := m.Dominant(); d == nil || d.ID != who {
			t.Fatalf("turn %d: %v has the floor after 2 s of %s", i, d, who)
		}
		m.run(8 * second)
		m.make(who, m.room)
		m.run(second / 2)
	}
	if !slices.Equal(m.floor, turns) {
		t.Errorf("floor %v", m.floor)
	}
	if got := m.AppendPrevious(nil); !slices.Equal(got, []string{"c", "b"}) {
		t.Errorf("previous %v", got)
	}
	if got := ids(m.Order()); !slices.Equal(got, []string{"a", "c", "b", "d"}) {
		t.Errorf("order %v", got)
	}
}

// Coughs at all moments of somebody else's speech take the floor from nobody.
func TestCoughDoesNotSteal(t *testing.T) {
	m := newMeeting("speaker", "cougher")
	m.make("speaker", m.speech)
	m.make("cougher", m.room)
	m.run(5 * second)
	for range 200 {
		m.make("cougher", m.cough)
		m.run(570 * mono.Duration(ms))
	}
	if !slices.Equal(m.floor, []string{"speaker"}) {
		t.Errorf("floor %v", m.floor)
	}
}

// A loud fan takes the floor for a while at most, and never from a speaker
// once it is known for what it is.
func TestNoise(t *testing.T) {
	m := newMeeting("speaker", "fan")
	m.make("fan", m.fan)
	m.make("speaker", m.room)
	m.run(120 * second) // the noise floor needs some windows to rise
	m.floor = nil
	m.make("speaker", m.speech)
	m.run(60 * second)
	if !slices.Equal(m.floor, []string{"speaker"}) && len(m.floor) > 0 {
		t.Errorf("floor %v", m.floor)
	}
	if m.Dominant().ID != "speaker" {
		t.Error("the fan has the floor")
	}
}

// Two talk at once: the floor must not flap.
func TestCrossTalk(t *testing.T) {
	m := newMeeting("a", "b")
	m.make("a", m.speech)
	m.run(130 * mono.Duration(ms))
	m.make("b", m.speech)
	m.run(60 * second)
	if len(m.floor) > 6 {
		t.Errorf("%d changes in a minute: %v", len(m.floor), m.floor)
	}
}

// With silence suppression nothing is sent in pauses.
func TestDTX(t *testing.T) {
	m := newMeeting("a", "b")
	m.make("a", m.room)
	m.make("b", m.room)
	m.run(second)
	m.make("a", m.speech)
	m.run(5 * second)
	m.make("a", nil)
	m.make("b", m.speech)
	m.run(2 * second)
	if !slices.Equal(m.floor, []string{"a", "b"}) {
		t.Errorf("floor %v", m.floor)
	}
}

func TestLeave(t *testing.T) {
	m := newMeeting("a", "b", "c")
	for _, name := range []string{"a", "b", "c"} {
		m.make(name, m.room)
		m.run(second / 10)
		m.make(name, m.speech)
		m.run(5 * second)
		m.make(name, nil)
	}
	m.Leave(m.people["c"])
	m.Leave(m.people["c"]) // again: nothing happens
	if m.Dominant() != nil {
		t.Error("who left has the floor")
	}
	m.run(5 * second)
	if got := m.AppendPrevious(nil); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("previous %v", got)
	}
	m.make("a", m.speech)
	m.run(3 * second)
	if m.Dominant() != m.people["a"] {
		t.Error("a does not get the floor")
	}
}

func TestPreviousIsBounded(t *testing.T) {
	var names []string
	for i := range 15 {
		names = append(names, fmt.Sprint("p", i))
	}
	m := newMeeting(names...)
	for _, name := range names {
		m.make(name, m.room)
		m.run(second / 10)
		m.make(name, m.speech)
		m.run(3 * second)
		m.make(name, m.room)
		m.run(2 * second)
	}
	got := m.AppendPrevious(nil)
	want := []string{"p13", "p12", "p11", "p10", "p9", "p8", "p7", "p6", "p5", "p4"}
	if !slices.Equal(got, want) {
		t.Errorf("previous %v", got)
	}
}

func TestSleep(t *testing.T) {
	d := New()
	s := d.Join("a")
	if d.Deadline() != 0 || d.Tick(5e9) {
		t.Error("awake before anybody was heard")
	}
	d.Add(s, 127, 10e9)
	ticks := 0
	for d.Deadline() != 0 {
		if ticks++; ticks > 1000 {
			t.Fatal("never sleeps")
		}
		d.Tick(d.Deadline())
	}
	if ticks < 40 || ticks > 60 {
		t.Errorf("slept after %d decisions", ticks)
	}
	d.Add(s, 30, 100e9)
	if got := d.Deadline().Sub(100e9); got != decisionInterval {
		t.Errorf("woken with a deadline in %v", got)
	}
	if d.Tick(100e9 + 1) {
		t.Error("decided before the deadline")
	}
}

func ids(speakers []*Speaker) []string {
	out := make([]string, len(speakers))
	for i, s := range speakers {
		out[i] = s.ID
	}
	return out
}

func TestNoAllocations(t *testing.T) {
	m := newMeeting("a", "b", "c")
	m.make("a", m.speech)
	m.make("b", m.speech)
	m.run(5 * second)
	allocs.None(t, allocs.Many, func() {
		for _, s := range m.Order() {
			m.Add(s, m.speech(int(m.now/ms)), m.now)
		}
		m.now += 20 * ms
		m.Tick(m.now)
	})
}

func BenchmarkAdd(b *testing.B) {
	m := newMeeting("a")
	b.ReportAllocs()
	for i := range b.N {
		m.now += 20 * ms
		m.Add(m.people["a"], uint8(i%128), m.now)
	}
}

func benchmarkTick(b *testing.B, speakers, talking int) {
	d := New()
	now := mono.Time(1e9)
	var people []*Speaker
	for range speakers {
		people = append(people, d.Join("x"))
	}
	b.ReportAllocs()
	for i := range b.N {
		for _, s := range people[:talking] {
			d.Add(s, uint8(20+i%60), now)
		}
		now = now.Add(decisionInterval)
		d.Tick(now)
	}
}

func BenchmarkTick500Silent(b *testing.B)  { benchmarkTick(b, 500, 1) }
func BenchmarkTick500Talking(b *testing.B) { benchmarkTick(b, 500, 500) }
