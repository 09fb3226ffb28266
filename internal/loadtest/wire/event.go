package wire

import (
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/source"
)

// EventKind says what happened.
type EventKind uint8

// What can happen.
const (
	Ready      EventKind = iota + 1 // logged in; Text is the full JID
	Resumed                         // the lost stream goes on
	Refused                         // the lost stream is not resumed: begin Anew on another connection; Text is the cause
	Requested                       // the focus has made the conference
	Joined                          // the own presence came back
	Offered                         // Jingle: session-initiate; answer with Accept
	Accepted                        // the answer was confirmed
	Added                           // Jingle: Sources are new
	Removed                         // Jingle: Sources are gone
	Terminated                      // Jingle: the session ended; Text is the reason
	Presence                        // an occupant's sources: Owner, Text is its SourceInfo
	Gone                            // an occupant left: Owner
	Pong                            // Took is a ping's round trip
	Mute                            // a moderator mutes: Text is "audio", "video" or "desktop"
	Trouble                         // something is wrong and the client goes on
	Broken                          // the client cannot go on with this stream; it may resume
	Fatal                           // the client cannot go on at all
)

// Event is one thing that happened.
type Event struct {
	Kind    EventKind
	Text    string // the cause of Trouble, Broken and Fatal, for people
	Owner   string
	Message *jingle.Message
	Sources []source.Owned
	Took    time.Duration
	Retry   time.Duration // Fatal: worth another attempt after this long, 0 if not
}
