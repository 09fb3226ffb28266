package bridge

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// mappedClient is a receiver for which SSRCs are rewritten. It checks of every
// packet that the client has been told whose it is, and that no number was
// used before.
type mappedClient struct {
	*labClient
	link    *wsLink
	demux   bool                  // it finds m-lines by MID
	maps    map[uint32]labMapping // by SSRC
	rtxOf   map[uint32]uint32     // the SSRC that an RTX SSRC repeats
	told    int                   // entries of maps
	stats   int                   // ConnectionStats
	used    map[[2]uint32]bool    // SSRC and number
	streams map[uint32]*labStream
	heard   map[uint32]int // audio packets by sender
	seen    map[uint32]int // video packets by sender
	repeats map[uint32]int
	filled  int // empty packets
	newest  map[uint32]uint16
}

type labMapping struct {
	source, owner string
	mid           string
	before        string    // the owner before
	since         mono.Time // that it is the source's
	first         mono.Time // that there is such a slot
}

// labStream is what is watched in one SSRC.
type labStream struct {
	sender  uint32
	ts      uint32
	picture uint16
	any     bool
}

func rewriting(m *colibri.EndpointModify) { m.SSRCRewriting = true }

func demuxing(m *colibri.EndpointModify) { m.SSRCRewriting, m.RTPMIDDemux = true, true }

// joinMapped adds a receiver with SSRC rewriting.
func (l *lab) joinMapped() *mappedClient { return l.joinMappedAs(rewriting) }

func (l *lab) joinMappedAs(how func(*colibri.EndpointModify)) *mappedClient {
	c := l.join(0, how)
	m := &mappedClient{
		labClient: c, demux: c.ep.demux, maps: map[uint32]labMapping{}, rtxOf: map[uint32]uint32{},
		used: map[[2]uint32]bool{}, streams: map[uint32]*labStream{}, heard: map[uint32]int{}, seen: map[uint32]int{}, repeats: map[uint32]int{},
		newest: map[uint32]uint16{},
	}
	m.check = m.watchMapped
	l.each = append(l.each, m.read)
	return m
}

// open opens a channel, a new one each time.
func (m *mappedClient) open() {
	ours, theirs := net.Pipe()
	m.l.t.Cleanup(func() { ours.Close(); theirs.Close() })
	m.link = newWSLink(m.l.w.b, ours, nil, m.ep)
	channelOpen{m.ep, m.link}.handle(m.l.w)
}

func (m *mappedClient) shut() {
	m.read()
	channelGone{m.ep, m.link}.handle(m.l.w)
	m.link = nil
}

// read takes the messages that were sent so far.
func (m *mappedClient) read() {
	if m.link == nil {
		return
	}
	m.link.mu.Lock()
	queue := m.link.queue
	m.link.queue, m.link.bytes = nil, 0
	m.link.mu.Unlock()
	for _, raw := range queue {
		msg, err := colibri.ParseMessage(raw)
		if err != nil {
			m.l.t.Fatal(err)
		}
		switch msg := msg.(type) {
		case *colibri.ConnectionStats:
			m.stats++
		case *colibri.AudioSourcesMap:
			for _, x := range msg.Mapped {
				m.mapped(x.SSRC, x.Source, x.Owner, x.MID)
			}
		case *colibri.VideoSourcesMap:
			for _, x := range msg.Mapped {
				m.mapped(x.SSRC, x.Source, x.Owner, x.MID)
				m.rtxOf[x.RTX] = x.SSRC
			}
		}
	}
}

func (m *mappedClient) mapped(ssrc uint32, source, owner, mid string) {
	m.told++
	x, known := m.maps[ssrc]
	if (mid != "") != m.demux || known && mid != x.mid {
		m.l.t.Fatalf("%s was told of under MID %q, the slot had %q", source, mid, x.mid)
	}
	if x.source != source || x.owner != owner {
		if !known {
			x.first = m.l.w.now
		}
		m.maps[ssrc] = labMapping{source, owner, mid, x.owner, m.l.w.now, x.first}
	}
}

// watchMID checks that a packet has the MID of its slot, for who was told of
// it, and none for others.
func (m *mappedClient) watchMID(h *rtp.Header) {
	m.l.t.Helper()
	ssrc := h.SSRC
	if primary, ok := m.rtxOf[ssrc]; ok {
		ssrc = primary
	}
	mid, has := h.Extension(extMIDNumber)
	if has != m.demux || string(mid) != m.maps[ssrc].mid {
		m.l.t.Fatalf("a packet under %d has MID %q, %v; its slot has %q", h.SSRC, mid, has, m.maps[ssrc].mid)
	}
}

