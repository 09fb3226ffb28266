package wire

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// session is the Jingle session with the focus.
type session struct {
	sid       string
	initiator string
	bridge    string // id of the bridge session
	accepted  bool
	held      []Event // source changes that came before the answer was confirmed
}

// jingle takes a Jingle request. Requests of other occupants (peer to peer)
// are refused.
func (c *Client) jingle(now mono.Time, st xmpp.Stanza, el xmpp.Element) {
	if c.cfg.Signalling { // the offer is taken and never answered
		c.reply(st, nil)
		return
	}
	limits := c.cfg.JingleLimit
	if limits == (jingle.Limits{}) {
		limits = jingle.DefaultLimits
		limits.Sources = 20_000 // of everybody else in a large room
	}
	m, err := jingle.Parse(el, limits)
	if err != nil {
		c.count.Malformed++
		c.trouble("a Jingle message cannot be read: " + err.Error())
		c.refuse(st, &xmpp.StanzaError{Type: "modify", Condition: "bad-request"})
		return
	}
	if st.From != c.room+"/focus" {
		c.refuse(st, jingle.UnknownSession())
		return
	}
	if m.Action != jingle.SessionInitiate && m.SID != c.session.sid {
		c.refuse(st, jingle.UnknownSession())
		return
	}
	c.reply(st, nil)
	c.action(now, m)
}

func (c *Client) action(_ mono.Time, m *jingle.Message) {
	switch m.Action {
	case jingle.SessionInitiate:
		c.session = session{sid: m.SID, initiator: m.Initiator}
		if m.Bridge != nil {
			c.session.bridge = m.Bridge.ID
		}
		c.event(Event{Kind: Offered, Message: m, Sources: m.Sources})
	case jingle.SourceAdd, jingle.SourceRemove:
		kind := Added
		if m.Action == jingle.SourceRemove {
			kind = Removed
		}
		e := Event{Kind: kind, Sources: m.Sources}
		if !c.session.accepted && len(c.session.held) < 1000 {
			c.session.held = append(c.session.held, e)
			return
		}
		c.event(e)
	case jingle.SessionTerminate:
		reason := ""
		if m.Reason != nil {
			reason = m.Reason.Condition + " " + m.Reason.Text
		}
		c.session = session{}
		c.event(Event{Kind: Terminated, Text: strings.TrimSpace(reason)})
	default:
		c.count.Ignored++
	}
}

// Accept answers an offer. m is complete but for session and addresses.
func (c *Client) Accept(now mono.Time, m *jingle.Message) {
	m.Action, m.SID = jingle.SessionAccept, c.session.sid
	m.Initiator, m.Responder = c.session.initiator, c.room+"/"+c.endpoint
	sid := m.SID
	c.iq(now, "set", c.room+"/focus", m.Encode(), requestTimeout, func(_ mono.Time, _ xmpp.Stanza, err error) {
		if sid != c.session.sid {
			return // replaced meanwhile
		}
		if err != nil {
			c.fatal("the focus does not take the answer: " + err.Error())
			return
		}
		c.session.accepted = true
		c.event(Event{Kind: Accepted})
		c.ev = append(c.ev, c.session.held...)
		c.session.held = nil
	})
}

// AddSources announces further sources, such as a screen.
func (c *Client) AddSources(now mono.Time, set source.Set, done func(error)) {
	m := &jingle.Message{
		Action: jingle.SourceAdd, SID: c.session.sid, Initiator: c.session.initiator, Sources: []source.Owned{{Set: set}},
	}
	c.iq(now, "set", c.room+"/focus", m.Encode(), requestTimeout, func(_ mono.Time, _ xmpp.Stanza, err error) {
		if err != nil {
			c.trouble("the focus does not take a source: " + err.Error())
		}
		done(err)
	})
}

// Restart asks for another session because the transport has failed.
func (c *Client) Restart(now mono.Time) {
	if c.session.sid == "" {
		return
	}
	m := &jingle.Message{
		Action: jingle.SessionTerminate, SID: c.session.sid, Initiator: c.session.initiator,
		Reason: &jingle.Reason{Condition: "connectivity-error", Text: "ICE FAILED"},
		Bridge: &jingle.BridgeSession{ID: c.session.bridge, Restart: true},
	}
	c.iq(now, "set", c.room+"/focus", m.Encode(), requestTimeout, func(_ mono.Time, _ xmpp.Stanza, err error) {
		if err != nil {
			c.fatal("the focus does not begin another session: " + err.Error())
		}
	})
}

// leaveSession ends the session before the client leaves.
func (c *Client) leaveSession() {
	if c.session.sid == "" {
		return
	}
	m := &jingle.Message{
		Action: jingle.SessionTerminate, SID: c.session.sid, Initiator: c.session.initiator,
		Reason: &jingle.Reason{Condition: "success"}, Bridge: &jingle.BridgeSession{ID: c.session.bridge},
	}
	c.session = session{}
	c.iq(0, "set", c.room+"/focus", m.Encode(), 0, func(mono.Time, xmpp.Stanza, error) {})
}
