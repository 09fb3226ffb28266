package bridge

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// slowServer is a lab whose worker takes a time of the test's choice for each
// packet that it forwards. What it has no time for waits.
type slowServer struct {
	*lab
	cost    time.Duration
	done    uint64 // packets that were paid for
	backlog time.Duration
	longest time.Duration
	log     bytes.Buffer
}

func newSlowServer(t *testing.T, senders, receivers int) *slowServer {
	s := &slowServer{lab: newLab(t, senders, receivers)}
	s.w.b.opt.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.w.stress.Governor = stress.New(s.w.now)
	s.each = append(s.each, s.work, func() {
		for _, c := range s.clients {
			c.ep.heard = s.w.now // they are alive
		}
	})
	for _, c := range s.clients {
		c.kind = reportsNothing // the path is no limit
		c.ep.bw.started = 1
		c.wants(720)
	}
	return s
}

// work is done every millisecond.
func (s *slowServer) work() {
	n := s.w.forwards() + s.w.count.own[cRetransmitted] + s.w.count.own[cPadding]
	s.backlog += time.Duration(n-s.done)*s.cost - time.Millisecond
	s.done = n
	idle := max(-s.backlog, 0)
	s.backlog = max(s.backlog, 0)
	s.longest = max(s.longest, s.backlog)
	s.w.stress.Read(idle, s.backlog)
	s.w.govern()
	if time.Duration(s.w.now)%time.Second < time.Millisecond {
		s.w.publishStress()
	}
}

// got is what a receiver has of all videos, in bytes.
func (c *labClient) got() (all int) {
	for _, n := range c.bytes {
		all += n
	}
	return all
}

// TestOverload: a server that is asked for more than twice what it can do sends
// less video to everybody, and all audio without delay; who is on stage is seen
// when others are not. When it has the time again, everything comes back.
func TestOverload(t *testing.T) {
	s := newSlowServer(t, 4, 6)
	informed := s.clients[4]
	informed.kind, informed.remb = reportsREMB, 50_000_000
	s.run(6 * time.Second)
	begun := s.w.forwards()
	s.run(4 * time.Second)
	if informed.ep.bw.told == 0 || informed.ep.bw.toldBusy {
		t.Errorf("told before: %+v", informed.ep.bw)
	}
	full := float64(s.w.forwards()-begun) / 4 // packets a second
	for _, c := range s.clients[4:] {
		c.ep.message(&colibri.ReceiverVideoConstraints{OnStageSources: []string{"daaaaaaa-v0"}})
	}
	s.cost = time.Duration(2.5 * float64(time.Second) / full)
	s.run(10 * time.Second)

	s.longest = 0
	for _, c := range s.clients {
		c.forget()
	}
	const seconds = 10
	begun = s.w.forwards()
	s.run(seconds * time.Second)
	rate := float64(s.w.forwards()-begun) / seconds
	st := s.w.stress.state()
	t.Logf("%.0f of %.0f packets a second, %v waited; %+v", rate, full, s.longest, st)
	if part := 2.5 * rate / full; part < 0.7 || part > 0.97 {
		t.Errorf("it is busy %.2f of its time", part)
	}
	if s.longest > 60*time.Millisecond {
		t.Errorf("media waited for %v", s.longest)
	}
	if st.Stress < 1.5 || st.Short != len(s.clients) || st.Limit <= 0 || !strings.HasPrefix(st.Level, "less video") {
		t.Errorf("state %+v", st)
	}
	if !informed.ep.bw.toldBusy {
		t.Error("a client was not told that it is the server")
	}
	for _, c := range s.clients {
		others := 4
		if c.base != 0 {
			others--
		}
		if want := others * 50 * seconds; c.audio < want-2*others || c.gaps > 0 {
			t.Errorf("%s got %d of %d audio packets; %d gaps in its video", c.ep.id, c.audio, want, c.gaps)
		}
	}
	for _, c := range s.clients[4:] {
		if d := c.describe().Details; d.Ideal != d.Target {
			t.Errorf("%s is to be probed for %d bit/s, and gets %d", c.ep.id, d.Ideal, d.Target)
		}
		for _, other := range []uint32{1001, 2001, 3001} { // which may be as large, and have a frame more
			if stage, got := c.bytes[4001], c.bytes[other]; stage < 400_000/8*seconds || got > stage+stage/50 {
				t.Errorf("%s got %d bytes of who is on stage, %d of %d", c.ep.id, stage, got, other)
			}
		}
	}
	s.cost = 0
	s.run(60 * time.Second)
	for _, c := range s.clients {
		c.forget()
	}
	s.run(4 * time.Second)
	for _, c := range s.clients[4:] {
		if got := c.got(); got < 4*4*1_300_000/8 {
			t.Errorf("%s got %d bytes of video after the end of it", c.ep.id, got)
		}
	}
	if st := s.w.stress.state(); st.Limit != stress.Unlimited || st.Short != 0 || st.Level != "everything is forwarded" || st.Stress > 0.1 {
		t.Errorf("state after it: %+v", st)
	}
	if informed.ep.bw.toldBusy {
		t.Error("a client was not told that it is not the server any more")
	}
	if l := s.log.String(); strings.Count(l, "worker overloaded") != 1 || strings.Count(l, "worker recovered") != 1 {
		t.Errorf("log: %s", l)
	}
}

