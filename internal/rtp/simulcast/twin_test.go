package simulcast_test

import (
	"math/rand/v2"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
)

// twin decides what a Selector decides, from all it has seen of the encoding
// that goes out, and for each temporal layer by itself.
type twin struct {
	target, temporal int
	current          int
	frames           []twinFrame // of the current encoding, since it is current
}

type twinFrame struct {
	info  simulcast.FrameInfo
	most  int     // the highest layer wanted when it began
	flows [8]bool // which layers go out from here on
}

func newTwin() *twin { return &twin{target: simulcast.None, current: simulcast.None} }

func (w *twin) setTarget(encoding, temporal int) {
	w.target, w.temporal = encoding, temporal
	if encoding == simulcast.None {
		w.current = simulcast.None
	}
}

func (w *twin) forward(encoding int, info simulcast.FrameInfo) (forward, switched bool) {
	if info.StartOfFrame && info.KeyFrame && w.nearer(encoding) {
		w.current, w.frames = encoding, nil
		w.begin(info)
		return true, true
	}
	if w.current != encoding || w.current == simulcast.None {
		return false, false
	}
	if info.Timestamp != w.frames[len(w.frames)-1].info.Timestamp {
		w.begin(info)
	}
	return !info.HasTID || w.frames[len(w.frames)-1].flows[info.TID], false
}

// nearer reports whether an encoding is nearer to the target than the current.
func (w *twin) nearer(encoding int) bool {
	switch {
	case encoding > w.target || encoding == w.current:
		return false
	case w.current == simulcast.None || w.current > w.target:
		return true
	}
	return encoding > w.current
}

func (w *twin) begin(info simulcast.FrameInfo) {
	f := twinFrame{info: info, most: w.temporal}
	switch {
	case w.current > w.target: // too much: the base layer only
		f.most = 0
	case w.current < w.target:
		f.most = simulcast.AllTemporal
	}
	w.frames = append(w.frames, f)
	k := len(w.frames) - 1
	for layer := range f.flows {
		w.frames[k].flows[layer] = layer <= f.most && w.enters(layer, k)
	}
}

// enters reports whether nothing of a layer that frame k or one behind it may
// depend on was left out.
func (w *twin) enters(layer, k int) bool {
	f := &w.frames[k]
	if layer == 0 || k == 0 || f.info.KeyFrame || !f.info.HasTID {
		return true
	}
	before := &w.frames[k-1]
	return before.flows[layer] ||
		f.info.LayerSync && int(f.info.TID) == layer && f.flows[layer-1] ||
		before.info.SwitchUp && before.flows[before.info.TID] && layer <= before.most
}

// both asks a Selector and its twin.
type both struct {
	t    *testing.T
	sel  *simulcast.Selector
	twin *twin
}

func newBoth(t *testing.T, sel *simulcast.Selector) *both { return &both{t, sel, newTwin()} }

func (b *both) setTarget(encoding, temporal int) {
	b.sel.SetTarget(encoding, temporal)
	b.twin.setTarget(encoding, temporal)
}

func (b *both) forward(encoding int, info simulcast.FrameInfo) (forward, switched bool) {
	b.t.Helper()
	forward, switched = b.sel.Forward(encoding, info)
	if f, s := b.twin.forward(encoding, info); f != forward || s != switched {
		b.t.Fatalf("encoding %d of %d, %+v: forwarded %v, switched %v; the twin %v, %v", encoding, b.sel.Target(), info, forward, switched, f, s)
	}
	if b.sel.Current() != b.twin.current {
		b.t.Fatalf("encoding %d goes out, the twin has %d", b.sel.Current(), b.twin.current)
	}
	if n, ok := b.sel.NeedsKeyFrame(); ok != (b.twin.target != b.twin.current) || ok && n != b.twin.target {
		b.t.Fatalf("needs a key frame of %d, %v; the twin gets %d, wants %d", n, ok, b.twin.current, b.twin.target)
	}
	return forward, switched
}

// TestSelectorHasTwin compares the two on streams that no sender would make.
func TestSelectorHasTwin(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := newBoth(t, new(simulcast.Selector))
		layered := r.IntN(4) > 0
		var ts [3]uint32
		for range 1000 {
			if r.IntN(10) == 0 {
				b.setTarget(r.IntN(4)-1, r.IntN(4))
			}
			e := r.IntN(3)
			ts[e] += 3000
			info := simulcast.FrameInfo{Timestamp: ts[e], HasTID: layered, StartOfFrame: true, KeyFrame: r.IntN(20) == 0}
			if layered && !info.KeyFrame {
				info.TID, info.LayerSync, info.SwitchUp = uint8(r.IntN(4)), r.IntN(4) == 0, r.IntN(8) == 0
			}
			b.forward(e, info)
			if r.IntN(3) == 0 { // a further packet of it
				info.StartOfFrame = false
				b.forward(e, info)
			}
		}
	}
}
