package renumber

import (
	"math/rand/v2"
	"testing"
)

// twin is the obvious Map: it remembers everything.
type twin struct {
	epochs    []map[int64]int64 // incoming to outgoing number
	source    map[int64][2]int64
	newestIn  int64
	newestOut int64
	window    int64
	known     int64 // what is older was out of the window once
}

// widen begins to remember twice as much.
func (t *twin) widen() {
	if t.window < MaxWindow {
		t.known = max(t.known, t.newestOut-t.window+1)
		t.window *= 2
	}
}

// forgotten reports whether an outgoing number may be unknown.
func (t *twin) forgotten(out int64) bool { return out <= t.newestOut-t.window || out < t.known }

func (t *twin) begin(in, out int64) {
	if t.source == nil {
		t.source = map[int64][2]int64{}
	}
	t.epochs = append(t.epochs, map[int64]int64{})
	t.newestIn, t.newestOut = in-1, out-1
}

func (t *twin) assign(in int64) {
	t.newestOut++
	t.epochs[len(t.epochs)-1][in] = t.newestOut
	t.source[t.newestOut] = [2]int64{int64(len(t.epochs) - 1), in}
}

func (t *twin) next(in int64) (int64, bool) {
	for ; t.newestIn < in; t.newestIn++ {
		t.assign(t.newestIn + 1)
	}
	out, ok := t.epochs[len(t.epochs)-1][in]
	return out, ok && !t.forgotten(out)
}

func (t *twin) drop(in int64) {
	if in <= t.newestIn {
		return
	}
	for ; t.newestIn < in-1; t.newestIn++ {
		t.assign(t.newestIn + 1)
	}
	t.newestIn = in
}

// Each run feeds a Map and its twin the same random stream with losses,
// reordering, drops and changes of the stream, and compares all answers.
func TestMapAgainstTwin(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var m Map
		w := twin{window: MinWindow}
		in, dropRate := int64(1000), r.IntN(100)
		if seed%4 == 0 {
			dropRate = 0 // the differences are never kept
		}
		out := int64(500)
		for step := range 4000 {
			if step == 0 || r.IntN(300) == 0 {
				in, out = r.Int64N(1<<40), out+r.Int64N(3)
				m.Begin(in, out)
				w.begin(in, out)
			}
			if r.IntN(700) == 0 {
				m.Widen()
				w.widen()
			}
			in += step3(r)
			n := in - max(0, r.Int64N(40)-30) // sometimes late
			if r.IntN(100) < dropRate {
				m.Drop(n)
				w.drop(n)
			} else {
				got, ok := m.Next(n)
				want, wantOK := w.next(n)
				if ok != wantOK || ok && got != want {
					t.Fatalf("seed %d step %d: Next(%d) = %d %v, want %d %v", seed, step, n, got, ok, want, wantOK)
				}
			}
			if m.NewestOut() != w.newestOut || m.NewestIn() != w.newestIn {
				t.Fatalf("seed %d step %d: newest %d %d, want %d %d", seed, step,
					m.NewestIn(), m.NewestOut(), w.newestIn, w.newestOut)
			}
			out = m.NewestOut() + 1
			compareSource(t, &m, &w, m.NewestOut()-r.Int64N(w.window+10)+5)
		}
	}
}

// step3 is mostly 1, sometimes more.
func step3(r *rand.Rand) int64 {
	switch r.IntN(20) {
	case 0:
		return 2 + r.Int64N(5)
	case 1:
		return 0
	}
	return 1
}

func compareSource(t *testing.T, m *Map, w *twin, out int64) {
	t.Helper()
	e, in, ok := m.Source(out)
	want, wantOK := w.source[out]
	if w.forgotten(out) || int64(len(w.epochs))-want[0] > Epochs {
		wantOK = false
	}
	if ok != wantOK || ok && (int64(e) != want[0] || in != want[1]) {
		t.Fatalf("Source(%d) = %d %d %v, want %v %v", out, e, in, ok, want, wantOK)
	}
	if !ok {
		return
	}
	if back, ok := m.Out(e, in); !ok || back != out {
		t.Fatalf("Out(%d, %d) = %d %v, want %d", e, in, back, ok, out)
	}
}

