package media

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// wireOut writes packets as they would be sent and keeps them.
type wireOut struct {
	packets [][]byte
	levels  []uint8
	keep    bool
	buf     [1500]byte
}

func (o *wireOut) Packet(_ *Encoding, e *rtp.Egress, payload []byte, level uint8) {
	n, err := e.Write(o.buf[:], payload)
	if err != nil {
		panic(err)
	}
	if o.keep {
		o.packets = append(o.packets, bytes.Clone(o.buf[:n]))
		o.levels = append(o.levels, level)
	}
}

func (o *wireOut) Repeat(e *rtp.Egress, osn uint16, payload []byte) {
	n, err := e.WriteRTX(o.buf[:], osn, payload)
	if err != nil {
		panic(err)
	}
	if o.keep {
		o.packets = append(o.packets, bytes.Clone(o.buf[:n]))
	}
}

func parse(t *testing.T, pkt []byte) rtp.Header {
	t.Helper()
	h, err := rtp.Parse(pkt)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSamplesAreWhatTheyShouldBe(t *testing.T) {
	for _, c := range samples().camera[VP8] {
		tids := map[uint8]int{}
		for _, f := range c.Frames {
			tids[f.TID]++
		}
		if len(c.Frames) != 90 || len(tids) != 3 || c.Step != 3000 {
			t.Errorf("%d: %d frames, temporal layers %v, step %d", c.Height, len(c.Frames), tids, c.Step)
		}
	}
	if len(samples().voice.Frames) != 200 || samples().quiet.Frames[5].Level < 60 {
		t.Error("voice or quiet")
	}
}

func FuzzParseClip(f *testing.F) {
	f.Add([]byte("PLS1\x01\x40\x00\xb4\x0b\xb8\x00\x01\x01\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseClip(data)
		if err == nil && len(c.Frames) == 0 {
			t.Fatal("nothing to play")
		}
	})
}

// TestConversation: everybody computes the same, people take turns, and there
// is silence.
func TestConversation(t *testing.T) {
	const people = 5
	var all []*Conversation
	for range people {
		all = append(all, NewConversation(42, people))
	}
	var spoke [people]int
	quiet, both, steps := 0, 0, 0
	for at := time.Duration(0); at < 20*time.Minute; at += AudioPeriod {
		n := 0
		for i, c := range all {
			if c.Speaking(i, at) {
				spoke[i]++
				n++
			}
			if c.Speaking(0, at) != all[0].Speaking(0, at) {
				t.Fatal("not the same for all")
			}
		}
		steps++
		switch {
		case n == 0:
			quiet++
		case n > 1:
			both++
		}
		if n > 2 {
			t.Fatalf("%d speak at %v", n, at)
		}
	}
	for i, n := range spoke {
		if share := float64(n) / float64(steps); share < 0.05 || share > 0.5 {
			t.Errorf("%d speaks %.2f of the time", i, share)
		}
	}
	if q, b := float64(quiet)/float64(steps), float64(both)/float64(steps); q < 0.05 || q > 0.4 || b > 0.1 {
		t.Errorf("quiet %.2f, two at once %.2f", q, b)
	}
	if NewConversation(1, 0).Speaking(0, time.Second) {
		t.Error("nobody speaks")
	}
}

// TestAudio: a packet each 20 ms, levels that tell speech from quiet, and a
// trailer that is valid Opus padding.
func TestAudio(t *testing.T) {
	a := NewAudio(7, 111, NewConversation(3, 1), 0, 9)
	out := &wireOut{keep: true}
	a.Start(1, 1)
	for now := mono.Time(1); now < mono.Time(20*time.Second); now = now.Add(5 * time.Millisecond) {
		a.Send(now, int64(now), out)
	}
	if n := len(out.packets); n < 999 || n > 1001 {
		t.Fatalf("%d packets in 20 s", n)
	}
	loud := 0
	for i, pkt := range out.packets {
		h := parse(t, pkt)
		p := h.Payload()
		if i > 0 {
			before := parse(t, out.packets[i-1])
			if h.Seq != before.Seq+1 || h.Timestamp != before.Timestamp+960 {
				t.Fatal("not continuous")
			}
		}
		// RFC 6716 §3.2.5: code 3, one frame, padding of so many bytes.
		if p[0]&3 != 3 || p[1] != 0x41 || p[2] != StampLen || len(p) <= 3+StampLen {
			t.Fatalf("% x", p[:3])
		}
		if _, ok := ReadStamp(p); !ok {
			t.Fatal("no trailer")
		}
		if out.levels[i]&0x80 != 0 {
			loud++
		} else if out.levels[i] < 60 {
			t.Fatal("loud without speech")
		}
	}
	if got := time.Duration(loud) * AudioPeriod; got != a.Spoke() || loud < 300 {
		t.Errorf("spoke %v, says %v", got, a.Spoke())
	}
}

// sendMuted lets a muted microphone send.
func sendMuted(pauses bool, d time.Duration) (*Audio, *wireOut) {
	a, out := NewAudio(7, 111, NewConversation(3, 1), 0, 9), &wireOut{keep: true}
	a.Mute(pauses)
	a.Start(1, 1)
	for now := mono.Time(1); now < mono.Time(d); now = now.Add(5 * time.Millisecond) {
		a.Send(now, int64(now), out)
	}
	return a, out
}

// TestMute: a microphone that is muted sends silence, whoever's turn it is.
func TestMute(t *testing.T) {
	a, out := sendMuted(false, 10*time.Second)
	if len(out.packets) != 500 || a.Spoke() != 0 {
		t.Fatalf("%d packets in 10 s, %v spoken", len(out.packets), a.Spoke())
	}
	for i, pkt := range out.packets {
		if h := parse(t, pkt); out.levels[i] != silentLevel || h.Marker || len(h.Payload()) != 3 {
			t.Fatalf("packet %d: level %d, % x", i, out.levels[i], pkt)
		}
	}
}

// TestPauses: with DTX it sends two packets each 420 ms, without gaps in their
// numbers.
func TestPauses(t *testing.T) {
	_, out := sendMuted(true, 42*time.Second)
	if len(out.packets) != 200 {
		t.Fatalf("%d packets in 42 s", len(out.packets))
	}
	first := parse(t, out.packets[0])
	for i, pkt := range out.packets {
		ticks, size := uint32(i/2*21*960), 3
		if i%2 == 1 {
			ticks, size = ticks+960, 1
		}
		h := parse(t, pkt)
		if h.Seq != first.Seq+uint16(i) || h.Timestamp != first.Timestamp+ticks || h.Marker != (i%2 == 0) || len(h.Payload()) != size || out.levels[i] != silentLevel {
			t.Fatalf("packet %d: %d after the first, %d ticks later, level %d, % x", i, h.Seq-first.Seq, h.Timestamp-first.Timestamp, out.levels[i], h.Payload())
		}
	}
}

func newCamera() *Video {
	return NewVideo(VideoConfig{Source: "x-v0", Codec: VP8, PayloadType: 100, RTXType: 96, SSRCs: []uint32{1, 2, 3}, RTX: []uint32{11, 12, 13}, Seed: 5})
}

// frames puts the packets of each SSRC together again as a receiver would, and
// checks what the descriptors say.
func frames(t *testing.T, packets [][]byte) map[uint32][][]byte {
	t.Helper()
	out := map[uint32][][]byte{}
	for _, pkt := range packets {
		h := parse(t, pkt)
		d, err := codec.ParseVP8(h.Payload())
		if err != nil {
			t.Fatal(err)
		}
		data := h.Payload()[d.DescriptorLen:]
		all := out[h.SSRC]
		if d.StartOfFrame {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], data...)
		out[h.SSRC] = all
	}
	return out
}

