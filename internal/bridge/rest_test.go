package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// quietLab is a laboratory with a sender and receivers of whom nobody does
// anything but to show now and then that they are there, and a count of what
// the bridge does of its own accord.
type quietLab struct {
	*lab
	c       *conference
	seconds []int // everySecond of each endpoint
	ticks   int   // of the conference
	gone    []bool
}

func newQuietLab(t *testing.T) *quietLab {
	q := &quietLab{lab: newLab(t, 1, 3)}
	q.c = q.w.conferences[meeting]
	q.seconds, q.gone = make([]int, len(q.clients)), make([]bool, len(q.clients))
	q.c.timer.Owner = tick(func(now mono.Time) { q.ticks++; q.c.tick(now) })
	for i, c := range q.clients {
		c.kind, c.quiet, c.still = reportsNothing, true, true
		c.ep.secondTimer.Owner = tick(func(now mono.Time) { q.seconds[i]++; c.ep.everySecond(now) })
	}
	q.each = append(q.each, func() {
		if time.Duration(q.w.now)%(2500*time.Millisecond) < time.Millisecond {
			for i, c := range q.clients {
				if !q.gone[i] {
					c.sendRTCP(rtp.AppendReceiverReport(nil, 1, nil))
				}
			}
		}
	})
	return q
}

// count runs for a while and returns how often the conference looked after
// itself, and the endpoint that did so most.
func (q *quietLab) count(d time.Duration) (ticks, seconds int) {
	clear(q.seconds)
	q.ticks = 0
	q.run(d)
	return q.ticks, slices.Max(q.seconds)
}

// TestRest: where nothing happens nothing is looked after each second; whatever
// happens ends that for everybody.
func TestRest(t *testing.T) {
	q := newQuietLab(t)
	ep := q.clients[1].ep
	awake := func(when string) {
		t.Helper()
		if ticks, seconds := q.count(3 * time.Second); ticks < 9 || seconds < 2 || seconds > 4 {
			t.Errorf("%s the conference looks after itself %d times in 3 s, an endpoint %d times", when, ticks, seconds)
		}
		for i, n := range q.seconds {
			if n < 2 {
				t.Errorf("%s endpoint %d looks around %d times in 3 s", when, i, n)
			}
		}
	}
	awake("in the beginning")
	for name, happens := range map[string]func(){
		"media":        func() { q.clients[0].speak() },
		"a constraint": func() { ep.message(&colibri.ReceiverVideoConstraints{}) },
		"a limit":      func() { ep.message(&colibri.LastNChangedEvent{LastN: 2}) },
		"subscription": func() { ep.message(&colibri.ReceiverAudioSubscription{All: true}) },
		"a video type": func() {
			q.clients[0].ep.message(&colibri.SourceVideoType{SourceName: "aaaaaaaa-v0", VideoType: colibri.None})
		},
		"the focus": func() {
			_, _ = q.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{{ID: ep.id}}})
		},
		"keys": func() { ep.secured(q.w.now) },
	} {
		q.run(restAfter + 10*time.Second)
		if ticks, seconds := q.count(time.Minute); ticks > 21 || seconds > 12 {
			t.Fatalf("before %s the conference looks after itself %d times a minute, an endpoint %d times", name, ticks, seconds)
		}
		if ep.resent = 1; !ep.agent.Stats().Resting {
			t.Errorf("before %s consent is asked for as ever", name)
		}
		if q.run(silentAfter + time.Second); ep.resent == 0 {
			t.Errorf("before %s an endpoint at rest looks after media", name)
		}
		happens()
		awake("after " + name)
		if ep.agent.Stats().Resting || ep.resent != 0 {
			t.Errorf("after %s consent is asked for seldom, or nobody looks after media", name)
		}
	}
}

// TestRestOfFew: an endpoint that has fallen behind on its channel is not at
// rest with the others, nor is one that is silent.
func TestRestOfFew(t *testing.T) {
	q := newQuietLab(t)
	q.run(restAfter + 10*time.Second)
	q.clients[1].ep.channel.behind = true
	q.clients[1].ep.lookSoon()
	q.within(1100*time.Millisecond, "it is told everything again", func() bool { return !q.clients[1].ep.channel.behind })

	q.gone[2] = true
	silent := q.clients[2].ep
	took := q.within(silentAfter+time.Second, "others are told that it is silent", func() bool { return !silent.active })
	if since := q.w.now.Sub(silent.heard); took < 5*time.Second || since < silentAfter || since > silentAfter+2*grain {
		t.Errorf("others were told %v after it was heard", since)
	}
	q.gone[2] = false
	q.within(4*time.Second, "others are told that it is back", func() bool { return silent.active })
	if ticks, _ := q.count(30 * time.Second); ticks > 11 {
		t.Errorf("the conference looks after itself %d times in 30 s", ticks)
	}
	q.gone[3] = true
	q.within(q.w.b.opt.Limits.Inactive+5*time.Second, "it has ended", func() bool { return q.clients[3].ep.gone })
	if q.c.resting {
		t.Error("the others do not notice that somebody has gone")
	}
}
