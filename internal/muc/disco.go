package muc

import (
	"strconv"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

const formRoomInfo = "http://jabber.org/protocol/muc#roominfo"

// discoInfo answers a query about the room (XEP-0045 §6.4), for occupants
// only: rooms are hidden. Clients ask right after joining and after every
// status 104, and test for the very features named here.
func (r *Room) discoInfo(from Recipient, st *xmpp.Stanza, query *xmpp.Element) {
	if r.occupant(from) == nil {
		bounce(from, *st, errForbidden)
		return
	}
	if query.AttrOr("node", "") != "" {
		bounce(from, *st, errNotFound)
		return
	}
	f := Form{w: *xmpp.NewWriter(1024)}
	f.w.Open("query", "xmlns", xmpp.NSDiscoInfo)
	f.w.Empty("identity", "category", "conference", "type", "text", "name", r.cfg.JID.Local)
	for _, feature := range r.features() {
		f.w.Empty("feature", "var", feature)
	}
	f.w.Open("x", "xmlns", xmpp.NSData, "type", "result")
	r.infoFields(&f)
	f.w.Close("x")
	f.w.Close("query")
	result(from, *st, f.w.Bytes())
}

func (r *Room) features() []string {
	fs := []string{
		xmpp.NSMUC, xmpp.NSDiscoInfo, xmpp.NSDiscoItems,
		"http://jabber.org/protocol/muc#self-ping-optimization",
		"muc_hidden", "muc_temporary", "muc_nonanonymous", "muc_unmoderated",
		"muc_open", "muc_unsecured",
	}
	if r.membersOnly {
		fs[8] = "muc_membersonly"
	}
	if r.password != "" {
		fs[9] = "muc_passwordprotected"
	}
	return fs
}

// infoFields writes the muc#roominfo form. muc#roominfo_isbreakout must never
// appear in an ordinary room, whatever its value: clients take any text, even
// "false", for yes.
func (r *Room) infoFields(f *Form) {
	f.Field("FORM_TYPE", "hidden", formRoomInfo)
	f.Field("muc#roominfo_meetingId", "", r.cfg.MeetingID)
	f.Field("muc#roominfo_occupants", "", strconv.Itoa(len(r.order)))
	if !r.startedAt.IsZero() {
		f.Field("muc#roominfo_created_timestamp", "", strconv.FormatInt(r.startedAt.UnixMilli(), 10))
	}
	if h := r.hooks.DiscoFields; h != nil {
		h(r, f)
	}
}

// discoItems lists the occupants, to occupants (XEP-0045 §6.5).
func (r *Room) discoItems(from Recipient, st *xmpp.Stanza) {
	if r.occupant(from) == nil {
		bounce(from, *st, errForbidden)
		return
	}
	w := xmpp.NewWriter(64 + 80*len(r.order))
	w.Open("query", "xmlns", xmpp.NSDiscoItems)
	for _, o := range r.order {
		w.Empty("item", "jid", o.jid.String(), "name", o.nick)
	}
	w.Close("query")
	result(from, *st, w.Bytes())
}
