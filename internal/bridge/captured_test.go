package bridge

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/testkit/capture"
)

// captured is a packet of a real sender. The picture is not in the capture:
// behind the descriptor stand the packet's number and noise, as if it were
// encrypted end to end.
type captured struct {
	pt      uint8
	seq     uint16
	ts      uint32
	marker  bool
	ext     []byte // dependency descriptor
	payload []byte
}

func readCapture(t testing.TB, name string) (out []captured) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range capture.Read(t, name) {
		p := captured{pt: map[string]uint8{"vp9": ptVP9, "av1": ptAV1}[c.Codec], seq: c.Seq, ts: c.TS, marker: c.Marker, ext: c.Dependency}
		p.payload = binary.BigEndian.AppendUint32(c.Head, uint32(len(out)))
		for len(p.payload) < min(c.Size, 1100) {
			p.payload = append(p.payload, byte(r.Uint32()))
		}
		out = append(out, p)
	}
	return out
}

// cinema plays a capture to receivers that are in simulated time.
type cinema struct {
	*lab
	packets   []captured
	tcc       uint16
	start     mono.Time
	receivers []*screened
}

// screened is a receiver that notes everything it got.
type screened struct {
	*labClient
	got, again []rtp.Header
}

func newCinema(t testing.TB, packets []captured, receivers int) (c *cinema, out []*screened) {
	c = &cinema{lab: newLab(t, 1, receivers), packets: packets}
	c.start = c.w.now
	for _, r := range c.clients[1:] {
		s := &screened{labClient: r}
		r.kind = reportsNothing
		r.ep.bw.started = 1 // it has not reported on anything for long: no limit
		out = append(out, s)
	}
	c.receivers = out
	return c, out
}

