package service

import (
	"bytes"
	"encoding/json"
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
	// External returns the STUN and TURN servers, with fresh credentials.
	External func() []External
}

// External is a STUN or TURN server as one client may use it (XEP-0215). Its
// JSON is the form of room metadata.
type External struct {
	Type       string `json:"type"` // stun, turn or turns
	Host       string `json:"host"`
	Port       string `json:"port,omitempty"`
	Transport  string `json:"transport,omitempty"` // udp or tcp
	Username   string `json:"username,omitempty"`
	Password   string `json:"password,omitempty"`
	Expires    string `json:"expires,omitempty"` // RFC 3339
	Restricted bool   `json:"restricted,omitempty"`
}

// Part is a service in one room. Both fields may be zero.
type Part struct {
	Hooks muc.Hooks
	// Message takes a message that an occupant sent to the service's address.
	// The error, if not nil, is sent back.
	Message func(r *muc.Room, from *muc.Occupant, st xmpp.Stanza) *xmpp.StanzaError
}

// JSON encodes v for a json-message. Jitsi clients decode HTML entities in the
// text before they parse it, so that a name with a literal &quot; would end a
// string: ampersands and angle brackets are written as \u0026, \u003c and
// \u003e. Older clients undo percent escapes as well: \u0025.
func JSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(v); err != nil {
		panic("service: " + err.Error()) // values are our own types and checked JSON
	}
	return bytes.ReplaceAll(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("%"), []byte(`\u0025`))
}
