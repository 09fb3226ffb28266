package simulcast_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
)

// packet is one of a simulated VP8 simulcast sender.
type packet struct {
	encoding int
	frame    int
	seq      uint16
	ts       uint32
	marker   bool
	vp8      codec.VP8
	info     simulcast.FrameInfo
}

// encoding makes the packets of one VP8 encoding.
type encoding struct {
	index   int
	seq     uint16
	ts      uint32
	id      uint16
	idBits  uint8
	tl0     uint8
	phase   int
	packets int // a frame
	frames  int
}

func (e *encoding) frame(key bool) []packet {
	e.phase = (e.phase + 1) % 4
	if key {
		e.phase = 0
	}
	tid := []uint8{0, 2, 1, 2}[e.phase]
	e.ts += 3000
	e.frames++
	e.id = (e.id + 1) & (1<<e.idBits - 1)
	if tid == 0 {
		e.tl0++
	}
	var all []packet
	for i := range e.packets {
		d := codec.VP8{
			PictureID: e.id, PictureIDBits: e.idBits, TL0PicIdx: e.tl0, HasTL0PicIdx: true,
			HasTID: true, TID: tid, LayerSync: true, StartOfFrame: i == 0, KeyFrame: i == 0 && key,
		}
		all = append(all, packet{e.index, e.frames, e.seq, e.ts, i == e.packets-1, d, infoOf(&d, e.ts)})
		e.seq++
	}
	return all
}

// infoOf is what a descriptor says to a selector.
func infoOf(d *codec.VP8, ts uint32) simulcast.FrameInfo {
	return simulcast.FrameInfo{Timestamp: ts, StartOfFrame: d.StartOfFrame, KeyFrame: d.KeyFrame, HasTID: d.HasTID, TID: d.TID, LayerSync: d.LayerSync}
}

// sent is a packet as it went out.
type sent struct {
	from packet
	ts   uint32
	id   uint16
	tl0  uint8
}

// receiver is what a bridge keeps for one receiver, and what that got.
type receiver struct {
	sel  simulcast.Selector
	twin *both
	seq  rtp.SeqMap
	vp8  codec.VP8Rewriter
	got  map[uint16]sent
	last uint16
	n    int
	// ended and switched: the newest packet was the last of its frame, and
	// the first of another encoding.
	ended, switched bool
}

func newReceiver(t *testing.T) *receiver {
	v := &receiver{got: map[uint16]sent{}}
	v.seq.Init(90000, 3000)
	v.twin = newBoth(t, &v.sel)
	return v
}

// packet gives a packet to the receiver and returns whether it went out.
func (v *receiver) packet(t *testing.T, p packet, now mono.Time) bool {
	t.Helper()
	forward, switched := v.twin.forward(p.encoding, p.info)
	if switched {
		skip := uint16(0)
		if !v.ended {
			skip = 1
		}
		v.seq.Switch(uint8(p.encoding), p.seq, p.ts, now, skip)
		v.vp8.Switch(&p.vp8)
	}
	if v.sel.Current() != p.encoding {
		return false
	}
	if !forward && !v.seq.Reserved(p.seq) {
		v.seq.Drop(p.seq)
		v.vp8.Drop(&p.vp8)
		return false
	}
	seq, ts, ok := v.seq.Forward(p.seq, p.ts, now)
	if !ok {
		return false
	}
	id, tl0, ok := v.vp8.Forward(&p.vp8)
	if !ok {
		return false
	}
	if _, dup := v.got[seq]; dup && v.n < 60000 {
		t.Fatalf("number %d goes out twice", seq)
	}
	v.got[seq] = sent{p, ts, id, tl0}
	v.last, v.ended, v.switched = seq, p.marker, switched
	v.n++
	return true
}

// Three encodings, targets that change all the time, nothing lost: what goes
// out must look like one encoder's stream, and be found again.
func TestOneStreamOutOfThree(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 11))
		var encodings [3]encoding
		for i := range encodings {
			encodings[i] = encoding{index: i, seq: uint16(r.Uint32()), ts: r.Uint32(), id: uint16(r.IntN(100)),
				idBits: []uint8{7, 15, 15}[i], tl0: uint8(r.Uint32()), packets: i + 1}
		}
		v := newReceiver(t)
		v.twin.setTarget(2, 2)
		now := mono.Time(time.Hour)
		var first uint16
		for n := range 2000 {
			now = now.Add(33 * time.Millisecond)
			key := n == 0 || r.IntN(30) == 0
			if r.IntN(20) == 0 {
				v.twin.setTarget(r.IntN(4)-1, r.IntN(3))
			}
			for i := range encodings {
				for _, p := range encodings[i].frame(key) {
					v.packet(t, p, now)
					if v.n == 1 {
						first = v.last
					}
					checkRepeat(t, v, r, first)
				}
			}
		}
		if v.n < 500 || int(v.last-first)+1 != v.n {
			t.Fatalf("seed %d: %d packets from %d to %d", seed, v.n, first, v.last)
		}
		checkStream(t, v.got, first, v.n)
	}
}

// checkRepeat asks for one of the newest packets again.
func checkRepeat(t *testing.T, v *receiver, r *rand.Rand, first uint16) {
	t.Helper()
	if v.n == 0 {
		return
	}
	out := v.last - uint16(r.IntN(min(v.n, 100)))
	want := v.got[out]
	o, ok := v.seq.Source(out)
	if !ok { // older than eight switches
		return
	}
	if newest := v.got[v.last].from; newest.frame-want.from.frame > 60 { // so many pictures are remembered
		return
	}
	if o.Seq != want.from.seq || int(o.Encoding) != want.from.encoding || want.from.ts+o.TSOffset != want.ts {
		t.Fatalf("number %d comes from %+v, want %+v", out, o, want)
	}
	id, tl0, ok := v.vp8.Repeat(o.Epoch, &want.from.vp8)
	if !ok || id != want.id || tl0 != want.tl0 {
		t.Fatalf("number %d again: %d %d %v, want %+v", out, id, tl0, ok, want)
	}
}

// checkStream looks at everything that went out, in order.
func checkStream(t *testing.T, got map[uint16]sent, first uint16, n int) {
	t.Helper()
	for i := 1; i < n; i++ {
		a, b := got[first+uint16(i-1)], got[first+uint16(i)]
		if a.from.ts == b.from.ts && a.from.encoding == b.from.encoding {
			if a.id != b.id || a.tl0 != b.tl0 || a.ts != b.ts {
				t.Fatalf("packet %d: one frame, different numbers: %+v, %+v", i, a, b)
			}
			continue
		}
		tl0 := a.tl0
		if b.from.vp8.TID == 0 {
			tl0++
		}
		if b.id != (a.id+1)&0x7fff || b.tl0 != tl0 || int32(b.ts-a.ts) < 3000 {
			t.Fatalf("packet %d: %+v follows %+v", i, b, a)
		}
	}
}
