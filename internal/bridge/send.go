package bridge

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// outward is what each packet to an endpoint needs, with the end of its formats
// and the beginning of its bandwidth, between which it lies: two cache lines. A
// packet goes to hundreds, and finds hardly anything of any of them in the cache.
type outward struct {
	sealer   *srtp.Sealer   // its outlet's, if it has one: then it may only be asked for streams, and what never changes
	outlet   *outlet        // which has the sealer, nil while its worker has
	to       netip.AddrPort // where media goes; zero while there is no way
	bytesOut rate
	tccSeq   uint16 // next transport-wide number
	demux    bool   // the client demultiplexes by MID
}

// sending is what we send to an endpoint.
type sending struct {
	securedAt mono.Time
	audio     audioWish
	audioOut  map[uint32]*audioSub // by SSRC, whether subscribed or not
	out       map[uint32]*videoSub // by the SSRC the receiver knows
	streams   []*videoSub          // the same, the oldest first
	ended     map[uint32]rtp.Mark  // streams whose source has gone; the sealer bounds how many can be
	sounding  []*audioStream       // audio it was sent in the last seconds
	worn      bool                 // its keys have to be replaced
	resent    int                  // packets in this second
	settings  alloc.Settings
	heights   map[*mediaSource]int // what it wants of each video source, none if it is not here
	dirty     bool                 // waits for a new allocation
	changed   bool                 // because of something else than its budget
	affected  affected
	maps      slotMaps
	forwarded forwardedList
}

func (ep *endpoint) initSending() {
	ep.audioOut = map[uint32]*audioSub{}
	ep.out = map[uint32]*videoSub{}
	ep.ended = map[uint32]rtp.Mark{}
	ep.settings = alloc.NewSettings(alloc.Unlimited)
	ep.heights = map[*mediaSource]int{}
}

// forget ends the streams of a source that has gone. All that is kept of them
// is where they stand: if the source comes back, no number may be used twice.
func (ep *endpoint) forget(s *mediaSource) {
	if ep.rewrites() {
		ep.forgetMapped(s)
		return
	}
	if v := ep.out[s.ssrc]; v != nil && (v.src == nil || v.src == s) {
		v.stop()
		if mark, ok := v.seq.Mark(); ok {
			ep.ended[s.ssrc] = mark
		}
		if v.repeats.begun {
			ep.ended[v.rtx] = rtp.Mark{Seq: v.repeats.seq}
		}
		delete(ep.out, s.ssrc)
		ep.streams = slices.DeleteFunc(ep.streams, func(o *videoSub) bool { return o == v })
	}
	if a := ep.audioOut[s.ssrc]; a != nil && (a.src == nil || a.src == s) {
		a.stop()
		if a.packets > 0 || a.resumed {
			ep.ended[s.ssrc] = rtp.Mark{Seq: a.last}
		}
		delete(ep.audioOut, s.ssrc)
	}
}

// resume returns where an earlier stream under an SSRC has ended, if there
// was one; the caller lets it go on.
func (ep *endpoint) resume(ssrc uint32) (rtp.Mark, bool) {
	mark, ok := ep.ended[ssrc]
	delete(ep.ended, ssrc)
	return mark, ok
}

// send queues one plain datagram for the end of the turn.
func (w *worker) send(to netip.AddrPort, datagram []byte) {
	copy(w.sock.Buffer(len(datagram), to), datagram)
	w.sock.Commit(len(datagram))
	w.count.add(cBytesOut, uint64(len(datagram)))
}

// sendAudio seals a packet straight into the send arena: header, then payload.
func (w *worker) sendAudio(sub *audioSub, head *outHeader, seq uint16, ts uint32, payload []byte) bool {
	if head.n == 0 {
		return false
	}
	to := sub.to
	n := head.n + len(payload)
	buf := w.buffer(to, n)
	head.write(buf, seq, ts, to)
	setSSRC(buf, sub.ssrc)
	head.setMID(buf, sub.mid)
	if sub.spurt {
		setMarker(buf, true)
	}
	copy(buf[head.n:], payload)
	tcc := to.tccSeq
	if n = w.seal(to, &sub.keyed, buf, n, bwe.Media, head.tccAt != 0); n == 0 {
		return false
	}
	to.bw.audio.sent(tcc, n, head.tccAt != 0)
	return true
}

