package bridge

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func TestMapComesFirst(t *testing.T) {
	l := newLab(t, 3, 0)
	m := l.joinMapped()
	m.wants(720)
	l.run(2 * time.Second)
	if len(m.streams) != 0 {
		t.Error("media came though the client could not be told of it")
	}
	m.open()
	for _, c := range l.clients[:3] {
		m.sees(c)
	}
	l.run(3 * time.Second)
	if len(m.rtxOf) != 3 || m.gaps != 0 {
		t.Errorf("%d slots, %d gaps", len(m.rtxOf), m.gaps)
	}
	if l.w.count.own[dropSeal] != 0 {
		t.Error("something could not be sealed")
	}
}

func TestMoreSourcesThanSlots(t *testing.T) {
	l := newLab(t, 5, 0)
	l.w.b.opt.Limits.Slots = 2
	m := l.joinMapped()
	m.open()
	for round := range 3 {
		for _, c := range l.clients[:5] {
			m.show(c)
			m.sees(c)
		}
		if len(m.rtxOf) != 2 {
			t.Fatalf("round %d: %d slots", round, len(m.rtxOf))
		}
	}
	if m.gaps != 0 || l.w.count.own[dropSeal] != 0 {
		t.Errorf("%d gaps, %d packets not sealed", m.gaps, l.w.count.own[dropSeal])
	}
	// Who comes back at once finds the slot as it was, and nothing has to be told.
	first := m.slotOf(l.clients[4])
	told := m.told
	m.show(l.clients[3])
	m.sees(l.clients[3])
	m.show(l.clients[4])
	m.sees(l.clients[4])
	if m.slotOf(l.clients[4]) != first || m.told != told {
		t.Errorf("was in %d, is in %d; %d messages", first, m.slotOf(l.clients[4]), m.told-told)
	}
	// More are wanted than there are slots: as many as possible are sent.
	m.wants(180)
	l.run(2 * time.Second)
	if len(m.rtxOf) != 2 || len(m.ep.forwarded.names) != 2 {
		t.Errorf("%d slots, forwarded %v", len(m.rtxOf), m.ep.forwarded.names)
	}
}

func (m *mappedClient) nack(ssrc uint32, lost ...uint16) {
	m.sendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 1, nil), 1, ssrc, lost))
}

func TestRepeatsAfterRemap(t *testing.T) {
	l := newLab(t, 2, 0)
	l.w.b.opt.Limits.Slots = 1
	a, b := l.clients[0], l.clients[1]
	l.join(0).wants(720) // by whom the histories of both are kept
	m := l.joinMapped()
	m.open()
	m.show(a)
	m.sees(a)
	ssrc := m.slotOf(a)
	old := m.newest[ssrc]
	m.nack(ssrc, old)
	l.within(time.Second, "a repeat", func() bool { return m.repeats[a.base] == 1 })
	m.show(b)
	l.within(time.Second, "the slot is told to be the other's", func() bool { return m.slotOf(b) == ssrc })
	m.nack(ssrc, old, old-1)
	l.run(50 * time.Millisecond)
	m.sees(b)
	m.nack(ssrc, old, old-1, old-2)
	l.run(50 * time.Millisecond)
	if m.repeats[a.base] != 1 || m.repeats[b.base] != 0 {
		t.Errorf("packets of before were repeated: %v", m.repeats)
	}
	v := m.ep.out[ssrc]
	if _, known := v.seq.Source(old); !known {
		t.Fatal("too much went by")
	}
	if _, ok := v.origin(old); ok {
		t.Error("a packet of before would be looked for in the history of the new source")
	}
	m.nack(ssrc, m.newest[ssrc])
	l.within(time.Second, "a repeat of the new source", func() bool { return m.repeats[b.base] == 1 })
	// A key frame is asked for under the SSRC the receiver knows.
	b.key = [3]bool{}
	m.sendRTCP(rtp.AppendPLI(rtp.AppendReceiverReport(nil, 1, nil), 1, ssrc))
	l.run(100 * time.Millisecond)
	if l.w.count.own[cKeyFrameRequests] == 0 || m.ep.out[ssrc].src.owner != b.ep {
		t.Error("the request for a key frame went nowhere")
	}
	b.ep.c.setSources(b.ep, source.Set{})
	if v := m.ep.out[ssrc]; v.src != nil || v.list != nil {
		t.Error("the slot carries a source that has gone")
	}
	m.nack(ssrc, m.newest[ssrc])
	l.run(50 * time.Millisecond)
}

