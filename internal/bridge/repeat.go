package bridge

import (
	"encoding/binary"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
)

// repeats is a receiver's RTX stream, and what it needs to answer NACKs.
type repeats struct {
	begun bool
	seq   uint16 // the newest of the RTX stream
	keyed keyed
	last  *lastRepeats // made when the first packet is missed
}

// lastRepeats is when packets were repeated last.
type lastRepeats [repeatSlots]struct {
	at  uint32 // in microseconds, modulo 2^32; 0 if there was none
	seq uint16
}

const (
	repeatSlots = 128
	// maxRepeats bounds what one NACK can ask for, repeatsPerSecond what a
	// receiver gets again of all its streams.
	maxRepeats       = 256
	repeatsPerSecond = 1000
	// repeatAge is how old a packet may be and still be of use.
	repeatAge = time.Second
	// repeatEvery is the least time between two repeats of one packet while
	// the round trip time is unknown.
	repeatEvery = 20 * time.Millisecond
)

// nacked answers a receiver's NACK with retransmissions (RFC 4588). A packet
// is never simply sent again: sealed twice under one number it would break
// the cipher.
func (ep *endpoint) nacked(p rtp.RTCP) {
	v := ep.out[p.MediaSSRC()]
	if v == nil || v.src == nil || v.rtx == 0 || !ep.takes(true) {
		return
	}
	left := maxRepeats
	p.EachNACK(func(seq uint16) bool {
		v.repeat(seq)
		left--
		return left > 0
	})
}

func (v *videoSub) repeat(out uint16) {
	w := v.to.w
	from, ok := v.origin(out)
	if !ok {
		w.count.inc(dropHistory)
		return
	}
	pkt, _, ok := v.src.encodings[from.Encoding].ring.Get(from.Seq, w.now, w.useless.repeated)
	if !ok {
		w.count.inc(dropHistory)
		return
	}
	if !v.to.mayResend() || !v.mayRepeat(out) {
		w.count.inc(dropRetransmitLimit)
		return
	}
	if v.sendRepeat(pkt, out, from, bwe.RTX) > 0 {
		v.to.resent++
		w.count.inc(cRetransmitted)
	}
}

// beginRepeats starts the RTX stream, or goes on with one that has ended,
// unless it was begun before.
func (v *videoSub) beginRepeats() {
	if v.repeats.begun {
		return
	}
	v.repeats.begun, v.repeats.seq = true, uint16(randomSSRC()&0x7fff)
	if mark, ok := v.to.resume(v.rtx); ok {
		v.repeats.seq = mark.Seq
	}
}

// mayRepeat lets a packet be repeated once a round trip.
func (v *videoSub) mayRepeat(out uint16) bool {
	v.beginRepeats()
	if v.repeats.last == nil {
		v.repeats.last = new(lastRepeats)
	}
	now := uint32(time.Duration(v.to.w.now) / time.Microsecond)
	wait := repeatEvery
	if v.to.rtt > 0 {
		wait = max(v.to.rtt*9/10, repeatEvery/4)
	}
	last := &v.repeats.last[out%repeatSlots]
	if last.at != 0 && last.seq == out && time.Duration(now-last.at)*time.Microsecond < wait {
		return false
	}
	last.seq, last.at = out, now
	return true
}

// sendRepeat makes the packet what it was the first time, but for the RTX
// header and its numbers. It returns the size on the path, 0 if it cannot be sent.
func (v *videoSub) sendRepeat(pkt []byte, out uint16, from rtp.Origin, kind bwe.Kind) int {
	to, w := v.to, v.to.w
	var err error
	p, h, ext := &w.repeat, &w.repeatHeader, to.outExtensions()
	head := w.head.of(&ext)
	*h, err = rtp.Parse(pkt)
	pt := to.formats.rtx[h.PayloadType]
	if err != nil || pt == 0 {
		return 0
	}
	*p = videoPacket{h: h, enc: v.src.encodings[from.Encoding], again: true}
	if !p.read(&v.src.owner.formats) {
		return 0
	}
	d := svc.Decision{Marker: h.Marker}
	if from.Epoch == v.epoch {
		d = v.layers.again(p)
	}
	if !head.build(h, &v.src.owner.formats.ext, &ext, v.rtx, p.descriptor(&d)) {
		return 0
	}
	defer head.reset() // it belongs to no packet that is being forwarded
	buf := w.buffer(to, head.n+2+len(h.Payload())+maxGrowth)
	head.write(buf, v.repeats.seq+1, h.Timestamp+from.TSOffset, to)
	buf[1] = pt
	setMarker(buf, d.Marker)
	head.setMID(buf, v.mid)
	binary.BigEndian.PutUint16(buf[head.n:], out) // RFC 4588 §4: the original number
	n, ok := v.rewrite.repeat(buf, head, p, from)
	if !ok {
		return 0
	}
	v.repeats.seq++
	return w.seal(to, &v.repeats.keyed, buf, n, kind, head.tccAt != 0)
}
