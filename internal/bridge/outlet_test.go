package bridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// lend makes another worker the outlet of an endpoint: the one so many after its
// own. As at the end of a second, nothing waits to be sent then.
func (r *rig) lend(id string, further int) {
	r.t.Helper()
	r.inside(func(c *conference) {
		w := c.w
		w.flush()
		w.lendTo(c.endpoints[id], w.b.workers[(w.index+further)%len(w.b.workers)])
	})
}

// sentBy is how many datagrams each worker's socket has sent, the conference's
// worker first.
func (r *rig) sentBy() (n []uint64) {
	home := 0
	r.inside(func(c *conference) { home = c.w.index })
	r.counted(dropSeal) // all of them have ended the turn in which what was heard was sent
	for i := range r.workers {
		n = append(n, r.workers[(home+i)%len(r.workers)].sock.Stats().Sent)
	}
	return n
}

// TestOneRoomSeveralWorkers: while media flows, the receivers of one conference
// are given to several workers. Each goes on to get everything, once and in
// order: audio, video, repeats and reports; and from then on by its outlet.
func TestOneRoomSeveralWorkers(t *testing.T) {
	const workers, receivers, packets = 3, 6, 200
	r := newRig(t, workers)
	a := r.join(meeting, "aaaaaaaa", 1000)
	var all []*client
	for i := range receivers {
		c := r.join(meeting, fmt.Sprintf("bbbbbbb%d", i), 0, srtp.Profiles()[i%2])
		c.ask(want(180))
		all = append(all, c)
	}
	talk := func() { a.audio(30); a.video(0, false) }
	for _, c := range all {
		c.until("media", func() { a.audio(30); a.video(0, true) }, func() bool { return len(c.packets(1000)) > 0 && len(c.packets(1001)) > 0 })
	}
	for i, c := range all { // two to each worker
		r.lend(c.id, i%workers)
		for range 10 {
			talk()
		}
	}
	r.lend(a.id, 1)
	before := r.sentBy()
	for i := range packets {
		talk()
		if i%20 > 0 {
			continue
		}
		for _, c := range all { // their sockets take no more at a time
			c.until("what was said so far", nil, func() bool { return heardLast(a, c) })
		}
	}
	for _, c := range all {
		c.until("the last packet", nil, func() bool { return heardLast(a, c) })
		c.mu.Lock()
		audio, video := c.packets(1000), c.packets(1001)
		c.mu.Unlock()
		if len(audio) < packets || len(video) < packets {
			t.Errorf("%s got %d packets of audio and %d of video", c.id, len(audio), len(video))
		}
		checkAudio(t, audio)
		checkVideo(t, video)
	}
	for i, n := range r.sentBy() {
		if n -= before[i]; n < 2*2*packets {
			t.Errorf("worker %d of the conference's has sent %d datagrams, two receivers get %d", i, n, 2*2*packets)
		}
	}
	for _, c := range all {
		c.until("a repeat", func() {
			talk()
			c.mu.Lock()
			missed := c.packets(1001)
			c.mu.Unlock()
			c.SendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 2001, nil), 2001, 1001, []uint16{missed[len(missed)-1].Seq}))
		}, func() bool { return len(c.packets(1011)) > 0 })
	}
	a.until("feedback", talk, func() bool {
		return a.rtcpMessages(func(p rtp.RTCP) bool { return p.IsFeedback(rtp.TypeRTPFB, rtp.FormatTransportCC) }) > 0
	})
	if n := r.counted(dropSeal) + r.counted(dropOutlet); n != 0 {
		t.Errorf("%d packets were dropped", n)
	}
}

// heardLast reports whether the last that b has heard of a is the last that a
// has said.
func heardLast(a, b *client) bool {
	got := b.packets(a.base)
	return len(got) > 0 && int(got[len(got)-1].Timestamp/960) == 1000+a.sent()
}