// buffer returns memory for a plain RTP packet of up to n bytes to an endpoint.
// Without seal nothing comes of it.
func (w *worker) buffer(to *endpoint, n int) []byte {
	if to.outlet != nil {
		return to.outlet.buffer(n)
	}
	return w.sock.Buffer(n+srtp.MaxOverheadRTP, to.to)
}

// keyed is the place of one of a receiver's streams among its keys. It is found
// with the first packet: what the keys know of each SSRC lies all over the
// memory, and to look for it would take half of the time of sealing.
type keyed struct{ at *srtp.Stream }

// in finds the place in the receiver's keys of what buf is a packet of, and
// again if it has others since; nil if they are used up.
func (k *keyed) in(to *endpoint, buf []byte) *srtp.Stream {
	if k.at == nil || !k.at.Of(to.sealer) {
		ssrc, _ := rtp.PeekSSRC(buf)
		var err error
		if k.at, err = to.sealer.Stream(ssrc); err != nil {
			to.worn = to.worn || wornOut(err)
			to.w.count.inc(dropSeal)
		}
	}
	return k.at
}

// seal sends the first n bytes of buf, the last buffer, as a packet of one of the
// endpoint's streams: it encrypts them in place, or leaves that to the endpoint's
// outlet. numbered says that they hold the endpoint's next transport-wide number.
// It returns the size on the path, 0 if it failed.
func (w *worker) seal(to *endpoint, k *keyed, buf []byte, n int, kind bwe.Kind, numbered bool) int {
	stream := k.in(to, buf)
	if stream == nil {
		return 0
	}
	numbered = numbered || to.formats.ext.tcc == 0
	if to.outlet != nil {
		n = to.outlet.addRTP(to, stream, n, kind, numbered)
	} else if n = w.sealHere(to, stream, buf, n, kind); n == 0 {
		return 0
	}
	if numbered {
		to.bw.sent(to.tccSeq, n, w.now, kind)
		to.tccSeq++
	}
	to.bytesOut.add(n)
	return n + packetOverhead
}

func (w *worker) sealHere(to *endpoint, stream *srtp.Stream, buf []byte, n int, kind bwe.Kind) int {
	n, err := w.commit(stream.Seal(buf, buf[:n]))
	if err != nil {
		to.worn = to.worn || wornOut(err)
		return 0
	}
	if kind == bwe.Media {
		w.delays.copies++
	}
	return n
}

// commit sends the n bytes that sealing made of the open buffer of the arena.
func (w *worker) commit(n int, err error) (int, error) {
	if err != nil {
		w.count.inc(dropSeal)
		return 0, err
	}
	w.sock.Commit(n)
	w.count.add(cBytesOut, uint64(n))
	return n, nil
}

// wornOut reports whether keys have to be replaced.
func wornOut(err error) bool {
	return errors.Is(err, srtp.ErrTooManySSRCs) || errors.Is(err, srtp.ErrKeyExhausted)
}

// sendRTCP seals a compound packet and sends it. plain must lie in w.rtcpBuf.
func (ep *endpoint) sendRTCP(plain []byte) {
	if len(plain) == 0 || !ep.takes(false) {
		return
	}
	if o := ep.outlet; o != nil {
		copy(o.buffer(len(plain)), plain)
		o.add(ep, item{size: len(plain), sealer: ep.sealer})
		return
	}
	_ = ep.w.sealRTCP(ep.sealer, ep.to, plain) // counted
}

func (w *worker) sealRTCP(sealer *srtp.Sealer, to netip.AddrPort, plain []byte) error {
	buf := w.sock.Buffer(len(plain)+srtp.MaxOverheadRTCP, to)
	_, err := w.commit(sealer.SealRTCP(buf, plain))
	return err
}

// compound starts an RTCP packet: one begins with a report, even an empty
// one, unless reduced size was negotiated (RFC 3550 §6.1).
func (ep *endpoint) compound(blocks ...rtp.ReportBlock) []byte {
	return rtp.AppendReceiverReport(ep.w.rtcpBuf[:0], ep.c.feedbackVideo, blocks)
}
