package media

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// TestPayloadsH264: the NAL units that a receiver puts together are those of
// the encoder, and a key frame begins with its parameters.
func TestPayloadsH264(t *testing.T) {
	for i, f := range samples().camera[H264][0].Frames {
		var stream []byte
		for k, p := range f.payloads {
			d, err := codec.ParseH264(p)
			if err != nil || len(p) > maxPayload || k == 0 && d.SPS != f.Key {
				t.Fatalf("frame %d, packet %d: %+v, %v", i, k, d, err)
			}
			switch {
			case p[0]&0x1f != 28:
				stream = append(append(stream, 0, 0, 0, 1), p...)
			case p[1]&0x80 != 0:
				stream = append(append(stream, 0, 0, 0, 1, p[0]&0xe0|p[1]&0x1f), p[2:]...)
			default:
				stream = append(stream, p[2:]...)
			}
		}
		long := bytes.ReplaceAll(f.Data, []byte{0, 0, 0, 1}, []byte{0, 0, 1})
		if short := bytes.ReplaceAll(stream, []byte{0, 0, 0, 1}, []byte{0, 0, 1}); !bytes.Equal(short, long) {
			t.Fatalf("frame %d: %d bytes became %d", i, len(long), len(short))
		}
	}
}

// TestPayloadsAV1: the same for OBUs, which lose their size and the delimiter.
func TestPayloadsAV1(t *testing.T) {
	for i, f := range samples().camera[AV1][0].Frames {
		want := bytes.Join(splitOBUs(f.Data), nil)
		var got []byte
		for k, p := range f.payloads {
			if first := p[0]&av1Sequence != 0; len(p) > maxPayload || first != (f.Key && k == 0) {
				t.Fatalf("frame %d, packet %d: header %x, %d bytes", i, k, p[0], len(p))
			}
			if (p[0]&av1Continues != 0) != (k > 0 && f.payloads[k-1][0]&av1Continued != 0) {
				t.Fatalf("frame %d, packet %d continues nothing", i, k)
			}
			for p = p[1:]; len(p) > 0; {
				size, n := binary.Uvarint(p)
				got = append(got, p[n:n+int(size)]...)
				p = p[n+int(size):]
			}
		}
		if len(want) == 0 || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: %d bytes of OBUs became %d", i, len(want), len(got))
		}
	}
}

// FuzzPayloads: whatever an encoder says, nothing is read beyond it.
func FuzzPayloads(f *testing.F) {
	for _, c := range []Codec{H264, AV1} {
		f.Add(samples().camera[c][0].Frames[0].Data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		payloadsH264(data)
		payloadsAV1(data, true)
	})
}

// described reads the descriptors of a camera with AV1.
type described struct {
	t     *testing.T
	last  *codec.AV1Structure
	wants uint16 // next frame number
	keys  int
}

func (d *described) Packet(_ *Encoding, e *rtp.Egress, payload []byte, _ uint8) {
	b := make([]byte, 1500)
	n, err := e.Write(b, payload)
	if err != nil {
		d.t.Fatal(err)
	}
	h, _ := rtp.Parse(b[:n])
	ext, ok := h.Extension(5)
	a, err := codec.ParseAV1(ext, d.last)
	if !ok || err != nil {
		d.t.Fatalf("descriptor %x: %v", ext, err)
	}
	if a.HasStructure {
		d.last = a.Structure
		d.keys++
		if s := a.Structure; s.SpatialLayers != 1 || s.Height[0] != 360 || s.Width[0] != 640 {
			d.t.Errorf("structure %+v", s)
		}
	}
	if d.wants != 0 && a.FrameNumber != d.wants || a.EndOfFrame != h.Marker {
		d.t.Fatalf("frame %d instead of %d", a.FrameNumber, d.wants)
	}
	if d.wants = a.FrameNumber; h.Marker {
		d.wants++
	}
}

// TestDependencyDescriptor: it says what the packets are.
func TestDependencyDescriptor(t *testing.T) {
	v := NewVideo(VideoConfig{Source: "a-v0", Codec: AV1, SSRCs: []uint32{1}, PayloadType: 41, Dependency: 5, Seed: 0x7ffe})
	v.Start(1)
	d := &described{t: t}
	for now := mono.Time(1); now < mono.Time(7*time.Second); now = now.Add(5 * time.Millisecond) {
		v.Send(now, 0, d)
	}
	if d.keys != 3 { // the clip is three seconds long
		t.Errorf("%d key frames", d.keys)
	}
}
