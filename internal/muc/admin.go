package muc

import (
	"cmp"
	"slices"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// bulkItems is the number of items from which a muc#admin request is taken for
// the one with which a Jitsi client turns on the lobby: it makes everybody a
// member, and telling everybody about each would cost the square of the room
// in presences. Then a change that leaves the role as it is goes to the user
// itself and to moderators only; the others, who have no use for it, learn of
// it with the user's next presence. (XEP-0045 §9.3 says SHOULD.) One of them
// who becomes moderator later may make somebody a member twice: no harm.
const bulkItems = 9

// change is one item of a muc#admin request, understood.
type change struct {
	bare   xmpp.JID // whose affiliation
	aff    Affiliation
	target *Occupant // whose role; nil if it is about an affiliation
	role   Role
	reason string
}

// actor is who makes a muc#admin or muc#owner request. Owners need not be in
// the room.
type actor struct {
	o   *Occupant // nil if not in the room
	aff Affiliation
}

func (r *Room) actor(from Recipient) actor {
	return actor{r.byReal[from.JID()], r.affiliationOf(from.JID().Bare())}
}

func (a actor) moderates() bool { return a.aff >= Admin || a.o != nil && a.o.role == Moderator }

// adminIQ is XEP-0045 §8 and §9: kicks, bans, roles and lists.
func (r *Room) adminIQ(from Recipient, st *xmpp.Stanza, query *xmpp.Element) {
	a := r.actor(from)
	var payload []byte
	err := errForbidden
	switch {
	case !a.moderates():
	case st.Type == "get":
		payload, err = r.adminList(a, query)
	default:
		err = r.adminSet(a, query)
	}
	if err != nil {
		bounce(from, *st, err)
		return
	}
	result(from, *st, payload)
}

// adminSet understands and permits all items before it applies the first, and
// answers once for all of them.
func (r *Room) adminSet(a actor, query *xmpp.Element) *xmpp.StanzaError {
	var changes []change
	for item := range query.Children() {
		if item.Name != "item" {
			continue
		}
		if len(changes) == r.limits.AdminItems {
			return errTooLarge
		}
		c, err := r.readChange(&item)
		if err == nil {
			err = r.permit(a, &c)
		}
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 {
		return errBadRequest
	}
	return r.apply(a, changes)
}

func (r *Room) apply(a actor, changes []change) *xmpp.StanzaError {
	for i := range changes {
		c := &changes[i]
		var err *xmpp.StanzaError
		if c.target != nil {
			err = r.SetRole(c.target, c.role, a.o, c.reason)
		} else {
			var quiet func(*Occupant) bool
			if len(changes) >= bulkItems {
				quiet = quietly(r.affiliationOf(c.bare), c.aff)
			}
			err = r.assign(c, a.o, quiet)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// quietly returns who need not be told of a change between two affiliations,
// nil if everybody must be.
func quietly(from, to Affiliation) func(*Occupant) bool {
	if from.role() != to.role() {
		return nil
	}
	return func(o *Occupant) bool { return o.role != Moderator }
}

// readChange understands one item: jid or nick with an affiliation, or nick
// with a role.
func (r *Room) readChange(item *xmpp.Element) (change, *xmpp.StanzaError) {
	c := change{reason: cut(item.ChildText("reason", ""), r.limits.ReasonBytes)}
	nick, jid := item.AttrOr("nick", ""), item.AttrOr("jid", "")
	if s, ok := item.Attr("affiliation"); ok {
		if c.aff, ok = parseAffiliation(s); !ok {
			return c, errNotAccept
		}
		return c, r.findUser(&c, nick, jid)
	}
	s, ok := item.Attr("role")
	if !ok || nick == "" {
		return c, errBadRequest
	}
	if s == "visitor" {
		return c, errNoVisitors
	}
	if c.role, ok = parseRole(s); !ok {
		return c, errNotAccept
	}
	if c.target = r.byNick[nick]; c.target == nil {
		return c, errNotFound
	}
	return c, nil
}

func (r *Room) findUser(c *change, nick, jid string) *xmpp.StanzaError {
	if jid != "" {
		j, err := xmpp.ParseJID(jid)
		if err != nil || j.Local == "" {
			return errNoNick
		}
		c.bare = j.Bare()
		return nil
	}
	o := r.byNick[nick]
	if o == nil {
		return errNotFound
	}
	c.bare = o.real.Bare()
	return nil
}

// permit says who may do what to whom (XEP-0045 §5.2.1, table 5). Unlike
// there, owners may kick owners: in Jitsi rooms every moderator is one.
func (r *Room) permit(a actor, c *change) *xmpp.StanzaError {
	if c.target == nil {
		switch {
		case c.bare == r.cfg.FocusJID:
			return errNotAllowed
		case a.aff == Owner, a.aff == Admin && max(c.aff, r.affiliationOf(c.bare)) < Admin:
			return nil
		}
		return errForbidden
	}
	switch {
	case c.target.nick == FocusNick:
		return errNotAllowed
	case c.role != RoleNone && c.target.aff >= Admin && c.role != Moderator:
		return errNotAllowed
	case a.aff >= Admin:
		return nil
	case c.target.role == Moderator || c.role == Moderator:
		return errForbidden
	}
	return nil
}

// adminList answers a request for everybody of an affiliation or role.
func (r *Room) adminList(a actor, query *xmpp.Element) ([]byte, *xmpp.StanzaError) {
	item, ok := query.Child("item", "")
	if !ok {
		return nil, errBadRequest
	}
	w := xmpp.NewWriter(256)
	w.Open("query", "xmlns", xmpp.NSMUCAdmin)
	if s, ok := item.Attr("affiliation"); ok {
		aff, known := parseAffiliation(s)
		if !known || aff == None {
			return nil, errBadRequest
		}
		if a.aff < Admin {
			return nil, errForbidden
		}
		r.listAffiliation(w, aff)
	} else {
		role, known := parseRole(item.AttrOr("role", ""))
		if !known || role == RoleNone {
			return nil, errBadRequest
		}
		r.listRole(w, role)
	}
	w.Close("query")
	return w.Bytes(), nil
}

func (r *Room) listAffiliation(w *xmpp.Writer, aff Affiliation) {
	var users []string
	if aff == Owner {
		users = append(users, r.cfg.FocusJID.String())
	}
	for j, e := range r.affiliations {
		if e.aff == aff {
			users = append(users, j.String())
		}
	}
	slices.SortFunc(users, cmp.Compare[string])
	for _, u := range users {
		w.Empty("item", "affiliation", aff.String(), "jid", u)
	}
}

func (r *Room) listRole(w *xmpp.Writer, role Role) {
	for _, o := range r.order {
		if o.role == role {
			w.Empty("item", "affiliation", o.aff.String(), "role", role.String(), "nick", o.nick, "jid", o.real.String())
		}
	}
}
