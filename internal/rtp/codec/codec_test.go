package codec

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keyFrame640 is the beginning of a VP8 key frame of 640x360 (RFC 6386 §9.1).
const keyFrame640 = "10 02 00 9d012a 8002 6801"

func TestParseVP8(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		want          VP8
	}{
		{"mandatory byte only", "10" + "01 aa", VP8{StartOfFrame: true, DescriptorLen: 1}},
		{"not the first packet", "00" + "01 aa", VP8{DescriptorLen: 1}},
		{"not the first partition", "12" + "00 aa", VP8{DescriptorLen: 1}},
		{"non-reference frame", "30" + "01 aa", VP8{NonReference: true, StartOfFrame: true, DescriptorLen: 1}},
		{"key frame", "10" + keyFrame640,
			VP8{StartOfFrame: true, KeyFrame: true, Width: 640, Height: 360, DescriptorLen: 1}},
		{"scaled key frame", "10" + "10 02 00 9d012a 8042 68c1",
			VP8{StartOfFrame: true, KeyFrame: true, Width: 640, Height: 360, DescriptorLen: 1}},
		{"key frame without start code", "10" + "10 02 00 9d012b 8002 6801",
			VP8{StartOfFrame: true, KeyFrame: true, DescriptorLen: 1}},
		{"short key frame", "10" + "10", VP8{StartOfFrame: true, KeyFrame: true, DescriptorLen: 1}},
		{"picture id of 7 bits", "90 80 7f" + "01", VP8{StartOfFrame: true, PictureID: 127, PictureIDBits: 7, DescriptorLen: 3}},
		{"picture id of 15 bits", "90 80 8102" + "01", VP8{StartOfFrame: true, PictureID: 258, PictureIDBits: 15, DescriptorLen: 4}},
		{"everything", "90 f0 9234 56 b5" + "01",
			VP8{StartOfFrame: true, PictureID: 0x1234, PictureIDBits: 15, TL0PicIdx: 0x56, HasTL0PicIdx: true,
				TID: 2, HasTID: true, LayerSync: true, KeyIdx: 21, HasKeyIdx: true, DescriptorLen: 6}},
		{"temporal layer only", "90 20 40" + "01", VP8{StartOfFrame: true, TID: 1, HasTID: true, DescriptorLen: 3}},
		{"key index only", "90 10 f5" + "01", VP8{StartOfFrame: true, KeyIdx: 21, HasKeyIdx: true, DescriptorLen: 3}},
		{"reserved bits", "d8 8f 05" + "01", VP8{StartOfFrame: true, PictureID: 5, PictureIDBits: 7, DescriptorLen: 3}},
	} {
		got, err := ParseVP8(unhex(t, c.payload))
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%+v, want\n%+v", c.name, err, got, c.want)
		}
	}
}

func TestParseVP8Malformed(t *testing.T) {
	for _, s := range []string{"", "10", "90", "9080", "908085", "90807f", "90f0923456", "90f0923456b5", "9020", "9040"} {
		if d, err := ParseVP8(unhex(t, s)); err == nil {
			t.Errorf("%s: accepted as %+v", s, d)
		}
	}
}

func TestRewriteVP8(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no descriptor to speak of", "10 01aabb", "10 01aabb"},
		{"15 bits", "90 f0 9234 56 b5 01aabb", "90 f0 8abc 77 b5 01aabb"},
		{"7 bits become 15", "90 f0 12 56 b5 01aabb", "90 f0 8abc 77 b5 01aabb"},
		{"no picture id", "90 60 56 b5 01aabb", "90 60 77 b5 01aabb"},
		{"picture id only", "90 80 05 01aabb", "90 80 8abc 01aabb"},
	} {
		in := unhex(t, c.in)
		d, err := ParseVP8(in)
		if err != nil {
			t.Fatal(c.name, err)
		}
		dst := make([]byte, len(in)+VP8Growth)
		n := RewriteVP8(dst, in, &d, 0x0abc, 0x77)
		if !bytes.Equal(dst[:n], unhex(t, c.want)) {
			t.Errorf("%s: %x, want %s", c.name, dst[:n], c.want)
		}
		if d.PictureIDBits != 7 {
			if n = RewriteVP8(in, in, &d, 0x0abc, 0x77); !bytes.Equal(in[:n], unhex(t, c.want)) {
				t.Errorf("%s in place: %x, want %s", c.name, in[:n], c.want)
			}
		}
	}
}

