package bridge

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
)

// talk is who speaks in a conference.
type talk struct {
	detector *speech.Detector
	timer    mono.Timer
	previous []string // who spoke before the dominant speaker, the latest first
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
	c.talk.previous = c.talk.detector.AppendPrevious(c.talk.previous[:0])
	if msg := c.speakerMessage(); msg != nil {
		c.broadcast(msg, nil)
	}
	c.markAllDirty()
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