// send lets a packet of the capture arrive, as it came first or as RTX.
func (c *cinema) send(p *captured, rtx bool) {
	var e rtp.Egress
	var buf [1500]byte
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp, e.Marker = 1001, p.pt, p.seq, p.ts, p.marker
	payload := p.payload
	if rtx {
		e.SSRC, e.PayloadType, e.Seq = 1011, map[uint8]uint8{ptVP9: 97, ptAV1: 42}[p.pt], c.tcc
		payload = append(binary.BigEndian.AppendUint16(nil, p.seq), payload...)
	}
	e.AddUint16(extTCC, c.tcc)
	c.tcc++
	if p.ext != nil {
		e.Add(extDependency, p.ext)
	}
	n, err := e.Write(buf[:], payload)
	if err == nil {
		n, err = c.clients[0].sealer.SealRTP(buf[:], buf[:n])
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.w.packet(c.clients[0].addr, buf[:n], false)
}

// until lets time pass up to a moment of the capture.
func (c *cinema) until(ts uint32) {
	at := c.start.Add(time.Duration(ts-c.packets[0].ts) * time.Second / videoClock)
	for c.w.now < at {
		c.w.now = c.w.now.Add(time.Millisecond)
		c.w.wheel.Advance(c.w.now, c.w.fire)
		c.w.turnOver()
	}
}

// collect takes what was sent to the receivers.
func (c *cinema) collect() {
	c.t.Helper()
	c.w.flush()
	c.lab.collect(func() {
		c.clients[0].collect()
		for _, s := range c.receivers {
			s.collect()
		}
	})
}

func (s *screened) collect() {
	var buf [2000]byte
	for n := s.raw(buf[:]); n > 0; n = s.raw(buf[:]) {
		if buf[0] < 128 || rtp.IsRTCP(buf[:n]) {
			continue
		}
		n, err := s.opener.OpenRTP(buf[:n])
		if err != nil {
			s.l.t.Fatal(err)
		}
		h, err := rtp.Parse(slices.Clone(buf[:n]))
		if err != nil {
			s.l.t.Fatal(err)
		}
		switch h.SSRC {
		case 1001:
			s.got = append(s.got, h)
		case 1011:
			s.again = append(s.again, h)
		}
	}
}

func (s *screened) ask(height int, rate float64) {
	s.ep.message(&colibri.ReceiverVideoConstraints{DefaultConstraints: &colibri.VideoConstraints{MaxHeight: height, MaxFrameRate: rate}})
}

// viewer looks at what a receiver got as a decoder does: in order, by what the
// descriptors say. It knows nothing of how the bridge decides.
type viewer struct {
	t         *testing.T
	s         *screened
	packets   []captured
	structure *codec.AV1Structure
	frames    map[viewed]bool
	last      *rtp.Header
	active    uint32
	heights   map[int]int // pictures by height of their highest layer
	top       int
	lost      map[int]bool     // packets that came late, by their place in the capture
	shown     map[viewed][]int // which packets came of a frame
	at        int              // the place of the packet that is looked at
}

// viewed names a frame.
type viewed struct {
	number  uint16
	spatial uint8
}

func newViewer(t *testing.T, s *screened, packets []captured) *viewer {
	return &viewer{t: t, s: s, packets: packets, frames: map[viewed]bool{}, heights: map[int]int{}, shown: map[viewed][]int{}}
}

func (v *viewer) packet(h *rtp.Header) {
	v.t.Helper()
	if last := v.last; last != nil {
		if h.Seq != last.Seq+1 {
			v.t.Fatalf("number %d after %d", h.Seq, last.Seq)
		}
		same := h.Timestamp == last.Timestamp
		if v.lost == nil && same == last.Marker {
			v.t.Fatalf("packet %d: same picture: %v, although the one before has marker %v", h.Seq, same, last.Marker)
		}
		if int32(h.Timestamp-last.Timestamp) < 0 {
			v.t.Fatalf("packet %d is of a picture before that of %d", h.Seq, last.Seq)
		}
	}
	if v.last = h; h.PaddingOnly() {
		return
	}
	if h.PayloadType == ptVP9 {
		v.vp9(h)
	} else {
		v.av1(h)
	}
	if h.Marker {
		v.heights[v.top]++
	}
}

func (v *viewer) vp9(h *rtp.Header) {
	d, err := codec.ParseVP9(h.Payload())
	if err != nil {
		v.t.Fatal(err)
	}
	v.same(h, h.Payload()[d.DescriptorLen:])
	for _, diff := range d.ReferenceDiffs[:d.References] {
		v.needs(h, viewed{(d.PictureID - uint16(diff)) & 0x7fff, d.SID})
	}
	if d.InterLayer {
		v.needs(h, viewed{d.PictureID, d.SID - 1})
	}
	v.came(viewed{d.PictureID, d.SID})
	v.top = 180 << d.SID
}

func (v *viewer) av1(h *rtp.Header) {
	ext, _ := h.Extension(extDependency)
	d, err := codec.ParseAV1(ext, v.structure)
	if err != nil {
		v.t.Fatalf("packet %d: %x: %v", h.Seq, ext, err)
	}
	v.structure = d.Structure
	v.same(h, h.Payload())
	for _, diff := range d.FrameDiffs[:d.FrameDiffCount] {
		v.needs(h, viewed{number: d.FrameNumber - diff})
	}
	v.came(viewed{number: d.FrameNumber})
	v.top = int(d.Height)
	if d.HasActiveTargets {
		v.active = d.ActiveTargets
	}
	if top := v.highest(); v.lost == nil && h.Marker && top != d.SpatialID && !v.packets[v.at].marker {
		v.t.Fatalf("packet %d ends a picture of layer %d, but %b says that there is layer %d", h.Seq, d.SpatialID, v.active, top)
	}
}

// highest is the highest spatial layer of active decode targets: a decoder
// waits for its frames.
func (v *viewer) highest() (top uint8) {
	for i := range v.structure.DecodeTargets {
		if v.active>>i&1 != 0 {
			top = max(top, v.structure.TargetSpatial[i])
		}
	}
	return top
}

// same checks that what is behind the descriptor is what the sender sent.
func (v *viewer) same(h *rtp.Header, rest []byte) {
	v.t.Helper()
	if v.at = int(binary.BigEndian.Uint32(rest)); v.at >= len(v.packets) || !strings.HasSuffix(string(v.packets[v.at].payload), string(rest)) {
		v.t.Fatalf("packet %d has another payload", h.Seq)
	}
}

func (v *viewer) came(f viewed) {
	v.frames[f] = true
	v.shown[f] = append(v.shown[f], v.at)
}

func (v *viewer) needs(h *rtp.Header, f viewed) {
	v.t.Helper()
	if !v.frames[f] && !v.lost[v.at] {
		v.t.Fatalf("packet %d needs frame %v, which did not come", h.Seq, f)
	}
}

var captures = append(capture.Names("av1_"), capture.Names("vp9_")...)

// TestCaptures plays what real browsers sent to receivers that change their
// minds all the time, and lets each of them look at what it got.
func TestCaptures(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			packets := readCapture(t, name)
			c, receivers := newCinema(t, packets, 6)
			r := rand.New(rand.NewPCG(7, 8))
			for i := range packets {
				c.until(packets[i].ts)
				for j, s := range receivers {
					if i == 0 || j > 0 && r.IntN(60) == 0 {
						s.ask([]int{180, 360, 720, -1}[r.IntN(4)], []float64{0, 0, 15, 8}[r.IntN(4)])
					}
				}
				c.send(&packets[i], false)
				c.collect()
				if i%50 == 49 {
					askAgain(c, receivers[r.IntN(len(receivers))], r)
				}
			}
			for _, s := range receivers {
				v := newViewer(t, s, packets)
				for i := range s.got {
					v.packet(&s.got[i])
				}
				checkAgain(t, s)
				if len(s.got) < 20 {
					t.Errorf("a receiver got %d packets", len(s.got))
				}
			}
		})
	}
}

