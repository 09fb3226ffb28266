package loadtest

import (
	"net/netip"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// maxStreams bounds how many SSRCs of a server a participant accounts for.
const maxStreams = 4096

// maxSources bounds how many sources, and SSRCs, of others a participant knows:
// everything that everybody in the largest rooms has.
const maxSources = 50_000

// read takes what has arrived for the peer.
func (m *peer) read() {
	b := m.w.batch
	for range 4 { // a peer must not keep the others waiting
		n := m.member.Read(b)
		for i := range n {
			m.arrived(b.Packets[i].Data, b.Packets[i].Addr, b.Stamps[i])
		}
		if n < 16 || m.closed {
			break
		}
	}
	if m.line != nil {
		m.fireLine()
		return
	}
	m.afterRead()
}

// afterRead answers what was read.
func (m *peer) afterRead() {
	if m.closed || m.sealer == nil {
		return
	}
	if m.tcc.Due(m.w.now, false) {
		m.feedback(m.w.now)
	}
	m.flush()
}

// datagramIn sorts one datagram by its first byte (RFC 7983 §7).
func (m *peer) datagramIn(pkt []byte, from netip.AddrPort, stamp int64) {
	if len(pkt) == 0 || m.closed {
		return
	}
	m.count.BytesIn += uint64(len(pkt))
	m.w.total.bytesIn += uint64(len(pkt))
	switch first := pkt[0]; {
	case first < 4:
		_ = m.agent.Handle(m.w.now, from, pkt) // the agent counts what is wrong
		m.drive()
	case first >= 20 && first < 64:
		if m.conn != nil {
			m.conn.Push(pkt)
		}
	case first >= 128 && first < 192:
		m.media(pkt, stamp)
	default:
		m.count.Malformed++
	}
}

func (m *peer) media(pkt []byte, stamp int64) {
	if m.opener == nil {
		m.count.EarlyPackets++
		return
	}
	at := m.w.monotonic(stamp)
	if rtp.IsRTCP(pkt) {
		m.count.RTCPIn++
		n, err := m.opener.OpenRTCP(pkt)
		if err != nil {
			m.count.Unauthentic++
			return
		}
		m.rtcpIn(pkt[:n], at)
		return
	}
	m.count.PacketsIn++
	m.w.total.packetsIn++
	m.rtpIn(pkt, at, stamp)
}

// rtpIn takes a packet that is still sealed. What can be known from the
// header is; only some are opened.
func (m *peer) rtpIn(pkt []byte, at mono.Time, stamp int64) {
	opened := false
	if pkt[0]&0x20 != 0 { // the length of the padding is sealed
		var ok bool
		if pkt, ok = m.openRTP(pkt); !ok {
			return
		}
		opened = true
	}
	h, err := rtp.Parse(pkt)
	if err != nil {
		m.count.Malformed++
		return
	}
	if m.offer.ext.tcc != 0 {
		if data, ok := h.Extension(m.offer.ext.tcc); ok {
			if seq, ok := rtp.TransportSeq(data); ok {
				m.tcc.Add(seq, at)
			}
		}
	}
	f := &m.offer.formats[h.PayloadType]
	if f.codec == "" {
		m.count.UnknownType++
		return
	}
	if f.rtx {
		m.rtxIn(pkt, h, opened, at)
		return
	}
	s := m.newest
	if s == nil || s.SSRC != h.SSRC {
		s = m.streams[h.SSRC]
	}
	if opened && h.PaddingOnly() && s == nil {
		m.count.Padding++ // a probe, on an SSRC that never carries anything
		return
	}
	if s == nil {
		if s = m.stream(&h, f); s == nil {
			return
		}
	}
	m.newest = s
	length := len(h.Payload())
	if !opened {
		length -= m.opener.Profile().OverheadRTP()
	}
	open, first := s.Packet(&h, max(length, 0), at, m.w.every)
	if h.PaddingOnly() && opened {
		m.count.Padding++
		return
	}
	if !first {
		return
	}
	if !opened && open {
		if pkt, opened = m.openRTP(pkt); !opened {
			return
		}
		if h, err = rtp.Parse(pkt); err != nil {
			m.count.Malformed++
			return
		}
	}
	if opened {
		m.look(s, &h, stamp, at)
	}
}

func (m *peer) openRTP(pkt []byte) ([]byte, bool) {
	n, err := m.opener.OpenRTP(pkt)
	if err != nil {
		m.count.Unauthentic++
		return nil, false
	}
	m.count.Opened++
	return pkt[:n], true
}

// look takes an opened packet: delay, picture size, key frames.
func (m *peer) look(s *lmedia.Stream, h *rtp.Header, stamp int64, at mono.Time) {
	had := s.HasKey()
	key, sent, ok := s.Opened(h)
	if key && !had {
		m.story.stepAt(record.FirstKeyFrame, at)
	}
	if !ok || sent.Clock != lmedia.Here {
		return
	}
	if stamp == 0 {
		stamp = m.w.wall
	}
	d := time.Duration(stamp - sent.Sent)
	if m.delay == nil {
		m.delay = &record.Histogram{}
	}
	m.delay.Add(max(d, 0))
	m.w.delay.Add(max(d, 0))
}

// stream opens an account for a packet's SSRC; nil if there are too many.
func (m *peer) stream(h *rtp.Header, f *format) *lmedia.Stream {
	if len(m.streams) >= maxStreams {
		m.count.UnknownSSRC++
		return nil
	}
	s := lmedia.NewStream(h.SSRC, f.video, f.codec, f.clock)
	m.streams[h.SSRC] = s
	m.order = append(m.order, s)
	if a, ok := m.known[h.SSRC]; ok {
		m.assign(s, a)
	} else {
		m.count.UnknownSSRC++
	}
	if !f.video {
		m.story.stepAt(record.FirstAudio, m.w.now)
	}
	return s
}

// assign tells a stream what it carries.
func (m *peer) assign(s *lmedia.Stream, a announced) {
	if s.Source != a.source {
		s.Reassign(a.source, a.desktop)
	}
	m.move(s)
}

// move decides whether a stream's gaps count as freezes.
func (m *peer) move(s *lmedia.Stream) {
	s.Moving(s.Video && !s.Desktop && s.Source != "" && (m.forwarded == nil || m.forwarded[s.Source]) && !m.sources.isMuted(s.Source))
}

// rtxIn takes a retransmission (RFC 4588).
func (m *peer) rtxIn(pkt []byte, h rtp.Header, opened bool, at mono.Time) {
	if !opened {
		var ok bool
		if pkt, ok = m.openRTP(pkt); !ok {
			return
		}
		var err error
		if h, err = rtp.Parse(pkt); err != nil {
			m.count.Malformed++
			return
		}
	}
	f := &m.offer.formats[h.PayloadType]
	primary, known := m.rtxOf[h.SSRC]
	if !known {
		m.count.UnknownSSRC++
		return
	}
	original, ok := rtp.UnwrapRTX(&h, f.apt, primary)
	if !ok {
		m.count.Padding++
		return
	}
	m.count.Retransmitted++
	s := m.streams[primary]
	o, err := rtp.Parse(original)
	if s == nil || err != nil {
		return
	}
	if s.Late(o.Seq, at) {
		s.Opened(&o)
	}
}

// announce tells of streams; it runs in the worker.
func (m *peer) announce(list map[uint32]announced) {
	for ssrc, a := range list {
		if _, known := m.known[ssrc]; !known && len(m.known) >= maxSources {
			m.count.UnknownSSRC++
			continue
		}
		m.known[ssrc] = a
		if a.rtx != 0 {
			m.rtxOf[a.rtx] = ssrc
		}
		if s := m.streams[ssrc]; s != nil {
			m.assign(s, a)
		}
	}
}

// withdraw forgets streams whose sources are gone; their accounts stay.
func (m *peer) withdraw(ssrcs []uint32) {
	for _, ssrc := range ssrcs {
		delete(m.rtxOf, m.known[ssrc].rtx)
		delete(m.known, ssrc)
		if s := m.streams[ssrc]; s != nil {
			s.Moving(false)
		}
	}
}

// setForwarded takes the list of videos that the bridge forwards.
func (m *peer) setForwarded(names []string) {
	m.forwarded = make(map[string]bool, len(names))
	for _, n := range names {
		m.forwarded[n] = true
	}
	m.count.Forwarded = len(names)
	m.count.ForwardedChanges++
	m.moveAll()
}

func (m *peer) moveAll() {
	for _, s := range m.order {
		if _, known := m.known[s.SSRC]; known {
			m.move(s)
		}
	}
}
