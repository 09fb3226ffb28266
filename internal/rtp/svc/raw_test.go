package svc

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// runVP9 feeds a selector packets as no encoder of ours makes them. Each word is
// a target, as in run, or a packet: a ";" if it begins a picture, spatial and
// temporal layer, then flags: P and D for what it depends on, Z not for upper
// layers, U switching up, c not the first of its frame, M marker, S3 a
// structure with three layers. The result is as that of run.
func runVP9(script string) string {
	var c vp9Chooser
	p := packet{}
	var out []string
	for _, word := range strings.Fields(script) {
		if word[0] == '=' {
			spatial, temporal := None, All
			fmt.Sscanf(word, "=%d.%d", &spatial, &temporal)
			c.SetTarget(spatial, temporal)
			continue
		}
		rest, begins := strings.CutPrefix(word, ";")
		if begins {
			p.ts += 3000
		}
		has := func(flag string) bool { return strings.Contains(rest, flag) }
		d := codec.VP9{
			HasLayers: true, SID: rest[0] - '0', TID: rest[1] - '0', StartOfFrame: !has("c"), EndOfFrame: true,
			InterPicture: has("P"), InterLayer: has("D"), NotForUpper: has("Z"), SwitchUp: has("U"), HasStructure: has("S"),
		}
		d.KeyFrame = d.StartOfFrame && d.SID == 0 && !d.InterPicture
		if d.HasStructure {
			d.Structure.SpatialLayers = rest[strings.Index(rest, "S")+1] - '0'
		}
		p.vp9, p.marker = d, has("M")
		result, _ := feed(&c, []packet{p})
		out = append(out, result)
	}
	return strings.Join(out, " ")
}

func TestVP9Selector(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"a key frame without a structure tells by its marker how many layers there are",
			"=2 ;00 10DM ;00PZ 10PZM ;00PZ 10PZM", "! * - * - *"},
		{"a lower layer that was of no use turns out to be of some",
			"=1 ;00S2 10DZM ;00PZ 10PZM ;00P 10PDZM ;00S2 10DZM", "! * - * -? -? + *"},
		{"an upper layer depends on what it said it would not",
			"=1 ;00S2 10DZM ;00PZ 10PDZM", "! * - -?"},
		{"a layer is announced, but what is below it was left out",
			"=0 ;00S2 10DZM ;00P 10PDZM =2 ;00PS3 10PD 20DZM", "! - * - *? -? -?"},
		{"a layer is announced and taken up",
			"=2 ;00S2 10DZM ;00P 10PDZM ;00PS3 10PD 20DZM", "! * + * + + *"},
		{"what was chosen at a key frame does not come",
			"=1 ;00ZS2 ;00PZ 10PZM", "_ _? _?"},
		{"nor its beginning",
			"=1 ;00ZS2 10Zc 10ZcM ;00PZ 10PZM", "_ _? _? _? _?"},
		{"independent layers", "=1 ;00ZS2 10ZM ;00PZ 10PZM", "_ ! - *"},
		{"what came in front of the start is not there",
			"=2 ;10Zc 00ZS3 20ZM =1 ;00PZ 10PZ 20PZM", "_? _ ! -? -? *?"},
		{"a switching up point in a layer that has gaps",
			"=2 ;00S3 10D 20DZM ;00PZ 10PZ 20PZM ;00PZ 10U 20PZM =1 ;00PZ 10PZ 20PZM", "! + * - - * - + * -? -? *?"},
		{"one layer", "=2 ;00M ;00PM", "! *"},
		{"more layers, but what announces them is lost",
			"=1 ;00S1M ;00c 10DM ;00PZ 10PZM ;00S2 10DM", "! * -? *? -? + *"},
	} {
		if got := runVP9(c.script); got != c.want {
			t.Errorf("%s: %s\n\t%s, want\n\t%s", c.name, c.script, got, c.want)
		}
	}
}

