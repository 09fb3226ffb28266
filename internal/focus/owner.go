package focus

import (
	"context"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// owner is the goroutine that owns one conference, and what it needs.
type owner struct {
	f    *Focus
	conf *conference
	mail *mailbox[event]

	mu   sync.Mutex
	jobs []job // requests to bridges, oldest first
	busy bool  // a goroutine works on jobs
}

// event is something that happened to a conference.
type event struct {
	// do runs on the owner's goroutine.
	do func(c *conference, now time.Time)
	// orphaned is called instead when the conference has ended; nil for
	// events that do not matter then.
	orphaned func()
}

// job is a request to a bridge.
type job struct {
	bridge colibri.Bridge
	req    *colibri.ConferenceModify
	done   func(*colibri.ConferenceModified, error)
}

// run owns the conference until it is over or the focus stops.
func (o *owner) run() {
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	o.conf.begin(time.Now())
	for o.conf.phase != over {
		o.sleep(clock)
		select {
		case <-o.f.quit:
			o.abandon()
			return
		case <-o.mail.wake:
		case <-clock.C:
		}
		o.conf.tick(time.Now())
		o.handle(o.mail.take())
	}
	o.f.forget(o)
	o.handle(o.mail.close())
}

// handle gives events to the conference until it is over.
func (o *owner) handle(mail []event) {
	for _, ev := range mail {
		if o.conf.phase != over {
			ev.do(o.conf, time.Now())
		} else if ev.orphaned != nil {
			ev.orphaned()
		}
	}
}

// sleep sets the clock to the conference's next deadline.
func (o *owner) sleep(clock *time.Timer) {
	if at := o.conf.deadline(); at.IsZero() {
		clock.Stop()
	} else {
		clock.Reset(time.Until(at))
	}
}

// abandon drops the conference as it is: nobody is told, so that clients find
// their way back when there is a focus again.
func (o *owner) abandon() {
	o.f.forget(o)
	o.mail.close()
	o.conf.answerWaiting(false, nil)
	o.conf.populated()
}

// send implements outside.
func (o *owner) send(stanza []byte) {
	if err := o.f.user.Send(stanza); err != nil {
		o.conf.log.Warn("stanza not sent", "err", err)
	}
}

// newID implements outside.
func (o *owner) newID() string { return o.f.newID() }

// ask implements outside. One goroutine works on the requests of a conference
// in their order while there are any.
func (o *owner) ask(b colibri.Bridge, req *colibri.ConferenceModify, done func(*colibri.ConferenceModified, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs = append(o.jobs, job{b, req, done})
	if !o.busy {
		o.busy = true
		o.f.running.Go(o.work)
	}
}

func (o *owner) work() {
	for {
		o.mu.Lock()
		if len(o.jobs) == 0 {
			o.busy = false
			o.mu.Unlock()
			return
		}
		j := o.jobs[0]
		o.jobs = o.jobs[1:]
		o.mu.Unlock()
		o.askNow(j)
	}
}

func (o *owner) askNow(j job) {
	ctx, cancel := context.WithTimeout(o.f.ctx, o.f.opts.BridgeTimeout)
	defer cancel()
	began := time.Now()
	resp, err := j.bridge.Modify(ctx, j.req)
	o.f.met.bridgeSeconds.Observe(time.Since(began).Seconds())
	if err == nil && resp == nil {
		resp = &colibri.ConferenceModified{}
	}
	o.mail.post(event{do: func(c *conference, now time.Time) {
		c.now = now
		j.done(resp, err)
	}})
}

// deliver hands a stanza to the conference.
func (o *owner) deliver(st xmpp.Stanza, from xmpp.JID) bool {
	return o.mail.post(event{
		do:       func(c *conference, now time.Time) { c.stanza(now, st, from) },
		orphaned: func() { o.f.stray(st) },
	})
}
