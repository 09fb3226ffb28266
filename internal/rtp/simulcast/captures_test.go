package simulcast_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/testkit/capture"
)

// heard is a packet of a real sender. Its frame's number counts those of the
// encoding.
type heard struct {
	packet
	at     mono.Time
	height int
	refs   []int // the frames that its frame depends on, or may depend on
	of     int   // how many packets its frame has
}

// reader makes them of the packets of one encoding.
type reader struct {
	frames    int
	first     int // where the newest frame begins in the list
	layers    map[uint8]int
	numbers   map[uint16]int // frames by the numbers of dependency descriptors
	structure *codec.AV1Structure
}

func readCapture(t *testing.T, name string) (all []heard) {
	t.Helper()
	encodings := map[int]*reader{}
	for _, c := range capture.Read(t, name) {
		e := encodings[c.Encoding]
		if e == nil {
			e = &reader{numbers: map[uint16]int{}}
			encodings[c.Encoding] = e
		}
		p := heard{at: mono.Time(time.Hour).Add(c.At)}
		p.encoding, p.seq, p.ts, p.marker = c.Encoding, c.Seq, c.TS, c.Marker
		if e.frames == 0 || all[e.first].ts != p.ts {
			e.first = len(all)
			e.frames++
		}
		if err := e.read(&p, &c); err != nil {
			t.Fatalf("%s, packet %d: %v", name, c.Seq, err)
		}
		all = append(all, p)
		all[e.first].of++
	}
	return all
}

// read takes from a packet what a bridge does.
func (e *reader) read(p *heard, c *capture.Packet) (err error) {
	p.frame = e.frames
	if c.Codec == "vp8" {
		if p.vp8, err = codec.ParseVP8(c.Payload()); err != nil {
			return err
		}
		p.info, p.height = infoOf(&p.vp8, p.ts), int(p.vp8.Height)
		e.refer(p)
		return nil
	}
	d, err := codec.ParseH264(c.Payload())
	if err != nil {
		return err
	}
	p.info = simulcast.FrameInfo{Timestamp: p.ts, StartOfFrame: d.SPS, KeyFrame: d.SPS}
	p.height = int(d.Height)
	if c.Dependency == nil {
		e.refer(p)
		return nil
	}
	return e.describe(p, c.Dependency)
}

// refer finds what a frame may depend on where nobody says it: with a layer
// sync the newest one of the base layer, else those of all layers up to its
// own. Without layers that is the frame before.
func (e *reader) refer(p *heard) {
	switch {
	case p.info.KeyFrame:
		e.layers = map[uint8]int{}
	case p.info.LayerSync:
		p.refs = append(p.refs, e.layers[0])
	default:
		for layer, frame := range e.layers {
			if layer <= p.info.TID && frame != p.frame {
				p.refs = append(p.refs, frame)
			}
		}
	}
	e.layers[p.info.TID] = p.frame
}

// describe takes it from a dependency descriptor, which is certain.
func (e *reader) describe(p *heard, ext []byte) error {
	d, err := codec.ParseAV1(ext, e.structure)
	if err != nil {
		return err
	}
	if d.KeyFrame != p.info.KeyFrame && d.StartOfFrame {
		return fmt.Errorf("the descriptor says key frame: %v, the payload %v", d.KeyFrame, p.info.KeyFrame)
	}
	e.structure, e.numbers[d.FrameNumber] = d.Structure, p.frame
	for _, diff := range d.FrameDiffs[:d.FrameDiffCount] {
		p.refs = append(p.refs, e.numbers[d.FrameNumber-diff])
	}
	i := &p.info
	i.HasTID, i.TID, i.SwitchUp, i.StartOfFrame = true, d.TemporalID, d.SwitchUp(), d.StartOfFrame
	return nil
}

// viewer looks at what a receiver gets as its decoder would.
type viewer struct {
	*receiver
	t      *testing.T
	name   string
	shown  map[int]bool // frames of the current encoding
	before sent
	number uint16 // of the packet before
	came   int    // packets of the newest frame
	of     int    // and how many it has
}

