package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// spsWriter writes parameter sets as the standard has them, bit by bit.
type spsWriter struct{ bits []byte }

func (w *spsWriter) u(n int, v uint32) {
	for n--; n >= 0; n-- {
		w.bits = append(w.bits, byte(v>>n&1))
	}
}

func (w *spsWriter) ue(v uint32) {
	n := 0
	for x := v + 1; x > 1; x >>= 1 {
		n++
	}
	w.u(n, 0)
	w.u(n+1, v+1)
}

func (w *spsWriter) se(v int32) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
	} else {
		w.ue(uint32(-2 * v))
	}
}

// nal closes the unit, and escapes what looks like a start code.
func (w *spsWriter) nal() []byte {
	w.u(1, 1)
	for len(w.bits)%8 != 0 {
		w.bits = append(w.bits, 0)
	}
	out, zeros := []byte{0x67}, 0
	for i := 0; i < len(w.bits); i += 8 {
		var c byte
		for _, b := range w.bits[i : i+8] {
			c = c<<1 | b
		}
		if zeros == 2 && c <= 3 {
			out, zeros = append(out, 3), 0
		}
		if out = append(out, c); c == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

// randomSPS writes a set about pictures of that size, which must be even, with
// anything else in it that may be.
func randomSPS(rng *rand.Rand, width, height uint32) []byte {
	w := &spsWriter{}
	high := rng.IntN(2) == 0
	profile := uint32(66)
	if high {
		profile = 100
	}
	w.u(8, profile)
	w.u(16, rng.Uint32N(1<<16))
	w.ue(rng.Uint32N(32))
	format := uint32(1)
	if high {
		format = rng.Uint32N(4)
		w.ue(format)
		lists := 8
		if format == 3 {
			lists = 12
			w.u(1, 0)
		}
		w.ue(0)
		w.ue(0)
		w.u(1, 0)
		if rng.IntN(2) == 0 {
			w.u(1, 1)
			for i := range lists {
				randomList(rng, w, i)
			}
		} else {
			w.u(1, 0)
		}
	}
	w.ue(rng.Uint32N(13))
	switch order := rng.Uint32N(3); order {
	case 0:
		w.ue(0)
		w.ue(rng.Uint32N(13))
	case 1:
		w.ue(1)
		w.u(1, 0)
		w.se(rng.Int32N(100) - 50)
		w.se(0)
		n := rng.Uint32N(5)
		w.ue(n)
		for range n {
			w.se(rng.Int32N(1000) - 500)
		}
	default:
		w.ue(2)
	}
	w.ue(rng.Uint32N(17))
	w.u(1, 0)
	fields := 1 + rng.Uint32N(2)
	columns, rows := (width+15)/16, (height+16*fields-1)/(16*fields)
	w.ue(columns - 1)
	w.ue(rows - 1)
	w.u(1, 2-fields)
	if fields == 2 {
		w.u(1, 0)
	}
	w.u(1, 1)
	x, y := map[uint32]uint32{0: 1, 1: 2, 2: 2, 3: 1}[format], map[uint32]uint32{0: 1, 1: 2, 2: 1, 3: 1}[format]*fields
	if overX, overY := 16*columns-width, 16*fields*rows-height; overX+overY > 0 {
		w.u(1, 1)
		left := rng.Uint32N(overX/x + 1)
		w.ue(left)
		w.ue(overX/x - left)
		w.ue(0)
		w.ue(overY / y)
	} else {
		w.u(1, 0)
	}
	w.u(1, 0)
	return w.nal()
}

func randomList(rng *rand.Rand, w *spsWriter, i int) {
	if rng.IntN(2) == 0 {
		w.u(1, 0)
		return
	}
	w.u(1, 1)
	size := 64
	if i < 6 {
		size = 16
	}
	last := int32(8)
	for range size {
		next := 1 + rng.Int32N(30)
		w.se(next - last)
		last = next
	}
}

// TestPictureSize: sizes are read out of whatever set of parameters holds them,
// alone and beside other units.
func TestPictureSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range 20_000 {
		width, height := 4*(4+rng.Uint32N(480)), 4*(4+rng.Uint32N(480))
		nal := randomSPS(rng, width, height)
		payload := nal
		if rng.IntN(2) == 0 {
			payload = append([]byte{0x78, byte(len(nal) >> 8), byte(len(nal))}, nal...)
			payload = append(payload, 0, 2, 0x68, 0xce)
		}
		h, err := ParseH264(payload)
		if err != nil || !h.SPS {
			t.Fatalf("%x: %+v, %v", payload, h, err)
		}
		if len(nal) > maxSPS {
			continue
		}
		if read++; uint32(h.Width) != width || uint32(h.Height) != height {
			t.Fatalf("%x: %dx%d, want %dx%d", nal, h.Width, h.Height, width, height)
		}
		cut, err := ParseH264(nal[:1+rng.IntN(8)])
		if err != nil || cut.Width != 0 || cut.Height != 0 {
			t.Fatalf("a part of %x: %+v, %v", nal, cut, err)
		}
	}
	if read < 10_000 {
		t.Errorf("only %d were short enough to be read", read)
	}
}

// FuzzPictureSize: whatever a sender writes, it takes bounded time and gives a
// size that can be.
func FuzzPictureSize(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add(randomSPS(rng, 640, 360))
	}
	f.Add([]byte{0x67})
	f.Add(bytes.Repeat([]byte{0x67, 100, 0, 0, 3}, 100))
	f.Fuzz(func(t *testing.T, nal []byte) {
		if len(nal) == 0 {
			return
		}
		w, h := pictureSize(nal)
		if (w == 0) != (h == 0) || w > maxH264Size || h > maxH264Size {
			t.Fatalf("%dx%d", w, h)
		}
	})
}