func vp8(id uint16, tl0 uint8) *VP8 {
	return &VP8{PictureID: id, PictureIDBits: 15, TL0PicIdx: tl0, HasTL0PicIdx: true}
}

func TestVP8Rewriter(t *testing.T) {
	var r VP8Rewriter
	check := func(what string, d *VP8, id uint16, tl0 uint8) {
		t.Helper()
		if gotID, gotTL0, ok := r.Forward(d); !ok || gotID != id || gotTL0 != tl0 {
			t.Errorf("%s: %d %d %v, want %d %d", what, gotID, gotTL0, ok, id, tl0)
		}
	}
	if _, _, ok := r.Forward(vp8(1, 1)); ok {
		t.Error("forwarded before the first switch")
	}
	r.Switch(vp8(0x7ffe, 255))
	check("first", vp8(0x7ffe, 255), 0x7ffe, 255)
	check("second packet of it", vp8(0x7ffe, 255), 0x7ffe, 255)
	r.Drop(vp8(0x7fff, 255))
	r.Drop(vp8(0x7fff, 255))
	check("behind a dropped frame", vp8(0, 0), 0x7fff, 0)
	check("behind a lost frame", vp8(2, 1), 1, 1)
	check("the lost one comes late", vp8(1, 0), 0, 0)
	if _, _, ok := r.Forward(vp8(0x7fff, 255)); ok {
		t.Error("a dropped frame was forwarded")
	}
	// Another encoding, with ids of 7 bits.
	other := &VP8{PictureID: 127, PictureIDBits: 7, TL0PicIdx: 9, HasTL0PicIdx: true}
	r.Switch(other)
	check("switched", other, 2, 2)
	check("7 bits wrap", &VP8{PictureID: 1, PictureIDBits: 7, TL0PicIdx: 10}, 4, 3)
	if _, _, ok := r.Forward(&VP8{PictureID: 126, PictureIDBits: 7}); ok {
		t.Error("forwarded what lies before the switch")
	}
	for _, c := range []struct {
		epoch uint32
		d     *VP8
		id    uint16
		tl0   uint8
		ok    bool
	}{
		{0, vp8(0x7ffe, 255), 0x7ffe, 255, true},
		{0, vp8(0x7fff, 255), 0, 0, false},
		{0, vp8(2, 1), 1, 1, true},
		{1, other, 2, 2, true},
		{2, other, 0, 0, false},
	} {
		id, tl0, ok := r.Repeat(c.epoch, c.d)
		if ok != c.ok || ok && (id != c.id || tl0 != c.tl0) {
			t.Errorf("Repeat(%d, %d) = %d %d %v", c.epoch, c.d.PictureID, id, tl0, ok)
		}
	}
}

// Without picture ids only TL0PICIDX is changed.
func TestVP8RewriterWithoutPictureID(t *testing.T) {
	var r VP8Rewriter
	r.Switch(&VP8{TL0PicIdx: 5})
	r.Forward(&VP8{TL0PicIdx: 5})
	r.Drop(&VP8{TL0PicIdx: 5})
	r.Switch(&VP8{TL0PicIdx: 100})
	for _, tl0 := range []uint8{100, 101} {
		if _, got, ok := r.Forward(&VP8{TL0PicIdx: tl0}); !ok || got != tl0-94 {
			t.Error(tl0, got, ok)
		}
	}
	if _, got, ok := r.Repeat(0, &VP8{TL0PicIdx: 5}); !ok || got != 5 {
		t.Error(got, ok)
	}
}

