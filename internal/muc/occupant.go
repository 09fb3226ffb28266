package muc

import (
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Role is what an occupant may do while it is in the room (XEP-0045 §5.1).
type Role uint8

// The roles in use. Visitors are not.
const (
	RoleNone Role = iota
	Participant
	Moderator
)

// String returns the role as written on the wire.
func (r Role) String() string { return [...]string{"none", "participant", "moderator", "none"}[r&3] }

func parseRole(s string) (Role, bool) {
	switch s {
	case "none":
		return RoleNone, true
	case "participant":
		return Participant, true
	case "moderator":
		return Moderator, true
	}
	return RoleNone, false
}

// Affiliation is the lasting relation of a user, by bare JID, to the room
// (XEP-0045 §5.2). Higher values have all rights of lower ones.
type Affiliation int8

// The affiliations. Jitsi clients use Owner, Member and None.
const (
	Outcast Affiliation = iota - 1
	None
	Member
	Admin
	Owner
)

// String returns the affiliation as written on the wire.
func (a Affiliation) String() string {
	names := [...]string{"outcast", "none", "member", "admin", "owner"}
	if a < Outcast || a > Owner {
		return "none"
	}
	return names[a-Outcast]
}

func parseAffiliation(s string) (Affiliation, bool) {
	for a := Outcast; a <= Owner; a++ {
		if a.String() == s {
			return a, true
		}
	}
	return None, false
}

// role is the one an affiliation brings on joining (XEP-0045 §5.1.2).
func (a Affiliation) role() Role {
	switch a {
	case Owner, Admin:
		return Moderator
	case Outcast:
		return RoleNone
	}
	return Participant
}

// Occupant is somebody in a room. It belongs to the room's goroutine.
type Occupant struct {
	nick    string
	jid     xmpp.JID
	real    xmpp.JID
	to      Recipient
	role    Role
	aff     Affiliation
	joined  time.Time
	trusted bool
	gone    bool

	addr     string       // jid, escaped for an attribute
	head     []byte       // of its presences, through `to="`
	item     string       // real, escaped for an attribute
	replaces string       // names its presences to outboxes
	shown    *xmpp.Shared // its presence as the others get it
	ext      []byte       // the children it sent: a part of shown.Tail
	rest     []byte       // shown.Tail from ext to its end
	decls    []byte       // prefixes that ext needs (see relay.go)
}

// newOccupant makes an occupant out of a join. serial is unique in the room:
// it keeps the presences of somebody who left from replacing those of a
// successor of the same nick, or outboxes would swallow the leave.
func (r *Room) newOccupant(j *Join, now time.Time) *Occupant {
	r.serial++
	o := &Occupant{
		nick: j.Nick, jid: r.cfg.JID.WithResource(j.Nick), real: j.Real, to: j.Recipient,
		aff: j.Affiliation, role: j.Affiliation.role(), joined: now, trusted: j.trusted,
		item: string(xmpp.EscapeAttr(nil, j.Real.String())),
	}
	name := o.jid.String()
	o.addr = string(xmpp.EscapeAttr(nil, name))
	o.head = head("presence", o.addr)
	o.replaces = name + "#" + strconv.FormatUint(r.serial, 36)
	return o
}

// Nick returns the occupant's nick: the endpoint id, or "focus".
func (o *Occupant) Nick() string { return o.nick }

// JID returns the occupant JID, room@service/nick.
func (o *Occupant) JID() xmpp.JID { return o.jid }

// Real returns the full address of the occupant's session.
func (o *Occupant) Real() xmpp.JID { return o.real }

// Recipient returns the occupant's session.
func (o *Occupant) Recipient() Recipient { return o.to }

// Role returns the occupant's role, RoleNone after it has left.
func (o *Occupant) Role() Role { return o.role }

// Affiliation returns the occupant's affiliation.
func (o *Occupant) Affiliation() Affiliation { return o.aff }

// JoinedAt returns when the occupant entered.
func (o *Occupant) JoinedAt() time.Time { return o.joined }

// Trusted reports whether the occupant is one the room's limits do not
// concern: the focus, recorders, gateways.
func (o *Occupant) Trusted() bool { return o.trusted }

// Present reports whether the occupant is still in the room.
func (o *Occupant) Present() bool { return !o.gone }

// Extension returns the first child of that name in the occupant's current
// presence; ns "" means any namespace. Children without a namespace of their
// own are in xmpp.NSClient. The element is valid forever.
func (o *Occupant) Extension(name, ns string) (xmpp.Element, bool) {
	return findChild(o.ext, name, ns)
}

// DisplayName returns the name the occupant gave itself (XEP-0172), "" if
// none.
func (o *Occupant) DisplayName() string {
	el, _ := o.Extension("nick", xmpp.NSNick)
	return el.Text()
}

// findChild looks for a child in raw children without the element around them.
func findChild(children []byte, name, ns string) (xmpp.Element, bool) {
	for c := range (xmpp.Element{Inner: children}).Children() {
		space := c.NS
		if space == "" {
			space = xmpp.NSClient
		}
		if c.Name == name && (ns == "" || ns == space) {
			return c, true
		}
	}
	return xmpp.Element{}, false
}