// TestRationsCutWhoGetsMost: who gets little, as in a small conference on the
// worker of a large one, keeps what it has.
func TestRationsCutWhoGetsMost(t *testing.T) {
	s := newSlowServer(t, 4, 4)
	for _, c := range s.clients[5:] {
		c.wants(180)
	}
	s.run(6 * time.Second)
	begun := s.w.forwards()
	s.run(2 * time.Second)
	s.cost = time.Duration(1.3 * float64(2*time.Second) / float64(s.w.forwards()-begun))
	s.run(20 * time.Second)
	if r := s.clients[4].ep.ration; !r.short || r.granted < 100 {
		t.Errorf("who gets most: %+v", r)
	}
	for _, c := range s.clients[5:] {
		if r := c.ep.ration; r.short || r.granted != r.wanted || r.granted == 0 {
			t.Errorf("who gets little: %+v", r)
		}
	}
}

// hush makes a worker believe that audio alone is far too much.
func hush(w *worker) {
	g := w.stress.Governor
	audio := w.count.own[cVideoForwarded] + w.count.own[cAudioForwarded]
	for i := 1; i < 100 && !g.Swamped(); i++ {
		now := w.now.Add(time.Duration(i) * 100 * time.Millisecond)
		g.Read(0, time.Duration(i)*time.Second)
		if a := g.Next(now, stress.Traffic{Forwarded: audio + uint64(1000*i)}); a != stress.None {
			g.Apply(a, now, nil, 0)
		}
	}
}

// TestStaleVideoIsDropped: what has waited in the socket for too long is not
// opened; audio, and what keeps a connection alive, is. Nobody is asked to send
// it again, but for a key frame.
func TestStaleVideoIsDropped(t *testing.T) {
	n := newBench(t, 3, srtp.AEADAES128GCM)
	w := n.w
	var e rtp.Egress
	key, delta := vp8Frame(true, 1, 720), vp8Frame(false, 1, 0)
	n.warm(t, &e, 1003, ptVP8, key, delta)
	video := func(age time.Duration) (forwarded, stale uint64) {
		f, d := w.count.own[cVideoForwarded], w.count.own[dropStale]
		w.arrive(n.addr, n.sealed(t, &e, 1003, ptVP8, delta), false, w.now.Add(-age))
		return w.count.own[cVideoForwarded] - f, w.count.own[dropStale] - d
	}
	if f, d := video(staleAfter - time.Millisecond); f != 3 || d != 0 {
		t.Errorf("of a packet that is not too old %d were forwarded, %d dropped", f, d)
	}
	asked := w.count.own[cKeyFrameRequests]
	for range 5 {
		if f, d := video(staleAfter + time.Millisecond); f != 0 || d != 1 {
			t.Errorf("of a packet that is too old %d were forwarded, %d dropped", f, d)
		}
	}
	f := w.count.own[cAudioForwarded]
	w.arrive(n.addr, n.sealed(t, &e, 1000, ptOpus, make([]byte, 80)), false, w.now.Add(-10*time.Second))
	if w.count.own[cAudioForwarded] != f+3 {
		t.Error("old audio was dropped")
	}
	hush(w)
	w.arrive(n.addr, n.sealed(t, &e, 1000, ptOpus, make([]byte, 80)), false, w.now.Add(-staleAudio-time.Millisecond))
	if w.count.own[dropStaleAudio] != 1 {
		t.Error("old audio was forwarded although audio alone is too much")
	}
	enc := n.sender.sources[1].encodings[2]
	if f, _ := video(0); f != 3 || enc.nack.Missing() != 0 || enc.nackTimer.Scheduled() {
		t.Errorf("%d were forwarded of what came next; %d are asked for", f, enc.nack.Missing())
	}
	if got := w.count.own[cKeyFrameRequests] - asked; got != 1 {
		t.Errorf("%d key frames were asked for", got)
	}
}

