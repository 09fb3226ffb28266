package jingle

import (
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// Action says what a message does (XEP-0166 §7.2; the source actions are Jitsi's).
type Action string

// The actions that focus and clients use between them.
const (
	SessionInitiate  Action = "session-initiate"
	SessionAccept    Action = "session-accept"
	SessionInfo      Action = "session-info"
	SessionTerminate Action = "session-terminate"
	TransportInfo    Action = "transport-info"
	SourceAdd        Action = "source-add"
	SourceRemove     Action = "source-remove"
)

// Message is one <jingle/> element.
type Message struct {
	Action    Action
	SID       string
	Initiator string // full JID; may be empty in what clients send
	Responder string

	Contents []Content
	Bundle   []string // names of the contents of the BUNDLE group (XEP-0338); nil for no group

	// Sources are gathered from all contents and from compact JSON alike;
	// the kind of each says which content it stands in. An owner is "" where
	// the message does not name one, as in everything clients send.
	Sources []source.Owned
	// JSON writes Sources as one compact <json-message/> instead of
	// <source/> elements. Only clients with the feature
	// http://jitsi.org/json-encoded-sources understand it.
	JSON bool

	InitialLastN *int           // from session-accept; nil when absent
	Reason       *Reason        // XEP-0166 §7.4
	Bridge       *BridgeSession // nil when absent
	ICEState     string         // legacy session-info: "failed"
	StartMuted   *StartMuted    // session-initiate; nil when absent
}

// Content is one media section of a session (XEP-0166 §7.3).
type Content struct {
	Name    string // "audio", "video", "data"
	Creator string // "initiator" or "responder"; may be empty in source-add
	Senders string // "both"; may be empty
	// Media is description@media: "audio", "video" or "application"; "" when
	// the content has no description.
	Media       string
	MaxPtime    int                // milliseconds; 0 when absent
	Description *media.Description // nil for "application" and when there is none
	RTCPMux     bool
	Transport   *media.Transport // nil when absent

	encoded []byte // by Encoded
}

// Reason says why a session ends.
type Reason struct {
	Condition string // "success", "expired", "connectivity-error", …
	Text      string
}

// BridgeSession ties a Jingle session to a stay on a bridge, so that a report
// about an earlier stay can be told from one about this.
type BridgeSession struct {
	ID         string
	Region     string
	Restart    bool // session-terminate: invite me again
	ICERestart bool // session-info: new ICE credentials, please
}

// StartMuted asks a joining client to start with its media muted.
type StartMuted struct{ Audio, Video bool }
