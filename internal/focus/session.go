package focus

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// onJingle takes one Jingle request of a participant (XEP-0166).
func (c *conference) onJingle(p *participant, st xmpp.Stanza, el xmpp.Element) {
	m, err := jingle.Parse(el, jingle.DefaultLimits)
	if err != nil {
		c.refuse(st, stanzaError(err))
		return
	}
	c.met.received.WithLabelValues(actionLabel(m.Action)).Inc()
	refusal := p.session.Check(m)
	if m.Action == jingle.SessionTerminate {
		c.onTerminate(p, st, m, refusal)
		return
	}
	if refusal != nil {
		c.refuse(st, refusal)
		return
	}
	switch m.Action {
	case jingle.SessionAccept:
		err = c.onAccept(p, st, m)
	case jingle.SourceAdd:
		err = c.onSourceAdd(p, st, m)
	case jingle.SourceRemove:
		err = c.onSourceRemove(p, st, m)
	case jingle.TransportInfo:
		c.onTransportInfo(p, st, m)
	case jingle.SessionInfo:
		err = c.onSessionInfo(p, st, m)
	default:
		err = &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented"}
	}
	if err != nil {
		c.log.Info("request refused", "participant", p.nick, "action", actionLabel(m.Action), "err", err)
		c.refuse(st, stanzaError(err))
	}
}

// actionLabel keeps what clients write out of the names of metrics.
func actionLabel(a jingle.Action) string {
	switch a {
	case jingle.SessionAccept, jingle.SessionInfo, jingle.SessionTerminate,
		jingle.TransportInfo, jingle.SourceAdd, jingle.SourceRemove:
		return string(a)
	}
	return "other"
}

// onAccept answers at once, whatever the bridge does: a client gives the
// conference up when it has no answer within 10 s.
func (c *conference) onAccept(p *participant, st xmpp.Stanza, m *jingle.Message) error {
	t := acceptedTransport(m)
	if t == nil {
		return badRequest("no transport with ufrag, pwd and fingerprint")
	}
	set, err := c.ownSources(p, m)
	if err != nil {
		return err
	}
	if set, err = c.addSources(p, set); err != nil {
		return err
	}
	p.session.Accept()
	p.stage, p.heard = joined, c.now
	c.settle(p, true)
	c.ack(st)
	c.update(colibri.EndpointModify{ID: p.nick, Transport: t, Sources: &set, InitialLastN: m.InitialLastN})
	c.scheduleFlush()
	c.log.Info("participant joined the bridge", "participant", p.nick, "sources", len(set.Sources))
	return nil
}

// acceptedTransport returns the first complete transport. With BUNDLE all
// contents share it (RFC 9143 §7.3).
func acceptedTransport(m *jingle.Message) *media.Transport {
	for _, content := range m.Contents {
		if t := content.Transport; t != nil && t.Ufrag != "" && t.Pwd != "" && t.Fingerprint != nil {
			return t
		}
	}
	return nil
}

// ownSources returns the message's sources, which must be the sender's.
func (c *conference) ownSources(p *participant, m *jingle.Message) (source.Set, error) {
	var set source.Set
	for _, o := range m.Sources {
		if o.Owner != "" && o.Owner != p.nick && o.Owner != p.occupant {
			return source.Set{}, &source.Error{Condition: source.BadRequest, Text: "sources of somebody else"}
		}
		set = set.Union(o.Set)
	}
	return set, nil
}

// addSources books sources if the participant may send them now.
func (c *conference) addSources(p *participant, add source.Set) (source.Set, error) {
	if p.visitor() && !add.Empty() {
		return source.Set{}, &source.Error{Condition: source.Forbidden, Text: "visitors do not send"}
	}
	noAudio, noVideo := c.senderLimits()
	if noAudio && add.Has(media.Audio) || noVideo && add.Has(media.Video) {
		return source.Set{}, &source.Error{Condition: source.ResourceConstraint, Text: "too many senders"}
	}
	return c.sources.Add(p.nick, add)
}

func (c *conference) onSourceAdd(p *participant, st xmpp.Stanza, m *jingle.Message) error {
	add, err := c.ownSources(p, m)
	if err != nil {
		return err
	}
	if add.Empty() {
		return badRequest("no sources")
	}
	set, err := c.addSources(p, add)
	if err != nil {
		return err
	}
	c.sourcesChanged(p, st, set)
	return nil
}

