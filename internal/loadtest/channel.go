package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/mono"
)

// channel is a bridge channel of either kind.
type channel struct {
	p    *participant
	peer *peer
	kind string
	ctx  context.Context // of its connections; ends with close
	stop func()

	mu     sync.Mutex
	send   func([]byte) error // nil while there is no connection
	end    func()
	closed bool
}

// maxChannelWait is the longest time between two attempts to open a channel
// again.
const maxChannelWait = time.Minute

// openWebSocket opens the channel in a goroutine that also reads it, again and
// again as clients do. The participant's lock is held.
func (p *participant) openWebSocket(m *peer) {
	c := p.newChannel(m, "websocket")
	p.channel = c
	p.r.living.Go(func() { c.live(m.offer.url) })
}

func (p *participant) newChannel(m *peer, kind string) *channel {
	c := &channel{p: p, peer: m, kind: kind}
	c.ctx, c.stop = context.WithCancel(p.ctx)
	return c
}

// live connects and reads until the channel is closed.
func (c *channel) live(url string) {
	for wait := time.Second; ; wait = min(2*wait, maxChannelWait) {
		s, err := c.p.r.dialer.dial(c.ctx, url, "", func(record.Step) {})
		if c.ctx.Err() != nil {
			if err == nil {
				s.drop()
			}
			return
		}
		if err != nil {
			c.p.story.wrong(record.Channel, "bridge channel: "+cause(err)+nameHint(err), false)
		} else if c.opened(func(b []byte) error { return s.send(b) }, s.close) {
			wait = time.Second
			for {
				msg, err := s.read()
				if err != nil {
					break
				}
				c.message(msg)
			}
			s.drop()
		}
		c.mu.Lock()
		over := c.closed
		c.send = nil
		c.mu.Unlock()
		if over {
			return
		}
		c.p.story.add(&c.p.story.channelLost)
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return
		}
	}
}

// nameHint says what to do about a name that is not known: the server has it
// from its own settings, and the participant came by another.
func nameHint(err error) string {
	if dns := new(net.DNSError); !errors.As(err, &dns) {
		return ""
	}
	return " (the server says that its bridge channel is there: put the name into DNS, or set what the server offers; for plenum that is public-url)"
}

// openSCTP opens the channel over SCTP; it runs in a goroutine of its own.
func (p *participant) openSCTP(m *peer, conn *dial.Conn) {
	c := p.newChannel(m, "sctp")
	p.mu.Lock()
	if p.peer != m {
		p.mu.Unlock()
		return
	}
	p.channel = c
	p.mu.Unlock()
	ch, err := conn.OpenChannel(c.message, func() {})
	if err != nil {
		if c.ctx.Err() == nil {
			p.story.wrong(record.Channel, "bridge channel over SCTP: "+cause(err), false)
		}
		return
	}
	c.opened(ch.Send, func() {}) // it ends with DTLS
}

// opened begins a connection: the bridge is told at once what the participant
// looks at and shows. It reports whether the channel is still wanted.
func (c *channel) opened(send func([]byte) error, end func()) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		end()
		return false
	}
	c.send, c.end = send, end
	c.mu.Unlock()
	p := c.p
	p.story.step(record.Channel)
	p.statsNext.Store(int64(mono.Now().Add(rand.N(statsPeriod))))
	p.mu.Lock()
	p.tellView()
	p.mu.Unlock()
	for _, name := range c.peer.sources.names {
		c.tell(&colibri.SourceVideoType{SourceName: name, VideoType: p.role.videoType(name)})
	}
	return true
}

func (c *channel) close() {
	c.mu.Lock()
	end := c.end
	c.closed = true
	c.mu.Unlock()
	c.stop()
	if end != nil {
		end()
	}
}

// tell sends a message if there is a connection.
func (c *channel) tell(m colibri.Message) {
	b, err := colibri.MarshalMessage(m)
	if err != nil {
		return
	}
	c.mu.Lock()
	send := c.send
	c.mu.Unlock()
	if send == nil || send(b) != nil {
		return
	}
	c.peer.w.do(func() { c.peer.count.ChannelOut++ })
}

// statsPeriod is how often clients tell each other how their connection is.
const statsPeriod = 10 * time.Second

