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
	if m.tcc.Due(m.w.now, rtp.FeedbackInterval, false) {
		m.feedback(m.w.now)
	}
	m.flush()
}

// datagramIn sorts one datagram by its first byte (RFC 7983 §7).
func (m *peer) datagramIn(pkt []byte, from netip.AddrPort, stamp int64) {
	if len(pkt) == 0 || m.closed {
		return
	}
	if m.sources.privateOnly && !private(from.Addr()) {
		m.stranger(from.Addr())
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
	h, opened, ok := m.headerOf(pkt)
	if !ok {
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
	length := len(h.Payload())
	if !opened {
		if length -= m.opener.Profile().OverheadRTP(); length < 0 {
			m.count.Unauthentic++
			return
		}
	}
	if f.rtx {
		m.rtxIn(&h, f, opened, length, at)
		return
	}
	s := m.newest
	if s == nil || s.SSRC != h.SSRC {
		s = m.streams[h.SSRC]
	}
	if s == nil {
		// A probe, on an SSRC that never carries anything. JVB's have padding
		// or, when 12 bytes are all it wants to send, not even that.
		if length == 0 {
			m.count.Padding++
			return
		}
		if s = m.stream(&h, f); s == nil {
			return
		}
	}
	m.newest = s
	if s.Nack.Asked(h.Seq) {
		if opened || m.openRTP(&h) {
			m.repeated(s, &h, at)
		}
		return
	}
	open, first := s.Packet(&h, length, at, m.w.every)
	if h.PaddingOnly() && opened {
		m.count.Padding++
		return
	}
	if first && (opened || open && m.openRTP(&h)) {
		m.look(s, &h, stamp, at)
	}
}

// headerOf parses a sealed packet. It opens those with padding, since the
// length of that is sealed.
func (m *peer) headerOf(pkt []byte) (h rtp.Header, opened, ok bool) {
	if pkt[0]&0x20 != 0 {
		h.Raw, opened = pkt, true
		return h, opened, m.openRTP(&h)
	}
	h, err := rtp.Parse(pkt)
	if err != nil {
		m.count.Malformed++
	}
	return h, false, err == nil
}

// openRTP opens the packet of a header, in place.
func (m *peer) openRTP(h *rtp.Header) bool {
	n, err := m.opener.OpenRTP(h.Raw)
	if err != nil {
		m.count.Unauthentic++
		return false
	}
	m.count.Opened++
	if *h, err = rtp.Parse(h.Raw[:n]); err != nil {
		m.count.Malformed++
		return false
	}
	return true
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

// rtxIn takes a packet of an SSRC for retransmissions (RFC 4588), of a length
// without padding.
func (m *peer) rtxIn(h *rtp.Header, f *format, opened bool, length int, at mono.Time) {
	if length == 0 {
		m.count.Padding++
		return
	}
	primary, known := m.rtxOf[h.SSRC]
	if !known {
		m.count.UnknownSSRC++
		return
	}
	if !opened && !m.openRTP(h) {
		return
	}
	original, ok := rtp.UnwrapRTX(h, f.apt, primary)
	if !ok {
		m.count.Padding++
		return
	}
	o, err := rtp.Parse(original)
	if s := m.streams[primary]; s != nil && err == nil {
		m.repeated(s, &o, at)
	}
}

// repeated takes an opened packet that was sent again: unwrapped from RFC 4588,
// or on its own SSRC with its own number. JVB does the latter when it rewrites
// SSRCs, although it tells of SSRCs for retransmissions.
func (m *peer) repeated(s *lmedia.Stream, h *rtp.Header, at mono.Time) {
	m.count.Retransmitted++
	if s.Late(h.Seq, at) {
		s.Opened(h)
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
	m.quiet.learn(list, m.w.now)
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
		m.moveKnown(s)
	}
}

// moveKnown is move for a stream that may have been withdrawn.
func (m *peer) moveKnown(s *lmedia.Stream) {
	if _, known := m.known[s.SSRC]; known {
		m.move(s)
	}
}