// av1Film is a film of key frames only, of one packet a frame, with the given
// pattern: two pictures.
func av1Film(pat pattern, pictures int) []packet {
	pat.whole = true
	e := &encoder{pattern: pat, r: rand.New(rand.NewPCG(1, 1)), layers: pat.spatial}
	e.forget(0)
	for i := range pictures {
		e.picture(i%2 == 0, pat.spatial)
	}
	e.describe()
	return e.packets()
}

// split cuts a packet into the first and the rest of its frame.
func split(p packet) (first, rest packet) {
	first, rest = p, p
	first.av1.EndOfFrame = false
	rest.av1.StartOfFrame, rest.av1.KeyFrame, rest.av1.HasStructure, rest.av1.HasActiveTargets = false, false, false, false
	return first, rest
}

// feedAV1 gives packets to a selector and returns letters as run does.
func feedAV1(c chooser, packets ...packet) string {
	var out []string
	for _, p := range packets {
		result, _ := feed(c, []packet{p})
		out = append(out, result)
	}
	return strings.Join(out, " ")
}

// A frame that was left out stays left out though the rest of the one before,
// which says that its layer can be taken up, comes behind it.
func TestAV1ReorderedWithinAUnit(t *testing.T) {
	p := av1Film(pattern{spatial: 2, temporal: 1}, 2)
	first, rest := split(p[0])
	var c av1Chooser
	c.SetTarget(0, All)
	got := feedAV1(&c, first, p[1], rest)
	c.SetTarget(1, All)
	if got += " " + feedAV1(&c, p[2], p[3]); got != "! - * *? -?" {
		t.Error(got)
	}
}

// A key frame is one even without its first packet if the structure is as
// before.
func TestAV1KeyFrameWithoutItsBeginning(t *testing.T) {
	p := av1Film(pattern{spatial: 2, temporal: 1, keyOnly: true}, 4)
	for i := range p {
		p[i].av1.Structure = p[0].av1.Structure
	}
	_, rest := split(p[4])
	var c av1Chooser
	c.SetTarget(0, All)
	got := feedAV1(&c, p[:4]...)
	c.SetTarget(1, All)
	if got += " " + feedAV1(&c, rest, p[5], p[6], p[7]); got != "! - * - + * - *" {
		t.Error(got)
	}
	c.Restart()
	got = feedAV1(&c, p[:2]...)
	p[2].av1.Structure, p[3].av1.Structure = nil, nil // what they are for is not known
	if got += " " + feedAV1(&c, p[2], p[3], rest, p[5], p[6], p[7]); got != "! * -? -? + * - *" {
		t.Error("lost:", got)
	}
}

// The layer above is noticed though what announced it was lost.
func TestAV1NoticesLayers(t *testing.T) {
	p := av1Film(pattern{spatial: 2, temporal: 1, keyOnly: true}, 4)
	p[0].av1.HasActiveTargets, p[0].av1.ActiveTargets = true, 0b01
	var c av1Chooser
	var m Meter
	c.SetTarget(1, All)
	m.AddAV1(&p[0].av1, 100)
	if got := feedAV1(&c, p[0], p[2], p[3], p[4], p[5]); got != "! * -? + *" {
		t.Error(got)
	}
	for _, p := range p[2:4] {
		m.AddAV1(&p.av1, 100)
	}
	m.Roll(time.Second)
	if l := m.Layers(); len(l) != 2 || !l[1].Active {
		t.Errorf("%+v", l)
	}
}

// A receiver is told of its decode targets in key frames, and many times where
// they change without one.
func TestAV1Announcements(t *testing.T) {
	var c av1Chooser
	c.SetTarget(1, All)
	var written []int
	for i, p := range readCapture(t, "av1_l3t3_key.txt")[:130] {
		if i == 20 {
			c.SetTarget(1, 1)
		}
		if d := c.forward(&p.packet); d.WriteTargets {
			written = append(written, i)
			if want := []uint32{0b111000, 0b011000}[min(i/20, 1)]; d.Targets != want {
				t.Errorf("packet %d: targets %b, want %b", i, d.Targets, want)
			}
		}
	}
	if len(written) != 1+announcements || written[0] != 0 || written[1] < 20 {
		t.Error("written in packets", written)
	}
}

