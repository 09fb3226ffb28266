package muc

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// FocusNick is the nick of the focus, by which clients recognise Jingle that
// concerns the bridge.
const FocusNick = "focus"

// Recipient is a session as a room sees it.
type Recipient interface {
	// JID is the session's full address. It never changes.
	JID() xmpp.JID
	// Deliver takes a stanza for the session. It must not block, must not
	// call back into the room, and must not change the stanza.
	Deliver(*xmpp.Shared)
}

// Limits bound the state of one room. A zero field means its default.
type Limits struct {
	Occupants       int // in the room at once, trusted ones not counted; 2000
	QueuedJoins     int // waiting for the focus; 500
	QueuedBytes     int // presence bytes of all who wait; 4 MiB
	PresenceBytes   int // children of one presence; 32 KiB
	MessageBytes    int // children of one message; 32 KiB
	HistoryMessages int // kept for newcomers; 20, negative for none
	HistoryBytes    int // of all kept messages; 64 KiB
	SubjectBytes    int // 1024
	PasswordBytes   int // 256
	NickBytes       int // 64
	ReasonBytes     int // of a kick, a destruction, a leave; longer ones are cut; 1024
	Affiliations    int // entries of people with one, present or not; 4000
	AdminItems      int // items of one muc#admin request; 4000
}