// askAgain lets a receiver ask for some of its newest packets once more.
func askAgain(c *cinema, s *screened, r *rand.Rand) {
	if len(s.got) < 20 {
		return
	}
	var seqs []uint16
	for range 5 {
		seqs = append(seqs, s.got[len(s.got)-1-r.IntN(20)].Seq)
	}
	s.sendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, seqs))
	c.collect()
}

// announces reports whether a descriptor says no more than another, besides
// which decode targets are active, as it is written into many packets.
func announces(more, ext []byte) bool {
	return len(more) > len(ext) && string(more[:3]) == string(ext[:3]) && more[3]&0x40 != 0 && (len(ext) == 3 || ext[3]&0x40 == 0)
}

// checkAgain compares what was sent again with what was sent before.
func checkAgain(t *testing.T, s *screened) {
	t.Helper()
	for _, h := range s.again {
		osn := binary.BigEndian.Uint16(h.Payload())
		i := slices.IndexFunc(s.got, func(o rtp.Header) bool { return o.Seq == osn })
		was := s.got[i]
		ext, _ := h.Extension(extDependency)
		wasExt, _ := was.Extension(extDependency)
		if string(h.Payload()[2:]) != string(was.Payload()) || h.Marker != was.Marker || h.Timestamp != was.Timestamp ||
			string(ext) != string(wasExt) && !announces(wasExt, ext) {
			t.Errorf("packet %d again: marker %v %x, was %v %x", osn, h.Marker, ext, was.Marker, wasExt)
		}
	}
}

// complete checks that a frame came with all of its packets, or only with such
// as were late: nobody knew at first that they are not wanted.
func (v *viewer) complete() {
	v.t.Helper()
	for f, came := range v.shown {
		slices.Sort(came)
		if !slices.ContainsFunc(came, func(i int) bool { return !v.lost[i] }) || v.lateStructure(came[0]) {
			continue
		}
		for n, i := range came {
			if n > 0 && i != came[n-1]+1 {
				v.t.Errorf("of frame %v came %v", f, came)
			}
		}
		if i := came[0]; i > 0 && v.lost[i-1] && v.sameFrame(i-1, i) {
			v.t.Errorf("of frame %v packet %d is missing, there are %v", f, i-1, came)
		}
		if i := came[len(came)-1] + 1; i < len(v.packets) && v.sameFrame(i-1, i) {
			v.t.Errorf("of frame %v packet %d is missing, there are %v", f, i, came)
		}
	}
}

