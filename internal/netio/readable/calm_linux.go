package readable

import (
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Calm. A thousand clients who are only there send some two hundred messages a
// second to show that they are, and nobody waits for the answers. To be woken
// for each is most of what they cost, so a set from which nothing else has come
// for a while looks every [mono.RestGrain], and the poller hears of nothing
// meanwhile. The first message that somebody waits for is late by that at most.

const (
	// calmAfter is how long nothing must have been urgent.
	calmAfter = time.Second
	// calmFrom is how many times somebody must have been told in the last
	// second: to be woken by fewer costs less than to look for them.
	calmFrom = 2 * int(time.Second/mono.RestGrain)
)

// calm is how a set knows whether it may wait. All but the atomics and the
// channel belong to the goroutine that waits.
type calm struct {
	urgent  atomic.Int64 // mono.Time when something came last that does not wait
	is      atomic.Bool
	hurried chan struct{}
	timer   *time.Timer
	begun   mono.Time // of the second at hand
	told    int       // in it
}

func (c *calm) init() {
	c.hurried = make(chan struct{}, 1)
	c.timer = time.NewTimer(time.Hour)
}

// hurry ends the calm.
func (c *calm) hurry(now mono.Time) {
	c.urgent.Store(int64(now))
	if c.is.Load() {
		c.stir()
	}
}

// stir ends a sleep.
func (c *calm) stir() {
	select {
	case c.hurried <- struct{}{}:
	default:
	}
}

// settle counts who was told since the last time, and reports whether the set
// is calm: what was found once a second holds until something is urgent.
func (c *calm) settle(now mono.Time, told int) bool {
	quiet := now.Sub(mono.Time(c.urgent.Load())) >= calmAfter
	if c.told += told; now.Sub(c.begun) >= time.Second {
		c.is.Store(quiet && c.told >= calmFrom)
		c.begun, c.told = now, 0
	}
	if !quiet {
		c.is.Store(false)
	}
	return c.is.Load()
}

// sleep waits for the next look, or that somebody is in a hurry.
func (c *calm) sleep() {
	now := mono.Now()
	c.timer.Reset(now.Add(1).RoundUp(mono.RestGrain).Sub(now))
	select {
	case <-c.timer.C:
	case <-c.hurried:
	}
}
