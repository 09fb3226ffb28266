package bridge

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// layeredFilm makes a lab's sender send VP9 as Chromium does (L3T3_KEY): three
// sizes in one stream that depend on each other in key frames only.
type layeredFilm struct {
	*lab
	picture int
	keys    int // key frames so far
	since   int // pictures since the last one
	sizes   int // spatial layers
}

func newLayeredFilm(t *testing.T, receivers int) *layeredFilm {
	f := &layeredFilm{lab: newLab(t, 1, receivers), sizes: 3}
	f.clients[0].still = true
	return f
}

// run lets time pass.
func (f *layeredFilm) run(d time.Duration, each func()) {
	for end := f.w.now.Add(d); f.w.now < end; {
		if time.Duration(f.w.now).Milliseconds()%33 == 1 {
			f.film()
		}
		f.step()
		if each != nil {
			each()
		}
	}
}

func (f *layeredFilm) film() {
	c := f.clients[0]
	key := f.picture == 0 || c.key[0]
	if f.picture++; key {
		c.key[0] = false
		f.keys++
		f.since = 0
	}
	tid := []byte{0, 2, 1, 2}[f.since%4]
	f.since++
	for sid, rate := range labRates[:f.sizes] {
		size := rate / 8 / 30
		if key {
			size *= 2
		}
		for first := true; size > 0; first = false {
			n := min(size, 1000)
			size -= n
			c.send(f.packet(byte(sid), tid, n, key, first, size <= 0))
		}
	}
}

// packet makes a packet of size bytes behind its payload descriptor (RFC 9628 §4.2).
func (f *layeredFilm) packet(sid, tid byte, size int, key, first, last bool) (*rtp.Egress, []byte) {
	e := &rtp.Egress{}
	e.SSRC, e.PayloadType, e.Timestamp, e.Marker = 1001, ptVP9, uint32(f.picture)*3000, last && int(sid) == f.sizes-1
	flags, layer := byte(0xa0), tid<<5|sid<<1 // I, L
	if !key {
		flags |= 0x40 // P
	}
	if key && sid > 0 {
		layer |= 1 // D
	}
	if first {
		flags |= 0x08
	}
	if last {
		flags |= 0x04
	}
	if int(sid) == f.sizes-1 || !key {
		flags |= 0x01 // Z
	}
	if tid == 0 {
		layer |= 0x10 // U
	}
	structure := key && first && sid == 0
	if structure {
		flags |= 0x02
	}
	b := []byte{flags, 0x80 | byte(f.picture>>8)&0x7f, byte(f.picture), layer, byte(f.picture)}
	if structure {
		b = append(b, byte(f.sizes-1)<<5|0x10)
		for i := range f.sizes {
			b = binary.BigEndian.AppendUint16(b, 320<<i)
			b = binary.BigEndian.AppendUint16(b, 180<<i)
		}
	}
	return e, append(b, make([]byte, size)...)
}

// TestLayersThatBegin: a sender that adds sizes does so with a key frame. Who
// wants one of them has it from that very picture, and nobody asks for another.
func TestLayersThatBegin(t *testing.T) {
	f := newLayeredFilm(t, 1)
	f.sizes = 1
	a := f.clients[1]
	a.kind = reportsNothing
	a.ep.bw.started = 1
	a.wants(720)
	f.run(5*time.Second, nil)
	asked, keys := f.w.count.own[cKeyFrameRequests], f.keys
	f.sizes = 3
	f.clients[0].key[0] = true
	f.run(100*time.Millisecond, nil)
	if s, _ := a.ep.out[1001].layers.current(); s != 2 {
		t.Errorf("gets spatial layer %d", s)
	}
	f.run(5*time.Second, nil)
	if f.w.count.own[cKeyFrameRequests] != asked || f.keys != keys+1 {
		t.Errorf("%d key frames, %d were asked for", f.keys-keys, f.w.count.own[cKeyFrameRequests]-asked)
	}
	f.sizes = 2 // and one that leaves one out does not freeze
	f.clients[0].key[0] = true
	f.run(5*time.Second, nil)
	if s, _ := a.ep.out[1001].layers.current(); s != 1 || f.w.count.own[cKeyFrameRequests] != asked || a.gaps > 0 {
		t.Errorf("gets spatial layer %d, %d key frames asked for, %d gaps", s, f.w.count.own[cKeyFrameRequests]-asked, a.gaps)
	}
}

