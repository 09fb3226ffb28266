package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// frame lets a camera's encoding send a frame of one packet at a time of its own.
func (n *bench) frame(t *testing.T, encoding int, key bool) {
	t.Helper()
	var e rtp.Egress
	n.packet(t, &e, 1001+uint32(encoding), ptVP8, vp8Frame(key, n.seq, 180<<encoding))
}

// later lets time pass and the timers fire that are due by then.
func (n *bench) later(d time.Duration) {
	n.w.now = n.w.now.Add(d)
	n.w.wheel.Advance(n.w.now, n.w.fire)
	n.w.turnOver()
}

func (n *bench) sub() *videoSub { return n.w.conferences[meeting].order[1].out[1001] }

const picture = 33 * time.Millisecond

// TestFirstKeyFrameOfALayer: an encoder begins a layer with a key frame, and
// who wants the layer changes with it, without asking for another.
func TestFirstKeyFrameOfALayer(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 30 {
		n.frame(t, 0, i == 0)
		n.later(picture)
	}
	if got := n.sub().sel.Current(); got != 0 {
		t.Fatalf("gets encoding %d", got)
	}
	asked := n.w.count.own[cKeyFrameRequests]
	for i := range 10 {
		n.frame(t, 2, i == 0)
		n.frame(t, 0, false)
		n.later(picture)
	}
	if got := n.sub().sel.Current(); got != 2 {
		t.Errorf("gets encoding %d after the first key frame of a better one", got)
	}
	if more := n.w.count.own[cKeyFrameRequests] - asked; more != 0 {
		t.Errorf("%d key frames were asked for", more)
	}
}

// TestLayerThatBeginsElsewhere: if the beginning of a layer was lost, a key
// frame is asked for at once.
func TestLayerThatBeginsElsewhere(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 30 {
		n.frame(t, 0, i == 0)
		n.later(picture)
	}
	asked := n.w.count.own[cKeyFrameRequests]
	n.frame(t, 2, false)
	if more := n.w.count.own[cKeyFrameRequests] - asked; more != 1 {
		t.Errorf("%d key frames were asked for", more)
	}
}

// TestLayerThatEnds: when a camera ends its largest encoding, receivers get
// the next one before they notice.
func TestLayerThatEnds(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 30 {
		n.frame(t, 0, i == 0)
		n.frame(t, 2, i == 0)
		n.later(picture)
	}
	if got := n.sub().sel.Current(); got != 2 {
		t.Fatalf("gets encoding %d", got)
	}
	asked := n.w.count.own[cKeyFrameRequests]
	for range stalledAfter + 2 {
		n.frame(t, 0, false)
		n.later(picture)
	}
	if target := n.sub().sel.Target(); target != 0 || n.w.count.own[cKeyFrameRequests] == asked {
		t.Errorf("%v after the end of an encoding the target is %d", (stalledAfter+2)*picture, target)
	}
	// All are still: the camera is off, and nothing has ended before the others.
	n.later(cameraLive)
	for _, e := range n.sender.sources[1].encodings {
		if e.live(n.w.now) {
			t.Errorf("encoding %d lives", e.index)
		}
	}
}

// TestKeyFrameIsAskedForAgain: a request, or what comes of it, may get lost;
// receivers that repeat theirs meanwhile do not use up their right to ask.
func TestKeyFrameIsAskedForAgain(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 30 {
		n.frame(t, 2, i == 0)
		n.later(picture)
	}
	receiver := n.sub().to
	before := n.w.count.own[cKeyFrameRequests]
	for range 30 { // about a second
		receiver.wantsKeyFrame(1001)
		n.frame(t, 2, false)
		n.later(picture)
	}
	asked := n.w.count.own[cKeyFrameRequests] - before
	if asked < 3 || asked > 6 {
		t.Errorf("the sender was asked %d times in a second", asked)
	}
	if n.w.count.own[dropKeyFrameLimit] != 0 {
		t.Error("the receiver has used up its right to ask")
	}
	n.frame(t, 2, true)
	n.later(2 * time.Second)
	if more := n.w.count.own[cKeyFrameRequests] - before; more != asked {
		t.Errorf("asked %d times more after the key frame", more-asked)
	}
	receiver.wantsKeyFrame(1001)
	if n.w.count.own[cKeyFrameRequests]-before != asked+1 {
		t.Error("the receiver may not ask again")
	}
	n.later(time.Minute)
	if more := n.w.count.own[cKeyFrameRequests] - before; more != asked+1 {
		t.Errorf("a sender that is silent was asked %d times", more-asked)
	}
}

