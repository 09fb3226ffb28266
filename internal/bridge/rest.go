package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Rest. A conference in which nothing has happened for a while rests: its
// people are there, but no media come from anyone, or nothing but audio that nobody
// gets (gather.go), and nobody changes anything.
// All that is done again and again, by the conference for its sources and by
// each endpoint every second, would find nothing to do then, so that it is done
// seldom, and so are checks for consent. What is due at a certain time still is:
// the end of a silent endpoint, and that others are told of its silence. Who sends
// silence gets reports with the feedback about it.

const (
	// restAfter is how long nothing must have happened. Whatever looks back at
	// media, at most some seconds, has found nothing for long by then.
	restAfter = 10 * time.Second
	// restTick takes the place of conferenceTick.
	restTick = 3 * time.Second
)

// stir notes that something has happened: who takes part, what they have, or what
// they want has changed.
func (c *conference) stir() {
	c.w.gathering.hurry(c.w.now)
	c.keepAwake()
}

// keepAwake is stir for media, of which some are in no hurry (gather.go).
func (c *conference) keepAwake() {
	c.stirred = c.w.now
	if c.resting {
		c.wake()
	}
}

// wake ends the rest. Endpoints look around within a second, as they do when
// they are awake, and not all at once.
func (c *conference) wake() {
	c.resting = false
	c.w.nearly(&c.timer, c.w.now.Add(conferenceTick))
	for i, ep := range c.order {
		if ep.resting {
			ep.rest(false)
			c.w.nearly(&ep.secondTimer, c.w.now.Add(time.Duration(1+i%int(time.Second/grain))*grain))
		}
	}
}

// tickPeriod is how long the conference waits until it looks after itself
// again. An empty one waits for its end.
func (c *conference) tickPeriod(now mono.Time) time.Duration {
	c.resting = len(c.order) > 0 && now.Sub(c.stirred) >= restAfter
	if c.resting {
		return restTick
	}
	return conferenceTick
}

// scheduleSecond schedules everySecond: in a second, or, at rest, when the
// endpoint will have been silent for too long unless it is heard before.
func (ep *endpoint) scheduleSecond(now mono.Time) {
	silent := ep.heard.Add(silentAfter)
	ep.rest(ep.c.resting && ep.heard != 0 && ep.securedAt != 0 && silent > now)
	if ep.resting {
		ep.w.notBefore(&ep.secondTimer, silent)
		return
	}
	ep.w.nearly(&ep.secondTimer, now.Add(time.Second))
}

// lookSoon is for an endpoint that has something to do within a second.
func (ep *endpoint) lookSoon() {
	if ep.resting {
		ep.rest(false)
		ep.w.nearly(&ep.secondTimer, ep.w.now.Add(time.Second))
	}
}

func (ep *endpoint) rest(resting bool) {
	if ep.resting && !resting {
		ep.countRates()
	}
	ep.resting = resting
	ep.agent.Rest(resting)
}