func TestChannelComesBack(t *testing.T) {
	l := newLab(t, 3, 0)
	l.w.b.opt.Limits.Slots = 2
	a, b, c := l.clients[0], l.clients[1], l.clients[2]
	m := l.joinMapped()
	m.open()
	m.show(a)
	m.sees(a)
	m.show(b)
	m.sees(b)
	m.shut()
	m.sees(b) // whose slot is known
	m.show(c)
	l.run(2 * time.Second)
	if m.seen[c.base] != 0 { // its voice may have had a slot before
		t.Error("video came in a slot whose change could not be told")
	}
	told, all := m.told, len(m.ep.maps.audio.Slots())+len(m.ep.maps.video.Slots())
	m.open()
	m.read()
	if m.told-told != all || all != 4 {
		t.Errorf("the new channel was told of %d slots of %d", m.told-told, all)
	}
	m.sees(c)
}

func TestMoreVoicesThanSlots(t *testing.T) {
	l := newLab(t, 4, 0)
	l.w.b.opt.Limits.Slots = 2
	m := l.joinMapped()
	m.open()
	for round := range 3 {
		for i, c := range l.clients[:4] {
			for j, o := range l.clients[:4] {
				o.quiet = i != j
			}
			before := m.heard[c.base]
			took := l.within(3*time.Second, "the voice of "+c.ep.id, func() bool { return m.heard[c.base] > before+20 })
			if round > 0 && took > 2*time.Second {
				t.Errorf("round %d: %s was heard after %v", round, c.ep.id, took)
			}
		}
	}
	if n := len(m.ep.maps.audio.Slots()); n != 2 {
		t.Errorf("%d slots", n)
	}
	// Who speaks again is not the one to lose the slot, though longer silent.
	speak := func(who ...*labClient) {
		for _, o := range l.clients[:4] {
			o.quiet = !slices.Contains(who, o)
		}
		l.run(3 * time.Second)
	}
	a, b, c := l.clients[0], l.clients[1], l.clients[2]
	speak(a)
	speak(b)
	speak()
	speak(a)
	mine := m.ep.maps.audio.Find(a.ep.id + "-a0")
	speak(a, c)
	if m.ep.maps.audio.Find(a.ep.id+"-a0") != mine || m.ep.maps.audio.Find(b.ep.id+"-a0") != nil {
		t.Error("the slot of who speaks was given away")
	}
	// All speak at once: as many as there are slots are heard.
	for _, c := range l.clients[:4] {
		c.quiet = false
	}
	l.run(3 * time.Second)
	clear(m.heard)
	l.run(time.Second)
	if len(m.heard) != 2 || l.w.count.own[dropNoSlot] == 0 || l.w.count.own[dropSeal] != 0 {
		t.Errorf("%v are heard; %d packets not sealed", m.heard, l.w.count.own[dropSeal])
	}
}

// TestSlotsInAnyOrder lets everything happen that can. What is sent is checked
// packet by packet.
func TestSlotsInAnyOrder(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		l := newLab(t, 6, 0)
		l.w.b.opt.Limits.Slots = 3
		m := l.joinMappedAs([]func(*colibri.EndpointModify){rewriting, demuxing}[seed%2])
		m.open()
		total := 0
		for range 300 {
			m.anything(rng)
			l.run(time.Duration(5+rng.IntN(150)) * time.Millisecond)
		}
		for _, n := range m.seen {
			total += n
		}
		if len(m.seen) != 6 || total < 2000 || len(m.repeats) == 0 || l.w.count.own[dropSeal] != 0 {
			t.Errorf("seed %d: seen %v, repeats %v, %d not sealed", seed, m.seen, m.repeats, l.w.count.own[dropSeal])
		}
		if a, v := m.ep.maps.audio.Slots(), m.ep.maps.video.Slots(); len(a) > 3 || len(v) > 3 {
			t.Errorf("seed %d: %d and %d slots", seed, len(a), len(v))
		}
	}
}

