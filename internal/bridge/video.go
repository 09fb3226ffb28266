package bridge

import (
	"encoding/binary"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
)

// videoSub is one receiver's stream of a video source. It outlives the
// subscription: neither a sequence number nor a picture id may be used twice
// under one SSRC.
type videoSub struct {
	// Of every packet, side by side.
	to      *endpoint
	src     *mediaSource // nil while nothing is subscribed to
	keyed   keyed        // of ssrc
	ssrc    uint32       // what the receiver knows the stream by
	packets uint32
	octets  uint32
	sel     simulcast.Selector
	ended   bool // the newest packet was the last of its frame
	rewrite rewriter
	layers  layerSub
	seq     rtp.SeqMap

	rtx     uint32       // its retransmissions, 0 if there are none
	mid     []byte       // of its slot, for who finds the m-line by that
	fed     *mediaSource // the source it was last subscribed to
	list    *videoList   // in which it is, nil while nothing is subscribed to
	index   int          // in that list
	since   uint32       // the first epoch of fed
	epoch   uint32       // of seq: how often it has switched, less one
	want    quality
	slow    mono.Time // since when it has had to go without frames, 0 if it has not
	repeats repeats
	asks    asks
	pads    padCursor
	lost    uint8 // fraction of 256, as the receiver reported last
	told    toldReports
}

// videoPacket is what has to be known of a packet to forward it.
type videoPacket struct {
	h      *rtp.Header
	enc    *encoding
	again  bool // it was looked at before, and tells nothing new
	codec  codecKind
	height int // told by a key frame, else 0
	info   simulcast.FrameInfo
	vp8    codec.VP8 // of these, the one of codec is valid
	vp9    codec.VP9
	av1    codec.AV1

	targets [rtp.MaxExtensionLen + codec.AV1Growth]byte // see descriptor
}

// minVideoStep is the least a timestamp advances at a switch: a frame at 30 Hz.
const minVideoStep = 3000

// videoIn takes a video packet that is authentic and new.
func (e *encoding) videoIn(h *rtp.Header) {
	w := e.src.owner.w
	switch {
	case e.src.owner.mute.Video:
		w.count.inc(dropMuted)
		e.src.dropVideo(e, h.Seq)
		return
	case h.PaddingOnly():
		w.count.inc(dropPadding)
		e.src.dropVideo(e, h.Seq)
		return
	}
	p := &w.video
	p.h, p.enc, p.again = h, e, false
	if !p.read(&e.src.owner.formats) {
		w.count.inc(dropMalformed)
		return
	}
	e.measure(p)
	e.watchFrames(p)
	if e.src.videoReceivers() == 0 {
		return
	}
	e.ring.Put(h.Raw, h.Seq, w.now)
	e.src.forwardVideo(p)
}

// watchFrames notes what packets tell of the encoding.
func (e *encoding) watchFrames(p *videoPacket) {
	if !p.info.StartOfFrame || !p.info.KeyFrame {
		return
	}
	e.keyFrameCame()
	if p.height != 0 && p.height != e.height {
		e.height = p.height
		e.src.layersChanged()
	}
}

// packet decides about one packet of the source and sends it on.
func (v *videoSub) packet(p *videoPacket) {
	forward, switched := v.sel.Forward(p.enc.index, p.info)
	switch {
	case p.layered():
		v.layerPacket(p, switched)
	case switched:
		v.layers.use(codecOther)
		v.begin(p)
		fallthrough
	case v.sel.Current() == p.enc.index && forward:
		v.forward(p, &svc.Decision{Marker: p.h.Marker})
	case v.sel.Current() == p.enc.index:
		v.leaveOut(p)
	}
	v.askKeyFrame()
}

// forward sends p on, if there is a number for it.
func (v *videoSub) forward(p *videoPacket, d *svc.Decision) {
	if seq, ts, ok := v.seq.Forward(p.h.Seq, p.h.Timestamp, v.to.w.now); ok {
		v.send(p, d, seq, ts)
	}
}

// begin makes p the next packet of the stream, after whatever went before.
func (v *videoSub) begin(p *videoPacket) {
	if v.seq.Started() {
		v.epoch++
	}
	skip := uint16(0)
	if !v.ended {
		skip = 1 // tells the receiver that the last frame will not be completed
	}
	v.seq.Switch(uint8(p.enc.index), p.h.Seq, p.h.Timestamp, v.to.w.now, skip)
	v.rewrite.begin(p, v.epoch)
}

// leaveOut does not send p, whose layer is not wanted. If it is late, nobody
// knew that when a number was kept for it, for which the receiver waits.
func (v *videoSub) leaveOut(p *videoPacket) {
	switch {
	case !v.seq.Reserved(p.h.Seq):
		v.seq.Drop(p.h.Seq)
		v.rewrite.leaveOut(p)
	case v.sentBeside(p):
		v.forward(p, &svc.Decision{Marker: p.h.Marker})
	default:
		v.fill(p)
	}
}

// sentBeside reports whether a neighbour of p in the same frame went out: its
// layer was wanted then.
func (v *videoSub) sentBeside(p *videoPacket) bool {
	for _, seq := range [...]uint16{p.h.Seq - 1, p.h.Seq + 1} {
		pkt, _, ok := p.enc.ring.Get(seq, v.to.w.now, repeatAge)
		if ok && binary.BigEndian.Uint32(pkt[4:]) == p.h.Timestamp && v.seq.Numbered(seq) {
			return true
		}
	}
	return false
}

