package muc

import (
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// IQ takes an IQ that a session sent to the room or to an occupant JID in it.
// Every request is answered, here or by the occupant it is for.
func (r *Room) IQ(now time.Time, from Recipient, st xmpp.Stanza) {
	r.address(&st)
	nick, ok := nickOf(st.To)
	switch st.Type {
	case "get", "set":
		switch {
		case !ok:
			bounce(from, st, errNoNick)
		case nick != "":
			r.request(now, from, nick, st)
		default:
			r.roomRequest(now, from, st)
		}
	case "result", "error":
		r.answer(from, nick, &st)
	default:
		bounce(from, st, errBadRequest)
	}
}

// request relays a get or set to another occupant, in the name of the sender's
// occupant JID and with its id, so that Jingle and mutes find their way back
// (XEP-0045 §17.4 leaves open how).
func (r *Room) request(now time.Time, from Recipient, nick string, st xmpp.Stanza) {
	o := r.occupant(from)
	if o == nil {
		bounce(from, st, errNotOccupant)
		return
	}
	to := r.byNick[nick]
	if to == nil {
		bounce(from, st, errNoRecipient)
		return
	}
	child, ok := st.First()
	if !ok {
		bounce(from, st, errBadRequest)
		return
	}
	// XEP-0410 §3.3: the room answers for the occupant.
	if to == o && child.NS == xmpp.NSPing {
		r.pong(from, &st)
		return
	}
	if !r.intercepted(r.hooks.IQ, &Inbound{now, o, to, st}) {
		to.to.Deliver(st.Share(o.jid.String()))
	}
}

// answer relays a result or error. One that cannot be delivered is dropped.
func (r *Room) answer(from Recipient, nick string, st *xmpp.Stanza) {
	o, to := r.occupant(from), r.byNick[nick]
	if o != nil && to != nil {
		to.to.Deliver(st.Share(o.jid.String()))
	}
}

// intercepted lets a hook have the stanza first and reports whether the room
// is done with it.
func (r *Room) intercepted(hook inboundHook, in *Inbound) bool {
	if hook == nil {
		return false
	}
	handled, err := hook(r, in)
	if err != nil {
		bounce(in.From.to, in.Stanza, err)
	}
	return handled || err != nil
}

// pong answers a ping ahead of room traffic.
func (r *Room) pong(from Recipient, st *xmpp.Stanza) {
	sh := stanza("iq", string(xmpp.EscapeAttr(nil, st.To)), "result", st.ID, nil, nil)
	sh.Urgent = true
	from.Deliver(sh)
}

// roomRequest is a get or set to the room itself.
func (r *Room) roomRequest(now time.Time, from Recipient, st xmpp.Stanza) {
	child, ok := st.First()
	if !ok {
		bounce(from, st, errBadRequest)
		return
	}
	get := st.Type == "get"
	switch {
	case child.NS == xmpp.NSMUCAdmin:
		r.adminIQ(from, &st, &child)
	case child.NS == xmpp.NSMUCOwner:
		r.ownerIQ(from, &st, &child)
	case child.NS == xmpp.NSDiscoInfo && get:
		r.discoInfo(from, &st, &child)
	case child.NS == xmpp.NSDiscoItems && get:
		r.discoItems(from, &st)
	case child.NS == xmpp.NSPing && get:
		r.roomPing(from, &st)
	default:
		r.otherRequest(now, from, st)
	}
}

func (r *Room) roomPing(from Recipient, st *xmpp.Stanza) {
	if r.occupant(from) == nil {
		bounce(from, *st, errNotOccupant)
		return
	}
	r.pong(from, st)
}

func (r *Room) otherRequest(now time.Time, from Recipient, st xmpp.Stanza) {
	o := r.occupant(from)
	if o != nil && r.intercepted(r.hooks.IQ, &Inbound{now, o, nil, st}) {
		return
	}
	bounce(from, st, errUnavailable)
}