// TestLostForGood: when a packet does not come, however often it is asked
// for, the sender is asked for a key frame, before receivers notice.
func TestLostForGood(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	for i := range 10 {
		n.frame(t, 0, i == 0)
		n.later(picture)
	}
	before := n.w.count.own[cKeyFrameRequests]
	n.seq++ // lost
	for range 30 {
		n.frame(t, 0, false)
		n.later(picture)
	}
	if n.w.count.own[cKeyFrameRequests] != before {
		t.Error("a key frame was asked for while the packet may still come")
	}
	for range 40 { // ten times, 150 ms apart
		n.frame(t, 0, false)
		n.later(picture)
	}
	if n.w.count.own[cKeyFrameRequests] == before {
		t.Error("nothing was asked for after the packet was given up")
	}
	n.frame(t, 0, true)
	before = n.w.count.own[cKeyFrameRequests]
	n.later(skipEvery)
	n.seq += 200 // an interruption
	n.frame(t, 0, false)
	if n.w.count.own[cKeyFrameRequests] != before+1 {
		t.Error("nothing was asked for after an interruption")
	}
}

// TestRestlessSender: a sender whose layers change all the time does not keep
// the bridge busy with everybody's; what holds in the end is seen soon.
func TestRestlessSender(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	n.later(conferenceTick)
	decided := 0
	var e rtp.Egress
	for i := range 100 {
		n.packet(t, &e, 1001, ptVP8, vp8Frame(true, n.seq, 100+i))
		decided += len(n.w.dirty)
		n.w.turnOver()
	}
	if decided == 0 || decided > 2*changesPerTick {
		t.Errorf("%d decisions because of 100 changes", decided)
	}
	n.later(2 * conferenceTick)
	if got := n.w.conferences[meeting].videos.offered[0].Layers[0].Height; got != 199 {
		t.Errorf("in the end the height is taken for %d", got)
	}
}

// TestWhoHearsOfLayers: what changes about the layers of one source concerns
// those who want it, and nobody else is decided about anew. They change with
// the very first picture of a layer, however many others wait for a decision.
func TestWhoHearsOfLayers(t *testing.T) {
	const others = 3 * allocationsPerTurn
	n := newBench(t, others+1, srtp.AEADAES128GCM)
	all := n.w.conferences[meeting].order[1:]
	keen := all[others]
	for i := range 30 {
		n.frame(t, 0, i == 0)
		n.later(picture)
	}
	for _, ep := range all[:others] {
		ep.message(want(0))
	}
	n.later(picture)
	decided := make([]mono.Time, others)
	for i, ep := range all[:others] {
		decided[i] = ep.bw.decided
	}
	n.w.now++
	n.frame(t, 1, true)
	n.w.turnOver()
	if got := keen.out[1001].sel.Current(); got != 1 {
		t.Errorf("who wants the source gets encoding %d", got)
	}
	for i, ep := range all[:others] {
		if ep.bw.decided != decided[i] {
			t.Fatalf("number %d, who does not want the source, was decided about anew", i)
		}
	}
	for _, ep := range all[:others] { // a crowd that waits for something else
		ep.markDirty()
	}
	n.frame(t, 2, true)
	if got := keen.out[1001].sel.Current(); got != 2 {
		t.Errorf("gets encoding %d when many others wait", got)
	}
	if n.w.turnOver(); len(n.w.dirty) != 0 {
		t.Errorf("%d still wait for a decision", len(n.w.dirty))
	}
}

// BenchmarkLayerChange: what it costs when an encoding of one camera begins or
// ends, by how many there are and how many of them want it.
func BenchmarkLayerChange(b *testing.B) {
	for _, people := range []int{40, 300, 1000} {
		for _, keen := range []int{20, people} {
			b.Run(fmt.Sprintf("%d/%d", people, keen), func(b *testing.B) {
				n := newBench(b, people, srtp.AEADAES128GCM)
				for i, ep := range n.w.conferences[meeting].order[1:] {
					if i >= keen {
						ep.message(want(0))
					}
				}
				n.w.turnOver()
				b.ReportAllocs()
				for b.Loop() {
					n.sender.changes = 0
					n.sender.firstVideo().layersChanged()
					n.w.turnOver()
				}
			})
		}
	}
}
