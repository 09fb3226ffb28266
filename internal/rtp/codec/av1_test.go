package codec

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// bitString turns text of '0' and '1' into bytes, padded with zeros; anything
// else in it is for the reader.
func bitString(s string) []byte {
	var out []byte
	n := 0
	for _, c := range s {
		if c != '0' && c != '1' {
			continue
		}
		if n%8 == 0 {
			out = append(out, 0)
		}
		out[n/8] |= byte(c-'0') << (7 - n%8)
		n++
	}
	return out
}

// l1t2 is a descriptor with the structure of two temporal layers, field by
// field in the order of AV1 RTP specification §A.8: four templates, two decode
// targets, one chain.
const l1t2 = "1 0 000101 " + "0000000100000010 " + // start, end, template 5, frame 258
	"1 0 0 0 0 " + // structure, active targets, custom dtis, fdiffs, chains
	"000101 00001 " + // template id offset 5, 2 decode targets
	"00 01 00 11 " + // templates: T0, T0, T1, T1, no more
	"10 10 " + "10 10 " + "00 01 " + "00 10 " + // dtis: SS, SS, -D, -S
	"0 " + "1 0001 0 " + "1 0000 0 " + "1 0000 1 0010 0 " + // fdiffs: none, 2, 1, 1 and 3
	"10 " + // chains: ns(3) = 1
	// protected by: ns(1) takes no bits
	"0000 " + "0010 " + "0001 " + "0001 " + // chain fdiffs
	"1 " + "0000001001111111 0000000101100111 " // resolutions: 640x360

