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
	maps    map[uint32]labMapping // by SSRC
	rtxOf   map[uint32]uint32     // the SSRC that an RTX SSRC repeats
	told    int                   // entries of maps
	used    map[[2]uint32]bool    // SSRC and number
	streams map[uint32]*labStream
	heard   map[uint32]int // packets by sender
	repeats map[uint32]int
	filled  int // empty packets
	newest  map[uint32]uint16
}

type labMapping struct {
	source, owner string
	since         mono.Time
}

// labStream is what is watched in one SSRC.
type labStream struct {
	sender  uint32
	ts      uint32
	picture uint16
	any     bool
}

func rewriting(m *colibri.EndpointModify) { m.SSRCRewriting = true }

// joinMapped adds a receiver with SSRC rewriting.
func (l *lab) joinMapped() *mappedClient {
	m := &mappedClient{
		labClient: l.join(0, rewriting), maps: map[uint32]labMapping{}, rtxOf: map[uint32]uint32{},
		used: map[[2]uint32]bool{}, streams: map[uint32]*labStream{}, heard: map[uint32]int{}, repeats: map[uint32]int{},
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
		case *colibri.AudioSourcesMap:
			for _, x := range msg.Mapped {
				m.mapped(x.SSRC, x.Source, x.Owner)
			}
		case *colibri.VideoSourcesMap:
			for _, x := range msg.Mapped {
				m.mapped(x.SSRC, x.Source, x.Owner)
				m.rtxOf[x.RTX] = x.SSRC
			}
		}
	}
}

func (m *mappedClient) mapped(ssrc uint32, source, owner string) {
	m.told++
	if x := m.maps[ssrc]; x.source != source || x.owner != owner {
		m.maps[ssrc] = labMapping{source, owner, m.l.w.now}
	}
}

func (m *mappedClient) watchMapped(h *rtp.Header) {
	t := m.l.t
	t.Helper()
	if h.SSRC == m.ep.c.feedbackVideo {
		return
	}
	if h.PaddingOnly() {
		if m.maps[h.SSRC].owner == "" {
			t.Fatalf("an empty packet under %d, of which nothing was told", h.SSRC)
		}
		m.filled++
		return
	}
	told := m.l.w.now // messages of this millisecond may be later than the packet
	sender := binary.BigEndian.Uint32(h.Payload()[len(h.Payload())-4:])
	ssrc, repeated := h.SSRC, false
	if primary, ok := m.rtxOf[h.SSRC]; ok {
		ssrc, repeated = primary, true
	}
	x, ok := m.maps[ssrc]
	switch owner := m.l.clients[sender/1000-1].ep.id; {
	case !ok:
		t.Fatalf("a packet of %s under %d, of which nothing was told", owner, h.SSRC)
	case x.owner != owner:
		t.Fatalf("a packet of %s in the slot of %s, repeated: %v", owner, x.owner, repeated)
	case told.Sub(x.since) < relabelHold:
		t.Fatalf("%s was told of only %v ago", x.source, told.Sub(x.since))
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
	m.heard[sender]++
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
	before := m.heard[c.base]
	m.l.within(3*time.Second, "video of "+c.ep.id, func() bool { return m.heard[c.base] > before+20 })
}
