package muc

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Fields of the configuration form that the room understands. Clients submit
// parts of the form; fields it does not know are ignored.
const (
	formConfig       = "http://jabber.org/protocol/muc#roomconfig"
	fieldSecret      = "muc#roomconfig_roomsecret"
	fieldProtected   = "muc#roomconfig_passwordprotectedroom"
	fieldMembersOnly = "muc#roomconfig_membersonly"
	fieldWhois       = "muc#roomconfig_whois"
)

// Settings is a change of a room's configuration; nil fields stay as they are.
type Settings struct {
	Password    *string // "" removes it
	MembersOnly *bool
}

// Locked reports whether the room has a password.
func (r *Room) Locked() bool { return r.password != "" }

// MembersOnly reports whether only members may enter.
func (r *Room) MembersOnly() bool { return r.membersOnly }

// Configure changes the configuration and, if that made a difference, tells
// everybody (XEP-0045 §10.2.1, status 104) and the services. by is nil for the
// server. A password longer than Limits.PasswordBytes is an error.
//
// When the room becomes members-only, whoever is in it without affiliation
// becomes a member and stays: XEP-0045 §10.2 would evict them, but Jitsi turns
// this on to let newcomers wait, not to empty the room.
func (r *Room) Configure(by *Occupant, s Settings) (Change, *xmpp.StanzaError) {
	var c Change
	if s.Password != nil {
		if len(*s.Password) > r.limits.PasswordBytes {
			return c, errNotAccept
		}
		c.Password = r.password != *s.Password
		r.password = strings.Clone(*s.Password)
	}
	if s.MembersOnly != nil {
		c.MembersOnly = r.membersOnly != *s.MembersOnly
		if c.MembersOnly && *s.MembersOnly {
			r.adopt()
		}
		r.membersOnly = *s.MembersOnly
	}
	if c.any() {
		r.announceConfig()
		if h := r.hooks.ConfigChanged; h != nil {
			h(r, by, c)
		}
	}
	return c, nil
}

// adopt makes members of all who are here.
func (r *Room) adopt() {
	for _, o := range r.Occupants() {
		if o.aff == None && !o.gone {
			c := change{bare: o.real.Bare(), aff: Member}
			_ = r.assign(&c, nil, quietly(None, Member)) // a full list keeps nobody in who is here anyway
		}
	}
}

// announceConfig makes clients ask for disco#info again.
func (r *Room) announceConfig() {
	r.Broadcast(stanza("message", r.self, "groupchat", "", nil, []byte(openMUCUser+`<status code="104"/></x>`)))
}

// ownerIQ is XEP-0045 §10: configuration and destruction, for owners.
func (r *Room) ownerIQ(from Recipient, st *xmpp.Stanza, query *xmpp.Element) {
	a := r.actor(from)
	if a.aff < Owner {
		bounce(from, *st, errForbidden)
		return
	}
	if st.Type == "get" {
		result(from, *st, r.configForm())
		return
	}
	var err *xmpp.StanzaError
	if d, ok := query.Child("destroy", ""); ok {
		err = r.destroyAsAsked(&d)
	} else {
		err = r.submit(a.o, query)
	}
	if err != nil {
		bounce(from, *st, err)
		return
	}
	result(from, *st, nil)
}

func (r *Room) destroyAsAsked(d *xmpp.Element) *xmpp.StanzaError {
	var alternative xmpp.JID
	if s := d.AttrOr("jid", ""); s != "" {
		var err error
		if alternative, err = xmpp.ParseJID(s); err != nil {
			return errNoNick
		}
	}
	r.Destroy(alternative, d.ChildText("reason", ""))
	return nil
}

func (r *Room) configForm() []byte {
	f := Form{typed: true}
	f.w.Open("query", "xmlns", xmpp.NSMUCOwner)
	f.w.Open("x", "xmlns", xmpp.NSData, "type", "form")
	f.w.Elem("title", "Configuration of "+r.cfg.JID.Local)
	f.Field("FORM_TYPE", "hidden", formConfig)
	f.Field("muc#roominfo_meetingId", "text-single", r.cfg.MeetingID)
	f.Field(fieldMembersOnly, "boolean", digit(r.membersOnly))
	f.Field(fieldProtected, "boolean", digit(r.password != ""))
	f.Field(fieldSecret, "text-private", r.password)
	f.w.Open("field", "var", fieldWhois, "type", "list-single")
	f.w.Elem("value", "anyone")
	f.w.Open("option", "label", "Anyone")
	f.w.Elem("value", "anyone")
	f.w.Close("option")
	f.w.Close("field")
	if h := r.hooks.ConfigFields; h != nil {
		h(r, &f)
	}
	f.w.Close("x")
	f.w.Close("query")
	return f.w.Bytes()
}

func digit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// submit takes a filled-in form, or a part of one. An empty form accepts the
// defaults (XEP-0045 §10.1.2), a cancelled one changes nothing.
func (r *Room) submit(by *Occupant, query *xmpp.Element) *xmpp.StanzaError {
	x, ok := query.Child("x", xmpp.NSData)
	if !ok {
		return errBadRequest
	}
	if x.AttrOr("type", "") == "cancel" {
		return nil
	}
	if x.AttrOr("type", "") != "submit" {
		return errBadForm
	}
	if _, any := x.First(); !any {
		return nil
	}
	if kind, _ := formField(&x, "FORM_TYPE"); kind != formConfig {
		return errBadForm
	}
	s, err := r.readSettings(&x)
	if err == nil {
		_, err = r.Configure(by, s)
	}
	return err
}

// readSettings finds out what a form wants. Jitsi clients clear the password
// with an empty secret, a flag of 0, or both, and lay a flag of 1 without
// secret beside other changes, which keeps the password.
func (r *Room) readSettings(x *xmpp.Element) (s Settings, err *xmpp.StanzaError) {
	if secret, ok := formField(x, fieldSecret); ok {
		s.Password = &secret
	}
	if v, ok := formField(x, fieldProtected); ok {
		on, valid := parseBool(v)
		if !valid {
			return s, errNotAccept
		}
		if !on {
			s.Password = new(string)
		}
	}
	if v, ok := formField(x, fieldMembersOnly); ok {
		on, valid := parseBool(v)
		if !valid {
			return s, errNotAccept
		}
		s.MembersOnly = &on
	}
	return s, nil
}

// formField returns the first value of a field, "" if it has none.
func formField(x *xmpp.Element, name string) (string, bool) {
	for f := range x.Children() {
		if f.Name == "field" && f.AttrOr("var", "") == name {
			return f.ChildText("value", ""), true
		}
	}
	return "", false
}

// parseBool reads a boolean field (XEP-0004 §3.3).
func parseBool(s string) (on, ok bool) {
	switch strings.TrimSpace(s) {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}