func TestParseVP9(t *testing.T) {
	structure := VP9Structure{SpatialLayers: 3, HasSizes: true, Pictures: 2}
	copy(structure.Width[:], []uint16{320, 640, 1280})
	copy(structure.Height[:], []uint16{180, 360, 720})
	for _, c := range []struct {
		name, payload string
		want          VP9
	}{
		{"mandatory byte only", "0c" + "aa", VP9{StartOfFrame: true, EndOfFrame: true, KeyFrame: true, DescriptorLen: 1}},
		{"inter picture", "c8 8102" + "aa", VP9{InterPicture: true, StartOfFrame: true, PictureID: 258, PictureIDBits: 15, DescriptorLen: 3}},
		{"picture id of 7 bits", "88 7f" + "aa", VP9{StartOfFrame: true, KeyFrame: true, PictureID: 127, PictureIDBits: 7, DescriptorLen: 2}},
		{"layers, not flexible", "e5 8102 53 07" + "aa",
			VP9{InterPicture: true, EndOfFrame: true, NotForUpper: true, PictureID: 258, PictureIDBits: 15, HasLayers: true,
				TID: 2, SwitchUp: true, SID: 1, InterLayer: true, TL0PicIdx: 7, HasTL0PicIdx: true, DescriptorLen: 5}},
		{"upper layer of a key picture", "a8 8102 03 07" + "aa",
			VP9{StartOfFrame: true, PictureID: 258, PictureIDBits: 15, HasLayers: true,
				SID: 1, InterLayer: true, TL0PicIdx: 7, HasTL0PicIdx: true, DescriptorLen: 5}},
		{"flexible with two references", "f8 8102 20 0304" + "aa",
			VP9{InterPicture: true, Flexible: true, StartOfFrame: true, PictureID: 258, PictureIDBits: 15, HasLayers: true,
				TID: 1, References: 2, ReferenceDiffs: [3]uint8{1, 2}, DescriptorLen: 6}},
		{"scalability structure", "8a 05 58 014000b4 02800168 050002d0" + "02 04 01 48 0102" + "aa",
			VP9{StartOfFrame: true, KeyFrame: true, PictureID: 5, PictureIDBits: 7, HasStructure: true, Structure: structure, DescriptorLen: 21}},
		{"structure without anything", "0a 00" + "aa", VP9{StartOfFrame: true, KeyFrame: true, HasStructure: true,
			Structure: VP9Structure{SpatialLayers: 1}, DescriptorLen: 2}},
	} {
		got, err := ParseVP9(unhex(t, c.payload))
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%+v, want\n%+v", c.name, err, got, c.want)
		}
	}
}

func TestParseVP9Malformed(t *testing.T) {
	for name, s := range map[string]string{
		"empty": "", "no payload": "08", "no picture id": "80", "half a picture id": "8081", "no layers": "20",
		"no tl0picidx": "2000", "no references": "50", "references go on": "5001",
		"four references": "50 01010100 aa", "no structure": "02", "sizes missing": "02 10 0140",
		"group missing": "02 08", "group cut off": "02 08 02 0401 aa", "no payload behind all": "f8 8102 20 0304",
	} {
		if d, err := ParseVP9(unhex(t, s)); err == nil {
			t.Errorf("%s: accepted as %+v", name, d)
		}
	}
}

func TestRewriteVP9(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "0c aabb", "0c aabb"},
		{"15 bits", "e5 8102 53 07 aabb", "e5 8abc 53 77 aabb"},
		{"7 bits become 15", "e5 05 53 07 aabb", "e5 8abc 53 77 aabb"},
		{"flexible", "f8 8102 20 0304 aabb", "f8 8abc 20 0304 aabb"},
		{"no picture id", "65 53 07 aabb", "65 53 77 aabb"},
	} {
		in := unhex(t, c.in)
		d, err := ParseVP9(in)
		if err != nil {
			t.Fatal(c.name, err)
		}
		dst := make([]byte, len(in)+VP9Growth)
		if n := RewriteVP9(dst, in, &d, 0x0abc, 0x77); !bytes.Equal(dst[:n], unhex(t, c.want)) {
			t.Errorf("%s: %x, want %s", c.name, dst[:n], c.want)
		}
	}
}

// Picture ids of VP9 keep their differences within an encoding.
func TestVP9Rewriter(t *testing.T) {
	vp9 := func(id uint16, tl0 uint8) *VP9 {
		return &VP9{PictureID: id, PictureIDBits: 15, TL0PicIdx: tl0, HasTL0PicIdx: true}
	}
	var r VP9Rewriter
	r.Switch(vp9(10, 1))
	r.Forward(vp9(10, 1))
	r.Forward(vp9(14, 2))
	r.Switch(vp9(1000, 50))
	for _, c := range []struct {
		in, id  uint16
		tl0, to uint8
	}{{1000, 15, 50, 3}, {1003, 18, 51, 4}, {1001, 16, 50, 3}} {
		if id, tl0, ok := r.Forward(vp9(c.in, c.tl0)); !ok || id != c.id || tl0 != c.to {
			t.Errorf("%d: %d %d %v, want %d %d", c.in, id, tl0, ok, c.id, c.to)
		}
	}
	if id, tl0, ok := r.Repeat(0, vp9(14, 2)); !ok || id != 14 || tl0 != 2 {
		t.Error("repeat:", id, tl0, ok)
	}
}