// TestThrift: under stress nobody is probed, and repeats are few.
func TestThrift(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	w := n.w
	ep := w.conferences[meeting].order[1]
	ep.ration.granted = 400
	repeats := func() (most int) {
		for ep.resent = 0; ep.mayResend(); ep.resent++ {
			most++
		}
		return most
	}
	if got := repeats(); got != repeatsPerSecond || w.stress.Thrifty() {
		t.Errorf("%d repeats in a second", got)
	}
	for range 20 { // nine tenths of two seconds
		w.now = w.now.Add(100 * time.Millisecond)
		w.stress.Read(9*time.Millisecond, 0)
		w.govern()
	}
	before := w.stress.Governor
	if got := repeats(); got != 30 || !w.stress.Thrifty() || w.stress.Limit() != stress.Unlimited {
		t.Errorf("%d repeats in a second under stress, limit %v", got, w.stress.Limit())
	}
	padded := w.count.own[cPadding]
	ep.pad(&bwe.Probe{Bytes: 5000})
	if got := w.count.own[cPadding] - padded; got != 0 {
		t.Errorf("%d packets of padding under stress", got)
	}
	w.stress.Governor = stress.New(w.now)
	if ep.pad(&bwe.Probe{Bytes: 5000}); w.count.own[cPadding] == padded {
		t.Error("no padding at all")
	}
	w.stress.Governor = before
	if got := w.stress.words(); got != "no probing, few repeats" {
		t.Error(got)
	}
}

// TestMorePacketsNeedRoom: what a receiver does not have yet costs it more than
// it takes, so that it does not come and go.
func TestMorePacketsNeedRoom(t *testing.T) {
	s := newSlowServer(t, 1, 1)
	s.run(5 * time.Second)
	ep, a := s.clients[1].ep, &s.w.alloc
	ep.c.offer(a, ep)
	ep.setVideo(a.sources[0], quality{encoding: 1, temporal: 7})
	ep.priceChanges(a)
	for _, l := range a.offered[0].Layers {
		want := 0.0
		if l.Encoding == 2 {
			want = l.Packets * packetMargin
		}
		if l.Packets < 25 || l.ExtraPackets != want {
			t.Errorf("%d: %v packets, %v besides; want %v", l.Encoding, l.Packets, l.ExtraPackets, want)
		}
	}
}

// TestTurnWatchesStress: a turn tells how long what it has read had waited.
func TestTurnWatchesStress(t *testing.T) {
	b, conn := stillBridge(t, 1)
	w := b.workers[0]
	w.stress.Governor = stress.New(mono.Now())
	if _, err := conn.Write(make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond) // it waits that long, and a window is over
	w.turn()
	if !w.sock.Stats().Stamps {
		t.Skip("the kernel does not say")
	}
	if got := w.stress.Wait(); got < 140*time.Millisecond {
		t.Errorf("waited %v", got)
	}
}

// TestStressIsPublished: in metrics, overview and debug tree.
func TestStressIsPublished(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRig(t, 2, func(o *Options) { o.Metrics = reg })
	r.join(meeting, "aaaaaaaa", 1000)
	r.inside(func(c *conference) {
		w := c.w
		w.stress.shared.stress.Store(0)
		w.stress.Governor = stress.New(w.now)
		for range 20 {
			w.now = w.now.Add(100 * time.Millisecond)
			w.stress.Read(25*time.Millisecond, 0)
			w.stress.Next(w.now, stress.Traffic{Forwarded: 1})
		}
		w.publishStress()
	})
	if l := r.Overview(); l.Stress < 0.5 || l.Stress > 0.8 {
		t.Errorf("overview: stress %v", l.Stress)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range families {
		v := f.GetMetric()[0].GetGauge().GetValue()
		switch f.GetName() {
		case "bridge_stress":
			found++
		case "bridge_video_packets_a_receiver":
			if found++; v != 0 && v != stress.Unlimited { // not published yet, or no limit
				t.Errorf("limit %v", v)
			}
		case "bridge_receivers_short_of_packets":
			if found++; v != 0 {
				t.Errorf("%v are short", v)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d of 3 metrics", found)
	}
}
