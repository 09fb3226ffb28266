package bridge

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
)

// maxSpeakers is how many recent speakers are remembered besides the dominant.
const maxSpeakers = 10

// decideSpeaker asks who dominates now and tells everybody of a change.
func (c *conference) decideSpeaker(now mono.Time) {
	id, changed := c.speech.Decide(now)
	if !changed {
		return
	}
	ep := c.endpoints[id]
	if ep == nil || ep == c.dominant {
		return
	}
	c.dominant = ep
	c.speakers = slices.DeleteFunc(c.speakers, func(s string) bool { return s == id })
	c.speakers = slices.Insert(c.speakers, 0, id)
	c.speakers = c.speakers[:min(len(c.speakers), maxSpeakers+1)]
	c.broadcast(c.speakerMessage(), nil)
	c.markAllDirty()
}

// speakerMessage is nil while nobody has spoken.
func (c *conference) speakerMessage() []byte {
	if len(c.speakers) == 0 {
		return nil
	}
	return encode(&colibri.DominantSpeaker{Endpoint: c.speakers[0], Previous: c.speakers[1:]})
}

func (c *conference) spokeRecently(ep *endpoint) bool { return slices.Contains(c.speakers, ep.id) }

// byRecency lists all sources: of those who spoke, the last one first, then
// of the others in the order in which they came.
func (c *conference) byRecency() []*mediaSource {
	out := make([]*mediaSource, 0, len(c.ordered))
	for _, id := range c.speakers {
		if ep := c.endpoints[id]; ep != nil {
			out = append(out, ep.sources...)
		}
	}
	for _, s := range c.ordered {
		if !c.spokeRecently(s.owner) {
			out = append(out, s)
		}
	}
	return out
}
