package bwe

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	// A queue of more than drainFrom is emptied, down to drainUntil, by
	// sending less than what the path carries, at least drainLeast of it; the
	// longer the queue, the less.
	drainFrom    = 100 * time.Millisecond
	drainUntil   = 40 * time.Millisecond
	drainHorizon = 500 * time.Millisecond
	drainLeast   = 0.4
	// drainStanding is how long a queue may stand without being noticed by
	// its growth.
	drainStanding = 2 * time.Second
	// After drainTrial, besides a round trip time, a queue that has not shrunk
	// to drainProgress is somebody else's; for so long it is left alone.
	drainTrial    = 1500 * time.Millisecond
	drainProgress = 0.7
	foreignTime   = 10 * time.Second
)

type drainState uint8

const (
	drainIdle drainState = iota
	draining
	// foreignQueue: a queue that sending less did not empty. Others fill it,
	// and to retreat further would leave the path to them and change nothing.
	foreignQueue
)

// drainer empties the queue in front of the bottleneck after a drop of its
// capacity. A decrease to a little less than what is delivered would take
// many seconds for that, during which everybody speaks late.
type drainer struct {
	state drainState
	since mono.Time
	from  time.Duration // longest queue since then
	stood mono.Time     // since when there is a queue, 0 if there is none
}

// update takes the present queue, and whether its growth was just noticed.
func (d *drainer) update(now mono.Time, queue, rtt time.Duration, decreased bool) {
	if queue < drainUntil {
		*d = drainer{}
		return
	}
	switch d.state {
	case drainIdle:
		d.idle(now, queue, decreased)
	case draining:
		d.from = max(d.from, queue)
		if now.Sub(d.since) > drainTrial+rtt {
			d.judge(now, queue)
		}
	case foreignQueue:
		if queue < drainFrom || now.Sub(d.since) > foreignTime {
			*d = drainer{}
		}
	}
}

func (d *drainer) idle(now mono.Time, queue time.Duration, decreased bool) {
	if queue < drainFrom {
		d.stood = 0
		return
	}
	if d.stood == 0 {
		d.stood = now
	}
	if decreased || now.Sub(d.stood) > drainStanding {
		*d = drainer{state: draining, since: now, from: queue}
	}
}

// judge ends a trial: either the next begins, or it was in vain.
func (d *drainer) judge(now mono.Time, queue time.Duration) {
	next := drainer{state: draining, since: now, from: queue}
	if queue.Seconds() > drainProgress*d.from.Seconds() {
		next.state = foreignQueue
	}
	*d = next
}

// share is the part of the rate that may be used.
func (d *drainer) share(queue time.Duration) float64 {
	if d.state != draining {
		return 1
	}
	return max(drainLeast, 1-queue.Seconds()/drainHorizon.Seconds())
}