// TestVideo: what arrives is what the encoder made, with a trailer; limits,
// budgets and requests for key frames are obeyed.
func TestVideo(t *testing.T) {
	v := newCamera()
	out := &wireOut{keep: true}
	now := mono.Time(1)
	v.Start(now)
	send := func(d time.Duration) map[uint32][][]byte {
		out.packets = nil
		for end := now.Add(d); now < end; now = now.Add(time.Millisecond) {
			v.Send(now, int64(now), out)
		}
		return frames(t, out.packets)
	}
	got := send(time.Second)
	for i, ssrc := range []uint32{1, 2, 3} {
		clip := samples().camera[VP8][i]
		if n := len(got[ssrc]); n != 30 {
			t.Fatalf("%d frames of layer %d in a second", n, i)
		}
		for k, f := range got[ssrc] {
			want := clip.Frames[k].Data
			s, ok := ReadStamp(f)
			if !ok || int(s.Height) != clip.Height || !bytes.Equal(f[:len(f)-StampLen], want) {
				t.Fatalf("layer %d frame %d is not what was encoded", i, k)
			}
		}
	}
	v.SetLimit(360)
	if got = send(time.Second); len(got) != 2 || len(got[3]) > 0 {
		t.Errorf("limited to 360: %d layers", len(got))
	}
	v.SetLimit(0)
	if got = send(time.Second); len(got) != 0 {
		t.Errorf("wanted by nobody: %d layers", len(got))
	}
	v.SetLimit(-1)
	v.SetBudget(v.Layers[0].rate + v.Layers[1].rate + 1)
	got = send(time.Second)
	if len(got) != 2 || !bytes.HasPrefix(got[2][0], samples().camera[VP8][1].Frames[0].Data) {
		t.Errorf("with a budget for two: %d layers; or it does not begin with a key frame", len(got))
	}
	if v.KeyFrame(99) || !v.KeyFrame(2) {
		t.Error("whose SSRC is it")
	}
	got = send(40 * time.Millisecond)
	if !bytes.HasPrefix(got[2][0], samples().camera[VP8][1].Frames[0].Data) || bytes.HasPrefix(got[1][0], samples().camera[VP8][0].Frames[0].Data) {
		t.Error("the key frame that was asked for")
	}
}

