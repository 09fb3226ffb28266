package bridge

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
)

// talk is who speaks in a conference.
type talk struct {
	detector *speech.Detector
	timer    mono.Timer
	previous []string // who spoke before the dominant speaker, the latest first

	router  *speech.Router
	voices  int       // audio sources in the conference
	loudest bool      // there are so many that only the loudest are forwarded
	floor   *endpoint // the dominant speaker, as the router knows
}

// route says whether everybody gets a packet of an audio source.
func (t *talk) route(v *speech.Voice, level uint8, now mono.Time) speech.Verdict {
	if !t.loudest {
		return speech.Route
	}
	return t.router.Add(v, level, now)
}

// addVoice counts an audio source that has come.
func (c *conference) addVoice(s *mediaSource) {
	s.audio.voice.SetDominant(s.owner == c.talk.floor)
	c.talk.voices++
	c.routeLoudest()
}

// removeVoice counts one that has gone.
func (c *conference) removeVoice(s *mediaSource) {
	c.talk.router.Leave(&s.audio.voice)
	c.talk.voices--
	c.routeLoudest()
}

// routeLoudest begins or ends to forward the loudest only, as the conference
// grows and shrinks, or because the worker cannot carry all. Nobody hears the
// change: whoever talks has a place.
func (c *conference) routeLoudest() {
	o, t := &c.w.b.opt.Loudest, &c.talk
	places, on := o.Speakers, o.Speakers > 0 && t.voices > o.Above
	if most := c.w.stress.Voices(); most != stress.Unlimited {
		if !on || most < places {
			places = most
		}
		on = true
	}
	t.router.SetPlaces(places)
	if on == t.loudest {
		return
	}
	t.loudest = on
	if on {
		return
	}
	t.router.Clear()
	for _, s := range c.ordered {
		s.audio.kept = kept{}
	}
}

// giveFloor tells the router who is dominant.
func (c *conference) giveFloor(to *endpoint) {
	for _, ep := range []*endpoint{c.talk.floor, to} {
		if ep == nil {
			continue
		}
		for _, s := range ep.sources {
			s.audio.voice.SetDominant(ep == to)
		}
	}
	c.talk.floor = to
}

// heardLevel takes the level of an authentic audio packet.
func (c *conference) heardLevel(ep *endpoint, level uint8) {
	c.talk.detector.Add(ep.speaker, level, c.w.now)
	if !c.talk.timer.Scheduled() {
		c.w.wheel.Schedule(&c.talk.timer, c.talk.detector.Deadline())
	}
}

// decideSpeaker asks who dominates now and tells everybody of a change.
func (c *conference) decideSpeaker(now mono.Time) {
	changed := c.talk.detector.Tick(now)
	c.w.wheel.Schedule(&c.talk.timer, c.talk.detector.Deadline())
	if !changed {
		return
	}
	c.giveFloor(c.endpoints[c.talk.detector.Dominant().ID])
	c.talk.previous = c.talk.detector.AppendPrevious(c.talk.previous[:0])
	if msg := c.speakerMessage(); msg != nil {
		c.broadcast(msg, nil)
	}
	c.markSpoken(c.talk.floor)
}

// speakerMessage is nil while nobody has the floor.
func (c *conference) speakerMessage() []byte {
	s := c.talk.detector.Dominant()
	if s == nil {
		return nil
	}
	return encode(&colibri.DominantSpeaker{Endpoint: s.ID, Previous: c.talk.previous})
}

func (c *conference) spokeRecently(ep *endpoint) bool {
	return ep.speaker == c.talk.detector.Dominant() || slices.Contains(c.talk.previous, ep.id)
}

// byRecency lists all sources, those of who spoke last first.
func (c *conference) byRecency() []*mediaSource {
	out := make([]*mediaSource, 0, len(c.ordered))
	for _, s := range c.talk.detector.Order() {
		if ep := c.endpoints[s.ID]; ep != nil {
			out = append(out, ep.sources...)
		}
	}
	return out
}