func TestMapBeforeFirstEpoch(t *testing.T) {
	var m Map
	m.Drop(5)
	if _, ok := m.Next(5); ok {
		t.Error("Next without an epoch")
	}
	if _, _, ok := m.Source(5); ok {
		t.Error("Source without an epoch")
	}
	if _, ok := m.Epoch(); ok {
		t.Error("an epoch")
	}
}

func TestMapUnknownEpoch(t *testing.T) {
	var m Map
	for range 10 {
		m.Widen()
	}
	if m.Window() != MaxWindow {
		t.Fatal(m.Window())
	}
	for n := range int64(Epochs + 2) {
		m.Begin(n*100, n*100)
		m.Next(n * 100)
	}
	for n, want := range map[uint32]bool{0: false, 1: false, 2: true, Epochs + 1: true, Epochs + 2: false, 1 << 31: false} {
		if out, ok := m.Out(n, int64(n)*100); ok != want || ok && out != int64(n)*100 {
			t.Errorf("Out in epoch %d: %d %v", n, out, ok)
		}
		if in, ok := m.NewestInOf(n); ok != want || ok && in != int64(n)*100 {
			t.Errorf("NewestInOf(%d): %d %v", n, in, ok)
		}
	}
	m.Begin(5000, 5000)
	if _, ok := m.NewestInOf(Epochs + 2); ok {
		t.Error("an epoch without items has a newest one")
	}
	if _, ok := m.Out(Epochs+2, 5000); ok {
		t.Error("an epoch without items has a number")
	}
}

func TestMapLongGap(t *testing.T) {
	var m Map
	m.Begin(0, 0)
	m.Next(0)
	m.Drop(1)
	out, ok := m.Next(1 << 40)
	if !ok || out != 1<<40-1 {
		t.Fatalf("got %d %v", out, ok)
	}
	if e, in, ok := m.Source(out - 7); !ok || e != 0 || in != 1<<40-7 {
		t.Errorf("Source: %d %d %v", e, in, ok)
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		reference int64
		n         uint16
		bits      uint8
		want      int64
	}{
		{65536, 0, 16, 65536},
		{65536, 65535, 16, 65535},
		{65535, 0, 16, 65536},
		{70000, 4463, 16, 69999},
		{1 << 40, 3, 16, 1<<40 + 3},
		{127 + 128, 0, 7, 256},
		{128, 127, 7, 127},
		{1<<15 + 5, 0x7fff, 15, 1<<15 - 1},
	} {
		if got := Nearest(c.reference, c.n, c.bits); got != c.want {
			t.Errorf("Nearest(%d, %d, %d) = %d, want %d", c.reference, c.n, c.bits, got, c.want)
		}
	}
}

func TestUnwrapper(t *testing.T) {
	var u Unwrapper
	for i, c := range []struct {
		n    uint16
		want int64
	}{{65530, 131066}, {2, 131074}, {65535, 131071}, {3, 131075}, {32000, 163072}} {
		if got := u.Unwrap(c.n, 16); got != c.want {
			t.Errorf("%d: got %d, want %d", i, got, c.want)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	var m Map
	m.Begin(0, 0)
	b.ReportAllocs()
	for i := range int64(b.N) {
		if i%4 == 3 {
			m.Drop(i)
		} else {
			m.Next(i)
		}
	}
}

// TestMapForgetsEpochs: a stream that changes seldom keeps no past epochs, and
// one that changes within its window keeps what the window reaches back to.
func TestMapForgetsEpochs(t *testing.T) {
	var m Map
	for i := range int64(20) {
		m.Begin(i*1000, i*1000)
		for n := range int64(2 * MinWindow) {
			m.Next(i*1000 + n)
		}
		if len(m.past) > 1 {
			t.Fatalf("%d past epochs are kept, of which one is in the window", len(m.past))
		}
	}
	for i := range int64(20) {
		m.Begin(i*1000, m.NewestOut()+1)
		m.Next(i * 1000)
	}
	if len(m.past) != Epochs-1 {
		t.Errorf("%d past epochs are kept, want %d", len(m.past), Epochs-1)
	}
}
