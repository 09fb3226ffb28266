package svc

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/testkit/capture"
)

// captured is a packet of a real sender.
type captured struct {
	packet
	size int
	av1  bool
	ext  []byte
	refs []frameName // what its frame depends on
	name frameName
}

// frameName tells frames apart: VP9 has picture ids and spatial layers, AV1
// frame numbers.
type frameName struct {
	number  uint16
	spatial uint8
}

func readCapture(t testing.TB, name string) (out []captured) {
	t.Helper()
	var last *codec.AV1Structure
	for _, c := range capture.Read(t, name) {
		p := captured{packet: packet{seq: c.Seq, ts: c.TS, marker: c.Marker}, size: c.Size, av1: c.Codec == "av1", ext: c.Dependency}
		if err := p.read(c.Payload(), &last); err != nil {
			t.Fatalf("%s, packet %d: %v", name, c.Seq, err)
		}
		out = append(out, p)
	}
	return out
}

func (p *captured) read(payload []byte, last **codec.AV1Structure) (err error) {
	if !p.av1 {
		p.vp9, err = codec.ParseVP9(payload)
		d := &p.vp9
		p.name = frameName{d.PictureID, d.SID}
		for _, diff := range d.ReferenceDiffs[:d.References] {
			p.refs = append(p.refs, frameName{(d.PictureID - uint16(diff)) & 0x7fff, d.SID})
		}
		if d.InterLayer {
			p.refs = append(p.refs, frameName{d.PictureID, d.SID - 1})
		}
		return err
	}
	p.packet.av1, err = codec.ParseAV1(p.ext, *last)
	d := &p.packet.av1
	*last = d.Structure
	p.name = frameName{number: d.FrameNumber}
	for _, diff := range d.FrameDiffs[:d.FrameDiffCount] {
		p.refs = append(p.refs, frameName{number: d.FrameNumber - diff})
	}
	return err
}

// scalable are the captures of streams that may have layers.
func scalable() []string { return append(capture.Names("av1_"), capture.Names("vp9_")...) }

// tap is a receiver of a capture.
type tap struct {
	t         *testing.T
	c         chooser
	forwarded map[frameName]bool
	packets   int
	last      *captured
	marked    bool // the last packet forwarded had the marker
	active    uint32
}

func newTap(t *testing.T, packets []captured) *tap {
	c := choosers["VP9"]()
	if packets[0].av1 {
		c = choosers["AV1"]()
	}
	return &tap{t: t, c: c, forwarded: map[frameName]bool{}}
}

// packet gives a packet to the selector and looks at what comes of it.
func (v *tap) packet(p *captured) {
	v.t.Helper()
	d := v.c.forward(&p.packet)
	if d.Action != Forward && d.Action != Start {
		return
	}
	for _, r := range p.refs {
		if !v.forwarded[r] {
			v.t.Fatalf("packet %d is of frame %v, which needs %v", p.seq, p.name, r)
		}
	}
	if v.last != nil && v.last.ts != p.ts && !v.marked {
		v.t.Fatalf("packet %d begins a picture, %d had no marker", p.seq, v.last.seq)
	}
	if v.last != nil && v.last.ts == p.ts && v.marked {
		v.t.Fatalf("packet %d goes on behind a marker", p.seq)
	}
	if again := v.c.again(&p.packet); again.Marker != d.Marker {
		v.t.Fatalf("packet %d: %+v, then %+v", p.seq, d, again)
	}
	v.last, v.marked = p, d.Marker
	v.forwarded[p.name] = true
	v.packets++
	if p.av1 {
		v.checkTargets(p, d)
	}
}

// checkTargets reads the descriptor as it goes out: every frame of a decode
// target that is said to be active must go out.
func (v *tap) checkTargets(p *captured, d Decision) {
	v.t.Helper()
	ext := p.ext
	if d.WriteTargets {
		dst := make([]byte, len(ext)+codec.AV1Growth)
		ext = dst[:codec.WriteAV1Targets(dst, ext, &p.packet.av1, d.Targets)]
	}
	got, err := codec.ParseAV1(ext, p.packet.av1.Structure)
	if err != nil {
		v.t.Fatalf("packet %d: %x: %v", p.seq, ext, err)
	}
	if got.HasActiveTargets {
		v.active = got.ActiveTargets
	}
	if again := v.c.again(&p.packet); p.packet.av1.HasActiveTargets && (again.WriteTargets != d.WriteTargets || again.Targets != d.Targets) {
		v.t.Fatalf("packet %d: %+v, then %+v", p.seq, d, again)
	}
	s := p.packet.av1.Structure
	spatial, temporal := v.c.Current()
	for i := range s.DecodeTargets {
		mine := int(s.TargetSpatial[i]) == spatial && int(s.TargetTemporal[i]) == temporal
		if mine && v.active>>i&1 == 0 {
			v.t.Fatalf("packet %d: decode target %d is not active in %b", p.seq, i, v.active)
		}
		if v.active>>i&1 != 0 && (int(s.TargetSpatial[i]) > spatial || int(s.TargetTemporal[i]) > temporal) {
			v.t.Fatalf("packet %d: decode target %d is not forwarded, but active in %b", p.seq, i, v.active)
		}
	}
}

// How many packets of each capture go out, for the spatial layers 0 to 2 and in
// them for the temporal layers 0 to 2.
func TestCaptures(t *testing.T) {
	for name, want := range map[string]string{
		"av1_l1t3.txt":     "35 63 120 35 63 120 35 63 120",
		"av1_l2t3_key.txt": "22 41 79 35 62 123 35 62 123",
		"av1_l3t3.txt":     "18 33 63 66 105 186 161 238 400",
		"av1_l3t3_key.txt": "62 106 195 119 173 265 124 178 270",
		"vp9_firefox.txt":  "151 151 151 151 151 151 151 151 151",
		"vp9_l1t3.txt":     "28 48 90 28 48 90 28 48 90",
		"vp9_l2t3_key.txt": "49 92 176 80 125 208 80 125 208",
		"vp9_l3t3.txt":     "17 33 65 60 105 193 154 268 500",
		"vp9_l3t3_key.txt": "21 37 70 45 72 127 96 150 270",
	} {
		packets := readCapture(t, name)
		var got []string
		for s := range 3 {
			for l := range 3 {
				v := newTap(t, packets)
				v.c.SetTarget(s, l)
				for i := range packets {
					v.packet(&packets[i])
				}
				got = append(got, fmt.Sprint(v.packets))
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: of %d packets %s, want %s", name, len(packets), got, want)
		}
	}
}

// Real streams, with layers that change all the time.
func TestCapturesWithRandomTargets(t *testing.T) {
	for _, name := range scalable() {
		packets := readCapture(t, name)
		for seed := range uint64(30) {
			r := rand.New(rand.NewPCG(seed, 1))
			v := newTap(t, packets)
			for i := range packets {
				if i == 0 || r.IntN(30) == 0 {
					v.c.SetTarget(r.IntN(3), r.IntN(3))
				}
				v.packet(&packets[i])
			}
		}
	}
}
