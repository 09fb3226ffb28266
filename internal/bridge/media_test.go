package bridge

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// pair is a sender and a receiver in one conference; the receiver gets the
// sender's video at the given height.
func pair(t *testing.T, height int) (r *rig, a, b *client) {
	t.Helper()
	r = newRig(t, 2)
	a = r.join(meeting, "aaaaaaaa", 1000)
	b = r.join(meeting, "bbbbbbbb", 2000)
	b.ask(want(height))
	b.until("video", func() { a.allVideo(true) }, func() bool { return len(b.packets(1001)) > 0 })
	return r, a, b
}

// TestRetransmission: a NACK is answered by RTX with the packet as it was sent.
func TestRetransmission(t *testing.T) {
	r, a, b := pair(t, 720)
	b.until("more video", func() { a.allVideo(false) }, func() bool { return len(b.packets(1001)) > 20 })
	missed := b.got(1001)[10]
	nack := rtp.AppendNACK(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, []uint16{missed.Seq})
	if err := b.SendRTCP(nack); err != nil {
		t.Fatal(err)
	}
	b.until("RTX", nil, func() bool { return len(b.packets(1011)) > 0 })
	got := b.got(1011)[0]
	if got.PayloadType != ptRTX || binary.BigEndian.Uint16(got.Payload()) != missed.Seq || got.Timestamp != missed.Timestamp {
		t.Errorf("RTX of %d: payload type %d, payload %x", missed.Seq, got.PayloadType, got.Payload())
	}
	if string(got.Payload()[2:]) != string(missed.Payload()) {
		t.Errorf("payload %x, at first %x", got.Payload()[2:], missed.Payload())
	}
	// At once again is too early; a stranger to the stream gets nothing.
	if err := b.SendRTCP(append(nack, nack...)); err != nil {
		t.Fatal(err)
	}
	b.until("the limit", nil, func() bool { return r.counted(dropRetransmitLimit) > 0 })
}

// TestLossFromSender: the bridge asks the sender for what did not arrive, and
// a retransmission reaches receivers as if it had come in the first place.
func TestLossFromSender(t *testing.T) {
	_, a, b := pair(t, 180)
	a.video(0, false)
	lost := a.nextSeq(1001)
	a.video(0, false)
	asked := func(p rtp.RTCP) bool {
		if !p.IsFeedback(rtp.TypeRTPFB, rtp.FormatNACK) || p.MediaSSRC() != 1001 {
			return false
		}
		seq, _ := p.NACK(0)
		return seq == lost
	}
	a.until("NACK", nil, func() bool { return a.rtcpMessages(asked) > 0 })
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Marker, e.Seq, e.Timestamp = 1011, ptRTX, true, 77, uint32(lost)*3000
	e.AddUint16(extTCC, a.nextSeq(0))
	a.send(&e, append([]byte{byte(lost >> 8), byte(lost)}, vp8Frame(false, lost, 0)...))
	b.until("the repaired packet", nil, func() bool {
		for _, h := range b.packets(1001) {
			if h.Payload()[3] == byte(lost) {
				return h.PayloadType == ptVP8
			}
		}
		return false
	})
}

// TestKeyFrameRequests: a receiver's PLI and FIR reach the sender of the
// encoding the receiver gets, not more often than allowed.
func TestKeyFrameRequests(t *testing.T) {
	_, a, b := pair(t, 360)
	pli := func(p rtp.RTCP) bool { return p.IsPLI() && p.MediaSSRC() == 1002 }
	b.until("360p", func() { a.allVideo(true) }, func() bool { return heights(b.packets(1001))[360] > 0 })
	a.mu.Lock()
	before := a.rtcpMessages(pli)
	a.mu.Unlock()
	start := time.Now()
	ask := func() {
		b.SendRTCP(rtp.AppendPLI(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001))
		b.SendRTCP(rtp.AppendFIR(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, 1))
	}
	a.until("PLI", ask, func() bool { return a.rtcpMessages(pli) > before })
	a.until("a second PLI", ask, func() bool { return a.rtcpMessages(pli) > before+1 })
	a.mu.Lock()
	defer a.mu.Unlock()
	if n, most := a.rtcpMessages(pli)-before, 2+int(time.Since(start)/keyFrameEvery); n > most {
		t.Errorf("%d key frame requests in %v", n, time.Since(start))
	}
}

// heights counts the key frames of each height.
func heights(packets []rtp.Header) map[int]int {
	n := map[int]int{}
	for _, h := range packets {
		if d, err := codec.ParseVP8(h.Payload()); err == nil && d.KeyFrame {
			n[int(d.Height)]++
		}
	}
	return n
}