// lateStructure reports whether a packet is of a key frame whose beginning came
// behind others: they were taken for what they would have been before it.
func (v *viewer) lateStructure(i int) bool {
	for j := i; j >= 0 && v.packets[j].ts == v.packets[i].ts; j-- {
		if v.lost[j] && len(v.packets[j].ext) > 40 {
			return true
		}
	}
	return false
}

// sameFrame reports whether two packets next to each other are of one frame.
func (v *viewer) sameFrame(i, j int) bool {
	a, b := &v.packets[i], &v.packets[j]
	if a.ts != b.ts {
		return false
	}
	if a.ext != nil {
		return string(a.ext[1:3]) == string(b.ext[1:3])
	}
	d, _ := codec.ParseVP9(a.payload)
	e, _ := codec.ParseVP9(b.payload)
	return d.SID == e.SID
}

// TestCapturesWithLoss is TestCaptures with a bad path from the sender: packets
// come in another order, or only when they are sent once more. In the end
// every number came, and every frame that is shown has what it depends on.
func TestCapturesWithLoss(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) {
				lossyCapture(t, readCapture(t, name), seed)
			}
		})
	}
}

func lossyCapture(t *testing.T, packets []captured, seed uint64) {
	t.Helper()
	c, receivers := newCinema(t, packets, 6)
	r := rand.New(rand.NewPCG(seed, 1))
	lost := map[int]bool{}
	pending := map[int][]int{} // by when they come
	for i := range len(packets) + 16 {
		if i < len(packets) {
			c.until(packets[i].ts)
		}
		for j, s := range receivers {
			if i == 0 || j > 0 && r.IntN(60) == 0 {
				s.ask([]int{180, 360, 720, -1}[r.IntN(4)], []float64{0, 0, 15, 8}[r.IntN(4)])
			}
		}
		switch {
		case i >= len(packets):
		case i > 20 && r.IntN(12) == 0:
			lost[i] = true
			at := i + 1 + r.IntN(15)
			pending[at] = append(pending[at], i)
		default:
			c.send(&packets[i], false)
		}
		for _, j := range pending[i] {
			c.send(&packets[j], r.IntN(3) > 0)
		}
		c.collect()
	}
	for _, s := range receivers {
		first := s.got[0].Seq
		slices.SortStableFunc(s.got, func(a, b rtp.Header) int { return int(int16(a.Seq-first)) - int(int16(b.Seq-first)) })
		v := newViewer(t, s, packets)
		v.lost = lost
		for i := range s.got {
			v.packet(&s.got[i])
		}
		v.complete()
	}
}

// TestCaptureWithoutDescriptors: of AV1 that says nothing of itself, as Firefox
// sends it, everybody gets everything, whatever size is asked for.
func TestCaptureWithoutDescriptors(t *testing.T) {
	packets := readCapture(t, "plain_av1_firefox.txt")
	c, receivers := newCinema(t, packets, 3)
	for i := range packets {
		c.until(packets[i].ts)
		for j, s := range receivers {
			if i%20 == 0 {
				s.ask([]int{180, 360, 720}[(i/20+j)%3], 0)
			}
		}
		c.send(&packets[i], false)
		for _, s := range receivers {
			s.collect()
		}
	}
	c.until(packets[len(packets)-1].ts + videoClock) // for what is on its way
	for _, s := range receivers {
		s.collect()
		if len(s.got) != len(packets) {
			t.Fatalf("a receiver got %d of %d packets", len(s.got), len(packets))
		}
		for i := range s.got {
			got, p := &s.got[i], &packets[i]
			if got.Seq != s.got[0].Seq+uint16(i) || got.Marker != p.marker || string(got.Payload()) != string(p.payload) {
				t.Fatalf("packet %d of %d came as %d, marker %v", p.seq, packets[0].seq, got.Seq, got.Marker)
			}
		}
	}
}
