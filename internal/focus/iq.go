package focus

import (
	"errors"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// onIQ takes an IQ from an occupant or the room. Every request is answered.
func (c *conference) onIQ(st xmpp.Stanza, from xmpp.JID) {
	if !st.IsRequest() {
		c.onAnswer(st, from)
		return
	}
	payload, ok := st.First()
	if !ok {
		c.refuse(st, badRequest("empty IQ"))
		return
	}
	p := c.people[from.Resource]
	switch {
	case p != nil && payload.Name == "jingle" && payload.NS == jingle.NS:
		c.onJingle(p, st, payload)
	case p != nil && payload.Name == "mute":
		c.onMute(p, st, payload)
	default:
		c.out.send(answerAnybody(st, payload, c.self))
	}
}

// onAnswer takes a result or an error.
func (c *conference) onAnswer(st xmpp.Stanza, from xmpp.JID) {
	if q := c.asked[st.ID]; q != nil && q.to == from.String() {
		delete(c.asked, st.ID)
		c.timers.stop(q.timeout)
		q.answer(&st)
		return
	}
	if st.Type != "error" {
		return
	}
	if p := c.people[from.Resource]; p != nil && p.stage == offered && st.ID == p.offerID {
		c.inviteFailed(p, "the client refused the offer: "+errorCondition(st))
		return
	}
	c.log.Warn("a client answered with an error", "participant", from.Resource, "error", errorCondition(st))
}

func errorCondition(st xmpp.Stanza) string {
	e, _ := st.Child("error", "")
	for el := range e.Children() {
		if el.NS == xmpp.NSStanzas && el.Name != "text" {
			return el.Name
		}
	}
	return "undefined-condition"
}

// ack answers a request positively, without content.
func (c *conference) ack(st xmpp.Stanza) {
	c.out.send(st.ResultReply(c.self.String(), st.From, nil))
}

// refuse answers a request with an error.
func (c *conference) refuse(st xmpp.Stanza, e *xmpp.StanzaError) {
	c.out.send(st.ErrorReply(c.self, e))
}

func badRequest(text string) *xmpp.StanzaError {
	return &xmpp.StanzaError{Type: "modify", Condition: "bad-request", Text: text}
}

// stanzaError gives an error of the cores its wire form.
func stanzaError(err error) *xmpp.StanzaError {
	var ready *xmpp.StanzaError
	if errors.As(err, &ready) {
		return ready
	}
	var refusal *source.Error
	if errors.As(err, &refusal) {
		return &xmpp.StanzaError{Type: errorTypes[refusal.Condition], Condition: string(refusal.Condition), Text: refusal.Text}
	}
	var malformed *jingle.Error
	if errors.As(err, &malformed) {
		return badRequest(malformed.Text)
	}
	return &xmpp.StanzaError{Type: "wait", Condition: "internal-server-error"}
}

// errorTypes are the types that RFC 6120 §8.3.3 gives the conditions.
var errorTypes = map[source.Condition]string{
	source.BadRequest:         "modify",
	source.ResourceConstraint: "wait",
	source.Forbidden:          "auth",
}

// answerAnybody answers requests that any XMPP entity answers, and refuses
// the rest: clients wait without limit for answers about recording, dialling
// and muting.
func answerAnybody(st xmpp.Stanza, payload xmpp.Element, self xmpp.JID) []byte {
	switch {
	case payload.NS == xmpp.NSPing && st.Type == "get":
		return st.ResultReply(self.String(), st.From, nil)
	case payload.NS == xmpp.NSDiscoInfo && payload.Name == "query" && st.Type == "get":
		return st.ResultReply(self.String(), st.From, []byte(discoReply))
	case payload.Name == "mute", payload.NS == jingle.NS:
		return st.ErrorReply(self, &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "you are in no conference"})
	}
	return st.ErrorReply(self, &xmpp.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}

// discoReply is what the focus says of itself (XEP-0030).
const discoReply = `<query xmlns="` + xmpp.NSDiscoInfo + `">` +
	`<identity category="component" type="conference" name="focus"/>` +
	`<feature var="` + xmpp.NSDiscoInfo + `"/><feature var="` + xmpp.NSPing + `"/>` +
	`<feature var="` + jingle.NS + `"/><feature var="` + jingle.NSRTP + `"/>` +
	`<feature var="https://jitsi.org/meet/jicofo/terminate-restart"/></query>`