// TestLayersAskPatiently: a receiver that gets no use of key frames asks for
// them ever more seldom.
func TestLayersAskPatiently(t *testing.T) {
	l := layerSub{codec: codecVP9, vp9: new(svc.VP9Selector)}
	l.vp9.SetTarget(2, svc.All) // and nothing ever comes
	asked := 0
	for now := mono.Time(time.Second); now < mono.Time(61*time.Second); now = now.Add(10 * time.Millisecond) {
		if l.wantsKeyFrame(now) {
			asked++
		}
	}
	if asked < 5 || asked > 8 { // after 0, 1, 3, 7, 15, 31 and 47 s
		t.Errorf("asked %d times in a minute", asked)
	}
}

// changes counts how often a receiver's layers change.
type changes struct{ last, spatial, temporal, slower int }

func (n *changes) look(v *videoSub) {
	s, t := v.layers.current()
	now := s<<4 | min(t, 2)
	switch {
	case s < 0 || now == n.last:
		return
	case s != n.last>>4:
		n.spatial++
	default:
		n.temporal++
	}
	if t < 2 {
		n.slower++
	}
	n.last = now
}

// TestLayersFollowWishes: sizes and frame rates that a receiver asks for are
// what it is sent, without anything but key frames being asked of the sender.
func TestLayersFollowWishes(t *testing.T) {
	f := newLayeredFilm(t, 2)
	a, b := f.clients[1], f.clients[2]
	a.kind, b.kind = reportsNothing, reportsNothing
	a.ep.bw.started, b.ep.bw.started = 1, 1
	a.wants(720)
	b.wants(720)
	f.run(5*time.Second, nil)
	for _, tc := range []struct {
		height            int
		rate              float64
		spatial, temporal int
	}{
		{180, 0, 0, simulcast.AllTemporal}, {360, 0, 1, simulcast.AllTemporal}, {720, 0, 2, simulcast.AllTemporal},
		{180, 0, 0, simulcast.AllTemporal}, {720, 15, 2, 1}, {720, 8, 2, 0}, {360, 15, 1, 1}, {-1, 0, 2, simulcast.AllTemporal},
	} {
		keys := f.keys
		a.ep.message(&colibri.ReceiverVideoConstraints{DefaultConstraints: &colibri.VideoConstraints{MaxHeight: tc.height, MaxFrameRate: tc.rate}})
		f.run(400*time.Millisecond, nil)
		if s, l := a.ep.out[1001].layers.current(); s != tc.spatial || min(l, 2) != min(tc.temporal, 2) {
			t.Errorf("%+v: gets S%dT%d", tc, s, l)
		}
		if f.keys > keys+1 {
			t.Errorf("%+v: %d key frames", tc, f.keys-keys)
		}
		before := a.bytes[1001]
		f.run(2*time.Second, nil)
		got := (a.bytes[1001] - before) * 8 / 2
		want := labRates[tc.spatial] / []int{4, 2, 1}[min(tc.temporal, 2)]
		if got < want*9/10 || got > want*13/10 {
			t.Errorf("%+v: %d bit/s, the layer has %d", tc, got, want)
		}
	}
	if s, l := b.ep.out[1001].layers.current(); s != 2 || l < 2 {
		t.Errorf("the other gets S%dT%d", s, l)
	}
}

