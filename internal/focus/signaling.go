package focus

import (
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/source"
)

// Receivers are told of sources in batches: each remembers the picture of the
// conference it has been told of, and at a flush gets the difference to the
// present one, at most one source-remove and one source-add. Receivers who
// were told of the same picture share the difference, and all share what has
// been encoded of each owner's sources (source.Owned).

// Receivers for whom the bridge rewrites SSRCs are told nothing: to them the
// bridge says itself what it sends.

// rewrites reports whether the bridge rewrites SSRCs for p. It does not change
// in the course of a session: features are only learned between two.
func (c *conference) rewrites(p *participant) bool {
	return c.opts.SSRCRewriting && p.features.has(featRewriting)
}

// scheduleFlush makes sure that receivers will be told of a change.
func (c *conference) scheduleFlush() {
	if c.flush != nil || c.phase != running {
		return
	}
	c.flush = c.timers.set(c.now.Add(c.opts.signalingDelay(len(c.people))), func() {
		c.flush = nil
		c.tellSources()
	})
}

// tellSources brings every receiver up to date. Only those whose
// session-accept was answered are told: until then their offer is enough, and
// clients queue nothing before it.
func (c *conference) tellSources() {
	cur := c.sources.Told()
	changes := make(map[uint64]*change)
	for _, p := range c.byArrival() {
		if p.stage != joined || c.rewrites(p) || p.told.Version() == cur.Version() {
			continue
		}
		d := changes[p.told.Version()]
		if d == nil {
			d = c.newChange(p.told, cur)
			changes[p.told.Version()] = d
		}
		c.tellChange(p, d)
		p.told = cur
	}
}

// change is the difference between two pictures.
type change struct {
	removed, added []source.Owned
	pruned         []source.Owned // removed, less what belonged to those who left
}

func (c *conference) newChange(old, cur source.Map) *change {
	d := &change{}
	d.removed, d.added = source.Diff(old, cur)
	for _, o := range d.removed {
		if c.people[o.Owner] != nil {
			d.pruned = append(d.pruned, o)
		}
	}
	return d
}

// crossing is how long news of sources may be under way to a client while
// news of their owner's departure overtakes them.
const crossing = 5 * time.Second

// tellChange sends p its share of a change. Most clients drop the sources of
// somebody who leaves by themselves, except sources they hear of only after
// the departure; clients prepared for SSRC rewriting, where that is switched
// off, drop none.
func (c *conference) tellChange(p *participant, d *change) {
	removed := d.removed
	if !p.features.has(featRewriting) && c.now.Sub(p.heard) > crossing {
		removed = d.pruned
	}
	c.tellPart(p, jingle.SourceRemove, removed)
	if c.tellPart(p, jingle.SourceAdd, d.added) {
		p.heard = c.now
	}
}

// tellPart tells p of the sources in the list which are not its own, if any.
func (c *conference) tellPart(p *participant, action jingle.Action, list []source.Owned) (told bool) {
	if list = source.Except(list, p.nick); len(list) == 0 {
		return false
	}
	c.tellJingle(p, &jingle.Message{
		Action: action, SID: p.session.SID, Initiator: c.me, Sources: list, JSON: p.features.has(featJSON),
	})
	return true
}
