package colibri

import (
	"context"
	"fmt"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// Bridge is what the focus needs of a bridge. Requests about one conference
// are carried out in the order in which they were made; requests about
// different conferences are independent of each other. Implementations are
// safe for use by several goroutines.
type Bridge interface {
	// Modify carries out req and returns what the bridge allocated for it.
	// Request and response are owned by the receiver of each: neither side
	// may change a value it has handed over. The error is an [*Error] when
	// the bridge refused, anything else when it could not be asked.
	Modify(ctx context.Context, req *ConferenceModify) (*ConferenceModified, error)
}

// ConferenceModify asks a bridge to create, change or expire one conference
// or some of its endpoints. It is the typed form of Colibri2's
// <conference-modify/>.
type ConferenceModify struct {
	// MeetingID names the conference for its whole life: a UUID made by the focus.
	MeetingID string
	// Room is the room's bare JID, for people who read logs and debug trees.
	Room      string
	Create    bool // the conference must not exist yet
	Expire    bool // end the conference; everything else is ignored
	Endpoints []EndpointModify
}

// EndpointModify says what should become of one endpoint. Nil fields leave
// what is there.
type EndpointModify struct {
	ID      string // 8 lower-case hex digits
	Create  bool
	Expire  bool
	StatsID string
	// Visitor endpoints receive and never send.
	Visitor bool
	// Media is what the endpoint was offered; needed with Create.
	Media []media.Description
	// WantTransport asks for a local transport; needed with Create.
	WantTransport bool
	// WantSCTP asks for a data channel as well as for the WebSocket.
	WantSCTP bool
	// SSRCRewriting makes the bridge send under SSRCs of its own, a bounded
	// number of them, and tell the client by source maps what each carries.
	// It counts with Create only, as does RTPMIDDemux.
	SSRCRewriting bool
	// RTPMIDDemux puts a MID into the maps and into packets (RFC 9143 §15), by
	// which the client finds a packet's m-line. It needs SSRCRewriting.
	RTPMIDDemux bool
	// Transport is the remote side's half, from session-accept.
	// Its generation says to which ICE restart it belongs; a stale one is
	// ignored.
	Transport *media.Transport
	// RestartICE asks for new ICE credentials beside those in use, which stay
	// until the new ones have connected. The answer's transport has the
	// generation of the restart, or 0 when the bridge keeps what it has.
	RestartICE bool
	// Sources replaces all sources of the endpoint.
	Sources *source.Set
	// ForceMute replaces which media of the endpoint the bridge drops.
	ForceMute *ForceMute
	// InitialLastN is the number of videos forwarded before the endpoint
	// says what it wants; -1 is unlimited.
	InitialLastN *int
}

// ForceMute says which media of an endpoint a moderator has silenced.
type ForceMute struct{ Audio, Video bool }

// ConferenceModified is a bridge's answer.
type ConferenceModified struct {
	Endpoints []EndpointModified
	// Feedback holds the bridge's own SSRCs, one per kind, named "jvb-a0"
	// and "jvb-v0": the senders of its RTCP. Set when the conference or an
	// endpoint was created.
	Feedback source.Set
}

// EndpointModified is what a bridge allocated for one endpoint.
type EndpointModified struct {
	ID string
	// Transport is the bridge's half, with every candidate, when it or an ICE
	// restart was asked for.
	Transport *media.Transport
}

// Reason says why a bridge refused; the words are Colibri2's.
type Reason string

// Reasons of refusal.
const (
	ConferenceNotFound      Reason = "conference_not_found"
	ConferenceAlreadyExists Reason = "conference_already_exists"
	GracefulShutdown        Reason = "graceful_shutdown"
	UnknownEndpoint         Reason = "unknown_endpoint"
	BadRequest              Reason = "bad_request"
	Unspecified             Reason = "unspecified"
)

// Error is a bridge's refusal.
type Error struct {
	Reason   Reason
	Endpoint string // with UnknownEndpoint: which one
	Text     string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Endpoint != "" {
		return fmt.Sprintf("bridge refused: %s (endpoint %s): %s", e.Reason, e.Endpoint, e.Text)
	}
	return fmt.Sprintf("bridge refused: %s: %s", e.Reason, e.Text)
}

// EndpointEvent is something a bridge noticed about an endpoint that the
// focus did not ask for.
type EndpointEvent struct {
	MeetingID string
	Endpoint  string
	Kind      EndpointEventKind
}

// EndpointEventKind says what happened.
type EndpointEventKind string

// Kinds of endpoint events.
const (
	EndpointExpired EndpointEventKind = "expired" // consent lost for good; the bridge has forgotten it
)

// Reporter takes what bridges notice; the focus implements it. Report must
// not block.
type Reporter interface {
	Report(ev EndpointEvent)
}