func (m *mappedClient) watchMapped(h *rtp.Header) {
	t := m.l.t
	t.Helper()
	if h.SSRC == m.ep.c.feedbackVideo {
		return
	}
	m.watchMID(h)
	if h.PaddingOnly() {
		if m.maps[h.SSRC].owner == "" {
			t.Fatalf("an empty packet under %d, of which nothing was told", h.SSRC)
		}
		m.filled++
		return
	}
	now := m.l.w.now
	m.read() // what was told in this millisecond, before the packet or after it
	sender := binary.BigEndian.Uint32(h.Payload()[len(h.Payload())-4:])
	ssrc, repeated := h.SSRC, false
	if primary, ok := m.rtxOf[h.SSRC]; ok {
		ssrc, repeated = primary, true
	}
	x, ok := m.maps[ssrc]
	switch owner := m.l.clients[sender/1000-1].ep.id; {
	case !ok:
		t.Fatalf("a packet of %s under %d, of which nothing was told", owner, h.SSRC)
	case x.before == owner && x.since == now:
	case x.owner != owner:
		t.Fatalf("a packet of %s in the slot of %s, repeated: %v", owner, x.owner, repeated)
	case h.PayloadType != ptOpus && now.Sub(x.since) < relabelHold:
		t.Fatalf("%s was told of only %v ago", x.source, now.Sub(x.since))
	case now.Sub(x.first) < newLineHold:
		t.Fatalf("the slot of %s was told of only %v ago", x.source, now.Sub(x.first))
	}
	if number := [2]uint32{h.SSRC, uint32(h.Seq)}; m.used[number] {
		t.Fatalf("number %d of %d is used twice", h.Seq, h.SSRC)
	} else {
		m.used[number] = true
	}
	if repeated {
		m.repeats[sender]++
		return
	}
	if h.PayloadType == ptOpus {
		m.heard[sender]++
	} else {
		m.seen[sender]++
	}
	m.newest[h.SSRC] = h.Seq
	m.watchStream(h, sender)
}

// watchStream checks that a stream goes on when it is another's.
func (m *mappedClient) watchStream(h *rtp.Header, sender uint32) {
	t := m.l.t
	t.Helper()
	s := m.streams[h.SSRC]
	if s == nil {
		s = &labStream{}
		m.streams[h.SSRC] = s
	}
	if s.any && int32(h.Timestamp-s.ts) < 0 {
		t.Fatalf("the time of %d goes back by %d", h.SSRC, s.ts-h.Timestamp)
	}
	if s.any && h.Timestamp-s.ts > 90000*60 {
		t.Fatalf("the time of %d jumps by %d", h.SSRC, h.Timestamp-s.ts)
	}
	if h.PayloadType == ptVP8 {
		p, err := codec.ParseVP8(h.Payload())
		if err != nil {
			t.Fatal(err)
		}
		if (!s.any || s.sender != sender) && !p.KeyFrame {
			t.Fatalf("%d passes to %d without a key frame", h.SSRC, sender)
		}
		if step := (p.PictureID - s.picture) & 0x7fff; s.any && step > 1 {
			t.Fatalf("picture ids of %d go from %d to %d", h.SSRC, s.picture, p.PictureID)
		}
		s.picture = p.PictureID
	}
	s.any, s.sender, s.ts = true, sender, h.Timestamp
}

// slotOf is the video SSRC that is a sender's now, 0 for none.
func (m *mappedClient) slotOf(c *labClient) uint32 {
	m.read()
	for _, rtxPrimary := range m.rtxOf {
		if m.maps[rtxPrimary].owner == c.ep.id {
			return rtxPrimary
		}
	}
	return 0
}

// show asks for one sender's video and nobody else's.
func (m *mappedClient) show(c *labClient) {
	m.ep.message(&colibri.ReceiverVideoConstraints{
		DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 0},
		Constraints:        map[string]colibri.VideoConstraints{c.ep.id + "-v0": {MaxHeight: 720}},
	})
}

func (m *mappedClient) sees(c *labClient) {
	m.l.t.Helper()
	before := m.seen[c.base]
	m.l.within(3*time.Second, "video of "+c.ep.id, func() bool { return m.seen[c.base] > before+20 })
}
