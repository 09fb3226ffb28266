package muc

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Presence takes a presence that a session sent to the room or to an occupant
// JID in it. from must be the session's own Recipient.
func (r *Room) Presence(now time.Time, from Recipient, st xmpp.Stanza) {
	r.address(&st)
	switch st.Type {
	case "":
		r.available(now, from, &st)
	case "unavailable":
		r.leave(from, &st)
	}
	// Subscriptions, probes and errors mean nothing to a room, and answering
	// them would only invite loops.
}

func (r *Room) available(now time.Time, from Recipient, st *xmpp.Stanza) {
	nick, ok := nickOf(st.To)
	x, joins := st.Child("x", xmpp.NSMUC)
	o := r.occupant(from)
	var err *xmpp.StanzaError
	switch {
	case !ok || o == nil && nick == "" && joins:
		err = errNoNick
	case len(st.Inner) > r.limits.PresenceBytes:
		err = errTooLarge
	case !unprefixed(st):
		err = errBadRequest
	case o != nil && nick != "" && nick != o.nick:
		err = errNickChange
	case o != nil:
		r.update(now, o, st, joins, x)
	case joins:
		r.ask(now, r.newJoin(from, nick, st, x))
	case !r.updateWaiting(from.JID(), st):
		err = errNotJoined
	}
	if err != nil {
		r.presenceError(from, nick, st.ID, err)
	}
}

// update replaces an occupant's presence (XEP-0045 §7.7). With a muc element
// the session has lost its picture of the room, and gets everything again.
func (r *Room) update(now time.Time, o *Occupant, st *xmpp.Stanza, resync bool, x xmpp.Element) {
	r.scratch = appendChildren(r.scratch[:0], st, hiddenInPresence)
	r.show(o, r.scratch, keptAttrs(st))
	r.broadcast(o.shown, o)
	if resync {
		r.introduce(o)
		r.welcome(now, o, st.ID, joinCodes, readHistoryAsk(x))
	} else {
		o.to.Deliver(r.selfPresence(o, st.ID, selfCodes))
	}
	if h := r.hooks.Updated; h != nil && !o.gone {
		h(r, o)
	}
}

// show encodes an occupant's presence as the others get it and keeps it. ext
// is copied and may be what the occupant shows already.
func (r *Room) show(o *Occupant, ext, decls []byte) {
	o.decls = decls
	server := r.children(r.hooks.PresenceChildren, o, nil)
	o.shown, o.ext = o.encode(&form{aff: o.aff, role: o.role, decls: decls, ext: ext, server: server})
	end := len(o.shown.Tail)
	o.rest = o.shown.Tail[end-len(o.ext)-len(server)-len(endPresence):]
}

// selfPresence encodes the copy of an occupant's presence that goes to itself.
// It shares what it can with what the others got.
func (r *Room) selfPresence(o *Occupant, id string, codes []string) *xmpp.Shared {
	f := &form{id: id, aff: o.aff, role: o.role, codes: codes, decls: o.decls}
	own := r.children(r.hooks.SelfChildren, o, nil)
	if len(own) == 0 {
		return o.encodeOwn(f)
	}
	shared := o.rest[len(o.ext) : len(o.rest)-len(endPresence)]
	f.ext, f.server = o.ext, append(append([]byte(nil), shared...), own...)
	sh, _ := o.encode(f)
	return sh
}

func (r *Room) children(hook func(*Room, *Occupant, *xmpp.Writer), o *Occupant, after []byte) []byte {
	if hook == nil {
		return after
	}
	var w xmpp.Writer
	w.Raw(after)
	hook(r, o, &w)
	return w.Bytes()
}

// Refresh encodes an occupant's presence anew and sends it to all: for
// services whose PresenceChildren or SelfChildren have changed.
func (r *Room) Refresh(o *Occupant) { r.publish(o, nil) }

// publish shows everybody what an occupant is now, after a change the room
// made. quiet, if not nil, says who of the others need not be told.
func (r *Room) publish(o *Occupant, quiet func(*Occupant) bool) {
	if o.gone {
		return
	}
	r.show(o, o.ext, o.decls)
	for _, other := range r.order {
		if other != o && (quiet == nil || !quiet(other)) {
			other.to.Deliver(o.shown)
		}
	}
	o.to.Deliver(r.selfPresence(o, "", selfCodes))
}

// leave is an unavailable presence. Somebody who waited is told that it is
// out, because its client waits for that.
func (r *Room) leave(from Recipient, st *xmpp.Stanza) {
	o := r.occupant(from)
	if o == nil {
		if j := r.dequeue(from.JID()); j != nil {
			r.dismiss(j, st.ID)
		}
		return
	}
	x := exit{why: LeftItself, id: st.ID}
	if len(st.Inner) <= r.limits.PresenceBytes && unprefixed(st) {
		x.ext, x.decls = appendChildren(nil, st, hiddenInPresence), keptAttrs(st)
	}
	r.remove(o, &x)
}

