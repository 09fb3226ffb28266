package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// TestChurnLeavesNothing: who came, sent or only meant to, and went again
// leaves nothing with those who stay but where their streams stand.
func TestChurnLeavesNothing(t *testing.T) {
	n := newBench(t, 2, srtp.AEADAES128GCM)
	c := n.w.conferences[meeting]
	stays := c.order[1]
	timers := n.w.wheel.Len()
	const guests = 300
	for i := range guests {
		id := fmt.Sprintf("%08x", 1000+i)
		s := sourcesOf(id, uint32(100_000+100*i))
		m := create(id)
		m.Sources = &s
		if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{m}}); err != nil {
			t.Fatal(err)
		}
		n.w.turnOver()
		guest := c.endpoints[id]
		if i%3 == 0 { // one that is heard and seen
			encodingOf(guest, s.Sources[0].SSRC).packet(header(t, s.Sources[0].SSRC, ptOpus, []byte("opus")), false)
			encodingOf(guest, s.Groups[3].SSRCs[0]).packet(header(t, s.Groups[3].SSRCs[0], ptVP8, vp8Frame(true, 1, 180)), false)
		}
		if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{{ID: id, Expire: true}}}); err != nil {
			t.Fatal(err)
		}
		n.w.turnOver()
	}
	if got := len(stays.out) + len(stays.audioOut) + len(stays.heights); got != 3 { // of the sender that is there
		t.Errorf("%d video and %d audio streams and %d wishes are left", len(stays.out), len(stays.audioOut), len(stays.heights))
	}
	if got := len(stays.ended); got != 2*guests/3 {
		t.Errorf("%d streams are remembered, want those of two sources of %d guests", got, guests/3)
	}
	if len(c.endpoints) != 3 || len(c.sources) != 2 || len(c.ordered) != 2 || len(c.ssrcs) != 7 {
		t.Errorf("%d endpoints, %d and %d sources, %d SSRCs are left", len(c.endpoints), len(c.sources), len(c.ordered), len(c.ssrcs))
	}
	if got := n.w.wheel.Len(); got > timers || len(n.w.byUfrag) != 3 || len(n.w.b.doors) != 3 {
		t.Errorf("%d timers, before %d; %d user names, %d doors", got, timers, len(n.w.byUfrag), len(n.w.b.doors))
	}
}

// TestWhoIsGoneIsForgotten: nothing that the worker keeps for its own use holds
// on to a conference that has ended, or to its packets.
func TestWhoIsGoneIsForgotten(t *testing.T) {
	n := newBench(t, 2, srtp.AEADAES128GCM)
	for range 5 {
		n.frame(t, 0, true)
		n.later(picture)
		n.frame(t, 0, false)
		n.later(picture)
	}
	n.sub().repeat(1)
	c := n.w.conferences[meeting]
	conference, source := weak.Make(c), weak.Make(c.ordered[1])
	var people []weak.Pointer[endpoint]
	expire := &colibri.ConferenceModify{MeetingID: meeting}
	for _, ep := range c.order {
		people = append(people, weak.Make(ep))
		expire.Endpoints = append(expire.Endpoints, colibri.EndpointModify{ID: ep.id, Expire: true})
	}
	if _, err := n.w.modify(expire); err != nil {
		t.Fatal(err)
	}
	n.later(time.Minute)
	n.later(time.Minute)
	delete(n.w.byAddr, n.addr) // which no check has bound
	n.sender, c = nil, nil
	runtime.GC()
	if len(n.w.conferences) != 0 || conference.Value() != nil || source.Value() != nil {
		t.Errorf("%d conferences; the one that has ended is kept: %v, its camera: %v", len(n.w.conferences), conference.Value() != nil, source.Value() != nil)
	}
	for i, p := range people {
		if p.Value() != nil {
			t.Errorf("endpoint %d is kept", i)
		}
	}
	runtime.KeepAlive(n)
}

// header parses a packet that a test makes.
func header(t *testing.T, ssrc uint32, pt uint8, payload []byte) *rtp.Header {
	t.Helper()
	e := rtp.Egress{SSRC: ssrc, PayloadType: pt, Seq: 1, Timestamp: 1, Marker: true}
	buf := make([]byte, 1500)
	size, err := e.Write(buf, payload)
	if err != nil {
		t.Fatal(err)
	}
	h, err := rtp.Parse(buf[:size])
	if err != nil {
		t.Fatal(err)
	}
	return &h
}

