package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// RTCP from endpoints. Nothing of it is forwarded as it is: an endpoint is
// both a sender to us and a receiver of ours, and every message is about one
// of the two.

func (ep *endpoint) rtcpPacket(pkt []byte) {
	n, err := ep.opener.OpenRTCP(pkt)
	if err != nil {
		ep.openFailed(err)
		return
	}
	ep.heardMedia()
	c := rtp.NewCompound(pkt[:n])
	for c.Next() {
		p := c.Packet()
		ep.rtcpMessage(p)
		if ep.gone {
			return
		}
	}
	if c.Malformed() {
		ep.w.count.inc(dropMalformed)
	}
}

func (ep *endpoint) rtcpMessage(p rtp.RTCP) {
	switch {
	case p.Type == rtp.TypeSR:
		ep.senderReport(p)
		ep.reports(p)
	case p.Type == rtp.TypeRR:
		ep.reports(p)
	case p.IsFeedback(rtp.TypeRTPFB, rtp.FormatNACK):
		ep.nacked(p)
	case p.IsFeedback(rtp.TypeRTPFB, rtp.FormatTransportCC):
		ep.transportFeedback(p)
	case p.IsPLI():
		ep.wantsKeyFrame(p.MediaSSRC())
	case p.IsFeedback(rtp.TypePSFB, rtp.FormatFIR):
		for i := range p.FIRs() {
			ssrc, _ := p.FIR(i)
			ep.wantsKeyFrame(ssrc)
		}
	default:
		if bps, ok := p.REMB(); ok {
			ep.receiverEstimate(bps)
		}
	}
}

// senderReport keeps what a sender says about its clocks (RFC 3550 §6.4.1).
func (ep *endpoint) senderReport(p rtp.RTCP) {
	info, ok := p.SenderInfo()
	in, known := ep.in.find(p.SenderSSRC())
	if !ok || !known || in.rtx {
		return
	}
	ep.clock.learn(info.NTP, ep.w.now)
	in.enc.report = senderReport{ntp: info.NTP, ts: info.RTPTime, known: true}
	in.enc.stats.SenderReport(info, ep.w.now)
}

// senderReport is one point at which a stream's two clocks were seen together.
type senderReport struct {
	ntp   uint64
	ts    uint32
	known bool
}

// timestampAt goes from that point to another time of the sender's clock.
func (r *senderReport) timestampAt(ntp uint64, clock uint32) uint32 {
	return r.ts + uint32(int64(ntp-r.ntp)>>16*int64(clock)>>16)
}

// reports are what a receiver says about the streams we send it.
func (ep *endpoint) reports(p rtp.RTCP) {
	lost, streams := 0, 0
	for i := range p.Reports() {
		r := p.Report(i)
		owner, told := ep.senderOf(r.SSRC)
		if owner == nil {
			continue
		}
		lost += int(r.FractionLost)
		streams++
		if sub := ep.out[r.SSRC]; sub != nil {
			sub.lost = r.FractionLost
		}
		if r.LSR != 0 && owner.clock.known && told.has(r.LSR) {
			ep.learnRTT(roundTrip(owner.clock.at(ep.w.now), r.LSR, r.DLSR))
		}
	}
	ep.lossReported(lost, streams)
}

// senderOf finds whose media a stream to ep carries, and which sender reports
// were sent about it; nil for any.
func (ep *endpoint) senderOf(ssrc uint32) (*endpoint, *toldReports) {
	if !ep.rewrites() {
		return ep.c.ssrcs[ssrc], nil
	}
	if v := ep.out[ssrc]; v != nil && v.src != nil {
		return v.src.owner, &v.told
	}
	if st := ep.maps.sounds[ssrc]; st != nil && st.holder != nil && st.holder.src != nil {
		return st.holder.src.owner, &st.told
	}
	return nil, nil
}

// toldReports is which sender reports a stream had since it carries its present
// source. An answer to one from before speaks of another's clock.
type toldReports struct {
	any         bool
	first, last uint32 // the middle of their NTP times
}

func (t *toldReports) add(ntp uint64) {
	t.last = uint32(ntp >> 16)
	if !t.any {
		t.any, t.first = true, t.last
	}
}

func (t *toldReports) has(lsr uint32) bool {
	return t == nil || t.any && int32(lsr-t.first) >= 0 && int32(t.last-lsr) >= 0
}