func (r *Room) dismiss(j *Join, id string) {
	o := Occupant{item: string(xmpp.EscapeAttr(nil, j.Real.String()))}
	o.head = head("presence", string(xmpp.EscapeAttr(nil, r.cfg.JID.WithResource(j.Nick).String())))
	sh, _ := o.encode(&form{kind: "unavailable", id: id, aff: None, codes: selfCodes})
	j.Recipient.Deliver(sh)
}

// Gone says that a session has ended for good. status, shown to the others, is
// for people and may be empty. It is also right for sessions that are not in
// the room.
func (r *Room) Gone(now time.Time, from Recipient, status string) {
	if o := r.byReal[from.JID()]; o != nil {
		r.remove(o, &exit{why: LeftSilently, status: status})
		return
	}
	r.dequeue(from.JID())
}

// exit says how an occupant leaves.
type exit struct {
	why     LeaveReason
	code    string // status code that everybody is shown
	actor   string
	reason  string
	destroy []byte
	status  string // text of <status/>, instead of ext
	ext     []byte
	decls   []byte
	id      string
	quiet   bool // the others are not told
}

// remove takes an occupant out of the room and tells everybody.
func (r *Room) remove(o *Occupant, x *exit) {
	r.forget(o)
	f := form{
		kind: "unavailable", aff: o.aff, actor: x.actor, reason: cut(x.reason, r.limits.ReasonBytes),
		destroy: x.destroy, ext: x.ext, decls: x.decls,
	}
	if x.status != "" {
		f.ext = appendElem(nil, "status", cut(x.status, r.limits.ReasonBytes))
	}
	if x.code != "" {
		f.codes = []string{x.code}
	}
	sh, _ := o.encode(&f)
	if !x.quiet {
		r.broadcast(sh, nil)
	}
	if x.why != LeftSilently {
		f.id, f.codes = x.id, append(f.codes, "110")
		self, _ := o.encode(&f)
		o.to.Deliver(self)
	}
	r.left(o, x.why)
	if len(r.order) == 0 && x.why != LeftReplaced {
		r.close()
	}
}

func (r *Room) forget(o *Occupant) {
	delete(r.byNick, o.nick)
	delete(r.byReal, o.real)
	r.order = slices.DeleteFunc(r.order, func(other *Occupant) bool { return other == o })
	if o.trusted {
		r.exempt--
	}
	o.gone, o.role = true, RoleNone
}

func (r *Room) left(o *Occupant, why LeaveReason) {
	if h := r.hooks.Left; h != nil {
		h(r, o, why)
	}
}

// close ends the room. Who still waits is sent away.
func (r *Room) close() {
	if r.closed {
		return
	}
	r.closed = true
	r.AbandonQueue(nil)
	if h := r.hooks.Closed; h != nil {
		h(r)
	}
}

// Kick removes an occupant (XEP-0045 §8.2) and takes its affiliation away, so
// that a kicked moderator does not come back as one. by is nil for the server.
// The focus cannot be kicked.
func (r *Room) Kick(o, by *Occupant, reason string) {
	if o.gone || o.nick == FocusNick {
		return
	}
	r.list(o.real.Bare(), None)
	o.aff = None
	r.remove(o, &exit{why: LeftKicked, code: "307", actor: nickOr(by), reason: reason})
}

func nickOr(o *Occupant) string {
	if o == nil {
		return ""
	}
	return o.nick
}

// Destroy ends the room for everybody (XEP-0045 §10.9): each occupant, the
// focus included, gets its own last presence with the reason and, if there is
// one, the address of a room to go to instead.
func (r *Room) Destroy(alternative xmpp.JID, reason string) {
	if r.closed || r.destroyed {
		return
	}
	r.destroyed = true
	d := r.destroyElement(alternative, reason)
	everybody := r.order
	r.order = nil
	for _, o := range everybody {
		r.forget(o)
		sh, _ := o.encode(&form{kind: "unavailable", aff: None, codes: selfCodes, destroy: d})
		o.to.Deliver(sh)
	}
	for _, o := range everybody {
		r.left(o, LeftDestroyed)
	}
	r.close()
}

func (r *Room) destroyElement(alternative xmpp.JID, reason string) []byte {
	b := []byte("<destroy")
	if !alternative.IsZero() {
		b = appendAttr(b, "jid", alternative.String())
	}
	b = append(b, '>')
	b = appendElem(b, "reason", cut(reason, r.limits.ReasonBytes))
	return append(b, "</destroy>"...)
}
