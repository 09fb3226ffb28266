package muc

import (
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Hooks are the stages at which room services take part. Each may be nil. They
// run on the room's goroutine, must not block, and may call the room's
// exported methods, unless a stage says otherwise. Chain joins the hooks of
// several services.
type Hooks struct {
	// PreJoin runs when somebody wants in, after the checks of nick and
	// capacity and before those of membership, ban and password. It may
	// change Affiliation and Admitted of the Join. An error refuses the
	// joiner. It runs for the focus and other trusted users as well.
	PreJoin func(*Room, *Join) *xmpp.StanzaError
	// BeforeSelfPresence runs when somebody has been let in and nothing has
	// been sent: what it sends comes before the presences of the others and
	// before the self-presence that makes a client consider itself joined. It
	// runs again when an occupant asks for the room's state anew. It may only
	// send to that occupant.
	BeforeSelfPresence func(*Room, *Occupant)
	// Joined runs when a newcomer has been sent everything.
	Joined func(*Room, *Occupant)
	// Updated runs after an occupant's own presence update was sent to all.
	Updated func(*Room, *Occupant)
	// Left runs when an occupant is out and everybody has been told.
	Left func(*Room, *Occupant, LeaveReason)
	// RoleChanged runs after the presence that announced it; the argument
	// holds what was before. It also reports changes of affiliation alone.
	RoleChanged func(*Room, *Occupant, Standing)
	// ConfigChanged runs after a change of the room's configuration was
	// announced. by is nil for changes by the server.
	ConfigChanged func(r *Room, by *Occupant, c Change)
	// DiscoFields adds fields to the muc#roominfo form of disco#info.
	DiscoFields func(*Room, *Form)
	// ConfigFields adds fields to the owner's configuration form.
	ConfigFields func(*Room, *Form)
	// PresenceChildren appends children the server vouches for (identity) to
	// every presence of an occupant. Give them an explicit xmlns. It may only
	// write.
	PresenceChildren func(*Room, *Occupant, *xmpp.Writer)
	// SelfChildren is PresenceChildren for the copy that goes to the occupant
	// itself (permissions).
	SelfChildren func(*Room, *Occupant, *xmpp.Writer)
	// Message runs for every message of an occupant, groupchat, private or to
	// the room as such, before the room handles it. With handled true, or an
	// error to send back, the room does nothing more.
	Message func(*Room, *Inbound) (handled bool, err *xmpp.StanzaError)
	// IQ runs for every request (get or set) of an occupant that the room
	// does not answer itself: those to other occupants before they are
	// relayed, and those to the room before they are refused. A hook that
	// says handled owes the answer.
	IQ func(*Room, *Inbound) (handled bool, err *xmpp.StanzaError)
	// Closed runs once, when the last occupant has left or the room was
	// destroyed. Services drop what they hold about the room.
	Closed func(*Room)
}

// LeaveReason says how somebody left.
type LeaveReason uint8

// The ways to leave.
const (
	LeftItself   LeaveReason = iota // said so
	LeftSilently                    // its session ended
	LeftReplaced                    // another session of the same user took its nick
	LeftKicked
	LeftBanned
	LeftExpelled // lost its membership in a members-only room
	LeftDestroyed
)

// String names the reason for logs.
func (l LeaveReason) String() string {
	names := [...]string{"left", "gone", "replaced", "kicked", "banned", "expelled", "destroyed"}
	if int(l) < len(names) {
		return names[l]
	}
	return "unknown"
}

// Standing is what an occupant may do, and why.
type Standing struct {
	Role        Role
	Affiliation Affiliation
}

// Change says which settings of a room have changed.
type Change struct{ Password, MembersOnly bool }

func (c Change) any() bool { return c.Password || c.MembersOnly }

// Inbound is a stanza of an occupant on its way through the room.
type Inbound struct {
	Now    time.Time
	From   *Occupant
	To     *Occupant // nil: the room itself
	Stanza xmpp.Stanza
}

// Reply answers an inbound request with a result; payload is complete XML and
// may be empty.
func (in *Inbound) Reply(payload []byte) { result(in.From.to, in.Stanza, payload) }

// Form is a data form (XEP-0004) being written.
type Form struct {
	w     xmpp.Writer
	typed bool // fields carry their type, as in a form to fill in
}

// Field appends a field with its values. kind is its type (hidden, boolean,
// text-single, ...) and is written only in forms to fill in.
func (f *Form) Field(name, kind string, values ...string) {
	if f.typed || kind == "hidden" {
		f.w.Open("field", "var", name, "type", kind)
	} else {
		f.w.Open("field", "var", name)
	}
	for _, v := range values {
		f.w.Elem("value", v)
	}
	f.w.Close("field")
}

// Chain joins the hooks of several services: each stage runs them in the given
// order. PreJoin stops at the first error, Message and IQ at the first that
// handles the stanza or fails.
func Chain(hooks ...Hooks) Hooks {
	return Hooks{
		PreJoin:            chainJoin(collect(hooks, func(h *Hooks) func(*Room, *Join) *xmpp.StanzaError { return h.PreJoin })),
		BeforeSelfPresence: chain2(collect(hooks, func(h *Hooks) func(*Room, *Occupant) { return h.BeforeSelfPresence })),
		Joined:             chain2(collect(hooks, func(h *Hooks) func(*Room, *Occupant) { return h.Joined })),
		Updated:            chain2(collect(hooks, func(h *Hooks) func(*Room, *Occupant) { return h.Updated })),
		Left:               chain3(collect(hooks, func(h *Hooks) func(*Room, *Occupant, LeaveReason) { return h.Left })),
		RoleChanged:        chain3(collect(hooks, func(h *Hooks) func(*Room, *Occupant, Standing) { return h.RoleChanged })),
		ConfigChanged:      chain3(collect(hooks, func(h *Hooks) func(*Room, *Occupant, Change) { return h.ConfigChanged })),
		DiscoFields:        chain2(collect(hooks, func(h *Hooks) func(*Room, *Form) { return h.DiscoFields })),
		ConfigFields:       chain2(collect(hooks, func(h *Hooks) func(*Room, *Form) { return h.ConfigFields })),
		PresenceChildren:   chain3(collect(hooks, func(h *Hooks) func(*Room, *Occupant, *xmpp.Writer) { return h.PresenceChildren })),
		SelfChildren:       chain3(collect(hooks, func(h *Hooks) func(*Room, *Occupant, *xmpp.Writer) { return h.SelfChildren })),
		Message:            chainInbound(collect(hooks, func(h *Hooks) inboundHook { return h.Message })),
		IQ:                 chainInbound(collect(hooks, func(h *Hooks) inboundHook { return h.IQ })),
		Closed:             chain1(collect(hooks, func(h *Hooks) func(*Room) { return h.Closed })),
	}
}

type inboundHook = func(*Room, *Inbound) (bool, *xmpp.StanzaError)