// TestLayersOnANoisyLink: a path whose width changes all the time changes the
// size of a picture a bounded number of times a minute, and costs the sender a
// bounded number of key frames; what is short mostly costs frames.
func TestLayersOnANoisyLink(t *testing.T) {
	f := newLayeredFilm(t, 2)
	c, other := f.clients[1], f.clients[2]
	c.path.Delay, other.path.Delay = 20*time.Millisecond, 20*time.Millisecond
	c.wants(720)
	other.wants(720)
	f.run(10*time.Second, nil)
	r := rand.New(rand.NewPCG(3, 3))
	var noisy, calm changes
	keys, quiet := f.keys, 0
	for range 60 {
		c.limit(1_200_000 + r.IntN(1_800_000))
		f.run(time.Second, func() {
			noisy.look(c.ep.out[1001])
			calm.look(other.ep.out[1001])
		})
		if c.ep.out[1001].slow != 0 {
			quiet++
		}
	}
	t.Logf("%+v, %d key frames, %d s with fewer frames, other %+v; %d gaps", noisy, f.keys-keys, quiet, calm, c.gaps)
	if noisy.spatial > 8 || f.keys-keys > 8 || noisy.temporal > 60 {
		t.Errorf("a minute: %+v, %d key frames", noisy, f.keys-keys)
	}
	if noisy.slower == 0 {
		t.Error("it never went without frames")
	}
	if calm.spatial > 1 || calm.temporal > 1 || other.gaps > 0 || c.gaps > 0 {
		t.Errorf("the other receiver: %+v; gaps %d and %d", calm, other.gaps, c.gaps)
	}
}

// TestLayersAllocateNothing: neither what is forwarded of a stream with layers,
// nor what is left out, nor a descriptor that is written anew.
func TestLayersAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, packets := range map[string][]captured{
		"VP9": readCapture(t, "vp9_l3t3_key.txt"), "AV1": readCapture(t, "av1_l3t3_key.txt"),
	} {
		t.Run(name, func(t *testing.T) {
			n := newBench(t, 10, srtp.AEADAES128GCM)
			for i, ep := range n.w.conferences[meeting].order[1:] {
				ep.bw.started = 1
				ep.message(want(180 << (i % 3)))
			}
			var e rtp.Egress
			next, seq := 0, packets[0].seq
			send := func() {
				p := &packets[next]
				if next++; next == len(packets) {
					t.Fatal("the capture is too short")
				}
				n.captured(t, &e, p, seq)
				seq++
				n.w.now = n.w.now.Add(time.Second / 60)
				n.w.wheel.Advance(n.w.now, n.w.fire)
				n.w.turnOver()
			}
			for range 140 {
				send()
			}
			before := n.w.count.own[cVideoForwarded]
			const runs = 140 // without a key frame, whose structure takes memory
			if a, where := allocs.Of(runs, send); a != 0 {
				t.Errorf("%d allocations in %d packets:%s", a, runs, where)
			}
			if got := n.w.count.own[cVideoForwarded] - before; got < runs || got > 8*runs {
				t.Errorf("%d of %d packets were forwarded to ten receivers", got, runs)
			}
		})
	}
}

// captured lets a packet of a capture arrive.
func (n *bench) captured(t *testing.T, e *rtp.Egress, p *captured, seq uint16) {
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp, e.Marker = 1001, p.pt, seq, p.ts, p.marker
	e.AddUint16(extTCC, seq)
	if p.ext != nil {
		e.Add(extDependency, p.ext)
	}
	size, err := e.Write(n.pkt, p.payload)
	if err == nil {
		size, err = n.sealer.SealRTP(n.pkt, n.pkt[:size])
	}
	if err != nil {
		t.Fatal(err)
	}
	n.w.packet(n.addr, n.pkt[:size], false)
	n.w.flush()
}

