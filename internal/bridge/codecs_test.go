package bridge

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// codecCase makes one-packet frames of a codec, and reads back the number
// that has to go on in them.
type codecCase struct {
	pt, rtx uint8
	frame   func(key bool, n uint16) (payload, dependency []byte)
	number  func(h *rtp.Header) (n int64, bits int)
}

var codecCases = map[string]codecCase{
	"VP8": {ptVP8, ptRTX,
		func(key bool, n uint16) ([]byte, []byte) { return vp8Frame(key, n, 0), nil },
		func(h *rtp.Header) (int64, int) {
			d, _ := codec.ParseVP8(h.Payload())
			return int64(d.PictureID), 15
		}},
	"VP9": {ptVP9, 97,
		func(key bool, n uint16) ([]byte, []byte) {
			flags := byte(0x8c) // I, B, E (RFC 9628 §4.2)
			if !key {
				flags |= 0x40 // P
			}
			return []byte{flags, 0x80 | byte(n>>8)&0x7f, byte(n), 1, 2, 3}, nil
		},
		func(h *rtp.Header) (int64, int) {
			d, _ := codec.ParseVP9(h.Payload())
			return int64(d.PictureID), 15
		}},
	"H264": {ptH264, 99,
		func(key bool, n uint16) ([]byte, []byte) {
			if key {
				return []byte{0x67, 0x42, 0xe0, 0x1f, byte(n)}, nil // a sequence parameter set
			}
			return []byte{0x41, 1, 2, byte(n)}, nil
		}, nil},
	"AV1": {ptAV1, 42,
		func(key bool, n uint16) ([]byte, []byte) {
			if key {
				return []byte{0x18, 1, 2}, dependencyKey(n)
			}
			return []byte{0x10, 1, 2}, []byte{0xc0 | 6, byte(n >> 8), byte(n)}
		},
		func(h *rtp.Header) (int64, int) {
			ext, _ := h.Extension(extDependency)
			d, _ := codec.ParseAV1(ext, nil)
			return int64(d.FrameNumber), 16
		}},
}

// dependencyKey is the descriptor of a key frame with the structure of two
// temporal layers (AV1 RTP specification §A.8).
func dependencyKey(n uint16) []byte {
	bits := "11000101" + fmt.Sprintf("%016b", n) + "10000" + "00010100001" + "00010011" +
		"1010" + "1010" + "0001" + "0010" + "0" + "100010" + "100000" + "1000010010" + "0" +
		"10" + "0000001000010001" + "1" + "00000010011111110000000101100111"
	out := make([]byte, (len(bits)+7)/8)
	for i, c := range bits {
		out[i/8] |= byte(c-'0') << (7 - i%8)
	}
	return out
}

// frame sends one frame of a codec on an encoding.
func (c *client) frame(tc *codecCase, encoding int, key bool) {
	c.r.t.Helper()
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Marker = c.base+1+uint32(encoding), tc.pt, true
	e.Seq = c.nextSeq(e.SSRC)
	e.Timestamp = uint32(e.Seq) * 3000
	payload, dependency := tc.frame(key, e.Seq+uint16(encoding)*5000)
	e.AddUint16(extTCC, c.nextSeq(0))
	if dependency != nil {
		e.Add(extDependency, dependency)
	}
	c.send(&e, payload)
}

// TestCodecs: for every codec the receiver gets one stream across switches of
// the encoding and of the codec, and what is repeated is what was sent.
func TestCodecs(t *testing.T) {
	for name, tc := range codecCases {
		t.Run(name, func(t *testing.T) {
			_, a, b := pair(t, 180) // begins with VP8
			both := func() { a.frame(&tc, 0, true); a.frame(&tc, 2, true); a.frame(&tc, 0, false); a.frame(&tc, 2, false) }
			b.forget()
			for i := range 6 {
				b.ask(want([]int{720, 180}[i%2]))
				b.mu.Lock()
				n := len(b.codec(tc.pt))
				b.mu.Unlock()
				b.until("frames", both, func() bool { return len(b.codec(tc.pt)) > n+10 })
			}
			b.mu.Lock()
			got := b.codec(tc.pt)
			b.mu.Unlock()
			for i := 1; i < len(got); i++ {
				if d := got[i].Seq - got[i-1].Seq; d != 1 && d != 2 {
					t.Errorf("number %d after %d", got[i].Seq, got[i-1].Seq)
				}
				if tc.number == nil {
					continue
				}
				n, bits := tc.number(&got[i])
				last, _ := tc.number(&got[i-1])
				if d := (n - last) & (1<<bits - 1); d == 0 || d > 20 {
					t.Errorf("frame %d after %d", n, last)
				}
			}
			checkRepeats(t, b, &tc, got[len(got)-5:])
		})
	}
}

// TestLayersInsteadOfEncodings: a sender of three encodings changes to a codec
// that has its layers in the first of them. Who got another one sees it from
// the first key frame on, as there may be no other.
func TestLayersInsteadOfEncodings(t *testing.T) {
	for _, name := range []string{"VP9", "AV1"} {
		t.Run(name, func(t *testing.T) {
			_, a, b := pair(t, 720)
			tc := codecCases[name]
			a.frame(&tc, 0, true)
			b.until("frames", func() { a.frame(&tc, 0, false) }, func() bool { return len(b.codec(tc.pt)) > 5 })
		})
	}
}

func (c *client) codec(pt uint8) (out []rtp.Header) {
	for _, h := range c.packets(1001) {
		if h.PayloadType == pt {
			out = append(out, h)
		}
	}
	return out
}

// checkRepeats asks for packets again and compares.
func checkRepeats(t *testing.T, b *client, tc *codecCase, sent []rtp.Header) {
	t.Helper()
	var seqs []uint16
	for _, h := range sent {
		seqs = append(seqs, h.Seq)
	}
	b.SendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, seqs))
	b.until("RTX", nil, func() bool { return len(b.packets(1011)) >= len(sent) })
	for i, h := range b.got(1011)[:len(sent)] {
		osn := binary.BigEndian.Uint16(h.Payload())
		d1, _ := h.Extension(extDependency)
		d2, _ := sent[i].Extension(extDependency)
		if osn != seqs[i] || string(h.Payload()[2:]) != string(sent[i].Payload()) || string(d1) != string(d2) || h.PayloadType != tc.rtx {
			t.Errorf("RTX of %d: number %d, payload %x, want %x", seqs[i], osn, h.Payload()[2:], sent[i].Payload())
		}
	}
}

// TestHeightOfH264: the set of parameters that comes with a key frame says how
// large pictures are; without one they are as large as they were.
func TestHeightOfH264(t *testing.T) {
	set := []byte{0x67, 0x42, 0x4e, 0x2f, 0x0a, 0x9e, 0x70, 0x80, 0x1e, 0x02, 0x2f, 0xda} // 960x540
	for _, tc := range []struct {
		name    string
		payload []byte
		want    int
	}{
		{"alone", set, 540},
		{"with others", append(append([]byte{0x78, 0, byte(len(set))}, set...), 0, 2, 0x68, 0xce), 540},
		{"cut off", set[:6], 0},
		{"delta", []byte{0x41, 1, 2, 3}, 0},
	} {
		h, err := rtp.Parse(append([]byte{0x80, ptH264, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, tc.payload...))
		if err != nil {
			t.Fatal(err)
		}
		p := videoPacket{h: &h}
		if !p.readH264() || p.height != tc.want {
			t.Errorf("%s: %d lines, want %d", tc.name, p.height, tc.want)
		}
	}
}
