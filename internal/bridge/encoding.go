package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// encoding is one primary SSRC that an endpoint sends: an audio source, or
// one simulcast encoding of a video source.
type encoding struct {
	src   *mediaSource
	index int // smallest picture first
	ssrc  uint32
	rtx   uint32

	pt     uint8 // of the newest packet; clients change codecs without a word
	clock  uint32
	heard  mono.Time
	stats  rtp.Receiver
	report senderReport
	dup    rtp.DuplicateFilter
	bytes  rate
	load   load

	// Video only.
	settled    videoList // who gets this encoding and no other
	ring       rtp.Ring
	nack       rtp.NackGenerator
	nackTimer  mono.Timer
	lost       uint64    // packets for good, as far as that was acted upon
	skipped    mono.Time // when a key frame was last asked for because of it
	aged       bool      // packets were dropped that had waited for too long
	wasLive    bool
	fresh      bool   // its first packet is being looked at
	frame      uint32 // timestamp of the newest packet
	behind     uint8  // frames the source's others have begun since that packet
	structures structures
	layers     *layering // nil while there are none
	height     int       // of the newest key frame, 0 while unknown
	keys       keyRequests
}

func newEncoding(s *mediaSource, index int, ssrc, rtx uint32) *encoding {
	e := &encoding{src: s, index: index, ssrc: ssrc, rtx: rtx}
	e.nackTimer.Owner = tick(e.sendNACK)
	e.keys.timer.Owner = tick(e.requestKeyFrame)
	return e
}

func (e *encoding) stop() {
	e.src.owner.w.wheel.Cancel(&e.nackTimer)
	e.src.owner.w.wheel.Cancel(&e.keys.timer)
}

// packet takes an authentic packet of this encoding, late ones included.
func (e *encoding) packet(h *rtp.Header, repeated bool) {
	ep, now := e.src.owner, e.src.owner.w.now
	if !e.dup.First(h.Seq) {
		ep.w.count.inc(dropDuplicate)
		return
	}
	if e.heard == 0 || h.PayloadType != e.pt && !repeated { // a repeated one may be of what is over
		e.payloadChanged(h.PayloadType)
	}
	if !repeated {
		e.heard = now
		if e.src.kind == media.Video {
			e.beat(h.Timestamp)
		}
		e.stats.Add(h.Seq, h.Timestamp, e.clock, len(h.Payload()), ep.w.came())
		e.bytes.add(len(h.Raw))
		e.load.add(len(h.Raw) + srtp.MaxOverheadRTP)
	}
	if e.src.kind == media.Audio {
		e.audioIn(h)
		return
	}
	e.watchLoss(h.Seq, now)
	e.videoIn(h)
	if e.fresh {
		e.looked()
	}
}

// stalledAfter is how many frames the other encodings of a camera may begin
// without a packet of this one before it counts as ended. All of them come of
// the same pictures: a sender short of bandwidth ends the largest without a
// word, and its receivers see a still picture until that is noticed.
const stalledAfter = 10

// beat notes that a packet of the encoding has come.
func (e *encoding) beat(ts uint32) {
	e.behind = 0
	if !e.wasLive {
		e.begun()
	}
	if ts == e.frame {
		return
	}
	e.frame = ts
	for _, o := range e.src.encodings {
		if o == e || o.behind == stalledAfter {
			continue
		}
		if o.behind++; o.wasLive && !o.live(e.heard) {
			o.wasLive = false
			e.src.layersChanged()
		}
	}
}

// begun is called with the first packet of an encoding that was not being
// sent. Encoders begin with a key frame: who gets this encoding from now on
// has to know before that passes by, and nobody has to ask for another unless
// this turns out to be something else.
func (e *encoding) begun() {
	e.wasLive, e.fresh = true, true
	e.src.layersChanged()
	e.src.decideNow()
}

// looked is called when all is known of that packet.
func (e *encoding) looked() {
	if e.fresh = false; e.keys.wanted {
		e.wantKeyFrame()
	}
}

// payloadChanged follows a sender to another codec. Receivers wait for a key
// frame of the new one, those of encodings too that still have another: these
// end, or follow in a moment. What was sent as several encodings may be the
// layers of one from now on, which begins only once.
func (e *encoding) payloadChanged(pt uint8) {
	f := &e.src.owner.formats
	changed := f.codec[pt] != f.codec[e.pt]
	e.pt, e.clock = pt, 100*uint32(f.clock[pt])
	if !changed {
		return
	}
	e.structures, e.height, e.layers = structures{}, 0, nil
	e.src.restart(func(o *encoding) bool { return o == e || f.codec[o.pt] != f.codec[pt] })
}

// reorderFor is how long a packet may be out of order before it counts as lost.
const reorderFor = 5 * time.Millisecond