// anything does one thing that may happen in a conference.
func (m *mappedClient) anything(rng *rand.Rand) {
	c := m.l.clients[rng.IntN(6)]
	switch rng.IntN(10) {
	case 0, 1, 2:
		m.show(c)
	case 3:
		m.wants([]int{0, 180, 360, 720}[rng.IntN(4)])
	case 4:
		c.quiet = !c.quiet
	case 5: // its session begins anew, or it leaves
		c.ep.c.setSources(c.ep, source.Set{})
	case 6:
		c.ep.c.setSources(c.ep, sourcesOf(c.ep.id, c.base))
	case 7:
		if m.link != nil {
			m.shut()
		} else {
			m.open()
		}
	default:
		for ssrc, newest := range m.newest {
			m.nack(ssrc, newest, newest-uint16(rng.IntN(200)))
			m.sendRTCP(rtp.AppendPLI(rtp.AppendReceiverReport(nil, 1, nil), 1, ssrc))
		}
	}
}

func TestRewritingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := newLab(t, 1, 0)
	c := l.clients[0]
	for i := range 5 {
		m := l.joinMappedAs([]func(*colibri.EndpointModify){rewriting, demuxing}[i%2])
		m.open()
		m.wants(720)
	}
	l.run(8 * time.Second)
	l.each = nil
	var e rtp.Egress
	voice, picture, buf := make([]byte, 60), append(vp8Frame(false, c.seqs[c.base+503]+1, 0), make([]byte, 900)...), make([]byte, 1500)
	send := func(ssrc uint32, pt uint8, payload []byte) {
		e.Reset()
		e.SSRC, e.PayloadType, e.Marker = ssrc, pt, true
		if pt == ptOpus {
			e.AddByte(extLevel, 30)
		}
		c.seqs[ssrc]++
		c.seqs[0]++
		e.Seq, e.Timestamp = c.seqs[ssrc], uint32(c.seqs[ssrc])*960
		e.AddUint16(extTCC, c.seqs[0])
		n, err := e.Write(buf, payload)
		if err == nil {
			n, err = c.sealer.SealRTP(buf, buf[:n])
		}
		if err != nil {
			t.Fatal(err)
		}
		l.w.now = l.w.now.Add(1e6)
		l.w.packet(c.addr, buf[:n], false)
	}
	video, audio := l.w.count.own[cVideoForwarded], l.w.count.own[cAudioForwarded]
	turns := uint64(allocs.None(t, allocs.Many, func() {
		send(c.base, ptOpus, voice)
		send(c.base+3, ptVP8, picture)
		l.w.flush()
	}))
	if v, a := l.w.count.own[cVideoForwarded]-video, l.w.count.own[cAudioForwarded]-audio; v != 5*turns || a != 5*turns {
		t.Errorf("%d video and %d audio packets forwarded in %d turns", v, a, turns)
	}
}

// TestMapOverTheWire is TestMapComesFirst with real clocks, sockets and
// channels.
func TestMapOverTheWire(t *testing.T) {
	t.Run("by SSRC", func(t *testing.T) { mapOverTheWire(t, rewriting, "", "") })
	t.Run("by MID", func(t *testing.T) { mapOverTheWire(t, demuxing, "a00", "v00") })
}