// tellStats sends the others what a client tells about its connection. It
// runs in a goroutine of its own.
func (p *participant) tellStats() {
	p.mu.Lock()
	c := p.channel
	p.mu.Unlock()
	if c == nil {
		return
	}
	m := c.peer
	var fields map[string]json.RawMessage
	if !m.w.ask(func() {
		if m.agent != nil {
			fields = m.statsFields()
		}
	}) || fields == nil {
		return
	}
	c.tell(&colibri.EndpointStats{Fields: fields})
}

// statsFields is the content of EndpointStats, since the last time.
func (m *peer) statsFields() map[string]json.RawMessage {
	up, down := m.count.BytesOut-m.toldOut, m.count.BytesIn-m.toldIn
	m.toldOut, m.toldIn = m.count.BytesOut, m.count.BytesIn
	kbits := func(n uint64) uint64 { return n * 8 / 1000 / uint64(statsPeriod/time.Second) }
	text := func(format string, args ...any) json.RawMessage { return json.RawMessage(fmt.Sprintf(format, args...)) }
	return map[string]json.RawMessage{
		"bitrate":           text(`{"upload":%d,"download":%d}`, kbits(up), kbits(down)),
		"packetLoss":        text(`{"total":0,"upload":0,"download":0}`),
		"connectionQuality": text("100"), "jvbRTT": text("%d", m.agent.RTT().Milliseconds()), "maxEnabledResolution": text("720"),
	}
}

// message takes a message of the bridge.
func (c *channel) message(b []byte) {
	msg, err := colibri.ParseMessage(b)
	m, w := c.peer, c.peer.w
	w.do(func() {
		m.count.ChannelIn++
		m.count.ChannelKind = c.kind
		if err != nil {
			m.count.ChannelMalformed++
		}
	})
	if err != nil {
		return
	}
	switch msg := msg.(type) {
	case *colibri.SenderSourceConstraints:
		w.do(func() { m.limit(msg.SourceName, msg.MaxHeight) })
	case *colibri.ForwardedSources:
		w.do(func() { m.setForwarded(msg.Sources) })
	case *colibri.ConnectionStats:
		w.do(func() { m.count.DownlinkEstimate = msg.EstimatedDownlink })
	case *colibri.DominantSpeaker:
		c.p.dominant(m, msg.Endpoint)
	case *colibri.VideoSourcesMap:
		list := map[uint32]announced{}
		for _, v := range msg.Mapped {
			list[v.SSRC] = announced{source: v.Source, owner: v.Owner, video: true, desktop: v.VideoType == colibri.Desktop, rtx: v.RTX}
		}
		w.do(func() { m.remap(list) })
	case *colibri.AudioSourcesMap:
		list := map[uint32]announced{}
		for _, a := range msg.Mapped {
			list[a.SSRC] = announced{source: a.Source, owner: a.Owner}
		}
		w.do(func() { m.remap(list) })
	case *colibri.Unknown:
		c.p.mu.Lock()
		c.p.ignored++
		c.p.mu.Unlock()
	}
}

// dominant takes who speaks now.
func (p *participant) dominant(m *peer, endpoint string) {
	m.w.do(func() {
		m.count.DominantSpeaker = endpoint
		m.count.SpeakerChanges++
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.client.Endpoint() == endpoint && p.speaker != endpoint
	p.speaker = endpoint
	if mine {
		p.client.SpeaksNow()
		p.drain(mono.Now())
	}
	if p.role.Layout == Stage {
		p.lookAgain()
	}
}

// limit takes how large the bridge wants a source.
func (m *peer) limit(name string, height int) {
	for _, v := range m.sources.videos {
		if v.Layers[0].Source == name {
			v.SetLimit(height)
		}
	}
}

// remap takes what the bridge's SSRCs carry from now on (SSRC rewriting).
func (m *peer) remap(list map[uint32]announced) {
	moved := map[string]bool{}
	for _, a := range list {
		moved[a.source] = true
	}
	for ssrc, a := range m.known { // a source is on one SSRC only
		if now, listed := list[ssrc]; moved[a.source] && (!listed || now.source != a.source) {
			m.withdraw([]uint32{ssrc})
		}
	}
	m.announce(list)
	m.count.Mapped = len(m.known)
}
