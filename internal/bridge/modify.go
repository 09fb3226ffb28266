package bridge

import (
	"context"
	"errors"

	"github.com/plenum-conf/plenum/internal/colibri"
)

var errStopped = errors.New("bridge: stopped")

// Modify implements [colibri.Bridge]: the request is checked here, carried
// out by the worker that owns the conference, and either applied whole or
// not at all.
func (b *Bridge) Modify(ctx context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	if err := b.checkRequest(req); err != nil {
		return nil, err
	}
	w, err := b.home(req)
	if err != nil {
		return nil, err
	}
	m := &modify{req: req, answer: make(chan modified, 1)}
	if !w.mail.postAlways(m) {
		return nil, errStopped
	}
	select {
	case a := <-m.answer:
		return a.res, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// home finds the worker of the request's conference, or chooses one.
func (b *Bridge) home(req *colibri.ConferenceModify) (*worker, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.homes[req.MeetingID]
	switch {
	case req.Create && w != nil:
		return nil, &colibri.Error{Reason: colibri.ConferenceAlreadyExists}
	case w != nil:
		return w, nil
	case !req.Create:
		return nil, &colibri.Error{Reason: colibri.ConferenceNotFound}
	case b.stopped || b.draining.Load():
		return nil, &colibri.Error{Reason: colibri.GracefulShutdown}
	}
	w = b.leastLoaded()
	w.numConferences.Add(1)
	b.homes[req.MeetingID] = w
	return w, nil
}

// forgetHome is called by the worker that has expired the conference.
func (b *Bridge) forgetHome(meetingID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.homes, meetingID)
}

// modify is a Modify on its way to the worker.
type modify struct {
	req    *colibri.ConferenceModify
	answer chan modified
}

type modified struct {
	res *colibri.ConferenceModified
	err error
}

func (m *modify) refuse() { m.answer <- modified{err: errStopped} }

func (m *modify) handle(w *worker) {
	res, err := w.modify(m.req)
	if err != nil {
		m.answer <- modified{err: err}
		return
	}
	m.answer <- modified{res: res}
}

func (w *worker) modify(req *colibri.ConferenceModify) (*colibri.ConferenceModified, *colibri.Error) {
	c := w.conferences[req.MeetingID]
	if c == nil {
		if !req.Create {
			return nil, &colibri.Error{Reason: colibri.ConferenceNotFound}
		}
		c = newConference(w, req.MeetingID, req.Room)
	}
	if req.Expire {
		c.expire()
		return &colibri.ConferenceModified{}, nil
	}
	if err := c.checkEndpoints(req.Endpoints); err != nil {
		if req.Create {
			c.expire()
		}
		return nil, err
	}
	return c.apply(req), nil
}

// apply carries out a request that was found good.
func (c *conference) apply(req *colibri.ConferenceModify) *colibri.ConferenceModified {
	res := &colibri.ConferenceModified{}
	created := req.Create
	for i := range req.Endpoints {
		m := &req.Endpoints[i]
		created = created || m.Create
		res.Endpoints = append(res.Endpoints, c.applyEndpoint(m))
	}
	if created {
		res.Feedback = c.feedbackSources()
	}
	if !req.Create && len(c.endpoints) == 0 {
		c.expire()
	}
	return res
}

// applyEndpoint follows the order Colibri2 prescribes: expire, create, media,
// last-n, transport, sources, force-mute, ICE restart.
func (c *conference) applyEndpoint(m *colibri.EndpointModify) colibri.EndpointModified {
	c.stir()
	out := colibri.EndpointModified{ID: m.ID}
	ep := c.endpoints[m.ID]
	if m.Expire {
		if ep != nil {
			ep.expire("the focus asked")
		}
		return out
	}
	if m.Create {
		ep = newEndpoint(c, m)
	}
	if ep == nil {
		return out // tolerated, see checkEndpoints
	}
	if len(m.Media) > 0 {
		ep.formats.learn(m.Media)
	}
	if m.InitialLastN != nil {
		ep.setInitialLastN(*m.InitialLastN)
	}
	if m.Transport != nil {
		ep.setRemote(m.Transport)
	}
	if m.Sources != nil {
		c.setSources(ep, *m.Sources)
	}
	if m.ForceMute != nil {
		ep.forceMute(*m.ForceMute)
	}
	if m.WantTransport {
		out.Transport = ep.localTransport()
	}
	if m.RestartICE {
		out.Transport = ep.restartICE()
	}
	return out
}
