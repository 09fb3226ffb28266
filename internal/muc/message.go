package muc

import (
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Message takes a message that a session sent to the room or to an occupant
// JID in it.
func (r *Room) Message(now time.Time, from Recipient, st xmpp.Stanza) {
	if st.Type == "error" {
		return // nothing that a room could do about it
	}
	r.address(&st)
	nick, ok := nickOf(st.To)
	in := Inbound{Now: now, From: r.occupant(from), To: r.byNick[nick], Stanza: st}
	if err := r.checkMessage(&in, nick, ok); err != nil {
		bounce(from, st, err)
		return
	}
	if r.intercepted(r.hooks.Message, &in) {
		return
	}
	switch {
	case in.To != nil:
		r.private(&in)
	case st.Type == "groupchat":
		r.groupchat(&in)
	default: // nothing but services has a use for it
		bounce(from, st, errBadRequest)
	}
}

func (r *Room) checkMessage(in *Inbound, nick string, parsed bool) *xmpp.StanzaError {
	switch {
	case !parsed:
		return errNoNick
	case in.From == nil:
		return errNotOccupant
	case nick != "" && in.Stanza.Type == "groupchat": // XEP-0045 §7.5
		return errBadRequest
	case nick != "" && in.To == nil:
		return errNoRecipient
	case len(in.Stanza.Inner) > r.limits.MessageBytes:
		return errTooLarge
	case !unprefixed(&in.Stanza):
		return errBadRequest
	}
	return nil
}

// private relays a message to one occupant and marks it as having come through
// the room (XEP-0045 §7.5).
func (r *Room) private(in *Inbound) {
	b := appendChildren(nil, &in.Stanza, hiddenInMessage)
	b = append(b, `<x xmlns="`+xmpp.NSMUCUser+`"/>`...)
	in.To.to.Deliver(stanza("message", in.From.addr, in.Stanza.Type, in.Stanza.ID, keptAttrs(&in.Stanza), b))
}

// groupchat relays a message to everybody, the sender included, with its id:
// reactions and retractions refer to that.
func (r *Room) groupchat(in *Inbound) {
	st := &in.Stanza
	_, hasBody := st.Child("body", xmpp.NSClient)
	if s, ok := st.Child("subject", xmpp.NSClient); ok && !hasBody {
		if err := r.changeSubject(in.From, s.Text()); err != nil {
			bounce(in.From.to, *st, err)
			return
		}
	}
	r.scratch = appendChildren(r.scratch[:0], st, hiddenInMessage)
	sh := stanza("message", in.From.addr, "groupchat", st.ID, keptAttrs(st), r.scratch)
	r.Broadcast(sh)
	if _, json := st.Child("json-message", ""); hasBody && !json {
		r.history.add(in.Now, sh, historyMark(r.self, in.From, in.Now))
	}
}

// subject is what the room talks about, encoded for newcomers.
type subject struct {
	text string
	msg  *xmpp.Shared
}

// Subject returns the room's subject, "" if it has none.
func (r *Room) Subject() string { return r.subject.text }

// SetSubject changes the subject in the name of an occupant, or of the room if
// by is nil, and tells everybody. A text longer than Limits.SubjectBytes is
// cut.
func (r *Room) SetSubject(text string, by *Occupant) {
	r.keepSubject(cut(text, r.limits.SubjectBytes), by)
	r.Broadcast(r.subject.msg)
}

// changeSubject is the wish of an occupant: moderators may (XEP-0045 §8.1).
func (r *Room) changeSubject(o *Occupant, text string) *xmpp.StanzaError {
	if o.role != Moderator {
		return errForbidden
	}
	if len(text) > r.limits.SubjectBytes {
		return errNotAccept
	}
	r.keepSubject(text, o)
	return nil
}

func (r *Room) keepSubject(text string, by *Occupant) {
	from := r.self
	if by != nil {
		from = by.addr
	}
	b := []byte("<subject/>")
	if text != "" {
		b = appendElem(nil, "subject", text)
	}
	r.subject = subject{strings.Clone(text), stanza("message", from, "groupchat", "", nil, b)}
}

// subjectMessage is what ends a join, subject or not (XEP-0045 §7.2.15).
func (r *Room) subjectMessage() *xmpp.Shared {
	if r.subject.msg == nil {
		r.keepSubject("", nil)
	}
	return r.subject.msg
}