// The structure comes behind other packets of its key frame. That is no matter
// unless something has been left out of it by then.
func TestAV1StructureComesLate(t *testing.T) {
	p := av1Film(pattern{spatial: 2, temporal: 1, keyOnly: true}, 4)
	first, rest := split(p[4])
	rest.av1.Structure = p[0].av1.Structure
	upper := p[5]
	upper.av1.Structure = p[0].av1.Structure
	for _, order := range []struct {
		packets []packet
		want    string
	}{
		{[]packet{rest, first, p[5], p[6], p[7]}, "! - * - * + - * -"},
		{[]packet{rest, upper, first, p[6], p[7]}, "! - * - * - -? -? -?"},
	} {
		var c av1Chooser
		c.SetTarget(0, All)
		if got := feedAV1(&c, append(p[:4:4], order.packets...)...); got != order.want {
			t.Errorf("%s, want %s", got, order.want)
		}
	}
}

// Independent layers begin with a frame that is not the first of its unit.
func TestAV1IndependentLayers(t *testing.T) {
	p := av1Film(pattern{spatial: 3, temporal: 1, independent: true}, 2)
	var c av1Chooser
	c.SetTarget(2, All)
	if got := feedAV1(&c, p...); got != "_ _ ! - - *" {
		t.Error(got)
	}
	// What was chosen does not come, and it is too late behind the key frame.
	c.Restart()
	if got := feedAV1(&c, p[0], p[1], p[3], p[4], p[5]); got != "_ _ _? _? _?" {
		t.Error("not coming:", got)
	}
	// What came in front of the start is not there.
	c.Restart()
	_, rest := split(p[1])
	rest.av1.Structure = nil
	got := feedAV1(&c, rest, p[0], p[2])
	c.SetTarget(1, All)
	if got += " " + feedAV1(&c, p[3:]...); got != "_? _ ! -? -? *?" {
		t.Error("in front:", got)
	}
}

// best against a look at all of them.
func TestBest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	better := func(a, b uint8, want int8) bool { // a than b
		if above := int8(b) > want; above != (int8(a) > want) {
			return above
		} else if above {
			return a < b
		}
		return a > b
	}
	for range 5000 {
		n := 1 + r.IntN(9)
		var l ladder
		for range n {
			l.spatial, l.temporal = append(l.spatial, uint8(r.IntN(4))), append(l.temporal, uint8(r.IntN(4)))
		}
		available, want := r.Uint64N(1<<n), layer{int8(r.IntN(4)), int8(r.IntN(4))}
		best := -1
		for i := range n {
			if available>>i&1 == 0 {
				continue
			}
			if best < 0 || better(l.spatial[i], l.spatial[best], want.spatial) ||
				(l.spatial[i] == l.spatial[best] && better(l.temporal[i], l.temporal[best], want.temporal)) {
				best = i
			}
		}
		if got := l.best(available|^uint64(0)<<n, want); got != best {
			t.Fatalf("%v %b, %v: %d, want %d", l, available, want, got, best)
		}
	}
}

// The history against a list of everything that happened.
func TestHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var h history
	var all []change
	ts := uint32(1<<32 - 20000)
	for range 2000 {
		ts += uint32(r.IntN(3000))
		c := change{ts: ts, targets: r.Uint32N(2), spatial: int8(r.IntN(3))}
		h.add(c)
		if n := len(all); n == 0 || all[n-1].spatial != c.spatial || all[n-1].targets != c.targets {
			all = append(all, c)
		}
		at := ts - uint32(r.IntN(30000))
		want := change{spatial: None}
		for _, c := range all[max(0, len(all)-pastChanges):] {
			if int32(at-c.ts) >= 0 {
				want = c
			}
		}
		if got := h.at(at); got != want {
			t.Fatalf("at %d: %+v, want %+v", at, got, want)
		}
	}
}