func newViewer(t *testing.T, name string) *viewer {
	return &viewer{receiver: newReceiver(t), t: t, name: name, shown: map[int]bool{}}
}

func (v *viewer) packet(p *heard) {
	v.t.Helper()
	ended, first := v.ended, v.n == 0
	if !v.receiver.packet(v.t, p.packet, p.at) {
		return
	}
	now := v.got[v.last]
	fresh := first || v.switched || now.from.frame != v.before.from.frame
	step := uint16(1)
	if v.switched && !ended {
		step = 2 // an unfinished frame, which the receiver must not wait for
	}
	if !first && v.last-v.number != step {
		v.t.Fatalf("%s: number %d follows %d", v.name, v.last, v.number)
	}
	switch {
	case first:
	case fresh:
		v.checkNext(now, ended)
	case now.id != v.before.id || now.tl0 != v.before.tl0 || now.ts != v.before.ts || ended:
		v.t.Fatalf("%s: within a frame %+v follows %+v", v.name, now, v.before)
	}
	if fresh {
		v.checkFrame(p)
	}
	v.before, v.number = now, v.last
	v.came++
}

// checkNext compares the first packet of a frame with the last one of another.
func (v *viewer) checkNext(now sent, ended bool) {
	v.t.Helper()
	if !v.switched && (!ended || v.came != v.of) {
		v.t.Fatalf("%s: of frame %d of encoding %d came %d of %d packets", v.name, v.before.from.frame, v.before.from.encoding, v.came, v.of)
	}
	if int32(now.ts-v.before.ts) <= 0 || v.switched && now.ts-v.before.ts < 3000 {
		v.t.Fatalf("%s: time %d follows %d", v.name, now.ts, v.before.ts)
	}
	if !now.from.vp8.HasTID {
		return
	}
	tl0 := v.before.tl0
	if now.from.vp8.TID == 0 {
		tl0++
	}
	if now.id != (v.before.id+1)&0x7fff || now.tl0 != tl0 {
		v.t.Fatalf("%s: %+v follows %+v", v.name, now, v.before)
	}
}

// checkFrame checks that a frame has what it needs.
func (v *viewer) checkFrame(p *heard) {
	v.t.Helper()
	if v.switched {
		clear(v.shown)
		if !p.info.KeyFrame {
			v.t.Fatalf("%s: encoding %d begins with %+v", v.name, p.encoding, p.info)
		}
	}
	for _, ref := range p.refs {
		if !v.shown[ref] {
			v.t.Fatalf("%s: frame %d of encoding %d, layer %d, needs %d", v.name, p.frame, p.encoding, p.info.TID, ref)
		}
	}
	v.shown[p.frame] = true
	v.came, v.of = 0, p.of
}

func simulcasts() []string { return append(capture.Names("vp8_"), capture.Names("h264_")...) }

// TestCapturesAreRead: what the parsers say of real senders' streams holds
// together. For each encoding: its height, frames, key frames, frames of
// each temporal layer, and those above the base that depend on it only.
func TestCapturesAreRead(t *testing.T) {
	for name, want := range map[string][3]string{
		"vp8_simulcast.txt":              {"135: 135 8 [38 33 64 0] 36", "270: 135 8 [38 33 64 0] 36", "540: 104 6 [29 25 50 0] 28"},
		"vp8_simulcast_firefox.txt":      {"135: 136 9 [71 65 0 0] 35", "270: 136 9 [71 65 0 0] 35", "540: 103 6 [53 50 0 0] 27"},
		"h264_simulcast.txt":             {"134: 127 8 [127 0 0 0] 0", "270: 133 8 [133 0 0 0] 0", "540: 100 6 [100 0 0 0] 0"},
		"h264_simulcast_descriptors.txt": {"134: 132 8 [36 32 64 0] 0", "270: 134 8 [37 32 65 0] 0", "540: 101 6 [28 24 49 0] 0"},
	} {
		packets := readCapture(t, name)
		for e := range want {
			if got := describe(t, name, packets, e); got != want[e] {
				t.Errorf("%s, encoding %d: %s, want %s", name, e, got, want[e])
			}
		}
	}
}