// fill sends an empty packet under the number that was kept for p. With a part
// of a frame that was left out otherwise, a receiver could not go on where
// pictures have no numbers of their own (H.264, Chromium's VP8).
func (v *videoSub) fill(p *videoPacket) {
	to, w := v.to, v.to.w
	seq, ts, ok := v.seq.Forward(p.h.Seq, p.h.Timestamp, w.now)
	if !ok || !to.takes(true) {
		return
	}
	e := &w.padding
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp = v.ssrc, p.h.PayloadType, seq, ts
	ext := to.outExtensions()
	if ext.tcc != 0 {
		e.AddUint16(ext.tcc, to.tccSeq)
	}
	if ext.absSendTime != 0 {
		e.AddAbsSendTime(ext.absSendTime, time.Duration(w.now))
	}
	if ext.mid != 0 {
		e.Add(ext.mid, v.mid)
	}
	buf := w.buffer(to, e.HeaderLen()+fillSize)
	if n, err := e.WritePadding(buf, fillSize); err == nil {
		w.seal(to, &v.keyed, buf, n, bwe.Media, ext.tcc != 0)
	}
}

// fillSize is the padding of a packet that only fills a gap.
const fillSize = 4

// askKeyFrame asks for what the selector waits for; the encoding bounds how often.
func (v *videoSub) askKeyFrame() {
	i, ok := v.sel.NeedsKeyFrame()
	if !ok && v.sel.Current() != simulcast.None && v.layers.wantsKeyFrame(v.to.w.now) {
		i, ok = v.sel.Current(), true
	}
	if ok && i < len(v.src.encodings) {
		v.src.encodings[i].wantKeyFrame()
	}
}

// send seals the packet for this receiver, straight into the send arena.
func (v *videoSub) send(p *videoPacket, d *svc.Decision, seq uint16, ts uint32) {
	to, w := v.to, v.to.w
	if !to.takes(true) {
		return
	}
	ext := to.outExtensions()
	head := w.head.of(&ext)
	if !head.built || head.ext != ext || d.WriteTargets {
		head.build(p.h, &v.src.owner.formats.ext, &ext, v.src.ssrc, p.descriptor(d))
	}
	head.built = !d.WriteTargets // nobody else gets it like that
	if head.n == 0 {
		return
	}
	buf := w.buffer(to, head.n+len(p.h.Payload())+maxGrowth)
	head.write(buf, seq, ts, to)
	setMarker(buf, d.Marker)
	setSSRC(buf, v.ssrc)
	head.setMID(buf, v.mid)
	n, ok := v.rewrite.write(buf, head, p)
	if ok && w.seal(to, &v.keyed, buf, n, bwe.Media, head.tccAt != 0) > 0 {
		v.packets++
		v.octets += uint32(len(p.h.Payload()))
		v.ended = d.Marker
		w.count.inc(cVideoForwarded)
	}
}

// setVideo makes ep get at most the given quality of s; simulcast.None as its
// encoding ends it. It returns the stream that carries s, nil if there is none.
func (ep *endpoint) setVideo(s *mediaSource, q quality) *videoSub {
	if q.encoding == simulcast.None {
		return ep.endVideo(s, q)
	}
	v := ep.videoFor(s)
	if v == nil {
		return nil
	}
	if v.src != s {
		v.stop()
		v.feed(s)
	}
	v.aimAt(q)
	v.src = s
	v.settle()
	v.askKeyFrame()
	return v
}

func (ep *endpoint) endVideo(s *mediaSource, q quality) *videoSub {
	if ep.rewrites() {
		ep.maps.video.Idle(s.name, ep.w.now)
	}
	v := ep.videoOf(s)
	if v == nil {
		return nil
	}
	v.stop()
	v.aimAt(q)
	return v
}

func (v *videoSub) aimAt(q quality) {
	v.want = q
	v.sel.SetTarget(q.encoding, q.temporal)
	v.aim()
}

// videoClock is the clock rate of all video (RFC 7741, 9628, 6184).
const videoClock = 90000

// report is what a sender report says to the receiver about the stream, which
// is subscribed to something.
func (v *videoSub) report() (rtp.SenderInfo, bool) {
	if v.packets == 0 || v.sel.Current() == simulcast.None {
		return rtp.SenderInfo{}, false
	}
	e := v.src.encodings[v.sel.Current()]
	if !e.report.known {
		return rtp.SenderInfo{}, false
	}
	info := e.reportAt(v.to.w.now, v.seq.TSOffset(), v.packets, v.octets)
	v.told.add(info.NTP)
	return info, true
}

// wantsKeyFrame is a receiver's PLI or FIR for the SSRC it knows.
func (ep *endpoint) wantsKeyFrame(ssrc uint32) {
	v := ep.out[ssrc]
	if v == nil || v.src == nil {
		return
	}
	i := v.sel.Current()
	if i == simulcast.None {
		i = v.sel.Target()
	}
	if i == simulcast.None || i >= len(v.src.encodings) {
		return
	}
	e := v.src.encodings[i]
	switch {
	case e.keys.wanted: // the sender is being asked until one comes
	case !v.asks.allow(ep.w.now):
		ep.w.count.inc(dropKeyFrameLimit)
	default:
		e.wantKeyFrame()
	}
}

// asks remembers when a receiver asked for key frames: one that cannot be
// satisfied must not make the sender bad for everybody else.
type asks struct {
	last [3]mono.Time
	next int
}

// asksWithin is the time within which a receiver may ask len(asks.last) times.
const asksWithin = 10 * time.Second

func (a *asks) allow(now mono.Time) bool {
	oldest, newest := a.last[a.next], a.last[(a.next+len(a.last)-1)%len(a.last)]
	if (oldest != 0 && now.Sub(oldest) < asksWithin) || (newest != 0 && now.Sub(newest) < keyFrameEvery) {
		return false
	}
	a.last[a.next] = now
	a.next = (a.next + 1) % len(a.last)
	return true
}