// TestOutletFollows: what an outlet sends goes where the receiver is now, and
// nobody who leaves is counted any more.
func TestOutletFollows(t *testing.T) {
	r := newRig(t, 2)
	a, b := r.join(meeting, "aaaaaaaa", 1000), r.join(meeting, "bbbbbbbb", 2000)
	both := converse(a, b)
	r.lend(a.id, 1)
	r.lend(b.id, 1)
	for generation := 1; generation <= 2; generation++ {
		before := b.Addr()
		b.answer(b.restart())
		b.uses(generation, both)
		for range 20 {
			both()
		}
		if b.Addr() == before {
			t.Error("the client did not change its path")
		}
		whole(t, a, b)
		whole(t, b, a)
	}
	sends := func() (n [2]int64) {
		r.inside(func(c *conference) {
			n = [2]int64{c.w.lending.sends.Load(), r.workers[1-c.w.index].lending.sends.Load()}
		})
		return n
	}
	if n := sends(); n != [2]int64{0, 2} {
		t.Errorf("the workers send to %d receivers", n)
	}
	r.change(meeting, colibri.EndpointModify{ID: b.id, Expire: true})
	if n := sends(); n != [2]int64{0, 1} {
		t.Errorf("the workers send to %d receivers after one has left", n)
	}
}

// TestLentAllocatesNothing is TestForwardAllocatesNothing for receivers with an
// outlet.
func TestLentAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const receivers = 10
	n := newBenches(t, 2, receivers, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	key, delta := append(vp8Frame(true, 1, 720), make([]byte, 900)...), append(vp8Frame(false, 1, 0), make([]byte, 1100)...)
	var e rtp.Egress
	n.warm(t, &e, 1003, ptVP8, key, delta)
	outlet.serve()
	for range 100 {
		n.packet(t, &e, 1003, ptVP8, delta)
		n.w.flush()
		outlet.serve()
	}
	before := outlet.sock.Stats().Sent
	runs := allocs.None(t, allocs.Many, func() {
		n.w.now = n.w.now.Add(1e6)
		n.packet(t, &e, 1003, ptVP8, delta)
		n.w.flush()
		outlet.serve()
	})
	if got := outlet.sock.Stats().Sent - before; got != uint64(receivers*runs) {
		t.Errorf("the outlet sent %d packets, want %d", got, receivers*runs)
	}
}

// lendAll makes the second worker the outlet of all receivers.
func (n *bench) lendAll() *worker {
	for _, ep := range n.w.conferences[meeting].order[1:] {
		n.w.lendTo(ep, n.w.b.workers[1])
	}
	return n.w.b.workers[1]
}

// serve is a turn of a worker that only has letters.
func (w *worker) serve() {
	w.now = mono.Now()
	w.readMail()
	w.flush()
}