// roundTrip is what RFC 3550 §6.4.1 makes of LSR and DLSR. Our sender reports
// carry the sender's clock as it is at the moment of sending, so that nothing
// has to be remembered.
func roundTrip(ntp uint64, lsr, dlsr uint32) time.Duration {
	d := uint32(ntp>>16) - lsr - dlsr
	if int32(d) < 0 {
		return 0
	}
	return time.Duration(uint64(d) * uint64(time.Second) >> 16)
}

// maxRTT is where a round trip time is taken for a mistake of the peer.
const maxRTT = 10 * time.Second

func (ep *endpoint) learnRTT(d time.Duration) {
	if d <= 0 || d > maxRTT {
		return
	}
	if ep.rtt == 0 {
		ep.rtt = d
	}
	ep.rtt += (d - ep.rtt) / 8
}

// sendReports sends the reports that are due each second: to the endpoint as
// a receiver sender reports, to it as a sender report blocks.
func (ep *endpoint) sendReports(now mono.Time) {
	if !ep.takes(false) {
		return
	}
	ep.sendReportBlocks(now)
	ep.sendSenderReports(now)
}

// maxReportBlocks is how many fit into one packet (RFC 3550 §6.4.2).
const maxReportBlocks = 31

func (ep *endpoint) sendReportBlocks(now mono.Time) {
	blocks := ep.reportBlocks(now, maxReportBlocks)
	if len(blocks) == 0 {
		return
	}
	b := rtp.AppendReceiverReport(ep.w.rtcpBuf[:0], ep.c.feedbackVideo, blocks)
	ep.sendRTCP(rtp.AppendCNAME(b, ep.c.feedbackVideo, cname))
}

// reportBlocks reports on what comes from the endpoint, on so many streams at the
// most. They lie in memory of the worker, until the next are made.
func (ep *endpoint) reportBlocks(now mono.Time, most int) []rtp.ReportBlock {
	blocks := ep.w.blocks[:0]
	for _, s := range ep.sources {
		for _, e := range s.encodings {
			if len(blocks) == most || !e.live(now) {
				continue
			}
			if b, ok := e.stats.Report(e.ssrc, now); ok {
				blocks = append(blocks, b)
			}
		}
	}
	ep.w.blocks = blocks
	return blocks
}

// cname is the bridge's canonical name in all its RTCP: it has no media of
// its own to keep in step.
const cname = "plenum"

// maxReportBytes leaves room in a datagram for one more report and SRTCP.
const maxReportBytes = 1100

// sendSenderReports translates the senders' reports to what this endpoint
// receives: their clocks as they are now, our SSRC, timestamps and counts. It
// costs as much as the endpoint is being sent, not as there is in the
// conference.
func (ep *endpoint) sendSenderReports(now mono.Time) {
	buf := ep.reportAudio(ep.w.rtcpBuf[:0], now)
	for _, v := range ep.streams {
		if v.src == nil || !v.src.owner.clock.known || !v.src.heardWithin(now, reportRecent) {
			continue
		}
		if info, ok := v.report(); ok {
			buf = ep.appendReport(buf, v.ssrc, info)
		}
	}
	ep.sendRTCP(buf)
}

// reportAudio reports on the audio the endpoint was sent in the last seconds,
// and lets go of what it was not.
func (ep *endpoint) reportAudio(buf []byte, now mono.Time) []byte {
	recent := ep.sounding[:0]
	for _, sub := range ep.sounding {
		if sub.listed = now.Sub(sub.sentAt) < reportRecent; !sub.listed {
			continue
		}
		recent = append(recent, sub)
		if info, ok := sub.report(now); ok {
			buf = ep.appendReport(buf, sub.ssrc, info)
		}
	}
	clear(ep.sounding[len(recent):])
	ep.sounding = recent
	return buf
}

// appendReport adds a report to a packet, and sends the packet when it is full.
func (ep *endpoint) appendReport(buf []byte, ssrc uint32, info rtp.SenderInfo) []byte {
	buf = rtp.AppendSenderReport(buf, ssrc, info, nil)
	if len(buf) > maxReportBytes {
		ep.sendRTCP(buf)
		buf = ep.w.rtcpBuf[:0]
	}
	return buf
}

// reportRecent is how recent a stream's packets must be to be reported on.
const reportRecent = 3 * time.Second

func (s *mediaSource) heardWithin(now mono.Time, d time.Duration) bool {
	for _, e := range s.encodings {
		if e.heard != 0 && now.Sub(e.heard) < d {
			return true
		}
	}
	return false
}
