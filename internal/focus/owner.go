package focus

import (
	"context"
	"errors"
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
	since  time.Time // when it was wanted
	bridge colibri.Bridge
	req    *colibri.ConferenceModify
	done   func(*colibri.ConferenceModified, error)
}

// run owns the conference until it is over or the focus stops.
func (o *owner) run() {
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	o.conf.begin(time.Now())
	o.makeRequests()
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
		o.makeRequests()
	}
	o.f.forget(o)
	o.handle(o.mail.close())
	o.makeRequests()
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

// ask implements outside. The request is made when the conference is done with
// the events at hand, or later: one goroutine works on the requests of a
// conference in their order while there are any.
func (o *owner) ask(b colibri.Bridge, req *colibri.ConferenceModify, done func(*colibri.ConferenceModified, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs = append(o.jobs, job{time.Now(), b, req, done})
}

// makeRequests sees to it that somebody works on the requests.
func (o *owner) makeRequests() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || len(o.jobs) == 0 {
		return
	}
	o.busy = true
	first := o.takeBatch()
	o.f.running.Go(func() { o.work(first) })
}

func (o *owner) work(batch []job) {
	for len(batch) > 0 {
		o.askNow(batch)
		o.mu.Lock()
		batch = o.takeBatch()
		o.busy = len(batch) > 0
		o.mu.Unlock()
	}
}

// takeBatch takes the oldest requests that may go as one; the caller holds mu.
func (o *owner) takeBatch() []job {
	n := together(o.jobs)
	batch := o.jobs[:n:n]
	o.jobs = o.jobs[n:]
	return batch
}

// maxTogether bounds the endpoints of one request to a bridge: a bridge is
// busy with one request at a time, while media wait.
const maxTogether = 64

// together says how many of the oldest requests may go as one: what gathered
// while the bridge was busy with the one before. A request that begins or ends
// a conference goes alone, and of two about one endpoint the second waits.
func together(jobs []job) int {
	seen := make(map[string]bool, min(len(jobs), maxTogether))
	for i, j := range jobs {
		alone := j.req.Create || j.req.Expire || len(j.req.Endpoints) != 1
		if alone || j.bridge != jobs[0].bridge || seen[j.req.Endpoints[0].ID] || i == maxTogether {
			return max(i, 1) // the first may always go
		}
		seen[j.req.Endpoints[0].ID] = true
	}
	return len(jobs)
}

// askNow makes requests as one. What a bridge refuses it refuses whole
// ([colibri.Bridge]), so then each is made by itself, to find the culprit.
func (o *owner) askNow(batch []job) {
	req := *batch[0].req
	for _, j := range batch[1:] {
		req.Endpoints = append(req.Endpoints[:len(req.Endpoints):len(req.Endpoints)], j.req.Endpoints...)
	}
	resp, err := o.request(batch[0].bridge, &req)
	o.f.lobby.took(time.Since(batch[0].since))
	var refusal *colibri.Error
	if len(batch) > 1 && errors.As(err, &refusal) {
		for i := range batch {
			o.askNow(batch[i : i+1])
		}
		return
	}
	o.mail.post(event{do: func(c *conference, now time.Time) {
		c.now = now
		for _, j := range batch {
			j.done(resp, err)
		}
	}})
}

func (o *owner) request(b colibri.Bridge, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	ctx, cancel := context.WithTimeout(o.f.ctx, o.f.opts.BridgeTimeout)
	defer cancel()
	began := time.Now()
	resp, err := b.Modify(ctx, req)
	o.f.met.bridgeSeconds.Observe(time.Since(began).Seconds())
	if err == nil && resp == nil {
		resp = &colibri.ConferenceModified{}
	}
	return resp, err
}

// deliver hands a stanza to the conference.
func (o *owner) deliver(st xmpp.Stanza, from xmpp.JID) bool {
	return o.mail.post(event{
		do:       func(c *conference, now time.Time) { c.stanza(now, st, from) },
		orphaned: func() { o.f.stray(st) },
	})
}
