package muc

import (
	"maps"
	"slices"
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// affiliationEntry is one line of the room's list. Who has none has no line.
type affiliationEntry struct {
	aff Affiliation
	age uint64 // lower is older
}

// AffiliationOf returns the affiliation of a user, in the room or not.
func (r *Room) AffiliationOf(bare xmpp.JID) Affiliation {
	return r.affiliationOf(bare.Bare())
}

func (r *Room) affiliationOf(bare xmpp.JID) Affiliation {
	if bare == r.cfg.FocusJID {
		return Owner
	}
	if e, ok := r.affiliations[bare]; ok {
		return e.aff
	}
	return None
}

// list enters an affiliation into the list. It reports false if the list is
// full of people who are here or banned.
func (r *Room) list(bare xmpp.JID, aff Affiliation) bool {
	_, known := r.affiliations[bare]
	switch {
	case bare == r.cfg.FocusJID:
		return aff == Owner
	case aff == None:
		delete(r.affiliations, bare)
		return true
	case !known && len(r.affiliations) >= r.limits.Affiliations && !r.evict():
		return false
	}
	if !known { // the key lives on: keep the stanza it came from from living with it
		bare = xmpp.JID{Local: strings.Clone(bare.Local), Domain: strings.Clone(bare.Domain)}
	}
	r.serial++
	r.affiliations[bare] = affiliationEntry{aff, r.serial}
	return true
}

// evictPart is the part of the list that is dropped at once, so that somebody
// who names thousands of strangers does not make us search it for each.
const evictPart = 16

// evict drops the oldest entries of people who are not here. Anonymous users
// never come back under the same address, so a long meeting would otherwise
// fill the list. Bans stay.
func (r *Room) evict() bool {
	here := make(map[xmpp.JID]bool, len(r.order))
	for _, o := range r.order {
		here[o.real.Bare()] = true
	}
	var absent []uint64
	for j, e := range r.affiliations {
		if e.aff != Outcast && !here[j] {
			absent = append(absent, e.age)
		}
	}
	if len(absent) == 0 {
		return false
	}
	slices.Sort(absent)
	last := absent[min(len(absent)-1, r.limits.Affiliations/evictPart)]
	maps.DeleteFunc(r.affiliations, func(j xmpp.JID, e affiliationEntry) bool {
		return e.aff != Outcast && e.age <= last && !here[j]
	})
	return true
}

// SetAffiliation gives a user, here or not, another affiliation, and everybody
// the news (XEP-0045 §9 and §10). by is nil for the server. The focus stays
// owner: for it, and if the room's list is full, the error says so.
func (r *Room) SetAffiliation(bare xmpp.JID, aff Affiliation, by *Occupant, reason string) *xmpp.StanzaError {
	return r.assign(&change{bare: bare.Bare(), aff: aff, reason: reason}, by, nil)
}

// assign applies a change of affiliation. quiet is for publish.
func (r *Room) assign(c *change, by *Occupant, quiet func(*Occupant) bool) *xmpp.StanzaError {
	if c.bare == r.cfg.FocusJID {
		return errNotAllowed
	}
	if r.affiliationOf(c.bare) == c.aff {
		return nil
	}
	if !r.list(c.bare, c.aff) {
		return errListFull
	}
	here := false
	for _, o := range r.Occupants() {
		if o.real.Bare() == c.bare && !o.gone {
			here = true
			r.restand(o, c, by, quiet)
		}
	}
	if !here {
		r.announceAbsent(c.bare, c.aff)
	}
	return nil
}

// restand gives an occupant what its new affiliation brings. A role given by
// hand survives a change between affiliations that bring the same role.
func (r *Room) restand(o *Occupant, c *change, by *Occupant, quiet func(*Occupant) bool) {
	was := Standing{o.role, o.aff}
	o.aff = c.aff
	switch {
	case c.aff == Outcast: // XEP-0045 §9.1
		r.remove(o, &exit{why: LeftBanned, code: "301", actor: nickOr(by), reason: c.reason})
		return
	case c.aff == None && r.membersOnly && !o.trusted: // §9.4
		r.remove(o, &exit{why: LeftExpelled, code: "321", actor: nickOr(by), reason: c.reason})
		return
	case c.aff.role() != was.Affiliation.role():
		o.role = c.aff.role()
	}
	r.publish(o, quiet)
	r.roleChanged(o, was)
}

// SetRole gives an occupant another role for as long as it stays (XEP-0045
// §8.3, §9.6). RoleNone kicks. Roles of the focus and of owners stay.
func (r *Room) SetRole(o *Occupant, role Role, by *Occupant, reason string) *xmpp.StanzaError {
	switch {
	case o.gone:
		return errNotFound
	case o.nick == FocusNick:
		return errNotAllowed
	case role == RoleNone:
		r.Kick(o, by, reason)
		return nil
	case o.aff >= Admin && role != Moderator:
		return errNotAllowed
	case o.role == role:
		return nil
	}
	was := Standing{o.role, o.aff}
	o.role = role
	r.publish(o, nil)
	r.roleChanged(o, was)
	return nil
}

func (r *Room) roleChanged(o *Occupant, was Standing) {
	if h := r.hooks.RoleChanged; h != nil && !o.gone {
		h(r, o, was)
	}
}

// announceAbsent tells of the affiliation of somebody who is not here
// (XEP-0045 §9.3, last example): moderators' clients watch it for the lobby.
func (r *Room) announceAbsent(bare xmpp.JID, aff Affiliation) {
	w := xmpp.NewWriter(160)
	w.Open("x", "xmlns", xmpp.NSMUCUser)
	w.Empty("item", "affiliation", aff.String(), "jid", bare.String())
	w.Close("x")
	r.Broadcast(stanza("message", r.self, "", "", nil, w.Bytes()))
}
