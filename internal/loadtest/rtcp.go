package loadtest

import (
	"fmt"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// maxNacks bounds how many packets of one message are sent again.
const maxNacks = 256

// rtcpIn takes an opened compound.
func (m *peer) rtcpIn(b []byte, at mono.Time) {
	c := rtp.NewCompound(b)
	for c.Next() {
		m.rtcpPacket(c.Packet(), at)
	}
	if c.Malformed() {
		m.count.Malformed++
	}
}

func (m *peer) rtcpPacket(p rtp.RTCP, at mono.Time) {
	switch p.Type {
	case rtp.TypeSR:
		if info, ok := p.SenderInfo(); ok {
			if s := m.streams[p.SenderSSRC()]; s != nil {
				s.SenderReport(info, at)
			}
		} else {
			m.count.Malformed++
		}
		m.reports(p, at)
	case rtp.TypeRR:
		m.reports(p, at)
	case rtp.TypeRTPFB, rtp.TypePSFB:
		m.feedbackIn(p, at)
	}
}

func (m *peer) reports(p rtp.RTCP, at mono.Time) {
	for i := range p.Reports() {
		r := p.Report(i)
		rtt, _ := m.rtt.Reported(r, at)
		if m.up != nil {
			m.up.ReceiverReport(r.FractionLost, rtt, at)
		}
	}
}

func (m *peer) feedbackIn(p rtp.RTCP, at mono.Time) {
	switch {
	case p.IsPLI():
		m.keyFrame(p.MediaSSRC())
	case p.IsFeedback(rtp.TypePSFB, rtp.FormatFIR):
		for i := range p.FIRs() {
			ssrc, _ := p.FIR(i)
			m.keyFrame(ssrc)
		}
	case p.IsFeedback(rtp.TypeRTPFB, rtp.FormatNACK):
		m.repeat(p)
	case p.IsFeedback(rtp.TypeRTPFB, rtp.FormatTransportCC):
		fb, err := rtp.ParseTransportCC(p)
		if err != nil {
			m.count.Malformed++
		} else if m.up != nil {
			m.up.Feedback(fb, at)
		}
	default:
		if bps, ok := p.REMB(); ok && m.up != nil {
			m.up.REMB(int64(min(bps, 1<<40)), at)
		}
	}
}

func (m *peer) keyFrame(ssrc uint32) {
	m.count.KeyFramesIn++
	for _, v := range m.videos {
		if v.KeyFrame(ssrc) {
			return
		}
	}
}

// repeat sends packets again that the server misses.
func (m *peer) repeat(p rtp.RTCP) {
	ssrc, n := p.MediaSSRC(), 0
	p.EachNACK(func(seq uint16) bool {
		n++
		m.count.NacksIn++
		for _, v := range m.videos {
			if v.Repeat(ssrc, seq, m) {
				break
			}
		}
		return n < maxNacks
	})
}

// rtcpDue sends the RTCP that is due.
func (m *peer) rtcpDue(now mono.Time) {
	if m.tcc.Pending() && m.tcc.Due(now, rtp.FeedbackInterval, true) {
		m.feedback(now)
	}
	b := m.scratch[:0]
	for _, s := range m.order {
		if s.Video && len(b) < 900 {
			b = m.repairs(b, s, now)
		}
	}
	if len(b) > 0 {
		m.sendRTCP(b)
	}
	if now >= m.nextReport {
		m.nextReport = now.Add(reportPeriod)
		m.report(now)
	}
	m.quietDue(now)
}

// repairs asks for what a stream lacks: packets, or a key frame to begin with.
func (m *peer) repairs(b []byte, s *lmedia.Stream, now mono.Time) []byte {
	if d := s.Nack.Deadline(); d != 0 && now >= d {
		s.Nack.SetRTT(m.agent.RTT())
		m.nacks = s.Nack.Due(m.nacks[:0], now)
		m.count.NacksOut += uint64(len(m.nacks))
		b = rtp.AppendNACK(b, m.sources.rtcp, s.SSRC, m.nacks)
	}
	if s.WantsKey(now, keyFrameWait) {
		m.count.KeyFramesOut++
		b = rtp.AppendPLI(b, m.sources.rtcp, s.SSRC)
	}
	return b
}

// feedback sends transport-wide feedback.
func (m *peer) feedback(now mono.Time) {
	for range 8 {
		if !m.tcc.Pending() {
			return
		}
		var media uint32
		if len(m.order) > 0 {
			media = m.order[0].SSRC
		}
		m.sendRTCP(m.tcc.Build(m.scratch[:0], m.sources.rtcp, media, now))
	}
}

// report sends sender reports of what is sent and receiver reports of what has
// come since the last ones (RFC 3550 §6.4), with the canonical name. Browsers
// report on each stream by itself.
func (m *peer) report(now mono.Time) {
	blocks := m.reportBlocks(now)
	ntp := rtp.NTPTime(time.Unix(0, m.w.wall))
	b := m.scratch[:0]
	if m.audio != nil && !m.sources.muted && m.audio.Reportable() {
		b = m.senderReport(b, &m.audio.Encoding, m.audio.Timestamp(now), ntp)
	}
	for _, v := range m.videos {
		for _, l := range v.Layers {
			if l.Reportable() {
				b = m.senderReport(b, &l.Encoding, v.Timestamp(l, now), ntp)
			}
		}
	}
	if m.sources.muted && len(blocks)+len(b) == 0 {
		return // its clocks go on
	}
	for len(blocks) > 0 || len(b) == 0 {
		n := min(len(blocks), 31)
		b = rtp.AppendReceiverReport(b, m.sources.rtcp, blocks[:n])
		blocks = blocks[n:]
		if len(blocks) > 0 {
			m.sendRTCP(b)
			b = m.scratch[:0]
		}
	}
	m.sendRTCP(rtp.AppendCNAME(b, m.sources.rtcp, m.sources.cname))
}

func (m *peer) reportBlocks(now mono.Time) []rtp.ReportBlock {
	m.blocks, m.quiet.heard = m.blocks[:0], [2]int{}
	for _, s := range m.order {
		if !s.Reportable() {
			continue
		}
		if b, ok := s.Report(s.SSRC, now); ok {
			m.blocks = append(m.blocks, b)
			m.quiet.heard[kind(s.Video)]++
		}
	}
	return m.blocks
}

func (m *peer) senderReport(b []byte, e *lmedia.Encoding, ts uint32, ntp uint64) []byte {
	m.rtt.Sent(e.SSRC, ntp, m.w.now)
	return rtp.AppendSenderReport(b, e.SSRC, rtp.SenderInfo{NTP: ntp, RTPTime: ts, Packets: uint32(e.Packets), Octets: uint32(e.Bytes)}, nil)
}

// sendRTCP seals and queues a compound.
func (m *peer) sendRTCP(b []byte) {
	if len(b) == 0 {
		return
	}
	dst := m.buffer(len(b)+srtp.MaxOverheadRTCP, m.remote)
	n, err := m.sealer.SealRTCP(dst, b)
	if err != nil {
		m.story.wrong("", fmt.Sprintf("RTCP cannot be sealed: %v", err), false)
		return
	}
	m.commit(n)
	m.count.RTCPOut++
}
