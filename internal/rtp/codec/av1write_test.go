package codec

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// An own descriptor of every shape, with decode targets written into it.
func TestWriteAV1Targets(t *testing.T) {
	head := l1t2[:len("1 0 000101 0000000100000010 ")]
	rest := l1t2[len(head)+len("1 0 0 0 0 "):]
	for _, c := range []struct{ name, in, want string }{
		{"mandatory fields only", "1 1 000101 0000000100000011", "1 1 000101 0000000100000011 01000 01"},
		{"extended fields", "1 1 001000 0000000100000011 00111 01 01 01 0110 00 00001000",
			"1 1 001000 0000000100000011 01111 01 01 01 01 0110 00 00001000"},
		{"targets named before", "1 1 000101 0000000100000011 01000 10", "1 1 000101 0000000100000011 01000 01"},
		{"structure", l1t2, head + "1 1 0 0 0 " + rest + "01"},
		{"structure and targets", head + "1 1 0 0 0 " + rest + "11", head + "1 1 0 0 0 " + rest + "01"},
		{"too much padding", "1 1 000101 0000000100000011 01000 10 00000000 00000000", "1 1 000101 0000000100000011 01000 01"},
	} {
		ext := bitString(c.in)
		d, err := ParseAV1(ext, structureOf(t))
		if err != nil {
			t.Fatal(c.name, err)
		}
		dst := bytes.Repeat([]byte{0xff}, len(ext)+AV1Growth)
		if got := dst[:WriteAV1Targets(dst, ext, &d, 1)]; !bytes.Equal(got, bitString(c.want)) {
			t.Errorf("%s: %x, want %x", c.name, got, bitString(c.want))
		}
	}
}

// checkTargets writes decode targets into an accepted descriptor, which must
// then say the same about everything else.
func checkTargets(t *testing.T, ext []byte, last *AV1Structure, active uint32) {
	t.Helper()
	d, err := ParseAV1(ext, last)
	if err != nil || len(ext) > maxAV1Descriptor-AV1Growth {
		return
	}
	active &= uint32(1<<d.Structure.DecodeTargets - 1)
	dst := make([]byte, len(ext)+AV1Growth)
	n := WriteAV1Targets(dst, ext, &d, active)
	got, err := ParseAV1(dst[:n], last)
	if err != nil || !got.HasActiveTargets || got.ActiveTargets != active {
		t.Fatalf("%x became %x: %+v %v", ext, dst[:n], got, err)
	}
	got.HasActiveTargets, got.ActiveTargets = d.HasActiveTargets, d.ActiveTargets
	got.targetsAt, got.frameAt, got.endAt = d.targetsAt, d.frameAt, d.endAt
	if !reflect.DeepEqual(got, d) {
		t.Fatalf("%x became %x:\n%+v, want\n%+v", ext, dst[:n], got, d)
	}
}

func FuzzWriteAV1Targets(f *testing.F) {
	f.Add(bitString(l1t2), uint32(1))
	f.Add(bitString("1 1 001000 0000000100000011 00111 11 01 01 0110 10 11111111 11 000000000001 00 10000001"), uint32(3))
	f.Add(bitString("1 1 000101 0000000100000011"), uint32(0))
	s := structureOf(f)
	f.Fuzz(func(t *testing.T, b []byte, active uint32) {
		checkTargets(t, b, nil, active)
		checkTargets(t, b, s, active)
	})
}

// The masks of a frame against one DTI after the other.
func TestDTIMasks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		d := DTIs(r.Uint64())
		var present, switches uint32
		for i := range MaxAV1DecodeTargets {
			if d.Of(i) != DTINotPresent {
				present |= 1 << i
			}
			if d.Of(i) == DTISwitch {
				switches |= 1 << i
			}
		}
		if d.Present() != present || d.Switch() != switches {
			t.Fatalf("%x: %x %x, want %x %x", uint64(d), d.Present(), d.Switch(), present, switches)
		}
	}
}

func TestWriteAV1TargetsDoesNotAllocate(t *testing.T) {
	ext := bitString(l1t2)
	d, _ := ParseAV1(ext, nil)
	dst := make([]byte, len(ext)+AV1Growth)
	allocs.None(t, allocs.Many, func() { WriteAV1Targets(dst, ext, &d, 1) })
}