func TestParseH264(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		want          H264
	}{
		{"slice", "41 9a", H264{}},
		{"IDR slice", "65 88", H264{IDR: true, KeyFrame: true}},
		{"SPS", "67 42", H264{SPS: true, KeyFrame: true}},
		{"PPS", "68 ce", H264{}},
		{"STAP-A with SPS, PPS", "78 0002 6742 0001 68", H264{SPS: true, KeyFrame: true}},
		{"STAP-A with SPS, PPS, IDR", "78 0002 6742 0001 68 0003 65aabb", H264{SPS: true, IDR: true, KeyFrame: true}},
		{"STAP-A without", "78 0001 41", H264{}},
		{"FU-A, start of IDR", "7c 85 88", H264{IDR: true, KeyFrame: true}},
		{"FU-A, middle of IDR", "7c 05 88", H264{}},
		{"FU-A, end of IDR", "7c 45 88", H264{}},
		{"FU-A, start of slice", "5c 81 9a", H264{}},
	} {
		if got, err := ParseH264(unhex(t, c.payload)); err != nil || got != c.want {
			t.Errorf("%s: %v %+v, want %+v", c.name, err, got, c.want)
		}
	}
	for _, s := range []string{"", "7c", "78 00", "78 0000 00", "78 0003 6742", "78 0002 6742 00"} {
		if got, err := ParseH264(unhex(t, s)); err == nil {
			t.Errorf("%s: accepted as %+v", s, got)
		}
	}
}

func FuzzVP8(f *testing.F) {
	f.Add([]byte{0x90, 0xf0, 0x92, 0x34, 0x56, 0xb5, 1, 2, 3})
	f.Add([]byte{0x90, 0x80, 5, 0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseVP8(b)
		if err != nil {
			return
		}
		dst := make([]byte, len(b)+VP8Growth)
		n := RewriteVP8(dst, b, &d, 0x1234, 0x56)
		again, err := ParseVP8(dst[:n])
		want := d
		if want.PictureIDBits != 0 {
			want.DescriptorLen += int(15-want.PictureIDBits) / 8
			want.PictureID, want.PictureIDBits = 0x1234, 15
		}
		if want.HasTL0PicIdx {
			want.TL0PicIdx = 0x56
		}
		if err != nil || again != want || !bytes.Equal(b[d.DescriptorLen:], dst[again.DescriptorLen:n]) {
			t.Errorf("%x became %x: %v\n%+v, want\n%+v", b, dst[:n], err, again, want)
		}
	})
}

func FuzzVP9(f *testing.F) {
	f.Add([]byte{0xe5, 0x81, 2, 0x53, 7, 0xaa})
	f.Add([]byte{0x8a, 5, 0x18, 1, 0x40, 0, 0xb4, 2, 4, 1, 0x48, 1, 2, 0xaa})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseVP9(b)
		if err != nil {
			return
		}
		dst := make([]byte, len(b)+VP9Growth)
		n := RewriteVP9(dst, b, &d, 0x1234, 0x56)
		again, err := ParseVP9(dst[:n])
		want := d
		if want.PictureIDBits != 0 {
			want.DescriptorLen += int(15-want.PictureIDBits) / 8
			want.PictureID, want.PictureIDBits = 0x1234, 15
		}
		if want.HasTL0PicIdx {
			want.TL0PicIdx = 0x56
		}
		if err != nil || again != want || !bytes.Equal(b[d.DescriptorLen:], dst[again.DescriptorLen:n]) {
			t.Errorf("%x became %x: %v\n%+v, want\n%+v", b, dst[:n], err, again, want)
		}
	})
}

func FuzzH264(f *testing.F) {
	f.Add([]byte{0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ParseH264(b) })
}

func BenchmarkParseVP8(b *testing.B) {
	payload := unhex(b, "90 f0 9234 56 b5 01aabb")
	b.ReportAllocs()
	for range b.N {
		if _, err := ParseVP8(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRewriteVP8 is one packet for one receiver: numbers, descriptor and
// payload; every third picture is left out.
func BenchmarkRewriteVP8(b *testing.B) {
	payload := append(unhex(b, "90 e0 8001 01 00 01aabb"), make([]byte, 1100)...)
	dst := make([]byte, 1500)
	var r VP8Rewriter
	d, err := ParseVP8(payload)
	if err != nil {
		b.Fatal(err)
	}
	r.Switch(&d)
	b.ReportAllocs()
	for i := range b.N {
		d.PictureID = uint16(i+1) & 0x7fff
		if i%3 == 2 {
			r.Drop(&d)
			continue
		}
		id, tl0, ok := r.Forward(&d)
		if !ok {
			b.Fatal(i)
		}
		RewriteVP8(dst, payload, &d, id, tl0)
	}
}