func describe(t *testing.T, name string, packets []heard, encoding int) string {
	t.Helper()
	frames, keys, syncs, height := 0, 0, 0, 0
	var layers [4]int
	var last *heard
	for i := range packets {
		p := &packets[i]
		if p.encoding != encoding || p.of == 0 {
			continue
		}
		if !p.info.StartOfFrame && (p.info.HasTID || last == nil) {
			t.Errorf("%s: packet %d should begin a frame: %+v", name, p.seq, p.info)
		}
		frames++
		layers[p.info.TID]++
		if p.info.LayerSync && p.info.TID > 0 {
			syncs++
		}
		if p.info.KeyFrame {
			keys++
			height = p.height
		}
		if last != nil && p.vp8.PictureIDBits != 0 {
			tl0 := last.vp8.TL0PicIdx
			if p.vp8.TID == 0 {
				tl0++
			}
			if p.vp8.PictureID != (last.vp8.PictureID+1)&0x7fff || p.vp8.TL0PicIdx != tl0 || p.info.KeyFrame && p.vp8.TID != 0 {
				t.Errorf("%s: %+v follows %+v", name, p.vp8, last.vp8)
			}
		}
		last = p
	}
	return fmt.Sprintf("%d: %d %d %v %d", height, frames, keys, layers, syncs)
}

// How many packets of each capture go out, for each encoding up to the
// temporal layers 0 to 2.
func TestCaptures(t *testing.T) {
	for name, want := range map[string]string{
		"vp8_simulcast.txt":              "38 71 135 57 90 161 85 130 236",
		"vp8_simulcast_firefox.txt":      "71 136 136 75 141 141 100 172 172",
		"h264_simulcast.txt":             "129 129 129 188 188 188 254 254 254",
		"h264_simulcast_descriptors.txt": "39 71 135 76 125 190 113 178 274",
	} {
		packets := readCapture(t, name)
		var got []string
		for n := range 9 {
			v := newViewer(t, name)
			v.twin.setTarget(n/3, n%3)
			for i := range packets {
				v.packet(&packets[i])
			}
			got = append(got, fmt.Sprint(v.n))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: of %d packets %s, want %s", name, len(packets), got, want)
		}
	}
}

// TestCapturesWithOneChange changes, at each packet of a capture in turn, from
// some quality to another. Those before and behind each key frame are tried
// with every pair.
func TestCapturesWithOneChange(t *testing.T) {
	const qualities = 9
	for _, name := range simulcasts() {
		packets := readCapture(t, name)
		for at := range packets {
			for pair := range qualities * qualities {
				if from, to := pair/qualities, pair%qualities; from != to && (keyNear(packets, at) || pair == at*7%(qualities*qualities)) {
					oneChange(t, name, packets, at, from, to)
				}
			}
		}
	}
}

// oneChange plays what is around a packet. A quality is an encoding and a
// temporal layer, of three each.
func oneChange(t *testing.T, name string, packets []heard, at, from, to int) {
	t.Helper()
	v := newViewer(t, name)
	v.twin.setTarget(from/3, from%3)
	for i := max(at-120, 0); i < min(at+90, len(packets)); i++ {
		if i == at {
			v.twin.setTarget(to/3, to%3)
		}
		v.packet(&packets[i])
	}
}

// keyNear reports whether a key frame begins at a packet, or one before.
func keyNear(packets []heard, at int) bool {
	return packets[at].info.KeyFrame || at > 0 && packets[at-1].info.KeyFrame
}

// Real streams, with a quality that changes all the time.
func TestCapturesWithRandomTargets(t *testing.T) {
	for _, name := range simulcasts() {
		packets := readCapture(t, name)
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 1))
			v := newViewer(t, name)
			for i := range packets {
				if i == 0 || r.IntN(25) == 0 {
					v.twin.setTarget(r.IntN(4)-1, r.IntN(3))
				}
				v.packet(&packets[i])
			}
		}
	}
}
