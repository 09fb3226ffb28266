package focus

import (
	"context"
	"errors"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// An ICE restart in place keeps the session: the client asks by session-info
// and is answered at once; the bridge makes new credentials, which go to the
// client by transport-info with the number of the restart; the client's own
// come back by transport-info with the same number. Both sides use the old
// path until the new one is connected.

// restartICE begins a restart on a client's wish.
func (c *conference) restartICE(p *participant, st xmpp.Stanza) error {
	switch {
	case !c.opts.ICERestart:
		return &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented", Text: "ask for a new session"}
	case p.stage != joined:
		return jingle.OutOfOrder()
	case !p.iceRestarts.allow(c.now, c.opts.RestartInterval, c.opts.RestartsPerMinute):
		return &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "too many ICE restarts"}
	}
	c.ack(st)
	c.met.iceRestarts.WithLabelValues("requested").Inc()
	s, gen := c.stay, p.gen
	em := colibri.EndpointModify{ID: p.nick, RestartICE: true}
	req := &colibri.ConferenceModify{Endpoints: []colibri.EndpointModify{em}}
	c.ask(s, req, func(resp *colibri.ConferenceModified, err error) {
		switch {
		case c.stay != s || p.gen != gen || p.stage != joined: // it has a new session, or none
		case err != nil:
			c.restartICEFailed(p, err)
		default:
			c.relayRestart(p, transportOf(resp, p.nick))
		}
	})
	return nil
}

// relayRestart tells a client the bridge's new credentials.
func (c *conference) relayRestart(p *participant, t *media.Transport) {
	switch {
	case t == nil:
		c.restartICEFailed(p, errors.New("the bridge gave no transport"))
	case t.Generation == 0:
		c.met.iceRestarts.WithLabelValues("not_needed").Inc()
	case t.Generation > p.iceGeneration:
		p.iceGeneration = t.Generation
		c.met.iceRestarts.WithLabelValues("relayed").Inc()
		c.log.Info("ICE restarts", "participant", p.nick, "generation", t.Generation)
		c.tellJingle(p, &jingle.Message{
			Action: jingle.TransportInfo, SID: p.session.SID, Initiator: c.me,
			Contents: []jingle.Content{{Name: "audio", Creator: "initiator", Transport: t}},
		})
	}
}

// restartICEFailed gives a participant a new session instead, which it would
// ask for itself only after long seconds without media.
func (c *conference) restartICEFailed(p *participant, err error) {
	c.met.iceRestarts.WithLabelValues("failed").Inc()
	var refusal *colibri.Error
	if errors.As(err, &refusal) && refusal.Reason != colibri.BadRequest {
		c.updateFailed(p.nick, false, err)
		return
	}
	c.log.Warn("ICE restart failed", "participant", p.nick, "err", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return // a bridge that is slow would not be faster with a new session
	}
	c.invitedAnew(p)
}

// invitedAnew ends a participant's session and begins another.
func (c *conference) invitedAnew(p *participant) {
	c.dismiss(p, "success", "moving")
	c.inviteIfWanted(p)
}

// onICEState takes an older client's report that its ICE has failed, with
// which it waits for a new session.
//
// COMPAT(lib-jitsi-meet before October 2024, until they stop connecting): with
// enableIceRestart they report; newer ones restart in place, or by
// session-terminate.
func (c *conference) onICEState(p *participant, st xmpp.Stanza, m *jingle.Message) error {
	if m.ICEState != "failed" || p.stage != joined {
		c.ack(st)
		return nil
	}
	if !p.restarts.allow(c.now, c.opts.RestartInterval, c.opts.RestartsPerMinute) {
		return &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "too many restarts"}
	}
	c.log.Info("participant's ICE has failed", "participant", p.nick)
	c.met.restarts.Inc()
	c.ack(st)
	c.invitedAnew(p)
	return nil
}