// TestLayerFollowsConstraints: the height a receiver asks for decides which
// encoding it gets, and no other.
func TestLayerFollowsConstraints(t *testing.T) {
	_, a, b := pair(t, 180)
	for _, height := range []int{720, 180, 360, -1, 180} {
		b.ask(want(height))
		expect := height
		if height < 0 {
			expect = 720
		}
		b.forget()
		b.until("the layer", func() { a.allVideo(true) }, func() bool { return heights(b.packets(1001))[expect] > 0 })
		b.forget()
		b.until("more of it", func() { a.allVideo(true) }, func() bool { return heights(b.packets(1001))[expect] > 5 })
		b.mu.Lock()
		if h := heights(b.packets(1001)); len(h) != 1 {
			t.Errorf("asked for %d, got %v", height, h)
		}
		b.mu.Unlock()
	}
	b.ask(want(0))
	b.until("all that was on its way, and a word", func() { a.audio(20) }, func() bool { return len(b.packets(1000)) > 0 })
	b.forget()
	for range 10 {
		a.allVideo(true)
		a.audio(20)
	}
	b.until("audio", func() { a.audio(20) }, func() bool { return len(b.packets(1000)) >= 10 })
	if n := len(b.got(1001)); n != 0 {
		t.Errorf("%d video packets for who wants none", n)
	}
}

// TestNothingBeforeConstraints: video flows only once a client has asked, or
// has turned out to have no channel to ask on.
func TestNothingBeforeConstraints(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.Limits.NoChannel = time.Hour })
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	b.until("audio", func() { a.audio(20); a.allVideo(true) }, func() bool { return len(b.packets(1000)) > 3 })
	if early := len(b.got(1001)); early != 0 {
		t.Errorf("%d video packets before anything was asked for", early)
	}
	r.inside(func(c *conference) { c.w.b.opt.Limits.NoChannel = time.Nanosecond }) // now it is late
	b.until("thumbnails", func() { a.allVideo(true) }, func() bool { return heights(b.packets(1001))[180] > 0 })
}

// TestSilencing: force-mute, visitors and silence are not forwarded, and what
// is left is numbered without gaps.
func TestSilencing(t *testing.T) {
	r, a, b := pair(t, 180)
	b.until("audio", func() { a.audio(20) }, func() bool { return len(b.packets(1000)) > 0 })
	mute := colibri.ForceMute{Audio: true, Video: true}
	r.change(meeting, colibri.EndpointModify{ID: a.id, ForceMute: &mute})
	for range 10 {
		a.audio(20)
		a.allVideo(true)
	}
	a.until("mute", nil, func() bool { return r.counted(dropMuted) >= 40 })
	mute = colibri.ForceMute{}
	r.change(meeting, colibri.EndpointModify{ID: a.id, ForceMute: &mute})
	for range 10 {
		a.audio(silence)
	}
	a.until("silence", nil, func() bool { return r.counted(dropSilence) == 10-maxSilent })
	n := len(b.got(1000))
	a.audio(20)
	b.until("audio again", nil, func() bool { return len(b.packets(1000)) > n })
	got := b.got(1000)
	for i, h := range got[1:] {
		if h.Seq != got[i].Seq+1 {
			t.Errorf("number %d after %d", h.Seq, got[i].Seq)
		}
	}
}

