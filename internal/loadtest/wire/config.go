package wire

import (
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
)

// Config says who a client is and how it behaves.
type Config struct {
	Domain       string // to log in at: hosts.anonymousdomain or hosts.domain
	Main         string // hosts.domain, asked for its features; "" is Domain
	MUC          string // where rooms live
	Focus        string // address of the focus, for requests by IQ
	FocusUser    string // bare JID of the focus as config.js names it; may be empty
	Room         string // name of the room, in lower case
	Nick         string // what people read
	User         string // with Password: SASL PLAIN instead of ANONYMOUS
	Password     string
	RoomPassword string
	Token        string // JWT, sent in a request by IQ
	MachineID    string

	// RequestByIQ makes the client ask the focus for the conference over the
	// stream. Otherwise somebody has asked over HTTP before.
	RequestByIQ bool

	Codecs      []string // published, in lower case
	AudioMuted  bool
	VideoMuted  bool
	NoAudio     bool // there is no microphone at all
	NoVideo     bool
	Screen      bool // there is a screen share as well
	Rewriting   bool // advertise SSRC rewriting
	Signalling  bool // refuse media: answer no Jingle
	Resume      bool // ask for a resumable stream
	PingEvery   time.Duration
	EndpointID  string // 8 hex digits, used when the server's user name is no hex
	JingleLimit jingle.Limits
}

// Limits of what a client keeps.
const (
	MaxOccupants = 10_000
	MaxUnacked   = 1_000
	// requestTimeout is how long a client waits for the result of an IQ.
	requestTimeout = 10 * time.Second
	pingTimeout    = 5 * time.Second
	pingTries      = 2
	ackEvery       = 5 // stanzas between two requests for acknowledgement
)

// features are what a web client tells about itself; see New for those that
// depend on the configuration.
var features = []string{
	"urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle:transports:ice-udp:1", "urn:xmpp:jingle:apps:dtls:0",
	"urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video", "urn:xmpp:jingle:transports:dtls-sctp:1",
	"http://jitsi.org/json-encoded-sources", "urn:ietf:rfc:4588", "http://jitsi.org/remb", "http://jitsi.org/tcc",
	"http://jitsi.org/source-name", "http://jitsi.org/receive-multiple-video-streams", "http://jitsi.org/visitors-1",
	"http://jitsi.org/start-muted-room-metadata", "urn:xmpp:rayo:client:1",
}

const (
	rewritingFeature = "http://jitsi.org/ssrc-rewriting-1"
	capsNode         = "https://jitsi.org/jitsi-meet"
)