// TestLayersBegin: a browser shows no frame of a temporal layer before one that
// is marked as a point to begin at. So each layer has one after every key frame,
// the first, which cannot depend on anything else.
func TestLayersBegin(t *testing.T) {
	v := newCamera()
	out := &wireOut{keep: true}
	now := mono.Time(1)
	v.Start(now)
	for end := now.Add(4 * time.Second); now < end; now = now.Add(time.Millisecond) {
		v.Send(now, 1, out)
	}
	type layer struct {
		ssrc uint32
		tid  uint8
	}
	begun, marks := map[layer]bool{}, 0
	for _, b := range out.packets {
		h := parse(t, b)
		d, err := codec.ParseVP8(h.Payload())
		if err != nil {
			t.Fatal(err)
		}
		if d.KeyFrame {
			begun[layer{h.SSRC, 1}], begun[layer{h.SSRC, 2}] = false, false
		}
		at := layer{h.SSRC, d.TID}
		if !d.StartOfFrame || d.TID == 0 {
			continue
		}
		if d.LayerSync == begun[at] {
			t.Fatalf("%+v: marked %v, begun %v", at, d.LayerSync, begun[at])
		}
		begun[at] = true
		marks++
	}
	if marks == 0 {
		t.Error("no upper layers")
	}
}

// TestSlower: fewer pictures, of which none depends on one that is left out,
// over the same time.
func TestSlower(t *testing.T) {
	for rate, want := range map[int]int{60: 90, 30: 90, 29: 45, 15: 45, 8: 23, 1: 23} {
		c := samples().camera[VP8][0].slower(rate)
		if len(c.Frames) != want || len(c.Frames)*int(c.Step)/int(videoClock) != 3 {
			t.Errorf("%d a second: %d frames, step %d", rate, len(c.Frames), c.Step)
		}
	}
	if c := samples().camera[VP9][0].slower(10); len(c.Frames) != 90 {
		t.Errorf("without layers: %d frames", len(c.Frames))
	}
	v := NewVideo(VideoConfig{Source: "x-v0", Codec: VP8, SSRCs: []uint32{1}, FrameRate: 15, Seed: 5})
	out := &wireOut{keep: true}
	v.Start(1)
	for now := mono.Time(1); now < mono.Time(time.Second); now = now.Add(time.Millisecond) {
		v.Send(now, 1, out)
	}
	if got := frames(t, out.packets); len(got[1]) != 15 {
		t.Errorf("%d pictures in a second", len(got[1]))
	}
}

