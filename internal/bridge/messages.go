package bridge

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/source"
)

// encode writes a message of ours; those cannot fail.
func encode(m colibri.Message) []byte {
	b, err := colibri.MarshalMessage(m)
	if err != nil {
		panic(err)
	}
	return b
}

var serverHello = encode(&colibri.ServerHello{})

// message is a message of the client, already parsed.
func (ep *endpoint) message(m colibri.Message) {
	switch m := m.(type) {
	case *colibri.ClientHello:
		ep.sendChannel(serverHello)
	case *colibri.ReceiverVideoConstraints:
		ep.setConstraints(m)
	case *colibri.LastNChangedEvent:
		ep.setLastN(m.LastN)
	case *colibri.ReceiverAudioSubscription:
		ep.setAudioSubscription(m)
	case *colibri.SourceVideoType:
		ep.setVideoType(ep.ownSource(m.SourceName), m.VideoType)
	case *colibri.EndpointVideoType:
		ep.setVideoType(ep.firstVideo(), m.VideoType)
	case *colibri.EndpointMessage:
		ep.relay(m)
	case *colibri.EndpointStats:
		ep.spreadStats(m)
	default:
		ep.w.count.inc(dropChannelMessage)
	}
}

// greet tells a channel that has just opened everything that was told before.
func (ep *endpoint) greet() {
	ep.tellMaps(true)
	ep.tellConstraints()
	ep.forwarded.told = false
	ep.tellForwarded()
	ep.bw.told = 0 // it will be soon
	if msg := ep.c.speakerMessage(); msg != nil {
		ep.sendChannel(msg)
	}
}

// tellConstraints sends what is wanted of the endpoint's own sources. Sources
// of which nobody has asked for anything yet are left out: clients take 0 for
// an order to stop.
func (ep *endpoint) tellConstraints() {
	for _, s := range ep.sources {
		if s.kind == media.Video && s.demand.known {
			ep.sendChannel(s.demandMessage())
		}
	}
}

func (ep *endpoint) repeatConstraints(mono.Time) { ep.tellConstraints() }

func (s *mediaSource) demandMessage() []byte {
	return encode(&colibri.SenderSourceConstraints{SourceName: s.name, MaxHeight: s.demand.told})
}

func (ep *endpoint) ownSource(name string) *mediaSource {
	if s := ep.c.sources[name]; s != nil && s.owner == ep {
		return s
	}
	return nil
}

func (ep *endpoint) firstVideo() *mediaSource {
	for _, s := range ep.sources {
		if s.kind == media.Video {
			return s
		}
	}
	return nil
}

func (ep *endpoint) setVideoType(s *mediaSource, t colibri.VideoType) {
	if s == nil {
		return
	}
	ep.c.stir()
	off, before := t == colibri.None || t == colibri.Disabled, s.videoType
	switch t {
	case colibri.Camera:
		s.videoType = source.Camera
	case colibri.Desktop, colibri.DesktopHighFPS:
		s.videoType = source.Desktop
	}
	if off == s.off && before == s.videoType {
		return
	}
	s.markWantedDirty()
	s.off = off
	ep.c.markComing(s)
}

func (ep *endpoint) setAudioSubscription(m *colibri.ReceiverAudioSubscription) {
	ep.c.stir()
	ep.audio = audioWish{none: !m.All, include: nameSet(m.Include), exclude: nameSet(m.Exclude)}
	ep.c.subscribeAudioFor(ep)
}

func nameSet(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// relay carries a client's message to another or to all. Who it is from is
// ours to say, whatever the client wrote.
func (ep *endpoint) relay(m *colibri.EndpointMessage) {
	if ep.visitor {
		ep.w.count.inc(dropChannelMessage)
		return
	}
	out, err := colibri.MarshalMessage(&colibri.EndpointMessage{From: ep.id, To: m.To, Payload: m.Payload})
	if err != nil {
		ep.w.count.inc(dropChannelMessage)
		return
	}
	if m.To == "" {
		ep.c.broadcast(out, ep)
	} else if to := ep.c.endpoints[m.To]; to != nil && to != ep {
		to.sendChannel(out)
	}
}

// statsFilterAbove is the size of a conference from which on statistics only
// go to those who show the sender.
const statsFilterAbove = 20

func (ep *endpoint) spreadStats(m *colibri.EndpointStats) {
	if ep.visitor {
		ep.w.count.inc(dropChannelMessage)
		return
	}
	all := len(ep.c.order) <= statsFilterAbove || ep.c.spokeRecently(ep)
	if !all && !ep.shown() {
		return // in a large room where all have their cameras off that is everybody
	}
	out, err := colibri.MarshalMessage(&colibri.EndpointStats{From: ep.id, Fields: m.Fields})
	if err != nil {
		ep.w.count.inc(dropChannelMessage)
		return
	}
	for _, to := range ep.c.order {
		if to != ep && (all || to.shows(ep)) {
			to.sendChannel(out)
		}
	}
}

// shown reports whether anybody has asked for a video of ep's.
func (ep *endpoint) shown() bool {
	return slices.ContainsFunc(ep.sources, func(s *mediaSource) bool { return s.kind == media.Video && s.demand.Height() != 0 })
}

// shows reports whether a receiver has any use for a source of from.
func (ep *endpoint) shows(from *endpoint) bool {
	for _, s := range from.sources {
		if s.kind == media.Video && ep.heights[s] != 0 {
			return true
		}
	}
	return false
}

// forwardedList is the ForwardedSources of an endpoint.
type forwardedList struct {
	names []string
	known bool // names were decided about
	told  bool // and the client knows
}

// tellForwarded sends the list if it is not what the client knows. Before
// anything was decided nothing is sent: without a list clients take
// everything for forwarded.
func (ep *endpoint) tellForwarded() {
	f := &ep.forwarded
	if !f.known || f.told {
		return
	}
	f.told = true
	ep.sendChannel(encode(&colibri.ForwardedSources{Sources: f.names}))
}

// setForwarded takes the names of what is forwarded now; they are sorted, as
// their order means nothing to clients, and copied.
func (ep *endpoint) setForwarded(names []string) {
	f := &ep.forwarded
	slices.Sort(names)
	if f.known && slices.Equal(f.names, names) {
		return
	}
	f.names, f.known, f.told = slices.Clone(names), true, false
	ep.tellForwarded()
}

func connectivityMessage(id string, active bool) []byte {
	return encode(&colibri.EndpointConnectivity{Endpoint: id, Active: active})
}
