package rtp

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A packet with two CSRCs, the one-byte extension of RFC 8285 §4.2's last
// figure and three bytes of padding.
const sample = `b2 e0 1234 00010203 cafebabe 11111111 22222222
	bede 0003 10aa 21bbbb 00 00 33dddddddd
	c0ffee 000003`

func TestParse(t *testing.T) {
	h, err := Parse(unhex(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	if !h.Marker || h.PayloadType != 96 || h.Seq != 0x1234 || h.Timestamp != 0x10203 || h.SSRC != 0xcafebabe {
		t.Errorf("fields: %+v", h)
	}
	if h.CSRCs() != 2 || h.CSRC(0) != 0x11111111 || h.CSRC(1) != 0x22222222 || h.CSRC(2) != 0 {
		t.Error("CSRCs")
	}
	if !bytes.Equal(h.Payload(), []byte{0xc0, 0xff, 0xee}) || h.PaddingLen() != 3 || h.PayloadOffset() != 36 {
		t.Errorf("payload %x, padding %d, offset %d", h.Payload(), h.PaddingLen(), h.PayloadOffset())
	}
	if h.PaddingOnly() {
		t.Error("padding only")
	}
	var got []string
	for id, data := range h.Extensions() {
		got = append(got, hex.EncodeToString(append([]byte{id}, data...)))
	}
	if !slices.Equal(got, []string{"01aa", "02bbbb", "03dddddddd"}) {
		t.Error("extensions", got)
	}
	if !h.SetExtension(2, []byte{7, 8}) || h.SetExtension(2, []byte{7}) || h.SetExtension(9, []byte{7}) {
		t.Error("SetExtension")
	}
	if data, ok := h.Extension(2); !ok || !bytes.Equal(data, []byte{7, 8}) {
		t.Errorf("extension 2: %x %v", data, ok)
	}
	if _, ok := h.Extension(4); ok {
		t.Error("extension 4")
	}
}

func TestExtensionForms(t *testing.T) {
	for _, c := range []struct {
		name, ext string // profile, length, elements
		want      []string
	}{
		{"two-byte form", "1000 0003 0100 0201bb 00 0304dddddddd", []string{"01", "02bb", "03dddddddd"}},
		{"two-byte form with application bits", "1005 0001 0f02abcd", []string{"0fabcd"}},
		{"id 15 ends the one-byte form", "bede 0002 10aa f0 20 bb 000000", []string{"01aa"}},
		{"id 0 with a length ends the one-byte form", "bede 0001 10aa 02 00", []string{"01aa"}},
		{"element beyond the end", "bede 0001 10aa 2f bb", []string{"01aa"}},
		{"two-byte element without length", "1000 0001 010111 05", []string{"0111"}},
		{"two-byte element without content at the end", "1000 0001 0000 0500", []string{"05"}},
		{"padding only", "bede 0001 00000000", nil},
		{"empty", "bede 0000", nil},
		{"not RFC 8285", "abcd 0001 10aa 0000", nil},
	} {
		pkt := unhex(t, "90 60 0001 00000000 00000001"+c.ext)
		h, err := Parse(pkt)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for id, data := range h.Extensions() {
			got = append(got, hex.EncodeToString(append([]byte{id}, data...)))
			if first, ok := h.Extension(id); !ok || !bytes.Equal(first, data) {
				t.Errorf("%s: Extension(%d) = %x %v", c.name, id, first, ok)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseMalformed(t *testing.T) {
	for name, s := range map[string]string{
		"empty":                   "",
		"short":                   "80 60 0001 00000000 000000",
		"version":                 "40 60 0001 00000000 00000001",
		"CSRCs beyond":            "81 60 0001 00000000 00000001",
		"no extension header":     "90 60 0001 00000000 00000001 bede",
		"extension beyond":        "90 60 0001 00000000 00000001 bede 0001 00",
		"no padding count":        "a0 60 0001 00000000 00000001",
		"padding 0":               "a0 60 0001 00000000 00000001 aa00",
		"padding beyond payload":  "a0 60 0001 00000000 00000001 aa03",
		"padding into extensions": "b0 60 0001 00000000 00000001 bede0001 00000005",
	} {
		if h, err := Parse(unhex(t, s)); err == nil {
			t.Errorf("%s: accepted as %+v", name, h)
		}
	}
	if _, err := Parse(append([]byte{0x80}, make([]byte, maxPacketLen)...)); err == nil {
		t.Error("too long: accepted")
	}
}

func TestPaddingOnly(t *testing.T) {
	for s, want := range map[string]bool{
		"a0 60 0001 00000000 00000001 000003": true,
		"80 60 0001 00000000 00000001":        true,
		"80 60 0001 00000000 00000001 00":     false,
	} {
		if h, err := Parse(unhex(t, s)); err != nil || h.PaddingOnly() != want {
			t.Errorf("%s: %v %v", s, h.PaddingOnly(), err)
		}
	}
}

func TestDemux(t *testing.T) {
	for b, want := range map[byte]bool{191: false, 192: true, 200: true, 207: true, 223: true, 224: false, 96: false, 111: false} {
		if IsRTCP([]byte{0x80, b}) != want {
			t.Error(b)
		}
	}
	if IsRTCP([]byte{0x80}) {
		t.Error("short")
	}
	if ssrc, ok := PeekSSRC(unhex(t, sample)); !ok || ssrc != 0xcafebabe {
		t.Error(ssrc, ok)
	}
	if _, ok := PeekSSRC(make([]byte, 11)); ok {
		t.Error("short")
	}
}

func TestEgress(t *testing.T) {
	payload := []byte{1, 2, 3}
	for _, c := range []struct {
		name string
		add  func(e *Egress)
		want string
	}{
		{"no extension", func(*Egress) {}, "80 e0 1234 00010203 cafebabe 010203"},
		{"one-byte form", func(e *Egress) {
			e.Add(1, []byte{0xaa})
			e.AddUint16(5, 0x0102)
			e.AddAbsSendTime(3, 64*time.Second+3*time.Second/2)
			e.AddByte(10, '0')
		}, "90 e0 1234 00010203 cafebabe bede 0003 10aa 510102 32060000 a030 00 010203"},
		{"an id above 14", func(e *Egress) {
			e.Add(16, []byte{0xaa})
			e.AddUint16(5, 0x0102)
		}, "90 e0 1234 00010203 cafebabe 1000 0002 1001aa 05020102 00 010203"},
		{"a long element", func(e *Egress) { e.Add(11, bytes.Repeat([]byte{7}, 17)) },
			"90 e0 1234 00010203 cafebabe 1000 0005 0b11" + strings.Repeat("07", 17) + "00 010203"},
		{"sixteen bytes", func(e *Egress) { e.Add(11, bytes.Repeat([]byte{7}, 16)) },
			"90 e0 1234 00010203 cafebabe bede 0005 bf" + strings.Repeat("07", 16) + "000000 010203"},
		{"an empty element", func(e *Egress) { e.Add(1, nil) }, "90 e0 1234 00010203 cafebabe 1000 0001 0100 0000 010203"},
	} {
		e := Egress{SSRC: 0xcafebabe, Timestamp: 0x10203, Seq: 0x1234, PayloadType: 96, Marker: true}
		e.Add(9, []byte{1})
		e.Reset()
		c.add(&e)
		dst := bytes.Repeat([]byte{0xee}, 200)
		n, err := e.Write(dst, payload)
		if err != nil || !bytes.Equal(dst[:n], unhex(t, c.want)) {
			t.Errorf("%s: %v\n%x, want\n%x", c.name, err, dst[:n], unhex(t, c.want))
		}
		if n != e.HeaderLen()+len(payload) {
			t.Errorf("%s: header length %d", c.name, e.HeaderLen())
		}
		if _, err := Parse(dst[:n]); err != nil {
			t.Error(c.name, err)
		}
		if _, err := e.Write(dst[:n-1], payload); err != ErrBuffer {
			t.Errorf("%s: too small: %v", c.name, err)
		}
	}
}

func TestEgressBadExtensions(t *testing.T) {
	for name, add := range map[string]func(e *Egress){
		"id 0":     func(e *Egress) { e.AddByte(0, 1) },
		"id 15":    func(e *Egress) { e.AddByte(15, 1) },
		"too long": func(e *Egress) { e.Add(1, make([]byte, 256)) },
		"too many": func(e *Egress) {
			for id := range uint8(MaxEgressExtensions + 1) {
				e.AddByte(id+1, 1)
			}
		},
	} {
		var e Egress
		add(&e)
		if _, err := e.Write(make([]byte, 2000), nil); err != ErrExtension {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEgressPadding(t *testing.T) {
	e := Egress{SSRC: 1, PayloadType: 96}
	e.AddUint16(5, 9)
	dst := bytes.Repeat([]byte{0xee}, 300)
	n, err := e.WritePadding(dst, 255)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse(dst[:n])
	if err != nil || !h.PaddingOnly() || h.PaddingLen() != 255 {
		t.Errorf("%v %+v", err, h)
	}
	if !bytes.Equal(dst[n-255:n-1], make([]byte, 254)) {
		t.Error("padding is not zero")
	}
	for _, padding := range []int{0, 256} {
		if _, err := e.WritePadding(dst, padding); err != ErrBuffer {
			t.Error(padding, err)
		}
	}
}

// A packet sent as RTX and unwrapped again is the packet (RFC 4588 §4).
func TestRTX(t *testing.T) {
	e := Egress{SSRC: 0x22, Timestamp: 77, Seq: 9, PayloadType: 97, Marker: true}
	e.AddUint16(5, 9)
	dst := make([]byte, 200)
	n, err := e.WriteRTX(dst, 0xabcd, []byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse(dst[:n])
	if err != nil || !bytes.Equal(h.Payload(), []byte{0xab, 0xcd, 1, 2, 3}) {
		t.Fatalf("%v %x", err, h.Payload())
	}
	pkt, ok := UnwrapRTX(&h, 96, 0x11)
	e.SSRC, e.Seq, e.PayloadType = 0x11, 0xabcd, 96
	want := make([]byte, 200)
	n, _ = e.Write(want, []byte{1, 2, 3})
	if !ok || !bytes.Equal(pkt, want[:n]) {
		t.Errorf("%v\n%x, want\n%x", ok, pkt, want[:n])
	}
	for _, s := range []string{"80 60 0001 00000000 00000001", "80 60 0001 00000000 00000001 aa", "a0 60 0001 00000000 00000001 aabb0003"} {
		h, err := Parse(unhex(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if pkt, ok := UnwrapRTX(&h, 96, 1); ok {
			t.Errorf("%s unwrapped to %x", s, pkt)
		}
	}
}

func TestExtensionValues(t *testing.T) {
	if level, voice, ok := AudioLevel([]byte{0x80 | 42}); level != 42 || !voice || !ok {
		t.Error(level, voice, ok)
	}
	if _, _, ok := AudioLevel(nil); ok {
		t.Error("empty level")
	}
	if seq, ok := TransportSeq([]byte{1, 2}); seq != 0x102 || !ok {
		t.Error(seq, ok)
	}
	if _, ok := TransportSeq([]byte{1}); ok {
		t.Error("short sequence number")
	}
	for d, want := range map[time.Duration]uint32{0: 0, time.Second: 1 << 18, 64 * time.Second: 0, 250 * time.Millisecond: 1 << 16} {
		if got := AbsSendTime(d); got != want {
			t.Errorf("%v: %x, want %x", d, got, want)
		}
	}
}

func TestForwardingAllocations(t *testing.T) {
	in := unhex(t, sample)
	dst := make([]byte, 200)
	var e Egress
	allocs.None(t, allocs.Many, func() {
		h, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		e.Reset()
		for id, data := range h.Extensions() {
			e.Add(id, data)
		}
		e.AddUint16(5, 77)
		e.SSRC, e.Seq = h.SSRC, h.Seq
		if _, err := e.Write(dst, h.Payload()); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, sample))
	f.Add(unhex(f, "90 60 0001 00000000 00000001 1000 0003 0100 0201bb 00 0304dddddddd"))
	f.Fuzz(func(t *testing.T, pkt []byte) {
		h, err := Parse(pkt)
		if err != nil {
			return
		}
		if h.PayloadOffset()+len(h.Payload())+h.PaddingLen() != len(pkt) {
			t.Error("the parts do not add up")
		}
		for i := range h.CSRCs() {
			h.CSRC(i)
		}
		for id, data := range h.Extensions() {
			if _, ok := h.Extension(id); !ok || len(data) > 255 {
				t.Error("extension", id)
			}
		}
		UnwrapRTX(&h, 96, 1)
	})
}

func BenchmarkParse(b *testing.B) {
	pkt := unhex(b, sample)
	b.ReportAllocs()
	for range b.N {
		h, err := Parse(pkt)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := h.Extension(3); !ok {
			b.Fatal("extension")
		}
	}
}

func BenchmarkEgress(b *testing.B) {
	payload, dst, level := make([]byte, 1100), make([]byte, 1500), []byte{1}
	b.ReportAllocs()
	var e Egress
	for i := range b.N {
		e.Reset()
		e.Seq = uint16(i)
		e.Add(1, level)
		e.AddUint16(5, uint16(i))
		if _, err := e.Write(dst, payload); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPeekSenderSSRC(t *testing.T) {
	for _, tc := range []struct {
		pkt  []byte
		want uint32
		ok   bool
	}{
		{[]byte{0x80, 201, 0, 1, 1, 2, 3, 4}, 0x01020304, true},
		{[]byte{0x80, 201, 0, 1, 1, 2, 3}, 0, false},
		{[]byte{0x80, 111, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}, 0, false},
		{nil, 0, false},
	} {
		if got, ok := PeekSenderSSRC(tc.pkt); got != tc.want || ok != tc.ok {
			t.Errorf("% x: %x %v", tc.pkt, got, ok)
		}
	}
}
