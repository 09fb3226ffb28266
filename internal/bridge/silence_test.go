package bridge

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// voice lets the microphone send a packet of a level.
func (c *labClient) voice(level uint8) {
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Timestamp = c.base, ptOpus, uint32(c.seqs[c.base])*960
	e.Marker = level == silence // as after each pause
	e.AddByte(extLevel, level)
	c.send(&e, c.sign(make([]byte, 60)))
}

// opusSilence is what a browser sends of a track that is disabled.
var opusSilence = []byte{0xf8, 0xff, 0xfe}

// microphone is the sender of a bench whose worker gathers, at its microphone.
func (c *calmWorker) microphone(level uint8) []byte {
	c.seq++
	e := &c.egress
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp = 1000, ptOpus, c.seq, uint32(c.seq)*960
	e.AddByte(extLevel, level)
	e.AddUint16(extTCC, c.seq)
	n, err := e.Write(c.pkt, opusSilence)
	if err == nil {
		n, err = c.sealer.SealRTP(c.pkt, c.pkt[:n])
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.pkt[:n]
}

// TestSilenceWaits: nobody waits for silence that is not forwarded any more, nor
// for what comes of who was muted. All else is urgent at once: the first packets of
// silence, the first of a word, and what is not authentic, whatever it says.
func TestSilenceWaits(t *testing.T) {
	c := newCalmWorker(t)
	w := c.w
	urgent := func(pkt []byte) bool {
		c.rest()
		w.now = w.now.Add(20 * time.Millisecond)
		w.packet(c.from, pkt, false)
		return !w.gathering.calm.Load()
	}
	for i, tc := range []struct {
		what   string
		level  uint8
		muted  bool
		spoil  int // byte of the packet that is changed; 0 for none
		urgent bool
	}{
		{"a voice", 30, false, 0, true},
		{"silence", silence, false, 0, true},
		{"silence", silence, false, 0, true},
		{"silence", silence, false, 0, true},
		{"silence that is dropped", silence, false, 0, false},
		{"silence that is dropped", silence, false, 0, false},
		{"silence that is not authentic", silence, false, 30, true},
		{"silence that is dropped", silence, false, 0, false},
		{"the least noise", silence - 1, false, 0, true},
		{"silence after it", silence, false, 0, true},
		{"a voice that is muted", 30, true, 0, false},
		{"a voice that is not", 30, false, 0, true},
	} {
		c.sender.mute.Audio = tc.muted
		pkt := c.microphone(tc.level)
		if tc.spoil > 0 {
			pkt[tc.spoil] ^= 1
		}
		again := append([]byte(nil), pkt...)
		if got := urgent(pkt); got != tc.urgent {
			t.Errorf("packet %d, %s: urgent is %v", i, tc.what, got)
		}
		if !urgent(again) {
			t.Errorf("packet %d, %s: sent again it waits", i, tc.what)
		}
	}
}

// TestSilenceGathers: over a socket silence that is dropped keeps a calm worker
// calm, which has a turn a grain; the first packet that is not silence is forwarded
// with that turn, and what follows does not wait.
func TestSilenceGathers(t *testing.T) {
	c := newCalmWorker(t)
	for range maxSilent + 1 { // until it is left out
		c.w.packet(c.from, c.microphone(silence), false)
	}
	c.rest()
	silent := func() int {
		before := c.w.count.own[dropSilence]
		for range 2 {
			if _, err := c.conn.Write(c.microphone(silence)); err != nil {
				t.Fatal(err)
			}
		}
		c.turn(0, nil)
		return int(c.w.count.own[dropSilence] - before)
	}
	for left := 2; left > 0; { // until a batch has room for both
		left -= silent()
	}
	for c.turn(0, nil); !c.w.sock.Waited(); {
		c.turn(0, nil)
	}
	turns, begun := c.w.count.own[cTurns], c.w.now
	for range 5 {
		if silent(); !c.w.gathering.calm.Load() {
			t.Fatal("silence is urgent")
		}
	}
	// A batch that is full is followed by a look that does not wait.
	if n, took := int(c.w.count.own[cTurns]-turns), c.w.now.Sub(begun); took < time.Duration(n-2)*40*time.Millisecond {
		t.Errorf("%d turns in %v", n, took)
	}
	before := c.w.count.own[cAudioForwarded]
	if calm := c.turn(1, c.microphone(30)); calm || c.w.count.own[cAudioForwarded] == before {
		t.Errorf("a word was forwarded %d times; calm: %v", c.w.count.own[cAudioForwarded]-before, calm)
	}
	if d, ok := c.w.gathering.begin(c.w.now); ok {
		t.Errorf("after the first packet of a word the worker does not look for %v", d)
	}
}

// silentLab is a laboratory in which all are muted and go on with silence, or talk.
// Its worker settles each second as if a crowd were there.
type silentLab struct {
	*lab
	level   []uint8
	unheard int // seconds in which the worker was calm
}

func newSilentLab(t *testing.T, people int, crowd uint64) *silentLab {
	l := &silentLab{lab: newLab(t, people, 0), level: make([]uint8, people)}
	for i, c := range l.clients {
		c.kind, c.quiet, c.still = reportsNothing, true, true
		l.level[i] = silence
		l.each = append(l.each, func() {
			if int(time.Duration(l.w.now).Milliseconds())%20 == i {
				c.voice(l.level[i])
			}
		})
	}
	l.each = append(l.each, func() {
		if time.Duration(l.w.now)%time.Second < time.Millisecond {
			l.w.gathering.settle(l.w.now, crowd)
			if l.w.gathering.calm.Load() {
				l.unheard++
			}
		}
	})
	return l
}

// calm runs for some seconds, and returns in how many the worker began calm.
func (l *silentLab) calm(seconds int) int {
	l.unheard = 0
	l.run(time.Duration(seconds) * time.Second)
	return l.unheard
}

// TestSilentCrowd: a crowd of muted microphones lets the worker gather, seconds
// after somebody spoke last; a few do not, and nobody who pauses does. A conference
// of them rests. People who were muted by others are no different.
func TestSilentCrowd(t *testing.T) {
	l := newSilentLab(t, 3, gatherSilenceFrom)
	l.run(10 * time.Second) // beginnings
	if n := l.calm(10); n != 10 {
		t.Errorf("of 10 s of silence the worker was calm in %d", n)
	}
	if c := l.w.conferences[meeting]; !c.resting {
		t.Error("a conference does not rest in which nothing is sent but silence")
	}
	l.level[1] = 40
	l.run(20 * time.Millisecond)
	if l.w.gathering.calm.Load() {
		t.Error("the worker is calm although somebody speaks")
	}
	l.level[1] = silence
	if n := l.calm(4); n > 0 {
		t.Errorf("in a pause of 4 s the worker was calm in %d", n)
	}
	for i := range 20 {
		if l.level[1] = silence; i%4 == 0 {
			l.level[1] = 40
		}
		if n := l.calm(1); n > 0 {
			t.Error("the worker is calm in a talk")
		}
	}
	for i, c := range l.clients {
		l.level[i] = 40
		c.ep.forceMute(colibri.ForceMute{Audio: true})
	}
	if n := l.calm(20); n < 15 {
		t.Errorf("of 20 s in which all were muted the worker was calm in %d", n)
	}
	few := newSilentLab(t, 3, gatherSilenceFrom-1)
	if n := few.calm(20); n > 0 {
		t.Errorf("of 20 s with few people the worker was calm in %d", n)
	}
}

// TestSilenceFeedback: feedback about silence comes once a second, at rest with
// reports in it, and again ten times, beginning with what is due, as soon as somebody can be heard.
func TestSilenceFeedback(t *testing.T) {
	l := newSilentLab(t, 1, 0)
	ep := l.clients[0].ep
	sent := func(d time.Duration) (n int) {
		for last, end := ep.w.count.own[cPacketsOut], l.w.now.Add(d); l.w.now < end; {
			l.step()
			if now := ep.w.count.own[cPacketsOut]; now != last {
				n, last = n+1, now
			}
		}
		return n
	}
	l.run(2 * time.Second)
	if n := sent(10 * time.Second); n < 14 || n > 24 { // and ten reports
		t.Errorf("%d datagrams in 10 s of silence", n)
	}
	l.run(restAfter)
	c := l.clients[0]
	if c.reports = 0; !ep.resting {
		t.Error("who sends nothing but silence does not rest")
	}
	if n := sent(10 * time.Second); n < 9 || n > 13 || c.reports < 9 || c.reports > 13 { // both in one
		t.Errorf("at rest %d datagrams with %d report blocks in 10 s of silence", n, c.reports)
	}
	l.run(10 * time.Minute)
	for _, due := range []bool{true, false, true} { // until some has just been sent
		for end := l.w.now.Add(5 * time.Second); ep.feedbackTimer.Scheduled() != due; {
			if l.step(); l.w.now > end {
				t.Fatalf("for 5 s it is %v that feedback is due", !due)
			}
		}
	}
	l.run(45 * time.Millisecond)
	l.level[0] = 40
	l.run(21 * time.Millisecond)
	if at := ep.feedbackAt; ep.feedbackTimer.Scheduled() && at.Sub(l.w.now) > rtp.FeedbackInterval {
		t.Errorf("feedback about a voice is due in %v", at.Sub(l.w.now))
	}
	if ep.resting {
		t.Error("who speaks rests")
	}
	var most uint64 // bits in a second: 600 s of silence are 20 Mbit
	for range 1200 {
		l.step()
		most = max(most, ep.bytesIn.perSecond, ep.sources[0].encodings[0].bytes.perSecond)
	}
	if most < 10_000 || most > 60_000 {
		t.Errorf("a second after a rest has %d bit", most)
	}
	if n := sent(10 * time.Second); n < 95 || n > 125 {
		t.Errorf("%d datagrams in 10 s of speech", n)
	}
}

// TestSilenceUnnumbered: silence of a client that takes no feedback about audio, and
// so gets none to which reports could be added, is no rest.
func TestSilenceUnnumbered(t *testing.T) {
	l := newSilentLab(t, 1, 0)
	c := l.clients[0]
	c.ep.formats.ext.tcc = 0
	l.run(2 * restAfter)
	if c.reports = 0; c.ep.resting {
		t.Error("it rests")
	}
	if l.run(10 * time.Second); c.reports < 9 || c.reports > 11 {
		t.Errorf("%d report blocks in 10 s of silence", c.reports)
	}
}

// TestCame: what has waited by intent came when the kernel took it in.
func TestCame(t *testing.T) {
	w := newCalmWorker(t).w
	before, after := w.now.Add(-30*time.Millisecond), w.now.Add(time.Millisecond) // by another clock
	for _, tc := range []struct {
		gathered      bool
		arrived, came mono.Time
	}{
		{true, before, before}, {true, 0, w.now}, {true, after, w.now}, {false, before, w.now},
	} {
		w.gathering.now, w.handling.arrived = tc.gathered, tc.arrived
		if got := w.came(); got != tc.came {
			t.Errorf("%+v: came %v", tc, got)
		}
	}
}

// TestSilenceAllocs: a packet of silence that is dropped allocates nothing.
func TestSilenceAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := newCalmWorker(t)
	step := func() {
		c.w.now = c.w.now.Add(20 * time.Millisecond)
		c.w.packet(c.from, c.microphone(silence), false)
		c.w.flush()
	}
	for range 500 {
		step()
	}
	before := c.w.count.own[dropSilence]
	if runs := allocs.None(t, allocs.Many, step); c.w.count.own[dropSilence]-before != uint64(runs) {
		t.Error("silence was not dropped")
	}
}