func (e *encoding) watchLoss(seq uint16, now mono.Time) {
	gap := e.nack.Add(seq, now)
	if e.aged { // nobody has the time for them if they come again
		e.aged = false
		e.nack.GiveUp(seq)
		e.skipAged(now)
	} else if gap && !e.nackTimer.Scheduled() {
		e.src.owner.w.wheel.Schedule(&e.nackTimer, now.Add(reorderFor))
	}
	e.skipLost(now)
}

// skipEvery is how often a key frame may be asked for because packets are lost
// for good: with so much loss more key frames would only make it worse.
const skipEvery = 2 * time.Second

// skipLost asks for a key frame when packets are lost for good. Receivers would
// do so themselves, but not before they have waited for some seconds.
func (e *encoding) skipLost(now mono.Time) {
	lost := e.nack.GivenUp()
	if lost == e.lost || e.skipped != 0 && now.Sub(e.skipped) < skipEvery {
		return
	}
	e.lost = lost
	if len(e.settled) > 0 {
		e.skipped = now
		e.wantKeyFrame()
	}
}

// skipAged asks for a key frame after packets that were too old to be forwarded.
func (e *encoding) skipAged(now mono.Time) {
	if len(e.settled) > 0 && (e.skipped == 0 || now.Sub(e.skipped) >= skipEvery) {
		e.skipped = now
		e.wantKeyFrame()
	}
}

// maxAsked is how many packets one NACK asks for, so that it fits a datagram.
const maxAsked = 256

// sendNACK asks the sender for what is missing.
func (e *encoding) sendNACK(now mono.Time) {
	ep := e.src.owner
	e.nack.SetRTT(ep.rtt)
	ep.w.lost = e.nack.Due(ep.w.lost[:0], now)
	if ep.w.lost = ep.w.lost[:min(len(ep.w.lost), maxAsked)]; len(ep.w.lost) > 0 {
		ep.sendRTCP(rtp.AppendNACK(ep.compound(), ep.c.feedbackVideo, e.ssrc, ep.w.lost))
	}
	ep.w.wheel.Schedule(&e.nackTimer, e.nack.Deadline())
	e.skipLost(now)
}

// reportAt is a sender report about this encoding with the sender's clock of
// this moment, so that a round trip can be told from the answer.
func (e *encoding) reportAt(now mono.Time, offset, packets, octets uint32) rtp.SenderInfo {
	ntp := e.src.owner.clock.at(now)
	return rtp.SenderInfo{
		NTP: ntp, RTPTime: e.report.timestampAt(ntp, e.clock) + offset,
		Packets: packets, Octets: octets,
	}
}

// keyRequests throttles what a sender is asked for: however many receivers
// need a key frame, one serves them all.
type keyRequests struct {
	last   mono.Time
	wanted bool // somebody still waits
	vain   uint // requests since the last key frame
	timer  mono.Timer
}

// The least time between two requests, and what it grows to while they are in
// vain.
const (
	keyFrameEvery   = 200 * time.Millisecond
	keyFrameAtLeast = 2 * time.Second
)

// wait is how long after the last request the next one may follow.
func (k *keyRequests) wait(rtt time.Duration) time.Duration {
	base := max(keyFrameEvery, rtt+10*time.Millisecond)
	if k.vain <= patientFor {
		return base
	}
	return max(base, min(base<<min(k.vain-patientFor, 8), keyFrameAtLeast))
}

// patientFor is how many requests in vain change nothing: senders drop some.
const patientFor = 5

// wantKeyFrame asks the sender of e for a key frame, now or when it may be
// asked again.
func (e *encoding) wantKeyFrame() {
	e.keys.wanted = true
	if e.fresh || e.keys.timer.Scheduled() {
		return
	}
	ep := e.src.owner
	wait := e.keys.wait(ep.rtt)
	if since := ep.w.now.Sub(e.keys.last); e.keys.last != 0 && since < wait {
		ep.w.wheel.Schedule(&e.keys.timer, e.keys.last.Add(wait))
		return
	}
	e.requestKeyFrame(ep.w.now)
}

// requestKeyFrame asks now, and again later if nothing comes of it: the
// request or the key frame may get lost.
func (e *encoding) requestKeyFrame(now mono.Time) {
	ep := e.src.owner
	if !e.keys.wanted {
		return
	}
	if e.src.videoReceivers() == 0 || e.keys.vain > 0 && !e.live(now) {
		e.keys.wanted = false // once there are packets somebody will want one again
		return
	}
	e.keys.last = now
	e.keys.vain++
	ep.sendRTCP(rtp.AppendPLI(ep.compound(), ep.c.feedbackVideo, e.ssrc))
	ep.w.count.inc(cKeyFrameRequests)
	ep.w.wheel.Schedule(&e.keys.timer, now.Add(e.keys.wait(ep.rtt)))
}

// keyFrameCame ends the waiting of all who asked.
func (e *encoding) keyFrameCame() {
	e.keys.wanted, e.keys.vain = false, 0
	e.src.owner.w.wheel.Cancel(&e.keys.timer)
}