func mapOverTheWire(t *testing.T, how func(*colibri.EndpointModify), audioMID, videoMID string) {
	r := newRig(t, 2)
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.allocate(meeting, "bbbbbbbb", 2000, how)
	b.accept(meeting)
	var mu sync.Mutex
	told := map[uint32]string{}
	early := 0
	b.OnRTP(func(pkt []byte) {
		mu.Lock()
		if h, err := rtp.Parse(pkt); err == nil && told[h.SSRC] == "" && !h.PaddingOnly() {
			early++
		}
		mu.Unlock()
		b.gotRTP(pkt)
	})
	if err := b.Connect(r.ctx, b.offered); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		a.audio(20)
		a.allVideo(true)
	}
	ws := b.dial(t)
	ws.send(`{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":720}}`)
	var audio, video uint32
	for audio == 0 || video == 0 {
		raw := expect(t, ws.in, `SourcesMap"`)
		msg, err := colibri.ParseMessage([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		switch msg := msg.(type) {
		case *colibri.AudioSourcesMap:
			audio = msg.Mapped[0].SSRC
			told[audio] = msg.Mapped[0].Source
			if msg.Mapped[0].MID != audioMID {
				t.Errorf("voice has MID %q", msg.Mapped[0].MID)
			}
		case *colibri.VideoSourcesMap:
			video = msg.Mapped[0].SSRC
			told[video] = msg.Mapped[0].Source
			if msg.Mapped[0].MID != videoMID {
				t.Errorf("picture has MID %q", msg.Mapped[0].MID)
			}
		}
		mu.Unlock()
	}
	both := func() {
		a.audio(20)
		a.allVideo(true)
	}
	b.until("voice and picture", both, func() bool { return len(b.packets(audio)) > 5 && len(b.packets(video)) > 5 })
	b.mu.Lock() // more may come
	defer b.mu.Unlock()
	for ssrc, want := range map[uint32]string{audio: audioMID, video: videoMID} {
		for _, h := range b.packets(ssrc) {
			if mid, has := h.Extension(extMIDNumber); has != (want != "") || string(mid) != want {
				t.Fatalf("a packet has MID %q, %v; want %q", mid, has, want)
			}
		}
	}
	if told[audio] != "aaaaaaaa-a0" || told[video] != "aaaaaaaa-v0" || early != 0 {
		t.Errorf("told %v, %d packets came before", told, early)
	}
	if audio == 1000 || video == 1001 || video == 1003 {
		t.Error("the sender's own SSRCs")
	}
	for _, w := range r.State().(State).Workers {
		for _, c := range w.Conferences {
			if got := c.Endpoints[1].Slots; len(got) != 2 || got[0].SSRC != audio || got[1].SSRC != video || got[1].RTX == 0 || got[1].Untold {
				t.Errorf("slots %+v", got)
			}
		}
	}
}

// TestReportsOfSlots: round trips are learnt by the SSRCs the receiver knows,
// and only from answers about the present source: each has a clock of its own.
func TestReportsOfSlots(t *testing.T) {
	l := newLab(t, 2, 0)
	l.w.b.opt.Limits.Slots = 1
	m := l.joinMapped()
	m.open()
	a, b := l.clients[0], l.clients[1]
	b.quiet = true
	for i, c := range l.clients[:2] {
		for _, ssrc := range []uint32{c.base, c.base + 1, c.base + 2, c.base + 3} {
			info := rtp.SenderInfo{NTP: uint64(i+1) << 60, RTPTime: 1}
			c.sendRTCP(rtp.AppendSenderReport(nil, ssrc, info, nil))
		}
	}
	m.show(a)
	m.sees(a)
	l.run(2 * time.Second)
	answer := func(ssrc, lsr uint32) time.Duration {
		m.ep.rtt = 0
		m.sendRTCP(rtp.AppendReceiverReport(nil, 1, []rtp.ReportBlock{{SSRC: ssrc, LSR: lsr}}))
		return m.ep.rtt
	}
	video, audio := m.ep.out[m.slotOf(a)], m.ep.maps.sounds[m.ep.maps.audio.Slots()[0].SSRC]
	for name, told := range map[string]struct {
		ssrc uint32
		*toldReports
	}{"video": {video.ssrc, &video.told}, "audio": {audio.ssrc, &audio.told}} {
		if !told.any {
			t.Fatalf("%s: there was no sender report", name)
		}
		if rtt := answer(told.ssrc, told.last); rtt <= 0 || rtt > 1100*time.Millisecond {
			t.Errorf("%s: round trip of %v", name, rtt)
		}
		if rtt := answer(told.ssrc, told.first-1); rtt != 0 {
			t.Errorf("%s: a report that was never sent gives %v", name, rtt)
		}
	}
	old := video.told.last
	m.show(b)
	m.sees(b)
	l.run(2 * time.Second)
	if rtt := answer(video.ssrc, old); rtt != 0 || !video.told.any {
		t.Errorf("an answer about the source before gives %v", rtt)
	}
}

// TestLateAudioAfterRemap: a packet from before the slot changed hands has no
// number in it.
func TestLateAudioAfterRemap(t *testing.T) {
	w := &worker{now: mono.Time(time.Hour)}
	ep := &endpoint{w: w}
	st := &audioStream{slot: true}
	first, second := &audioSub{to: ep}, &audioSub{to: ep}
	st.carry(first)
	n, ok := st.number(100, 5000)
	st.sent(n, 5000, 10)
	if !ok || n != 100 || st.spurt {
		t.Fatal(n, ok)
	}
	w.now = w.now.Add(time.Second)
	st.carry(second)
	if first.audioStream != nil || !first.waits || second.audioStream != st {
		t.Error("the first still has the stream")
	}
	n, ok = st.number(7000, 9000)
	if !ok || n != 101 || !st.spurt || 9000+st.tsOffset != 5000+audioClock {
		t.Errorf("number %d, timestamp %d", n, 9000+st.tsOffset)
	}
	st.sent(n, 9000, 10)
	if n, ok := st.number(6999, 9000-960); ok {
		t.Errorf("a packet from before has number %d", n)
	}
	if n, ok := st.number(7002, 9000+2*960); !ok || n != 103 {
		t.Errorf("a packet behind a lost one has number %d", n)
	}
}

// TestFilledGapOfSlot: a packet that only fills a gap is one of the slot, too.
func TestFilledGapOfSlot(t *testing.T) {
	l := newLab(t, 1, 0)
	m := l.joinMapped()
	m.open()
	m.show(l.clients[0])
	m.sees(l.clients[0])
	v := m.ep.out[m.slotOf(l.clients[0])]
	enc := v.src.encodings[v.sel.Current()]
	v.fill(&videoPacket{h: &rtp.Header{Seq: l.clients[0].seqs[enc.ssrc] + 1, Timestamp: 1, PayloadType: ptVP8}, enc: enc})
	l.run(5 * time.Millisecond)
	if m.filled != 1 {
		t.Errorf("%d empty packets", m.filled)
	}
}

// TestSlotsBeforeTheyAreNeeded: microphones have a slot before they are heard,
// ten of them in any case; who comes gets that of who has left; and as people
// begin to speak, there stay some slots that nobody speaks in.
func TestSlotsBeforeTheyAreNeeded(t *testing.T) {
	l := newLab(t, 14, 0)
	for _, c := range l.clients {
		c.quiet, c.still = true, true
	}
	m := l.joinMapped()
	m.open()
	audio := m.ep.maps.audio
	slots := func(want int) {
		t.Helper()
		l.run(2 * time.Second)
		if n := len(audio.Slots()); n != want || audio.changed {
			t.Errorf("%d slots, want %d; untold: %v", n, want, audio.changed)
		}
	}
	slots(earlyAudio)
	for range 5 {
		c := l.clients[3]
		c.ep.c.setSources(c.ep, source.Set{})
		if audio.Here() != earlyAudio-1 {
			t.Errorf("%d microphones have a slot after one has gone", audio.Here())
		}
		c.ep.c.setSources(c.ep, sourcesOf(c.ep.id, c.base))
		slots(earlyAudio)
		if !m.ep.prepared() {
			t.Error("there should be more slots")
		}
	}
	for i := range earlyAudio - freeAudio {
		l.clients[i].quiet = false
	}
	slots(earlyAudio)
	l.clients[10].quiet = false // for whom there is a slot of another's
	slots(earlyAudio + 1)
	if audio.Free() != freeAudio || l.w.count.own[dropUntold] != 0 {
		t.Errorf("%d slots that nobody speaks in, %d packets waited", audio.Free(), l.w.count.own[dropUntold])
	}
	for _, c := range l.clients[:14] {
		c.quiet = false
	}
	slots(14)
	if !m.ep.prepared() {
		t.Error("there is no other microphone, and yet a slot is looked for")
	}
}