// structureOf parses l1t2.
func structureOf(t testing.TB) *AV1Structure {
	t.Helper()
	d, err := ParseAV1(bitString(l1t2), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.Structure
}

func TestParseAV1Structure(t *testing.T) {
	d, err := ParseAV1(bitString(l1t2), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := describeAV1(&d)
	want := "start key structure template 5 frame 258 S0T0 dtis SS active 11 fdiffs [] chains [0] 640x360 up"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	s := d.Structure
	if s.DecodeTargets != 2 || s.Chains != 1 || s.SpatialLayers != 1 || s.TemporalLayers != 2 || len(s.Templates) != 4 {
		t.Errorf("%+v", s)
	}
	if fmt.Sprint(s.TargetTemporal[:2], s.TargetSpatial[:2], s.ProtectedBy[:2]) != "[0 1] [0 0] [0 0]" {
		t.Error("targets", s.TargetTemporal[:2], s.TargetSpatial[:2], s.ProtectedBy[:2])
	}
}

// A structure without chains, with more spatial layers and without sizes.
func TestParseAV1WithoutChains(t *testing.T) {
	d, err := ParseAV1(bitString("1 1 000001 0000000000000111 1 1 0 0 0 000000 00001 "+
		"10 11 "+ // templates: S0, S1
		"10 10 00 11 "+ // dtis: SS, -R
		"0 1 0000 0 "+ // fdiffs: none, 1
		"0 "+ // chains: ns(3) = 0
		"0 "+ // no sizes
		"10"), nil) // active decode targets
	if err != nil {
		t.Fatal(err)
	}
	want := "start end key structure template 1 frame 7 S1T0 dtis -R active 10 fdiffs [1] chains []"
	if got := describeAV1(&d); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if s := d.Structure; s.SpatialLayers != 2 || s.TemporalLayers != 1 || s.TargetSpatial[1] != 1 {
		t.Errorf("%+v", s)
	}
}

// describeAV1 writes down everything there is.
func describeAV1(d *AV1) string {
	var out []string
	add := func(ok bool, format string, args ...any) {
		if ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(d.StartOfFrame, "start")
	add(d.EndOfFrame, "end")
	add(d.KeyFrame, "key")
	add(d.HasStructure, "structure")
	add(true, "template %d frame %d", d.TemplateID, d.FrameNumber)
	if s := d.Structure; s != nil {
		dtis := ""
		for i := range int(s.DecodeTargets) {
			dtis += string("-DSR"[d.DTIs.Of(i)])
		}
		add(true, "S%dT%d dtis %s", d.SpatialID, d.TemporalID, dtis)
		add(d.HasActiveTargets, "active %b", d.ActiveTargets)
		add(true, "fdiffs %v chains %v", d.FrameDiffs[:d.FrameDiffCount], d.ChainDiffs[:s.Chains])
		add(d.Width != 0, "%dx%d", d.Width, d.Height)
		add(d.SwitchUp(), "up")
	}
	return strings.Join(out, " ")
}

func TestParseAV1Frames(t *testing.T) {
	s := structureOf(t)
	for _, c := range []struct{ name, bits, want string }{
		{"mandatory fields only", "1 1 000110 0000000100000011",
			"start end template 6 frame 259 S0T0 dtis SS fdiffs [2] chains [2] 640x360 up"},
		{"another template", "0 1 000111 0000000100000011",
			"end template 7 frame 259 S0T1 dtis -D fdiffs [1] chains [1] 640x360"},
		{"active decode targets", "1 1 001000 0000000100000011 01000 01",
			"start end template 8 frame 259 S0T1 dtis -S active 1 fdiffs [1 3] chains [1] 640x360"},
		{"everything custom", "1 1 001000 0000000100000011 00111 11 01 01 0110 10 11111111 11 000000000001 00 10000001",
			"start end template 8 frame 259 S0T1 dtis RD fdiffs [7 256 2] chains [129] 640x360"},
	} {
		d, err := ParseAV1(bitString(c.bits), s)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := describeAV1(&d); got != c.want || d.Structure != s {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestParseAV1WithoutStructure(t *testing.T) {
	s := structureOf(t)
	for name, c := range map[string]struct {
		bits string
		s    *AV1Structure
	}{
		"none was seen":             {"1 1 000110 0000000100000011", nil},
		"template it does not have": {"1 1 001001 0000000100000011", s},
		"template below the offset": {"1 1 000100 0000000100000011", s},
		"active targets, none seen": {"1 1 000110 0000000100000011 01000 01", nil},
	} {
		d, err := ParseAV1(bitString(c.bits), c.s)
		if !errors.Is(err, ErrNoStructure) || d.FrameNumber != 259 || !d.StartOfFrame || d.Structure != nil || d.SwitchUp() {
			t.Errorf("%s: %v %+v", name, err, d)
		}
	}
}

// Cut off anywhere in a field, a descriptor is malformed.
func TestParseAV1Truncated(t *testing.T) {
	whole := bitString(l1t2)
	for n := range whole {
		if n == 3 {
			continue // the mandatory fields alone are a descriptor
		}
		if d, err := ParseAV1(whole[:n], nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v %+v", n, err, d)
		}
	}
}

func TestParseAV1Limits(t *testing.T) {
	head := "10 000000 0000000000000001 10000 000000 00000 "
	for name, bits := range map[string]string{
		"too many templates":       head + strings.Repeat("00 ", 70),
		"too many spatial layers":  head + strings.Repeat("10 ", 4) + "11",
		"too many temporal layers": head + strings.Repeat("01 ", 8) + "11",
		"too many fdiffs":          head + "11 10 " + strings.Repeat("1 0000 ", 17) + "0",
		"too many frame fdiffs":    "10 000110 0000000000000001 00010 " + strings.Repeat("01 0000 ", 17) + "00",
	} {
		if d, err := ParseAV1(bitString(bits+strings.Repeat("0", 200)), structureOf(t)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v %s", name, err, describeAV1(&d))
		}
	}
}

func TestBitReader(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var text strings.Builder
		for range 64 + r.IntN(100) {
			text.WriteByte('0' + byte(r.IntN(2)))
		}
		s, b := text.String(), bitReader{b: bitString(text.String())}
		for pos := 0; pos+32 <= len(s); {
			n := r.IntN(33)
			var want uint32
			for _, c := range s[pos : pos+n] {
				want = want<<1 | uint32(c-'0')
			}
			if got := b.bits(n); got != want || b.short {
				t.Fatalf("%d bits at %d of %s: %b, want %b", n, pos, s, got, want)
			}
			pos += n
		}
	}
	b := bitReader{b: []byte{0xff}}
	if b.bits(5); b.bits(4) != 0 || !b.short {
		t.Error("read beyond the end")
	}
}

// The example of ns(5) in AV1 §4.10.7.
func TestNonSymmetric(t *testing.T) {
	for bits, want := range map[string]uint32{"00": 0, "01": 1, "10": 2, "110": 3, "111": 4} {
		r := bitReader{b: bitString(bits)}
		if got := r.nonSymmetric(5); got != want || r.pos != len(bits) {
			t.Errorf("%s: %d, %d bits", bits, got, r.pos)
		}
	}
	r := bitReader{}
	if r.nonSymmetric(1) != 0 || r.short {
		t.Error("ns(1) takes bits")
	}
}

func TestAV1Rewriter(t *testing.T) {
	var r AV1Rewriter
	frame := func(n uint16) *AV1 { return &AV1{FrameNumber: n} }
	if _, ok := r.Repeat(0, frame(1)); ok {
		t.Error("an epoch before the first switch")
	}
	r.Switch(frame(65534))
	for _, n := range []uint16{65534, 65535, 0, 5, 3} {
		if got := r.Forward(frame(n)); got != (AV1Numbers{n, 0}) {
			t.Error(n, got)
		}
	}
	r.Switch(frame(1000))
	for in, want := range map[uint16]uint16{1000: 6, 1001: 7, 1010: 16} {
		if got := r.Forward(frame(in)); got.Frame != want {
			t.Error(in, got, want)
		}
	}
	for epoch, want := range []uint16{5, 65535 - 988} {
		if got, ok := r.Repeat(uint32(epoch), frame(5)); !ok || got.Frame != want {
			t.Error("repeat", epoch, got, ok, want)
		}
	}
}

// A stream that begins again with the template ids it had gets other ones.
func TestAV1RewriterTemplates(t *testing.T) {
	var r AV1Rewriter
	d, err := ParseAV1(bitString(l1t2), nil)
	if err != nil {
		t.Fatal(err)
	}
	count := uint8(len(d.Structure.Templates))
	for i := range 40 {
		r.Switch(&d)
		n := r.Forward(&d)
		ext := bitString(l1t2)
		SetAV1Numbers(ext, n, true)
		got, err := ParseAV1(ext, nil)
		wantOffset := (d.Structure.TemplateIDOffset + uint8(i)*count) % MaxAV1Templates
		if err != nil || got.FrameNumber != n.Frame || got.Structure.TemplateIDOffset != wantOffset ||
			got.TemplateID != (wantOffset+d.TemplateID-d.Structure.TemplateIDOffset)%MaxAV1Templates || got.DTIs != d.DTIs {
			t.Fatalf("%d: %v, frame %d, offset %d, template %d", i, err, got.FrameNumber, got.Structure.TemplateIDOffset, got.TemplateID)
		}
		again, ok := r.Repeat(uint32(i), &d)
		if !ok || again != n {
			t.Fatalf("%d: %+v, then %+v", i, n, again)
		}
		// What follows refers to the structure as it went out.
		next := bitString("1 1 000110 0000000100000011")
		SetAV1Numbers(next, AV1Numbers{Frame: n.Frame + 1, Template: n.Template}, false)
		if f, err := ParseAV1(next, got.Structure); err != nil || f.FrameNumber != n.Frame+1 || f.TemporalID != d.Structure.Templates[1].TemporalID {
			t.Fatalf("%d: the next frame: %v %+v", i, err, f)
		}
	}
}

func TestParseAV1Allocations(t *testing.T) {
	s, ext := structureOf(t), bitString("1 1 001000 0000000100000011 00111 11 01 01 0110 00 10000001")
	allocs.None(t, allocs.Many, func() {
		if _, err := ParseAV1(ext, s); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAV1(f *testing.F) {
	f.Add(bitString(l1t2))
	f.Add(bitString("1 1 001000 0000000100000011 00111 11 01 01 0110 10 11111111 11 000000000001 00 10000001"))
	s := structureOf(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, last := range []*AV1Structure{nil, s} {
			if d, err := ParseAV1(b, last); err == nil {
				describeAV1(&d)
			}
		}
	})
}
