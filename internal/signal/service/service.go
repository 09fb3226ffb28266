package service

import (
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Feature is one room service: what clients are told about it and how a room
// gets its share of it.
type Feature struct {
	// Identity is the disco#info type by which Jitsi clients know the service,
	// such as "speakerstats".
	Identity string
	// Host is the first label of the address the service answers at; the
	// domain follows it.
	Host string
	// Features are disco#info features that go with the identity.
	Features []string
	// Open makes the service's part of a new room. It is called from the
	// room's goroutine, as everything of the Part is.
	Open func(Env) Part
}

// Env is what a service may know of where it runs.
type Env struct {
	Address xmpp.JID         // of the service: its host
	Room    xmpp.JID         // bare, as clients know it
	Now     func() time.Time // the clock to go by
}

// Part is a service in one room. Both fields may be zero.
type Part struct {
	Hooks muc.Hooks
	// Message takes a message that an occupant sent to the service's address.
	// The error, if not nil, is sent back.
	Message func(r *muc.Room, from *muc.Occupant, st xmpp.Stanza) *xmpp.StanzaError
}