func (c *conference) onSourceRemove(p *participant, st xmpp.Stanza, m *jingle.Message) error {
	rm, err := c.ownSources(p, m)
	if err != nil {
		return err
	}
	if len(rm.Sources) == 0 {
		return badRequest("no sources")
	}
	set, err := c.sources.Remove(p.nick, rm)
	if err != nil {
		return err
	}
	c.sourcesChanged(p, st, set)
	return nil
}

func (c *conference) sourcesChanged(p *participant, st xmpp.Stanza, set source.Set) {
	c.ack(st)
	c.update(colibri.EndpointModify{ID: p.nick, Sources: &set})
	c.scheduleFlush()
}

// onTransportInfo passes the client's half of an ICE restart on. Browsers do
// not trickle towards a bridge, so candidates are for others.
func (c *conference) onTransportInfo(p *participant, st xmpp.Stanza, m *jingle.Message) {
	c.ack(st)
	if t := acceptedTransport(m); t != nil && t.Generation == p.iceGeneration {
		c.update(colibri.EndpointModify{ID: p.nick, Transport: t})
	}
}

func (c *conference) onSessionInfo(p *participant, st xmpp.Stanza, m *jingle.Message) error {
	switch {
	case m.Bridge != nil && !c.here(m.Bridge):
		return staleBridge()
	case m.Bridge != nil && m.Bridge.ICERestart:
		return c.restartICE(p, st)
	case m.ICEState != "":
		return c.onICEState(p, st, m)
	case len(m.Contents) > 0:
		return &xmpp.StanzaError{Type: "modify", Condition: "feature-not-implemented"}
	}
	c.ack(st)
	return nil
}

// here reports whether a client speaks of the present stay at a bridge.
func (c *conference) here(b *jingle.BridgeSession) bool { return c.stay != nil && c.stay.id == b.ID }

func staleBridge() *xmpp.StanzaError {
	return &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "no such bridge session"}
}

// onTerminate ends a session on its client's wish and, if the client wants
// so, begins the next. refusal is what the session says about the message.
func (c *conference) onTerminate(p *participant, st xmpp.Stanza, m *jingle.Message, refusal *xmpp.StanzaError) {
	restart := m.Bridge != nil && m.Bridge.Restart
	switch {
	case refusal != nil && refusal.Condition == "gone":
		c.ack(st)
		if restart {
			c.restartCrossed(p)
		}
	case refusal != nil:
		c.refuse(st, refusal)
	case restart && !c.here(m.Bridge):
		c.refuse(st, staleBridge())
	case !restart:
		c.ack(st)
		c.log.Info("participant ended its session", "participant", p.nick, "reason", reasonOf(m))
		c.detach(p)
		p.stage = away
	case !p.restarts.allow(c.now, c.opts.RestartInterval, c.opts.RestartsPerMinute):
		c.refuse(st, &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "too many restarts"})
	default:
		c.restart(p, st, m)
	}
}

// restart gives a participant a new session. The answer must go out before
// the new offer: upon it the client forgets its session, whichever that is.
func (c *conference) restart(p *participant, st xmpp.Stanza, m *jingle.Message) {
	c.log.Info("participant restarts its session", "participant", p.nick, "reason", reasonOf(m))
	c.met.restarts.Inc()
	c.ack(st)
	c.detach(p)
	c.inviteIfWanted(p)
}

// restartCrossed deals with a wish for a restart that crossed with the end of
// that session on our side. An error would make the client reload its page;
// but upon the result it forgets its session, which is the new one by now. So
// that one is ended as well, and yet another begun.
func (c *conference) restartCrossed(p *participant) {
	if p.session.Live() && p.restarts.allow(c.now, c.opts.RestartInterval, c.opts.RestartsPerMinute) {
		c.dismiss(p, "success", "moving")
		c.inviteIfWanted(p)
	}
}

func reasonOf(m *jingle.Message) string {
	if m.Reason == nil {
		return ""
	}
	return strings.TrimSpace(m.Reason.Condition + " " + m.Reason.Text)
}
