package focus

import (
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// An invitation goes: capabilities (asked for or remembered), a wait until the
// server has time for it (lobby.go), an endpoint at the bridge, the offer. Each step ends in a callback that finds out by gen
// whether it still matters.

// invite starts the invitation of a participant who has none.
func (c *conference) invite(p *participant) {
	if p.stage != idle || p.retry != nil || c.phase != running {
		return
	}
	if f, ok := c.caps.get(p.pres.caps); ok && !p.known {
		p.known, p.features = true, f
	}
	if p.known {
		c.queueUp(p)
		return
	}
	c.askFeatures(p)
}

// askFeatures sends a disco#info to the occupant (XEP-0030 §3.1).
func (c *conference) askFeatures(p *participant) {
	p.stage = asking
	p.gen++
	gen, caps := p.gen, p.pres.caps
	payload := []byte(`<query xmlns="` + xmpp.NSDiscoInfo + `"/>`)
	c.queryFor(c.opts.DiscoTimeout, "get", p.occupant, payload, func(st *xmpp.Stanza) {
		f := c.learnFeatures(p, caps, st)
		if p.gen != gen || p.stage != asking {
			return
		}
		p.known, p.features, p.stage = true, f, idle
		c.invite(p)
	})
}

// learnFeatures reads an answer and remembers it for all clients of the same
// version, if the version's hash proves it.
func (c *conference) learnFeatures(p *participant, caps capsKey, st *xmpp.Stanza) features {
	if st == nil || st.Type != "result" {
		c.log.Warn("capabilities unknown, assuming the least", "participant", p.nick)
		return defaultFeatures
	}
	query, ok := st.Child("query", xmpp.NSDiscoInfo)
	if !ok {
		return defaultFeatures
	}
	f, hash := readFeatures(query)
	if caps.ver != "" && hash == caps.ver {
		c.caps.put(caps, f)
	}
	return f
}

// allocate asks the bridge for an endpoint.
func (c *conference) allocate(p *participant) {
	s := c.ensureStay(p)
	if s == nil {
		c.settle(p, false)
		c.bridgeFailed("no bridge available")
		return
	}
	p.stage, p.endpoint = allocating, true
	p.gen++
	gen := p.gen
	lastN, t := -1, c.offers.of(p.features)
	em := colibri.EndpointModify{
		ID: p.nick, Create: true, StatsID: p.pres.statsID, Visitor: p.visitor(),
		Media: t.media, WantTransport: true, WantSCTP: t.sctp,
		InitialLastN: &lastN, SSRCRewriting: c.rewrites(p), RTPMIDDemux: c.rewrites(p) && c.opts.RTPMIDDemux && p.features.has(featMIDDemux),
	}
	if p.mute != (colibri.ForceMute{}) {
		mute := p.mute
		em.ForceMute = &mute
	}
	req := &colibri.ConferenceModify{Create: !s.created, Endpoints: []colibri.EndpointModify{em}}
	s.created = true
	c.ask(s, req, func(resp *colibri.ConferenceModified, err error) {
		if c.stay != s {
			return
		}
		if err != nil {
			c.allocationFailed(p, gen, err)
			return
		}
		c.allocated(s, p, gen, resp)
	})
}

func (c *conference) allocated(s *stay, p *participant, gen int, resp *colibri.ConferenceModified) {
	if !resp.Feedback.Empty() {
		s.feedback = resp.Feedback
	}
	c.bridgeWorks()
	if p.gen != gen || p.stage != allocating {
		return // has left, or was invited anew; whoever did that expired the endpoint
	}
	t := transportOf(resp, p.nick)
	if t == nil {
		c.inviteFailed(p, "the bridge gave no transport")
		return
	}
	c.offer(s, p, t)
}

func transportOf(resp *colibri.ConferenceModified, id string) *media.Transport {
	for i := range resp.Endpoints {
		if resp.Endpoints[i].ID == id {
			return resp.Endpoints[i].Transport
		}
	}
	return nil
}

// offer sends session-initiate.
func (c *conference) offer(s *stay, p *participant, t *media.Transport) {
	sid := c.out.newID()
	p.session.Start(sid)
	p.iceGeneration = 0
	p.stage = offered
	c.out.offered(p.ticket)
	p.told, p.heard = c.sources.Told(), c.now
	sources := []source.Owned{feedbackSources(s.feedback)}
	if !c.rewrites(p) {
		sources = p.told.Append(sources, p.nick)
	}
	m := c.offers.of(p.features).sessionInitiate(offer{
		sid: sid, initiator: c.me, json: p.features.has(featJSON), stay: s.id, region: s.Region,
		transport: t, sources: sources,
	})
	p.offerID = c.tellJingle(p, m)
	c.log.Info("participant invited", "participant", p.nick, "sid", sid, "bridge", s.Name)
}

// detach ends everything between a participant and the bridge without telling
// the participant.
func (c *conference) detach(p *participant) {
	p.gen++
	p.stage = idle
	p.offerID = ""
	c.settle(p, false)
	p.session.End()
	c.stopRetry(p)
	if !c.sources.RemoveOwner(p.nick).Empty() {
		c.scheduleFlush()
	}
	if p.endpoint {
		p.endpoint = false
		c.expire(p.nick)
	}
}

// dismiss ends a participant's session and tells it so.
func (c *conference) dismiss(p *participant, condition, text string) {
	if p.session.Live() {
		c.tellTerminate(p, condition, text)
	}
	c.detach(p)
}

func (c *conference) tellTerminate(p *participant, condition, text string) {
	c.tellJingle(p, &jingle.Message{
		Action: jingle.SessionTerminate, SID: p.session.SID, Initiator: c.me,
		Reason: &jingle.Reason{Condition: condition, Text: text},
	})
}

// inviteFailed gives up an invitation and tries again later.
func (c *conference) inviteFailed(p *participant, why string) {
	c.log.Warn("invitation failed", "participant", p.nick, "why", why)
	c.met.inviteFailures.Inc()
	c.dismiss(p, "general-error", "jingle session failed")
	c.inviteLater(p)
}

// retryForget is how long after its last failure a participant starts anew
// with short pauses.
const retryForget = 5 * time.Minute

// inviteLater invites after a pause that grows with every failure, so that a
// participant whose session cannot come about costs little.
func (c *conference) inviteLater(p *participant) {
	if c.now.Sub(p.lastFail) > retryForget {
		p.failures = 0
	}
	p.lastFail = c.now
	d := backoff(c.opts.BridgeRetry, c.opts.BridgeRetryMax, p.failures)
	p.failures++
	c.stopRetry(p)
	p.retry = c.timers.set(c.now.Add(d), func() {
		p.retry = nil
		c.inviteIfWanted(p)
	})
}

// inviteIfWanted invites unless the participant would be alone with the bridge.
func (c *conference) inviteIfWanted(p *participant) {
	if len(c.people) >= c.opts.MinParticipants && c.people[p.nick] == p {
		c.invite(p)
	}
}

func (c *conference) stopRetry(p *participant) {
	c.timers.stop(p.retry)
	p.retry = nil
}

// backoff doubles first with every failure, up to limit.
func backoff(first, limit time.Duration, failures int) time.Duration {
	d := first << min(failures, 16)
	if d <= 0 || d > limit {
		return limit
	}
	return d
}

// watchLonely watches for the end of a conversation: when too few are left,
// they keep their sessions for a while, in case somebody comes back.
func (c *conference) watchLonely() {
	if len(c.people) >= c.opts.MinParticipants || !c.anyEndpoint() {
		c.timers.stop(c.lonely)
		c.lonely = nil
		return
	}
	if c.lonely != nil {
		return
	}
	c.lonely = c.timers.set(c.now.Add(c.opts.SingleParticipantTimeout), func() {
		c.lonely = nil
		c.releaseStay()
		for _, p := range c.byArrival() {
			p.endpoint = false
			c.dismiss(p, "expired", "Idle session timeout")
		}
		c.announce()
	})
}

func (c *conference) anyEndpoint() bool {
	for _, p := range c.people {
		if p.endpoint {
			return true
		}
	}
	return false
}