// DefaultLimits returns the limits that zero fields stand for.
func DefaultLimits() Limits {
	return Limits{
		Occupants: 2000, QueuedJoins: 500, QueuedBytes: 4 << 20,
		PresenceBytes: 32 << 10, MessageBytes: 32 << 10,
		HistoryMessages: 20, HistoryBytes: 64 << 10,
		SubjectBytes: 1024, PasswordBytes: 256, NickBytes: 64, ReasonBytes: 1024,
		Affiliations: 4000, AdminItems: 4000,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range [...]struct{ have, def *int }{
		{&l.Occupants, &d.Occupants}, {&l.QueuedJoins, &d.QueuedJoins}, {&l.QueuedBytes, &d.QueuedBytes},
		{&l.PresenceBytes, &d.PresenceBytes}, {&l.MessageBytes, &d.MessageBytes},
		{&l.HistoryMessages, &d.HistoryMessages}, {&l.HistoryBytes, &d.HistoryBytes},
		{&l.SubjectBytes, &d.SubjectBytes}, {&l.PasswordBytes, &d.PasswordBytes},
		{&l.NickBytes, &d.NickBytes}, {&l.ReasonBytes, &d.ReasonBytes},
		{&l.Affiliations, &d.Affiliations}, {&l.AdminItems, &d.AdminItems},
	} {
		if *f.have == 0 {
			*f.have = *f.def
		}
	}
	return l
}

// Config says what a room is made with.
type Config struct {
	JID       xmpp.JID  // the room's bare address
	MeetingID string    // identifies the meeting across rooms of the same name; shown in disco#info
	Created   time.Time // shown in State only
	FocusJID  xmpp.JID  // bare address of the focus user: owner, the only one who opens the room

	// AnyoneOpens lets whoever comes first open the room and own it
	// (XEP-0045 §10.1), for a server without a focus.
	AnyoneOpens bool

	// AnonymousDomain, if set, is the domain whose users must take the first
	// eight characters of their local part as nick, where these are hex.
	AnonymousDomain string
	// Trusted, if set, tells which users pass without password, members-only
	// list, occupant limit and nick rules: recorders, gateways. The focus
	// always does.
	Trusted func(xmpp.JID) bool

	Limits Limits
	Hooks  Hooks
}

// Room is one room. Make it with New; one goroutine at a time may call it.
type Room struct {
	cfg    Config
	hooks  *Hooks
	limits Limits
	self   string // the room's address, escaped for an attribute

	opened    bool // the focus has joined
	closed    bool // it is over: emptied or destroyed
	destroyed bool
	startedAt time.Time // when the second occupant joined

	order  []*Occupant // in the order of joining
	byNick map[string]*Occupant
	byReal map[xmpp.JID]*Occupant
	serial uint64
	exempt int // trusted occupants
	queue  []*Join
	queued int // bytes of queue

	affiliations map[xmpp.JID]affiliationEntry
	password     string
	membersOnly  bool
	subject      subject
	history      history

	scratch []byte // children of the presence at hand
}

// New makes an empty room that waits for its focus.
func New(cfg Config) *Room {
	r := &Room{
		cfg:          cfg,
		limits:       cfg.Limits.withDefaults(),
		self:         string(xmpp.EscapeAttr(nil, cfg.JID.String())),
		byNick:       map[string]*Occupant{},
		byReal:       map[xmpp.JID]*Occupant{},
		affiliations: map[xmpp.JID]affiliationEntry{},
	}
	r.hooks = &r.cfg.Hooks
	r.history.max, r.history.maxBytes = r.limits.HistoryMessages, r.limits.HistoryBytes
	return r
}

// JID returns the room's bare address.
func (r *Room) JID() xmpp.JID { return r.cfg.JID }

// MeetingID returns the identifier the room was made with.
func (r *Room) MeetingID() string { return r.cfg.MeetingID }

// Empty reports whether nobody is in the room or waits in it. A room that was
// left by its last occupant is over and lets nobody in again: whoever keeps it
// drops it then.
func (r *Room) Empty() bool { return len(r.order) == 0 && len(r.queue) == 0 }

// Destroyed reports whether the room was destroyed.
func (r *Room) Destroyed() bool { return r.destroyed }

// Opened reports whether the focus has joined.
func (r *Room) Opened() bool { return r.opened }

// Len returns the number of occupants, the focus included.
func (r *Room) Len() int { return len(r.order) }

// Waiting returns how many wait for the focus.
func (r *Room) Waiting() int { return len(r.queue) }

// Occupants returns the occupants in the order of joining. The slice is the
// caller's.
func (r *Room) Occupants() []*Occupant { return slices.Clone(r.order) }

// OccupantByNick returns the occupant of that nick, nil if there is none.
func (r *Room) OccupantByNick(nick string) *Occupant { return r.byNick[nick] }

// OccupantByReal returns the occupant whose session has that full address, nil
// if it is not in the room.
func (r *Room) OccupantByReal(real xmpp.JID) *Occupant { return r.byReal[real] }

// Focus returns the focus, nil while it is not in the room.
func (r *Room) Focus() *Occupant { return r.byNick[FocusNick] }

// StartedAt returns when the second occupant, the focus counted, joined: the
// start of the conference as clients show it. It is zero before.
func (r *Room) StartedAt() time.Time { return r.startedAt }

// SendTo hands a stanza to one occupant. It does nothing if the occupant has
// left.
func (r *Room) SendTo(o *Occupant, sh *xmpp.Shared) {
	if !o.gone {
		o.to.Deliver(sh)
	}
}

// Broadcast hands a stanza to every occupant, the focus included.
func (r *Room) Broadcast(sh *xmpp.Shared) { r.broadcast(sh, nil) }

// broadcast hands a stanza to every occupant but one. This is the hot path of
// the package: it must not allocate.
func (r *Room) broadcast(sh *xmpp.Shared, except *Occupant) {
	for _, o := range r.order {
		if o != except {
			o.to.Deliver(sh)
		}
	}
}

// occupant finds the occupant of a session and notes where the session can be
// reached: after a resumption it may be another Recipient of the same JID.
func (r *Room) occupant(from Recipient) *Occupant {
	o := r.byReal[from.JID()]
	if o != nil {
		o.to = from
	}
	return o
}

// nickOf returns the nick a stanza is addressed to, "" for the room itself.
func nickOf(to string) (string, bool) {
	j, err := xmpp.ParseJID(to)
	return j.Resource, err == nil
}

// address makes a stanza without an address one to the room itself: answers
// come from where the stanza went.
func (r *Room) address(st *xmpp.Stanza) {
	if st.To == "" {
		st.To = r.cfg.JID.String()
	}
}

func (r *Room) isFocus(j xmpp.JID) bool { return j.Bare() == r.cfg.FocusJID }

func (r *Room) isTrusted(j xmpp.JID) bool {
	return r.isFocus(j) || r.cfg.Trusted != nil && r.cfg.Trusted(j)
}