// TestTemporalLayersByDescriptor: where the codec does not tell temporal layers,
// the dependency descriptor does, and a receiver gets as many frames as it
// wants. The captures are of AV1; the payloads are those of the other codecs as
// Chromium sends them beside the descriptor.
func TestTemporalLayersByDescriptor(t *testing.T) {
	for name, tc := range map[string]struct {
		pt         uint8
		key, delta []byte
	}{
		"VP8":  {ptVP8, []byte{0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 0, 0, 0}, []byte{0x10, 1, 0, 0, 0, 0, 0}},
		"H264": {ptH264, []byte{0x67, 0x42, 0xe0, 0x1f, 0, 0, 0}, []byte{0x41, 1, 2, 3, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			packets := readCapture(t, "av1_l1t3.txt")
			for i := range packets {
				packets[i].payload = tc.delta
				if len(packets[i].ext) > 20 {
					packets[i].payload = tc.key
				}
				packets[i].pt = tc.pt
			}
			c, receivers := newCinema(t, packets, 3)
			rates := []float64{0, 15, 8}
			start := packets[0].ts
			for round := range 3 { // the capture is short
				for i := range packets {
					p := packets[i]
					p.seq, p.ts = p.seq+uint16(round*len(packets)), p.ts+uint32(round)*(packets[len(packets)-1].ts-start+3000)
					c.until(p.ts)
					for j, s := range receivers {
						if round == 0 && i == 0 {
							s.ask(720, rates[j])
						}
						if round == 2 && i == 0 {
							s.got = nil
						}
					}
					c.send(&p, false)
					c.collect()
				}
			}
			all := len(receivers[0].got)
			for j, s := range receivers {
				frames, share := len(s.got), []float64{1, 0.6, 0.35}[j]
				if float64(frames) > share*float64(len(packets)) || float64(frames) < share*0.7*float64(len(packets)) {
					t.Errorf("%g frames a second: %d packets of %d", rates[j], frames, all)
				}
				for i := range s.got {
					if _, ok := s.got[i].Extension(extDependency); ok {
						t.Fatal("a descriptor whose numbers are not kept going went out")
					}
					if i > 0 && s.got[i].Seq != s.got[i-1].Seq+1 {
						t.Fatalf("number %d after %d", s.got[i].Seq, s.got[i-1].Seq)
					}
				}
			}
		})
	}
}

// TestFrameRate: the nominal rate is one that cameras have, and does not change
// with every count.
func TestFrameRate(t *testing.T) {
	var r frameRate
	for _, step := range []struct{ counted, want float64 }{
		{0, 0}, {29, 30}, {31, 30}, {24, 30}, {22, 30}, {22, 30}, {26, 30}, {22, 30}, {21, 30}, {20, 20}, {24, 20}, {1000, 20}, {18, 20}, {0, 20},
		{7, 20}, {7, 20}, {7, 7.5},
	} {
		if r.update(step.counted); r.nominal != step.want {
			t.Errorf("%g counted: %g, want %g", step.counted, r.nominal, step.want)
		}
	}
}

// TestStructures against a list of all.
func TestStructures(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	var s structures
	type entry struct {
		a  *codec.AV1Structure
		ts uint32
	}
	var all []entry
	ts := ^uint32(0) - 20*3000
	for range 300 {
		ts += uint32(r.IntN(4)) * 3000
		a := &codec.AV1Structure{TemplateIDOffset: uint8(r.IntN(2))}
		holds := s.at(ts)
		if got := s.same(a, ts); holds != nil && holds.Equal(a) != (got == holds) || holds == nil && got != a {
			t.Fatal("equal structures are not the same")
		} else if got == a {
			if n := len(all); n > 0 && all[n-1].ts == ts {
				all = all[:n-1]
			}
			all = append(all, entry{a, ts})
			s.add(a, ts)
		}
		s.add(&codec.AV1Structure{}, all[len(all)-1].ts-3000) // is late
		at := ts - uint32(r.IntN(8))*3000
		var want *codec.AV1Structure
		for _, e := range all[max(0, len(all)-len(s)):] {
			if int32(at-e.ts) >= 0 {
				want = e.a
			}
		}
		if got := s.at(at); got != want {
			t.Fatalf("at %d: %v, want %v", at, got, want)
		}
	}
}

// TestAV1WithoutDescriptors: a receiver that was not offered the dependency
// descriptor gets the smallest picture, whatever it asks for, as it could not
// tell which frames belong to a larger one.
func TestAV1WithoutDescriptors(t *testing.T) {
	bare := offer()
	bare[1].HeaderExtensions = bare[1].HeaderExtensions[:1]
	n := newBench(t, 1, srtp.AEADAES128GCM, bare...)
	n.w.conferences[meeting].order[1].bw.started = 1
	var e rtp.Egress
	for i, p := range readCapture(t, "av1_l3t3_key.txt") {
		n.captured(t, &e, &p, p.seq)
		n.later(time.Second / 60)
		if s, _ := n.sub().layers.current(); s > 0 {
			t.Fatalf("spatial layer %d at packet %d", s, i)
		}
	}
	if n.sub().packets < 50 {
		t.Errorf("%d packets were forwarded", n.sub().packets)
	}
}