// TestRepeat: a repetition, unwrapped, is the packet of the first time.
func TestRepeat(t *testing.T) {
	v := newCamera()
	out := &wireOut{keep: true}
	v.Start(1)
	v.Send(1, 77, out)
	first := out.packets
	out.packets = nil
	for _, pkt := range first {
		h := parse(t, pkt)
		out.packets = nil
		if !v.Repeat(h.SSRC, h.Seq, out) {
			t.Fatal("not known any more")
		}
		again := parse(t, out.packets[0])
		original, ok := rtp.UnwrapRTX(&again, 100, h.SSRC)
		if !ok || !bytes.Equal(original, pkt) {
			t.Fatalf("% x\n% x", original[:30], pkt[:30])
		}
	}
	if v.Repeat(1, 40000, out) || v.Repeat(9, 0, out) {
		t.Error("repeats what was never sent")
	}
}

// TestSendersAllocateNothing holds for what happens each 20 ms.
func TestSendersAllocateNothing(t *testing.T) {
	v, a := newCamera(), NewAudio(7, 111, NewConversation(3, 4), 0, 9)
	out := &wireOut{}
	now := mono.Time(1)
	v.Start(now)
	a.Start(now, now)
	allocs.None(t, allocs.Many, func() {
		now = now.Add(33 * time.Millisecond)
		v.Send(now, int64(now), out)
		a.Send(now, int64(now), out)
	})
}

// TestStream: loss, repetitions, freezes and pauses.
func TestStream(t *testing.T) {
	v := newCamera()
	out := &wireOut{keep: true}
	v.Start(1)
	for now := mono.Time(1); now < mono.Time(3*time.Second); now = now.Add(33400 * time.Microsecond) {
		v.Send(now, int64(now), out)
	}
	s := NewStream(3, true, "VP8", 90000)
	s.Moving(true)
	at, lost := mono.Time(0), 0
	var missing []byte
	n := 0
	for _, pkt := range out.packets {
		h := parse(t, pkt)
		if h.SSRC != 3 {
			continue
		}
		n++
		at = mono.Time(h.Timestamp-uint32(5)) * 11111
		if n == 60 {
			lost, missing = lost+1, pkt
			continue
		}
		if n > 150 {
			at = at.Add(500 * time.Millisecond)
		}
		open, first := s.Packet(&h, len(h.Payload()), at, 8)
		if !first {
			t.Fatal("a duplicate")
		}
		if open {
			s.Opened(&h)
		}
	}
	st := s.Stats(90000)
	if st.Lost != 1 || s.KeyFrames != 1 || s.Height != 720 || s.Freezes != 1 || s.Frozen < 500*time.Millisecond {
		t.Errorf("%+v %d key frames, height %d, %d freezes of %v", st, s.KeyFrames, s.Height, s.Freezes, s.Frozen)
	}
	h := parse(t, missing)
	if !s.Late(h.Seq, at) || s.Late(h.Seq, at) || s.Recovered != 1 || s.Duplicates != 1 {
		t.Error("recovered once")
	}
	s.Moving(false)
	s.frame(1, at.Add(time.Hour))
	if s.Freezes != 1 {
		t.Error("a pause is no freeze")
	}
}

// TestFreezes: what counts as a freeze depends on how often the sender sends a
// picture at the layer that comes, and not on how often the server lets one
// through.
func TestFreezes(t *testing.T) {
	const fast, slow = time.Second / 30, 4 * time.Second / 30 // all of a camera's pictures, and those of its base layer
	at := func(step time.Duration, n int) []time.Duration { return slices.Repeat([]time.Duration{step}, n) }
	join := slices.Concat[[]time.Duration]
	for _, tc := range []struct {
		name string
		step []time.Duration // of the sender's clock, from picture to picture
		late []time.Duration // how much later than that each comes
		want int
	}{
		{"30/s", at(fast, 60), nil, 0},
		{"30/s with a gap", join(at(fast, 30), at(250*time.Millisecond, 1), at(fast, 30)), nil, 1},
		{"30/s, late", at(fast, 60), append(make([]time.Duration, 30), 180*time.Millisecond), 1},
		{"7.5/s, late", at(slow, 20), append(make([]time.Duration, 10), 180*time.Millisecond), 0},
		{"7.5/s, very late", at(slow, 20), append(make([]time.Duration, 10), 300*time.Millisecond), 1},
		{"7.5/s, one lost", join(at(slow, 10), at(2*slow, 1), at(slow, 10)), nil, 0},
		{"7.5/s, three lost", join(at(slow, 10), at(4*slow, 1), at(slow, 10)), nil, 1},
		{"from 7.5/s to 30/s with a gap", join(at(slow, 10), at(fast, 3), at(300*time.Millisecond, 1), at(fast, 10)), nil, 1},
		{"a picture a second", at(time.Second, 30), nil, 30},
		{"another source", join(at(slow, 10), []time.Duration{-1}, at(250*time.Millisecond, 1)), nil, 1},
	} {
		s := NewStream(3, true, "VP8", 90000)
		s.Moving(true)
		clock, ts := mono.Time(time.Hour), uint32(1<<32-9000)
		s.frame(ts, clock)
		for i, step := range tc.step {
			if step < 0 {
				s.Reassign("other", false)
				s.frame(ts+1, clock.Add(1))
				continue
			}
			clock, ts = clock.Add(step), ts+uint32(step*90000/time.Second)
			came := clock
			if i < len(tc.late) {
				came = clock.Add(tc.late[i])
			}
			s.frame(ts, came)
		}
		if s.Freezes != tc.want {
			t.Errorf("%s: %d freezes of %v, want %d", tc.name, s.Freezes, s.Frozen, tc.want)
		}
	}
}

