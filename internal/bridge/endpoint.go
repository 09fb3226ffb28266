package bridge

import (
	"log/slog"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
)

// endpoint is one participant as this bridge sees it. It belongs to its
// worker's goroutine; other goroutines may only carry its pointer there.
type endpoint struct {
	formats formats // its end is of every packet as well
	w       *worker
	outward
	bw bandwidth
	transport
	c *conference

	id, statsID string
	visitor     bool
	wantSCTP    bool
	created     mono.Time
	accepted    mono.Time // when the remote transport was first set
	gone        bool
	mute        colibri.ForceMute
	path        *datagramPath
	door        *door
	channel     channel
	speaker     *speech.Speaker

	ration    rationing
	receiving // what it sends to us
	sending   // what we send to it

	iceTimer    mono.Timer
	repeatTimer mono.Timer
	secondTimer mono.Timer
	active      bool // as told by EndpointConnectivityStatusChangeEvent
	resting     bool // everySecond is not due before it has been silent for long
}

// repeatConstraintsAfter: a client forgets constraints that arrive before its
// session-accept was acknowledged, so that they are told again.
const repeatConstraintsAfter = time.Second

func newEndpoint(c *conference, m *colibri.EndpointModify) *endpoint {
	ep := &endpoint{
		c: c, w: c.w, id: m.ID, statsID: m.StatsID, visitor: m.Visitor, wantSCTP: m.WantSCTP,
		created: c.w.now, active: true,
	}
	ep.initReceiving()
	ep.initSending()
	ep.initMaps(m)
	ep.initBandwidth()
	ep.initRation()
	ep.initTimers()
	ep.initTransport()
	ep.door = &door{password: randomHex(16), ep: ep}
	ep.w.b.openDoor(doorKey{c.id, ep.id}, ep.door)
	c.add(ep)
	return ep
}

func (ep *endpoint) initTimers() {
	ep.iceTimer.Owner = tick(ep.iceTick)
	ep.repeatTimer.Owner = tick(ep.repeatConstraints)
	ep.secondTimer.Owner = tick(ep.everySecond)
	ep.w.nearly(&ep.secondTimer, ep.w.now.Add(time.Second))
}

func (ep *endpoint) stopTimers() {
	for _, t := range []*mono.Timer{&ep.iceTimer, &ep.repeatTimer, &ep.secondTimer, &ep.feedbackTimer, &ep.bw.timer, &ep.maps.timer} {
		ep.w.wheel.Cancel(t)
	}
}

// expire ends the endpoint; nothing of it remains.
func (ep *endpoint) expire(why string) {
	if ep.gone {
		return
	}
	ep.gone = true
	ep.log().Info("endpoint ended", "why", why)
	ep.w.b.closeDoor(doorKey{ep.c.id, ep.id})
	ep.closeChannel()
	ep.stopTimers()
	ep.c.remove(ep)
	ep.closeTransport()
	ep.w.forget()
}

// fail is expire for reasons the focus does not know.
func (ep *endpoint) fail(why string) {
	if ep.gone {
		return
	}
	ep.expire(why)
	ep.w.b.report(colibri.EndpointEvent{MeetingID: ep.c.meetingID, Endpoint: ep.id, Kind: colibri.EndpointExpired})
}

// secured is called when the keys are there: media can flow.
func (ep *endpoint) secured(now mono.Time) {
	ep.securedAt = now
	ep.log().Debug("DTLS done", "profile", ep.sealer.Profile())
	ep.c.subscribeAudioFor(ep)
	ep.markDirty()
	ep.c.stir()
}

// everySecond is what is due each second, unless nothing happens (rest.go).
func (ep *endpoint) everySecond(now mono.Time) {
	rested := ep.resting
	ep.scheduleSecond(now)
	lim := &ep.w.b.opt.Limits
	switch {
	case ep.heard == 0 && now.Sub(ep.created) > lim.NeverConnected:
		ep.fail("never connected")
		return
	case ep.heard != 0 && now.Sub(ep.heard) > lim.Inactive:
		ep.fail("silent for too long")
		return
	case ep.worn: // it will be invited again, and get new keys
		ep.fail("its keys are used up")
		return
	}
	ep.checkConnectivity(now)
	ep.checkChannelless(now)
	ep.catchUp()
	if rested && ep.resting {
		return // nothing has come in the meantime
	}
	ep.rollRates()
	ep.rollBandwidth(now)
	ep.idleAudio(now)
	ep.sendReports(now)
}

// rollRates ends the second over which bits are counted.
func (ep *endpoint) rollRates() {
	ep.resent = 0
	ep.bytesIn.roll()
	ep.bytesOut.roll()
	for _, s := range ep.sources {
		for _, e := range s.encodings {
			e.bytes.roll()
			e.load.roll()
		}
		s.rollLayers(ep.w.now)
	}
}

// countRates begins a second over which bits are counted: what came at rest, when no
// second ended, is of many.
func (ep *endpoint) countRates() {
	ep.bytesIn.bytes, ep.bytesOut.bytes = 0, 0
	for _, s := range ep.sources {
		for _, e := range s.encodings {
			e.bytes.bytes, e.load.bytes, e.load.packets.now = 0, 0, 0
		}
	}
}

// What the original bridge calls inactive, and clients are used to.
const (
	firstTransferWithin = 15 * time.Second
	silentAfter         = 8 * time.Second
)

// checkConnectivity tells everybody when an endpoint falls silent and when it
// is back.
func (ep *endpoint) checkConnectivity(now mono.Time) {
	if ep.visitor {
		return
	}
	active := now.Sub(ep.created) < firstTransferWithin
	if ep.heard != 0 {
		active = now.Sub(ep.heard) < silentAfter
	}
	if active != ep.active {
		ep.active = active
		ep.c.broadcast(connectivityMessage(ep.id, active), nil)
	}
}

// forceMute silences an endpoint, or lets it be heard and seen again. What was
// left out of a video cannot be decoded around.
func (ep *endpoint) forceMute(m colibri.ForceMute) {
	back := ep.mute.Video && !m.Video
	ep.mute = m
	for _, s := range ep.sources {
		if back {
			s.restart(func(*encoding) bool { return true })
		}
	}
}

func (ep *endpoint) log() *slog.Logger {
	return ep.w.b.opt.Log.With("conference", ep.c.meetingID, "participant", ep.id)
}
