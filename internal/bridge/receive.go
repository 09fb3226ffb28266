package bridge

import (
	"errors"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// receiving is what an endpoint sends to us.
type receiving struct {
	sources []*mediaSource
	in      inbounds // signalled SSRCs; all others are dropped

	arrivals      rtp.Recorder // for transport-wide feedback
	feedbackTimer mono.Timer
	feedbackAt    mono.Time // when that is due, if it is scheduled
	clock         senderClock
	rtt           time.Duration // of the path, from report blocks
	bytesIn       rate
	changes       int // of layers since the conference's last tick
}

// inbound is one SSRC that may arrive.
type inbound struct {
	enc *encoding
	rtx bool // it repeats packets of enc
}

// inbounds is what SSRCs are. An endpoint has a handful, of which a sender report
// comes so seldom that nothing is in the cache any more: numbers side by side are
// one look at the memory, where a map takes four.
type inbounds struct {
	ssrcs []uint32
	of    []inbound // in the same order
}

func (in *inbounds) find(ssrc uint32) (inbound, bool) {
	for i, s := range in.ssrcs {
		if s == ssrc {
			return in.of[i], true
		}
	}
	return inbound{}, false
}

func (in *inbounds) set(ssrc uint32, what inbound) {
	in.drop(ssrc)
	in.ssrcs, in.of = append(in.ssrcs, ssrc), append(in.of, what)
}

// drop forgets an SSRC; the last one takes its place.
func (in *inbounds) drop(ssrc uint32) {
	i, last := slices.Index(in.ssrcs, ssrc), len(in.ssrcs)-1
	if i < 0 {
		return
	}
	in.ssrcs[i], in.of[i] = in.ssrcs[last], in.of[last]
	in.of[last] = inbound{} // its encoding is not to live on
	in.ssrcs, in.of = in.ssrcs[:last], in.of[:last]
}

func (ep *endpoint) initReceiving() {
	ep.feedbackTimer.Owner = tick(ep.sendFeedback)
}

func (ep *endpoint) receive(e *encoding) {
	ep.in.set(e.ssrc, inbound{enc: e})
	if e.rtx != 0 {
		ep.in.set(e.rtx, inbound{enc: e, rtx: true})
	}
}

func (ep *endpoint) stopReceiving(e *encoding) {
	ep.in.drop(e.ssrc)
	ep.in.drop(e.rtx)
	e.stop()
}

// srtpPacket takes SRTP or SRTCP from an address that is the peer's.
func (ep *endpoint) srtpPacket(pkt []byte) {
	switch {
	case ep.opener == nil:
		ep.w.count.inc(dropNoKeys)
	case rtp.IsRTCP(pkt):
		ep.rtcpPacket(pkt)
	default:
		ep.rtpPacket(pkt)
	}
}

func (ep *endpoint) rtpPacket(pkt []byte) {
	ssrc, _ := rtp.PeekSSRC(pkt)
	in, ok := ep.in.find(ssrc)
	if !ok {
		ep.w.count.inc(dropUnsignalled)
		return
	}
	if in.enc.stale() {
		in.enc.dropStale()
		return
	}
	n, err := ep.opener.OpenRTP(pkt)
	if err != nil {
		ep.openFailed(err)
		return
	}
	ep.heardMedia()
	ep.bytesIn.add(n)
	h := &ep.w.header
	if *h, err = rtp.Parse(pkt[:n]); err != nil {
		ep.w.count.inc(dropMalformed)
		return
	}
	numbered, marker := ep.recordArrival(h), h.Marker
	switch {
	case ep.visitor:
		ep.w.count.inc(dropVisitor)
	case in.rtx:
		ep.repeated(in.enc, h)
	default:
		in.enc.packet(h, false)
	}
	if numbered {
		ep.scheduleFeedback(marker)
	}
	if !numbered || !ep.w.gathering.waits { // else feedback tells its sender all there is
		ep.c.keepAwake()
	}
}

func (ep *endpoint) openFailed(err error) {
	switch {
	case errors.Is(err, srtp.ErrReplay):
		ep.w.count.inc(dropReplay)
	case errors.Is(err, srtp.ErrShort):
		ep.w.count.inc(dropMalformed)
	default:
		ep.w.count.inc(dropAuth)
	}
}

// recordArrival notes a packet for transport-wide feedback, if it is numbered for
// that. Audio counts too: both sides' estimators are better for it.
func (ep *endpoint) recordArrival(h *rtp.Header) (numbered bool) {
	data, ok := h.Extension(ep.formats.ext.tcc)
	if !ok {
		return false
	}
	seq, ok := rtp.TransportSeq(data)
	if ok {
		ep.arrivals.Add(seq, ep.w.came())
	}
	return ok
}

// scheduleFeedback sends feedback after a packet, or sees to it that it will be
// sent. About audio nobody gets it may be late, whatever it is marked with: the
// first packet after each pause of a microphone is (RFC 3551 §4.1).
func (ep *endpoint) scheduleFeedback(marker bool) {
	every := rtp.FeedbackInterval
	if ep.w.gathering.waits {
		every, marker = rtp.FeedbackAtRest, false
	}
	if ep.arrivals.Due(ep.w.now, every, marker) {
		ep.sendFeedback(ep.w.now)
		return
	}
	at := ep.arrivals.Deadline(every)
	if every == rtp.FeedbackAtRest {
		at = at.RoundUp(grain)
	}
	if !ep.feedbackTimer.Scheduled() || at < ep.feedbackAt {
		ep.feedbackAt = at
		ep.w.wheel.Schedule(&ep.feedbackTimer, at)
	}
}

// sendFeedback tells the sender which of its packets came, and when. At rest it
// takes the place of reports as well, with which it has to share a datagram.
func (ep *endpoint) sendFeedback(now mono.Time) {
	var blocks []rtp.ReportBlock
	if ep.resting {
		const most = 4
		blocks = ep.reportBlocks(now, most)
	}
	for ep.arrivals.Pending() {
		ep.sendRTCP(ep.arrivals.Build(ep.compound(blocks...), ep.c.feedbackVideo, ep.feedbackMedia(), now))
		blocks = nil
	}
	ep.w.wheel.Cancel(&ep.feedbackTimer)
}

// feedbackMedia is the stream feedback is formally about.
func (ep *endpoint) feedbackMedia() uint32 {
	if len(ep.sources) == 0 {
		return 0
	}
	return ep.sources[0].ssrc
}

// repeated turns a retransmission back into what it repeats (RFC 4588).
func (ep *endpoint) repeated(e *encoding, h *rtp.Header) {
	pt := h.PayloadType
	if ep.formats.codec[pt] != codecRTX {
		ep.w.count.inc(dropMalformed)
		return
	}
	raw, ok := rtp.UnwrapRTX(h, ep.formats.apt[pt], e.ssrc)
	if !ok {
		ep.w.count.inc(dropPadding)
		return
	}
	var err error
	if *h, err = rtp.Parse(raw); err != nil {
		ep.w.count.inc(dropMalformed)
		return
	}
	e.packet(h, true)
}

// senderClock relates the clock in an endpoint's sender reports to ours. The
// relation is fixed once, so that all its streams keep in step.
type senderClock struct {
	known bool
	base  uint64 // sender's NTP time minus our time, in NTP units
}

func ntpUnits(t mono.Time) uint64 {
	s, ns := uint64(t)/1e9, uint64(t)%1e9
	return s<<32 | ns<<32/1e9
}

func (c *senderClock) learn(ntp uint64, now mono.Time) {
	if !c.known {
		c.known, c.base = true, ntp-ntpUnits(now)
	}
}

// at is the sender's NTP time at an instant of ours.
func (c *senderClock) at(t mono.Time) uint64 { return c.base + ntpUnits(t) }

// rate measures bits per second over whole seconds.
type rate struct{ bytes, perSecond uint64 }

func (r *rate) add(n int) { r.bytes += uint64(n) }

// roll ends a second.
func (r *rate) roll() { r.perSecond, r.bytes = r.bytes*8, 0 }