// TestUninvited: what is not authentic, not signalled or from nowhere is
// counted and goes no further.
func TestUninvited(t *testing.T) {
	r, a, b := pair(t, 180)
	stranger, err := net.Dial("udp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	noise := [][]byte{
		{0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 3, 0xe8, 1, 2, 3},
		{0x16, 0xfe, 0xfd, 0}, {0xff}, {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	}
	for _, n := range noise {
		stranger.Write(n)
	}
	a.until("strangers", nil, func() bool { return r.counted(dropStranger) >= uint64(len(noise)) })

	forged := append(noise[0], make([]byte, 20)...)
	a.SendRaw(forged)
	a.until("forgery", nil, func() bool { return r.counted(dropAuth) == 1 })

	var e rtp.Egress
	e.SSRC, e.PayloadType = 4711, ptOpus
	a.send(&e, []byte("who asked?"))
	a.until("unsignalled", nil, func() bool { return r.counted(dropUnsignalled) == 1 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.packets(4711)); n != 0 {
		t.Errorf("%d unsignalled packets were forwarded", n)
	}
}

// TestWrongFingerprint: without the certificate that was signalled there are
// no keys.
func TestWrongFingerprint(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(meeting, "aaaaaaaa", 1000)
	tr := a.Local()
	tr.Fingerprint = &media.Fingerprint{Hash: "sha-256", Setup: "active", Value: r.fingerprint()}
	s := sourcesOf(a.id, 1000)
	r.change(meeting, colibri.EndpointModify{ID: a.id, Transport: tr, Sources: &s})
	// The client may or may not notice; the bridge must.
	ctx, enough := context.WithCancel(r.ctx)
	tried := make(chan struct{})
	go func() { defer close(tried); _ = a.Connect(ctx, a.offered) }()
	a.until("the refusal", nil, func() bool {
		var problem string
		r.inside(func(c *conference) {
			problem = c.endpoints[a.id].problem
			if c.endpoints[a.id].opener != nil {
				t.Error("there are keys")
			}
		})
		return problem != ""
	})
	enough()
	<-tried
}

// TestReports: senders hear about loss and arrivals; receivers get sender
// reports under the numbers they know, from which a round trip follows.
func TestReports(t *testing.T) {
	r, a, b := pair(t, 180)
	sr := rtp.AppendSenderReport(nil, 1001, rtp.SenderInfo{NTP: 0xdeadbeef_00000000, RTPTime: 5_000_000, Packets: 9}, nil)
	send := func() { a.video(0, false); a.SendRTCP(sr) }
	var info rtp.SenderInfo
	b.until("SR", send, func() bool {
		return b.rtcpMessages(func(p rtp.RTCP) bool {
			i, ok := p.SenderInfo()
			if ok && p.SenderSSRC() == 1001 {
				info = i
			}
			return ok && p.SenderSSRC() == 1001
		}) > 0
	})
	if info.NTP>>32 < 0xdeadbeef || info.NTP>>32 > 0xdeadbeef+60 || info.Packets == 0 {
		t.Errorf("sender report %+v", info)
	}
	elapsed := int64(info.NTP-0xdeadbeef_00000000) >> 16 * 90000 >> 16
	if off := int64(info.RTPTime) - 5_000_000 - elapsed; off < -90 || off > 90 {
		t.Errorf("the clocks of the sender report are %d apart", off)
	}
	a.until("RR", nil, func() bool {
		return a.rtcpMessages(func(p rtp.RTCP) bool {
			return p.Type == rtp.TypeRR && p.Reports() > 0 && p.Report(0).SSRC >= 1001 && p.Report(0).SSRC <= 1003
		}) > 0
	})
	a.until("transport feedback", nil, func() bool {
		return a.rtcpMessages(func(p rtp.RTCP) bool {
			f, err := rtp.ParseTransportCC(p)
			return err == nil && f.Count > 0
		}) > 0
	})
	// The receiver answers a second later than it got the report.
	block := rtp.ReportBlock{SSRC: 1001, LSR: uint32(info.NTP >> 16), DLSR: 0}
	b.SendRTCP(rtp.AppendReceiverReport(nil, 2001, []rtp.ReportBlock{block}))
	b.until("a round trip time", nil, func() bool {
		var d time.Duration
		r.inside(func(c *conference) { d = c.endpoints[b.id].rtt })
		return d > 0 && d < patience
	})
}

// TestDominantSpeaker: who speaks is told to everybody, and comes first.
func TestDominantSpeaker(t *testing.T) {
	r := newRig(t, 1)
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	wb := b.dial(t)
	var told string
	n := 0
	// Speech has pauses; what never changes is taken for noise.
	syllables := func() { n++; a.audio([]uint8{10, 15, 12, 90, 110}[n/8%5]) }
	b.until("DominantSpeaker", syllables, func() bool {
		select {
		case msg := <-wb.in:
			if strings.Contains(msg, "DominantSpeakerEndpointChangeEvent") {
				told = msg
			}
		default:
		}
		return told != ""
	})
	if !strings.Contains(told, `"dominantSpeakerEndpoint":"aaaaaaaa"`) {
		t.Error(told)
	}
	late := r.allocate(meeting, "cccccccc", 0)
	expect(t, late.dial(t).in, `"dominantSpeakerEndpoint":"aaaaaaaa"`)
}

// TestLastN: the videos a receiver gets are those on stage, then selected,
// then of whoever spoke last.
func TestLastN(t *testing.T) {
	r := newRig(t, 1)
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	c := r.join(meeting, "cccccccc", 0)
	both := func() { a.allVideo(true); b.allVideo(true) }
	one := 1
	for _, tc := range []struct {
		msg  colibri.ReceiverVideoConstraints
		want uint32
	}{
		{colibri.ReceiverVideoConstraints{SelectedSources: []string{"bbbbbbbb-v0"}}, 2001},
		{colibri.ReceiverVideoConstraints{OnStageSources: []string{"aaaaaaaa-v0"}}, 1001},
		{colibri.ReceiverVideoConstraints{OnStageSources: []string{}, SelectedSources: []string{}}, 1001},
	} {
		tc.msg.LastN = &one
		heard := len(c.got(1000))
		c.ask(&tc.msg)
		c.until("all that was on its way, and a word", func() { a.audio(30) }, func() bool { return len(c.packets(1000)) > heard })
		c.forget()
		c.until("the one video", both, func() bool { return len(c.packets(tc.want)) > 5 })
		c.mu.Lock()
		if n := len(c.packets(1001)) + len(c.packets(2001)); n != len(c.packets(tc.want)) {
			t.Errorf("wanted only %d", tc.want)
		}
		c.mu.Unlock()
	}
}
