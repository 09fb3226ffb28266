package focus

import (
	"context"
	"errors"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/focus/placement"
	"github.com/plenum-conf/plenum/internal/source"
)

// stay is a conference's stay at one bridge.
type stay struct {
	placement.Choice
	id       string // of the <bridge-session/> that clients name in reports
	created  bool   // the creating request is under way or done
	feedback source.Set
}

// ensureStay returns the conference's bridge, choosing one for p's sake if it
// has none; nil says that there is no bridge.
func (c *conference) ensureStay(p *participant) *stay {
	if c.stay != nil {
		return c.stay
	}
	choice, ok := c.opts.Placement.Place(c.meeting, p.pres.region)
	if !ok {
		return nil
	}
	c.stay = &stay{Choice: choice, id: uuid(c.out.newID())}
	return c.stay
}

// ask makes a request about this conference to the bridge of s.
func (c *conference) ask(s *stay, req *colibri.ConferenceModify, done func(*colibri.ConferenceModified, error)) {
	req.MeetingID, req.Room = c.meeting, c.room.String()
	c.out.ask(s.Bridge, req, done)
}

// update makes a request whose success needs no further step.
func (c *conference) update(em colibri.EndpointModify) {
	s := c.stay
	if s == nil {
		return
	}
	req := &colibri.ConferenceModify{Endpoints: []colibri.EndpointModify{em}}
	c.ask(s, req, func(_ *colibri.ConferenceModified, err error) {
		if err != nil && c.stay == s {
			c.updateFailed(em.ID, em.Expire, err)
		}
	})
}

func (c *conference) expire(id string) { c.update(colibri.EndpointModify{ID: id, Expire: true}) }

// releaseStay gives up the bridge.
func (c *conference) releaseStay() {
	s := c.stay
	if s == nil {
		return
	}
	c.stay = nil
	if s.created {
		c.ask(s, &colibri.ConferenceModify{Expire: true}, func(*colibri.ConferenceModified, error) {})
	}
}

// allocationFailed sorts out what a refused allocation says about the bridge.
func (c *conference) allocationFailed(p *participant, gen int, err error) {
	c.log.Warn("allocation failed", "participant", p.nick, "bridge", c.stay.Name, "err", err)
	var refusal *colibri.Error
	if errors.As(err, &refusal) && (refusal.Reason == colibri.BadRequest || refusal.Reason == colibri.UnknownEndpoint) {
		// The bridge is well, the request was not: only this one suffers.
		if p.gen == gen && p.stage == allocating {
			c.inviteFailed(p, err.Error())
		}
		return
	}
	c.bridgeFailed(err.Error())
}

// updateFailed sorts out a refused update. One that took too long is let be:
// the bridge may only be slow, and its sessions live.
func (c *conference) updateFailed(id string, expiring bool, err error) {
	c.log.Warn("bridge update failed", "participant", id, "bridge", c.stay.Name, "err", err)
	var refusal *colibri.Error
	if errors.Is(err, context.DeadlineExceeded) || expiring && !errors.As(err, &refusal) {
		return
	}
	switch {
	case errors.As(err, &refusal) && refusal.Reason == colibri.UnknownEndpoint:
		if !expiring {
			c.endpointLost(id)
		}
	case errors.As(err, &refusal) && refusal.Reason == colibri.BadRequest:
	default:
		c.bridgeFailed(err.Error())
	}
}

// endpointLost takes a bridge's word that an endpoint is gone for good.
func (c *conference) endpointLost(id string) {
	p := c.people[id]
	if p == nil || !p.endpoint {
		return
	}
	c.log.Info("endpoint lost", "participant", p.nick)
	p.endpoint = false // nothing left to expire
	c.dismiss(p, "connectivity-error", "endpoint expired")
	c.inviteLater(p)
}

// bridgeFailed gives up the bridge, tells everybody whose session was there,
// and tries again after a pause.
func (c *conference) bridgeFailed(why string) {
	name := "none"
	if c.stay != nil {
		name = c.stay.Name
	}
	c.log.Error("bridge failed", "bridge", name, "why", why)
	c.met.bridgeFailures.Inc()
	c.down = true
	c.releaseStay()
	for _, p := range c.byArrival() {
		if p.stage == allocating || p.session.Live() {
			p.endpoint = false
			c.dismiss(p, "success", "moving")
		}
	}
	if c.repair == nil {
		c.repairLater()
	}
	c.announce()
}

// quietRetries is how often a bridge is tried again before participants are
// told that there is none: Jitsi clients give the conference up when told.
const quietRetries = 2

// repairLater tries a bridge after a pause that grows while failures follow
// each other, also when allocations work in between.
func (c *conference) repairLater() {
	if c.now.Sub(c.lastBad) > retryForget {
		c.broken = 0
	}
	c.lastBad = c.now
	d := backoff(c.opts.BridgeRetry, c.opts.BridgeRetryMax, c.broken)
	c.broken++
	c.repair = c.timers.set(c.now.Add(d), func() {
		c.repair = nil
		for _, p := range c.byArrival() {
			c.inviteIfWanted(p)
			if c.repair != nil {
				return // failed again; repair will start over
			}
		}
	})
}

// bridgeWorks takes back that there is no bridge.
func (c *conference) bridgeWorks() {
	if c.down {
		c.down = false
		c.log.Info("bridge works again", "bridge", c.stay.Name)
	}
	c.announce()
}

// report takes what the bridge noticed.
func (c *conference) report(ev colibri.EndpointEvent) {
	if c.phase == running && ev.Kind == colibri.EndpointExpired {
		c.endpointLost(ev.Endpoint)
	}
}