// TestStandstill: a picture that stands still until the end is frozen, unless
// it need not move.
func TestStandstill(t *testing.T) {
	for _, tc := range []struct {
		name string
		gap  time.Duration
		then func(*Stream)
		want int
	}{
		{"moves", 100 * time.Millisecond, func(*Stream) {}, 0},
		{"stands still", 4 * time.Second, func(*Stream) {}, 1},
		{"muted", 4 * time.Second, func(s *Stream) { s.Moving(false) }, 0},
		{"muted for a time", 4 * time.Second, func(s *Stream) { s.Moving(false); s.Moving(true) }, 0},
		{"another source", 4 * time.Second, func(s *Stream) { s.Reassign("other", false) }, 0},
	} {
		s := NewStream(3, true, "VP8", 90000)
		s.Moving(true)
		at := mono.Time(time.Hour)
		s.frame(1, at)
		s.frame(3001, at.Add(time.Second/30))
		tc.then(s)
		freezes, frozen, longest := s.Standstill(at.Add(time.Second/30 + tc.gap))
		if freezes != tc.want || tc.want > 0 && (frozen != tc.gap || longest != tc.gap) || s.Freezes != 0 {
			t.Errorf("%s: %d freezes of %v, the longest %v; %d counted for good", tc.name, freezes, frozen, longest, s.Freezes)
		}
	}
}

func FuzzReadStamp(f *testing.F) {
	f.Add(Stamp{Sent: 5, Height: 180, Clock: 7}.Append([]byte("picture")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := ReadStamp(b); ok && !bytes.HasSuffix(b, s.Append(nil)) {
			t.Fatal("not what it says")
		}
	})
}

// TestRates: filled layers have the bitrate that was asked for, and what the
// encoder made is where it was.
func TestRates(t *testing.T) {
	v := NewVideo(VideoConfig{Source: "x-v0", Codec: VP8, PayloadType: 100, SSRCs: []uint32{1, 2, 3}, Rates: WebRates(), Seed: 5})
	out := &wireOut{keep: true}
	v.Start(1)
	for now := mono.Time(1); now < mono.Time(3*time.Second); now = now.Add(time.Millisecond) {
		v.Send(now, int64(now), out)
	}
	bytesOf := map[uint32]int64{}
	for _, pkt := range out.packets {
		bytesOf[parse(t, pkt).SSRC] += int64(len(pkt))
	}
	for i, want := range WebRates() {
		if got := 8 * bytesOf[uint32(i+1)] / 3; got < want*8/10 || got > want*12/10 {
			t.Errorf("layer %d has %d bit/s, want %d", i, got, want)
		}
	}
	for ssrc, all := range frames(t, out.packets) {
		clip := samples().camera[VP8][ssrc-1]
		for k, f := range all {
			if _, ok := ReadStamp(f); !ok || !bytes.HasPrefix(f, clip.Frames[k%len(clip.Frames)].Data) {
				t.Fatalf("layer %d frame %d", ssrc, k)
			}
		}
	}
}
