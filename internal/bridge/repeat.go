package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// repeats is what a receiver's stream needs to answer NACKs: the numbering of
// its RTX stream, and when each packet was repeated last. It is made when the
// first packet is missed.
type repeats struct {
	*repeatState
}

type repeatState struct {
	seq  uint16
	last [repeatSlots]struct {
		seq uint16
		at  mono.Time
	}
}

const (
	repeatSlots = 128
	// maxRepeats bounds what one NACK can ask for.
	maxRepeats = 256
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
	if v == nil || v.src == nil || v.src.rtx == 0 || ep.sealer == nil || !ep.to.IsValid() {
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
	from, ok := v.seq.Source(out)
	if !ok || int(from.Encoding) >= len(v.src.encodings) {
		w.count.inc(dropHistory)
		return
	}
	pkt, _, ok := v.src.encodings[from.Encoding].ring.Get(from.Seq, w.now, repeatAge)
	if !ok {
		w.count.inc(dropHistory)
		return
	}
	if !v.mayRepeat(out) {
		w.count.inc(dropRetransmitLimit)
		return
	}
	h, err := rtp.Parse(pkt)
	if err == nil && v.sendRepeat(&h, out, from) {
		w.count.inc(cRetransmitted)
	}
}

// mayRepeat lets a packet be repeated once a round trip.
func (v *videoSub) mayRepeat(out uint16) bool {
	if v.repeats.repeatState == nil {
		v.repeats.repeatState = &repeatState{seq: uint16(randomSSRC() & 0x7fff)}
	}
	now := v.to.w.now
	wait := repeatEvery
	if v.to.rtt > 0 {
		wait = max(v.to.rtt*9/10, repeatEvery/4)
	}
	last := &v.repeats.last[out%repeatSlots]
	if last.at != 0 && last.seq == out && now.Sub(last.at) < wait {
		return false
	}
	last.seq, last.at = out, now
	return true
}

func (v *videoSub) sendRepeat(h *rtp.Header, out uint16, from rtp.Origin) bool {
	to, w := v.to, v.to.w
	pt := to.formats.rtx[h.PayloadType]
	if pt == 0 {
		return false
	}
	payload, ok := v.repeatPayload(h, from)
	if !ok {
		return false
	}
	head := &w.head
	head.reset() // belongs to no packet any more
	if !head.build(h, &v.src.owner.formats.ext, &to.formats.ext, v.src.rtx) {
		return false
	}
	v.repeats.seq++
	buf := w.sock.Buffer(head.n+2+len(payload)+srtp.MaxOverheadRTP, to.to)
	head.write(buf, v.repeats.seq, h.Timestamp+from.TSOffset, to.tccSeq)
	head.reset()
	buf[1] = buf[1]&0x80 | pt
	n := head.n
	buf[n], buf[n+1] = byte(out>>8), byte(out)
	n += 2 + copy(buf[n+2:], payload)
	return w.seal(to, buf, n)
}

// repeatPayload makes the payload what it was the first time.
func (v *videoSub) repeatPayload(h *rtp.Header, from rtp.Origin) ([]byte, bool) {
	w := v.to.w
	if v.to.formats.codec[h.PayloadType] != codecVP8 {
		return h.Payload(), true
	}
	d, err := codec.ParseVP8(h.Payload())
	if err != nil {
		return nil, false
	}
	id, tl0, ok := v.vp8.Repeat(from.Epoch, &d)
	if !ok {
		return nil, false
	}
	n := codec.RewriteVP8(w.payload[:], h.Payload(), &d, id, tl0)
	return w.payload[:n], true
}
