package bridge

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/source"
)

// conference is the part of a meeting that is on this bridge. It lives on one
// worker, with all its endpoints; others may send to some of these.
type conference struct {
	w         *worker
	meetingID string
	room      string
	id        string // local: stands in channel URLs, so that those do not tell the meeting id
	created   mono.Time
	emptied   mono.Time // when the last endpoint went, 0 while there are some
	stirred   mono.Time // when something happened last
	resting   bool      // nothing has for a while: see restAfter

	endpoints map[string]*endpoint
	order     []*endpoint // by age; removal keeps the order
	sources   map[string]*mediaSource
	ordered   []*mediaSource       // all sources, by age
	newest    uint64               // number of the last source that came
	ssrcs     map[uint32]*endpoint // every signalled SSRC

	feedbackAudio, feedbackVideo uint32

	videos videos
	talk   talk
	lastN  int // conference-last-n-limits for this size, alloc.Unlimited for none
	timer  mono.Timer
	gone   bool
	thread thread
}

func newConference(w *worker, meetingID, room string) *conference {
	c := &conference{
		w: w, meetingID: meetingID, room: room, id: randomHex(8),
		created: w.now, emptied: w.now, stirred: w.now,
		endpoints: map[string]*endpoint{}, sources: map[string]*mediaSource{}, ssrcs: map[uint32]*endpoint{},
		feedbackAudio: randomSSRC(), feedbackVideo: randomSSRC(), lastN: alloc.Unlimited,
		talk: talk{detector: speech.New(), router: speech.NewRouter(w.b.opt.Loudest.Speakers)},
	}
	w.conferences[meetingID] = c
	c.timer.Owner = tick(c.tick)
	c.talk.timer.Owner = tick(c.decideSpeaker)
	w.nearly(&c.timer, w.now.Add(conferenceTick))
	w.b.opt.Log.Info("conference created", "conference", meetingID, "room", room, "worker", w.index)
	return c
}

// conferenceTick is how often a conference looks after itself: whether it is
// still needed, and which encodings are being sent.
const conferenceTick = 300 * time.Millisecond

func (c *conference) tick(now mono.Time) {
	if c.emptied != 0 && now.Sub(c.emptied) > c.w.b.opt.Limits.EmptyConference {
		c.expire()
		return
	}
	c.w.nearly(&c.timer, now.Add(c.tickPeriod(now)))
	c.watchLayers(now)
}

// expire ends the conference and all its endpoints.
func (c *conference) expire() {
	if c.gone {
		return
	}
	c.gone = true
	for _, ep := range slices.Clone(c.order) {
		ep.expire("the conference ended")
	}
	c.w.wheel.Cancel(&c.timer)
	c.w.wheel.Cancel(&c.talk.timer)
	delete(c.w.conferences, c.meetingID)
	c.w.numConferences.Add(-1)
	c.w.b.forgetHome(c.meetingID)
	c.w.b.opt.Log.Info("conference ended", "conference", c.meetingID)
}

func (c *conference) add(ep *endpoint) {
	c.endpoints[ep.id] = ep
	c.order = append(c.order, ep)
	ep.speaker = c.talk.detector.Join(ep.id)
	c.emptied = 0
	c.w.numEndpoints.Add(1)
	c.w.count.inc(cEndpointsCreated)
	ep.countSends(1)
	c.sizeChanged()
}

func (c *conference) remove(ep *endpoint) {
	c.setSources(ep, source.Set{})
	c.unsubscribeAll(ep)
	ep.dropHeights()
	delete(c.endpoints, ep.id)
	c.order = slices.DeleteFunc(c.order, func(o *endpoint) bool { return o == ep })
	c.w.numEndpoints.Add(-1)
	ep.countSends(-1)
	c.sizeChanged()
	if c.talk.floor == ep {
		c.talk.floor = nil
	}
	c.talk.detector.Leave(ep.speaker)
	c.talk.previous = c.talk.detector.AppendPrevious(c.talk.previous[:0])
	if len(c.order) == 0 {
		c.emptied = c.w.now
	}
	c.stir()
}

// sizeChanged bounds the number of videos everybody gets by the size of the
// conference. Nothing is decided anew unless the bound is another one.
func (c *conference) sizeChanged() {
	if n := c.w.b.opt.lastN(len(c.order)); n != c.lastN {
		c.lastN = n
		c.markAllDirty()
	}
}

// feedbackSources are the bridge's own SSRCs: they send RTCP and no media.
func (c *conference) feedbackSources() source.Set {
	return source.Set{Sources: []source.Source{
		{SSRC: c.feedbackAudio, Kind: media.Audio, Name: "jvb-a0", MSID: "mixedmslabel mixedlabelaudio0"},
		{SSRC: c.feedbackVideo, Kind: media.Video, Name: "jvb-v0", MSID: "mixedmslabel mixedlabelvideo0"},
	}}
}

// broadcast sends one encoded message to all endpoints but one.
func (c *conference) broadcast(msg []byte, except *endpoint) {
	for _, ep := range c.order {
		if ep != except {
			ep.sendChannel(msg)
		}
	}
}