// TestOutletBehind: an outlet that stands still loses video, then everything,
// and costs no more memory than that; what it is given once it runs again it
// sends.
func TestOutletBehind(t *testing.T) {
	n := newBenches(t, 2, 1, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	o := n.w.outlets[outlet.index]
	var e rtp.Egress
	key, delta := vp8Frame(true, 1, 720), append(vp8Frame(false, 1, 0), make([]byte, 1200)...)
	n.packet(t, &e, 1003, ptVP8, key)
	n.w.now = n.w.now.Add(1e6)
	n.w.turnOver()
	n.packet(t, &e, 1003, ptVP8, key)
	drops := func() uint64 { return n.w.count.own[dropOutlet] }
	pile := func(ssrc uint32, pt uint8, payload []byte) (packets int) {
		for drops() == 0 {
			if packets++; packets > 20*mostAway/len(payload) {
				t.Fatal("it takes more and more")
			}
			n.packet(t, &e, ssrc, pt, payload)
		}
		n.w.count.own[dropOutlet] = 0
		return packets
	}
	pile(1003, ptVP8, delta)
	n.w.flush()
	if o.away < mostAway/2 || o.away > mostAway/2+2*parcelBytes {
		t.Errorf("%d bytes wait when video is too much", o.away)
	}
	sound := make([]byte, 1000)
	if pile(1000, ptOpus, sound) < mostAway/4/len(sound) {
		t.Error("audio is dropped as soon as video")
	}
	n.w.flush()
	if o.away > mostAway+2*parcelBytes {
		t.Errorf("%d bytes wait", o.away)
	}
	outlet.serve()
	n.packet(t, &e, 1003, ptVP8, delta)
	n.packet(t, &e, 1000, ptOpus, sound)
	n.w.flush()
	if drops() != 0 || o.away > 10*len(delta) || len(o.spare) > mostSpare {
		t.Errorf("once it runs: %d drops, %d bytes wait, %d parcels are kept", drops(), o.away, len(o.spare))
	}
	before := outlet.sock.Stats().Sent
	outlet.serve()
	if got := outlet.sock.Stats().Sent - before; got != 2 {
		t.Errorf("%d packets went out", got)
	}
}

// TestOutletTellsOfWornKeys: the conference's worker hears of keys that an outlet
// has used up.
func TestOutletTellsOfWornKeys(t *testing.T) {
	n := newBenches(t, 2, 2, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	worn := n.w.conferences[meeting].order[1]
	worn.sealer.SetMaxSSRCs(0)
	for range 3 {
		worn.sendRTCP(worn.compound())
		n.w.flush()
		outlet.serve()
	}
	if other := n.w.conferences[meeting].order[2]; !worn.worn || other.worn || outlet.count.own[dropSeal] == 0 {
		t.Errorf("worn: %v, and another one: %v", worn.worn, other.worn)
	}
}

// TestClosedOutlet: packets for a worker that has stopped are dropped and counted.
func TestClosedOutlet(t *testing.T) {
	n := newBenches(t, 2, 3, srtp.AEADAES128GCM)
	n.lendAll().mail.close()
	var e rtp.Egress
	n.packet(t, &e, 1000, ptOpus, []byte("opus"))
	n.w.flush()
	if o := n.w.outlets[1]; n.w.count.own[dropOutlet] != 3 || o.away != 0 || len(o.spare) != 1 {
		t.Fatalf("%d dropped, %d bytes away", n.w.count.own[dropOutlet], o.away)
	}
	for _, it := range n.w.outlets[1].spare[0].items[:3] {
		if it.ep != nil || it.sealer != nil || it.stream != nil {
			t.Error("an empty parcel holds on to a receiver")
		}
	}
}

// TestDelayOfLent: a packet is measured where its copies are sent, once in each
// worker, and accounted for with the size it has there.
func TestDelayOfLent(t *testing.T) {
	for _, lent := range []int{0, 2, 4} {
		n := newBenches(t, 2, 4, srtp.AEADAES128GCM)
		outlet := n.w.b.workers[1]
		for _, ep := range n.w.conferences[meeting].order[1 : 1+lent] {
			n.w.lendTo(ep, outlet)
		}
		var e rtp.Egress
		const packets = 5
		for range packets {
			n.packet(t, &e, 1000, ptOpus, []byte("opus"))
		}
		n.w.flush()
		outlet.serve()
		n.w.delays.roll()
		outlet.delays.roll()
		wantHere, wantThere := uint64(packets), uint64(packets)
		if lent == 0 {
			wantThere = 0
		} else if lent == 4 {
			wantHere = 0
		}
		if here, there := n.w.delays.recorded(), outlet.delays.recorded(); here != wantHere || there != wantThere {
			t.Errorf("%d of 4 lent: %d and %d measurements", lent, here, there)
		}
		n.w.delays.checkParts(t)
		outlet.delays.checkParts(t)
		var accounted uint64 // to the receivers, before anything is sealed
		for _, ep := range n.w.conferences[meeting].order[1 : 1+lent] {
			accounted += ep.bytesOut.bytes
		}
		if sent := outlet.count.own[cBytesOut]; sent != accounted {
			t.Errorf("%d of 4 lent: %d bytes were sent, %d accounted for", lent, sent, accounted)
		}
	}
}

// TestDelayOfLentOnce: a packet with more copies than a parcel holds is one
// measurement all the same.
func TestDelayOfLentOnce(t *testing.T) {
	n := newBenches(t, 2, 1, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	to := n.w.conferences[meeting].order[1]
	n.w.handling = waiting{arrived: n.w.now, packets: 1}
	const packets, copies = 2, 3 * parcelItems / 2
	for range packets {
		n.w.delays.packet++
		for range copies {
			buf := n.w.buffer(to, 20)
			clear(buf)
			buf[0] = 0x80
			binary.BigEndian.PutUint16(buf[2:], to.tccSeq) // each is a packet of its own
			n.w.seal(to, &to.bw.padding, buf, len(buf), bwe.Media, true)
		}
	}
	n.w.flush()
	outlet.serve()
	outlet.delays.roll()
	if got := outlet.delays.recorded(); got != packets {
		t.Errorf("%d measurements of %d packets", got, packets)
	}
	if got := outlet.count.own[dropSeal]; got != 0 || n.w.count.own[cLent] != packets*copies {
		t.Errorf("%d of %d copies were refused", got, n.w.count.own[cLent])
	}
}

// TestLateOutletIsNoQueue: time that packets wait for their outlet is not taken
// for a queue on the way to the receiver.
func TestLateOutletIsNoQueue(t *testing.T) {
	prompt := estimateBehind(t, func(int) time.Duration { return 0 })
	late := estimateBehind(t, func(ms int) time.Duration { return time.Duration(ms%500) * time.Millisecond / 5 })
	if late < prompt*9/10 {
		t.Errorf("the estimate is %d, and %d if the outlet is at times 100 ms behind", prompt, late)
	}
}

// TestParcelsComeFirst: a worker takes parcels back before it reads anything in a
// turn, be it a report on what was in them.
func TestParcelsComeFirst(t *testing.T) {
	n := newBenches(t, 2, 1, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	var e rtp.Egress
	n.packet(t, &e, 1000, ptOpus, []byte("opus"))
	n.w.flush()
	outlet.serve()
	away := -1
	n.w.mail.post(call(func(w *worker) { away = w.outlets[outlet.index].away }))
	if n.w.readMail(); away != 0 {
		t.Errorf("%d bytes are away, all of them are sent", away)
	}
}

// estimateBehind is what a good path is believed to carry after some seconds, if
// the outlet is as far behind as lag says.
func estimateBehind(t *testing.T, lag func(ms int) time.Duration) int64 {
	n := newBenches(t, 2, 1, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	to := n.w.conferences[meeting].order[1]
	type parcelAt struct {
		event
		seq uint16
		at  mono.Time
	}
	var e rtp.Egress
	var arrivals rtp.Recorder
	var parcels []parcelAt
	at := n.w.now
	for ms := 0; ms < 6000; ms += 5 {
		n.w.now = at.Add(time.Duration(ms) * time.Millisecond)
		for ; len(parcels) > 0 && parcels[0].at <= n.w.now; parcels = parcels[1:] {
			outlet.now = parcels[0].at
			parcels[0].handle(outlet)
			outlet.flush()
			arrivals.Add(parcels[0].seq, outlet.now.Add(20*time.Millisecond))
		}
		n.w.readMail()
		if ms%100 == 0 && arrivals.Pending() {
			c := rtp.NewCompound(arrivals.Build(nil, 1, 1000, n.w.now))
			c.Next()
			to.transportFeedback(c.Packet())
		}
		seq := to.tccSeq
		n.packet(t, &e, 1000, ptOpus, make([]byte, 1000))
		n.w.flush()
		for _, ev := range outlet.mail.take(nil) {
			parcels = append(parcels, parcelAt{ev, seq, n.w.now.Add(lag(ms))})
			if last := len(parcels) - 2; last >= 0 {
				parcels[last+1].at = max(parcels[last+1].at, parcels[last].at)
			}
		}
	}
	if n.w.count.own[cTransportFeedback] < 50 {
		t.Fatal("nothing is reported")
	}
	return to.bw.est.Estimate()
}

// TestUnusedParcels: what was needed once and then not for a second is given
// back; what is needed is kept.
func TestUnusedParcels(t *testing.T) {
	n := newBenches(t, 2, 2, srtp.AEADAES128GCM)
	outlet := n.lendAll()
	o := n.w.outlets[outlet.index]
	var e rtp.Egress
	turns := func(atOnce int) {
		for range atOnce {
			n.packet(t, &e, 1000, ptOpus, []byte("opus"))
			n.w.flush()
		}
		outlet.serve()
	}
	second := func() {
		n.w.now = n.w.now.Add(time.Second)
		n.w.rollSecond()
	}
	turns(7)
	second()
	if len(o.spare) != 7 {
		t.Errorf("%d parcels are kept, 7 were in use at once", len(o.spare))
	}
	turns(2)
	turns(1)
	turns(2)
	second()
	if len(o.spare) != 2 {
		t.Errorf("%d parcels are kept, 2 were in use at once", len(o.spare))
	}
	second()
	if len(o.spare) != 0 || o.away != 0 {
		t.Errorf("%d parcels are kept, none was in use", len(o.spare))
	}
	for _, p := range o.spare[:cap(o.spare)] {
		if p != nil {
			t.Error("a parcel that was given back is held on to")
		}
	}
}

// TestStopWithParcels: whichever worker stops first, what is on the way between
// them hurts nobody.
func TestStopWithParcels(t *testing.T) {
	for _, homeFirst := range []bool{true, false} {
		n := newBenches(t, 2, 4, srtp.AEADAES128GCM)
		outlet := n.lendAll()
		var e rtp.Egress
		said := func() {
			n.packet(t, &e, 1000, ptOpus, []byte("opus"))
			n.w.flush()
		}
		said()
		outlet.serve()
		before := outlet.sock.Stats().Sent
		said()
		if homeFirst {
			n.w.shutdown()
			outlet.serve()
			if got := outlet.sock.Stats().Sent - before; got != 4 {
				t.Errorf("%d of 4 packets that were on their way went out", got)
			}
			outlet.shutdown()
			continue
		}
		outlet.shutdown()
		said()
		n.w.shutdown()
		if got := n.w.count.own[dropOutlet]; got < 4 {
			t.Errorf("%d packets to a worker that has stopped were counted", got)
		}
	}
}

// TestStopWhileLent: a bridge stops while media flows from one worker to
// another. The rest of the proof is the race detector's, and the rig's, which
// counts goroutines.
func TestStopWhileLent(t *testing.T) {
	const workers, receivers = 3, 4
	r := newRig(t, workers)
	a := r.join(meeting, "aaaaaaaa", 1000)
	var all []*client
	for i := range receivers {
		c := r.join(meeting, fmt.Sprintf("bbbbbbb%d", i), 0)
		r.lend(c.id, 1+i%(workers-1))
		all = append(all, c)
	}
	ctx, stopped := context.WithCancel(r.ctx)
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		for seq := uint16(1); ctx.Err() == nil; seq++ {
			e := rtp.Egress{SSRC: a.base, PayloadType: ptOpus, Seq: seq, Timestamp: uint32(seq) * 960}
			e.AddByte(extLevel, 30)
			buf := make([]byte, 100)
			size, _ := e.Write(buf, []byte("opus"))
			_ = a.SendRTP(buf[:size]) // in the end nobody is there
		}
	}()
	for _, c := range all {
		c.until("audio", nil, func() bool { return len(c.packets(1000)) > 100 })
	}
	if err := r.Stop(r.ctx); err != nil {
		t.Error(err)
	}
	stopped()
	<-talked
	if n := r.workers[0].b.Overview(); n.Endpoints != 0 {
		t.Errorf("%d endpoints are left", n.Endpoints)
	}
}