// TestSourceComesBack: a source that is removed and added again goes on under
// the same SSRCs, also when it is retransmitted, with numbers nobody has seen.
func TestSourceComesBack(t *testing.T) {
	r, a, b := pair(t, 180)
	again := sourcesOf(a.id, 1000)
	for range 3 {
		b.until("audio and video", func() { a.allVideo(true); a.audio(20) }, func() bool {
			return len(b.packets(1001)) > 5 && len(b.packets(1000)) > 5
		})
		b.mu.Lock()
		newest := b.packets(1001)[len(b.packets(1001))-1]
		repeats := len(b.packets(1011))
		b.mu.Unlock()
		b.SendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, []uint16{newest.Seq}))
		b.until("RTX", nil, func() bool { return len(b.packets(1011)) > repeats })
		r.change(meeting, colibri.EndpointModify{ID: a.id, Sources: &source.Set{}})
		r.change(meeting, colibri.EndpointModify{ID: a.id, Sources: &again})
		b.mu.Lock()
		audio, video := len(b.packets(1000)), len(b.packets(1001))
		b.mu.Unlock()
		b.until("more of both", func() { a.allVideo(true); a.audio(20) }, func() bool {
			return len(b.packets(1001)) > video+5 && len(b.packets(1000)) > audio+5
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ssrc := range []uint32{1000, 1001, 1011} {
		got := b.packets(ssrc)
		for i := 1; i < len(got); i++ {
			if d := got[i].Seq - got[i-1].Seq; d == 0 || d > 3 {
				t.Errorf("SSRC %d: number %d after %d", ssrc, got[i].Seq, got[i-1].Seq)
			}
		}
	}
	checkTimes(t, b.packets(1001))
}

// TestClientComesBack: a client that begins a new session with its old SSRCs,
// as after a loss of connection, is another sender to the bridge and the same
// to those who watch.
func TestClientComesBack(t *testing.T) {
	r, a, b := pair(t, 180)
	both := func() bool { return len(b.packets(1001)) > 5 && len(b.packets(1000)) > 5 }
	for range 2 {
		b.until("audio and video", func() { a.allVideo(true); a.audio(20) }, both)
		if err := r.expireEndpoint(a.id); err != nil {
			t.Fatal(err)
		}
		a = r.join(meeting, a.id, 1000)
		b.mu.Lock()
		audio, video := len(b.packets(1000)), len(b.packets(1001))
		b.mu.Unlock()
		b.until("more of both", func() { a.allVideo(true); a.audio(20) }, func() bool {
			return len(b.packets(1001)) > video+5 && len(b.packets(1000)) > audio+5
		})
		a.until("audio of the other", func() { b.audio(20) }, func() bool { return len(a.packets(2000)) > 0 })
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ssrc := range []uint32{1000, 1001} {
		got := b.packets(ssrc)
		for i := 1; i < len(got); i++ {
			if d := got[i].Seq - got[i-1].Seq; d == 0 || d > 3 {
				t.Errorf("SSRC %d: number %d after %d", ssrc, got[i].Seq, got[i-1].Seq)
			}
		}
	}
	checkTimes(t, b.packets(1001))
}

func checkTimes(t *testing.T, got []rtp.Header) {
	t.Helper()
	for i := 1; i < len(got); i++ {
		if int32(got[i].Timestamp-got[i-1].Timestamp) <= 0 {
			t.Errorf("timestamp %d after %d", got[i].Timestamp, got[i-1].Timestamp)
		}
	}
}

// TestWornKeys: an endpoint that has been sent more streams than its key may
// protect is ended and reported, so that it is invited again with a new one.
func TestWornKeys(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	told := &reports{news: make(chan struct{}, 1)}
	n.w.b.SetReporter(told)
	ep := n.w.conferences[meeting].order[1]
	ep.sealer.SetMaxSSRCs(0)
	var e rtp.Egress
	n.packet(t, &e, 1000, ptOpus, []byte("opus"))
	n.later(2 * time.Second)
	if !ep.gone || len(told.events) != 1 || told.events[0].Endpoint != ep.id {
		t.Errorf("gone %v, reported %v", ep.gone, told.events)
	}
}

// TestStopWithStalledChannel: a client that does not read its WebSocket
// cannot hold up the end of the bridge.
func TestStopWithStalledChannel(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(meeting, "aaaaaaaa", 0)
	b := r.allocate(meeting, "bbbbbbbb", 0)
	stalled, err := net.Dial("tcp", strings.TrimPrefix(r.web.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	path := strings.TrimPrefix(a.offered.ChannelURL, "ws://127.0.0.1")
	fmt.Fprintf(stalled, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
	payload := []byte(`{"x":"` + strings.Repeat("x", 60<<10) + `"}`)
	for r.counted(dropChannelOutbox) == 0 {
		b.ask(&colibri.EndpointMessage{To: a.id, Payload: payload})
	}
	ctx, cancel := context.WithTimeout(context.Background(), wsWriteTimeout/2)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// TestStopBeforeStart: a bridge that never ran refuses, too.
func TestStopBeforeStart(t *testing.T) {
	b := idleWorkers(t, 1)
	asked := make(chan error, 1)
	go func() {
		_, err := b.Modify(t.Context(), &colibri.ConferenceModify{MeetingID: meeting, Create: true})
		asked <- err
	}()
	for !b.workers[0].mail.pending() {
		time.Sleep(time.Millisecond)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-asked; !errors.Is(err, errStopped) {
		t.Errorf("a request that waits: %v", err)
	}
	_, err := b.Modify(t.Context(), &colibri.ConferenceModify{MeetingID: meeting})
	if err == nil {
		t.Error("a request after the end is carried out")
	}
	start := time.Now()
	if s := b.State().(State); !s.Workers[0].Missing || time.Since(start) >= stateWait {
		t.Error("the state of a stopped bridge is waited for")
	}
}

// TestRepeatsAreBounded: a receiver cannot make itself be sent more than a
// path can lose.
func TestRepeatsAreBounded(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 200 {
		n.frame(t, 0, i == 0)
		n.later(time.Millisecond)
	}
	v := n.sub()
	newest, _ := v.seq.NewestOut()
	for range 100 { // two numbers that share a slot take turns
		nack := rtp.AppendNACK(nil, 1, 1001, []uint16{newest, newest - repeatSlots})
		for w := rtp.NewCompound(nack); w.Next(); {
			for range 20 {
				v.to.nacked(w.Packet())
			}
		}
	}
	if got := n.w.count.own[cRetransmitted]; got == 0 || got > repeatsPerSecond {
		t.Errorf("%d packets were repeated at once", got)
	}
	n.later(2 * time.Second)
	n.frame(t, 0, false)
	newest, _ = v.seq.NewestOut()
	before := n.w.count.own[cRetransmitted]
	v.repeat(newest)
	if n.w.count.own[cRetransmitted] != before+1 {
		t.Error("the limit holds for longer than a second")
	}
}

// TestRepeatsOncePerRoundTrip: a packet that was missed is repeated again when
// the repeat must have got lost as well, and not before.
func TestRepeatsOncePerRoundTrip(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	n.frame(t, 0, true)
	v := n.sub()
	newest, _ := v.seq.NewestOut()
	for i, step := range []struct {
		later time.Duration
		want  uint64
	}{{0, 1}, {0, 1}, {repeatEvery - time.Millisecond, 1}, {time.Millisecond, 2}, {time.Millisecond, 2}} {
		n.later(step.later)
		if v.repeat(newest); n.w.count.own[cRetransmitted] != step.want {
			t.Errorf("step %d: repeated %d times, want %d", i, n.w.count.own[cRetransmitted], step.want)
		}
	}
}

// TestRepeatsTeachNothing: a key frame that is sent again must not bring back
// the structure the stream had then.
func TestRepeatsTeachNothing(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	n.av1Key(t, 1)
	n.av1Key(t, 2)
	first, _ := n.sub().seq.NewestOut()
	n.av1Key(t, 3)
	now := n.sender.sources[1].encodings[0].structures
	n.sub().repeat(first)
	if n.w.count.own[cRetransmitted] != 1 {
		t.Fatal("nothing was repeated")
	}
	if n.sender.sources[1].encodings[0].structures != now {
		t.Error("the structure is that of an older key frame")
	}
}

// av1Key lets the sender's smallest encoding send a key frame with a structure.
func (n *bench) av1Key(t *testing.T, number uint16) {
	t.Helper()
	n.seq++
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp, e.Marker = 1001, ptAV1, n.seq, uint32(n.seq)*3000, true
	ext, template := dependencyKey(number), byte(5+number)
	ext[0], ext[3], ext[4] = 0xc0|template, ext[3]&0xf8|template>>3, ext[4]&0x1f|template<<5 // another structure each time
	e.Add(extDependency, ext)
	size, err := e.Write(n.pkt, []byte{0x18, 1, 2})
	if err == nil {
		size, err = n.sealer.SealRTP(n.pkt, n.pkt[:size])
	}
	if err != nil {
		t.Fatal(err)
	}
	n.w.packet(n.addr, n.pkt[:size], false)
	n.later(picture)
}

// TestReceiverWithLessThanAll: clients differ in what they can take, and say
// so themselves; one without a header extension gets packets without it, one
// without video no video, whatever it asks for.
func TestReceiverWithLessThanAll(t *testing.T) {
	bare := offer()
	bare[1].HeaderExtensions = nil
	for name, tc := range map[string]struct {
		offered []media.Description
		video   bool
	}{"audio only": {bare[:1], false}, "video without extensions": {bare, true}, "video only": {bare[1:], true}} {
		t.Run(name, func(t *testing.T) {
			n := newBench(t, 1, srtp.AEADAES128GCM, tc.offered...)
			for i := range uint16(3) {
				n.av1Key(t, i)
			}
			if got := n.w.count.own[cVideoForwarded] > 0; got != tc.video {
				t.Errorf("video is forwarded: %v", got)
			}
			if tc.video {
				newest, _ := n.sub().seq.NewestOut()
				n.sub().repeat(newest)
				if n.w.count.own[cRetransmitted] != 1 {
					t.Error("nothing was repeated")
				}
			}
			var e rtp.Egress
			n.packet(t, &e, 1000, ptOpus, []byte("opus"))
			if got := n.w.count.own[cAudioForwarded] > 0; got != (name != "video only") {
				t.Errorf("audio is forwarded: %v", got)
			}
		})
	}
}

// TestUnmutedVideoBegins: after a moderator lets a video be seen again
// receivers wait for a key frame, and the sender is asked for one.
func TestUnmutedVideoBegins(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 30 {
		n.frame(t, 0, i == 0)
		n.later(picture)
	}
	n.sender.forceMute(colibri.ForceMute{Video: true})
	n.frame(t, 0, false)
	n.sender.forceMute(colibri.ForceMute{})
	before := n.w.count.own[cVideoForwarded]
	asked := n.w.count.own[cKeyFrameRequests]
	n.frame(t, 0, false)
	if n.w.count.own[cVideoForwarded] != before || n.w.count.own[cKeyFrameRequests] != asked+1 {
		t.Errorf("%d packets forwarded, %d key frames asked for", n.w.count.own[cVideoForwarded]-before, n.w.count.own[cKeyFrameRequests]-asked)
	}
	n.frame(t, 0, true)
	if n.w.count.own[cVideoForwarded] != before+1 {
		t.Error("the key frame is not forwarded")
	}
}

// TestForwardedIsASet: a new order of the same sources is no news.
func TestForwardedIsASet(t *testing.T) {
	ep := &endpoint{}
	ep.setForwarded([]string{"b", "a"})
	ep.forwarded.told = false // as if nothing was sent, to see whether something is
	ep.setForwarded([]string{"a", "b"})
	if ep.forwarded.told {
		t.Error("the same list is told again")
	}
	ep.setForwarded([]string{"a"})
	ep.setForwarded([]string{"a", "c"})
	if got := ep.forwarded.names; len(got) != 2 || got[1] != "c" {
		t.Errorf("the list is %v", got)
	}
}

// TestManySessions: an endpoint may send from many SSRCs in its time.
func TestManySessions(t *testing.T) {
	n := newBench(t, 0, srtp.AEADAES128GCM)
	var e rtp.Egress
	for i := range uint32(300) {
		n.w.conferences[meeting].setSources(n.sender, *oneSource(5000 + i))
		n.packet(t, &e, 5000+i, ptOpus, []byte("opus"))
	}
	if got := n.w.count.own[dropAuth]; got != 0 {
		t.Errorf("%d packets of later sources were refused", got)
	}
}

// encodingOf is what arrives under an SSRC.
func encodingOf(ep *endpoint, ssrc uint32) *encoding {
	in, _ := ep.in.find(ssrc)
	return in.enc
}
