package signal

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Options configures a Server. Start from DefaultOptions: a zero duration or
// size is used as it is and means "at once" or "nothing".
type Options struct {
	// Domain is the XMPP domain. Rooms live at conference.<Domain>, the focus
	// answers at focus.<Domain> and logs in as focus@auth.<Domain>.
	Domain string

	// Hibernation is how long a session whose socket broke keeps its seat and
	// may be resumed. Jitsi clients assume no more than 65 s.
	Hibernation time.Duration
	// Negotiation is how long a client may take from connecting to binding.
	Negotiation time.Duration
	// PingEvery is the interval of WebSocket pings, ReadTimeout how long a
	// socket may be silent before it counts as dead, WriteTimeout how long one
	// write may take.
	PingEvery, ReadTimeout, WriteTimeout time.Duration

	// MaxFrame is the longest frame a client may send, in bytes.
	MaxFrame int
	// StanzaRate and ByteRate are how many frames, and bytes, a client may send
	// per second in the long run; four seconds' worth may come at once. A
	// client that sends more is read more slowly. 0: no limit.
	StanzaRate, ByteRate int
	// MaxSessions is how many connections are served at once, MaxSessionsEach
	// how many of one client address; 0: no limit.
	MaxSessions, MaxSessionsEach int
	// OutboxBytes is how much may wait to be written to one session. One more
	// such amount is kept while the session hibernates.
	OutboxBytes int
	// UnackedBytes and UnackedStanzas bound what was written but not yet
	// acknowledged. At the bound writing pauses until the client acknowledges.
	UnackedBytes, UnackedStanzas int
	// AckEvery is the number of unacknowledged stanzas above which the client
	// is asked to acknowledge.
	AckEvery int

	// AnyoneOpens lets the first who asks for a room open it and own it.
	// Otherwise only the focus opens rooms.
	AnyoneOpens bool
	// MaxRooms is how many rooms one session may be in at once: each keeps a
	// conference alive. 0: no limit.
	MaxRooms int
	// MaxOccupants and History are limits of every room: people in it, and
	// chat messages kept for newcomers.
	MaxOccupants, History int
	// MailboxEvents is how many events may wait for a room before its clients'
	// sockets are no longer read.
	MailboxEvents int
	// ParkTimeout is how long a join waits for the focus to create the room,
	// MaxParked how many joins may wait for one room, MaxExpected for how many
	// rooms the focus may be under way.
	ParkTimeout            time.Duration
	MaxParked, MaxExpected int

	// Shard, Region and Release are told to clients if not empty.
	Shard, Region, Release string
	// ExternalServices are the STUN and TURN servers clients are told about.
	ExternalServices []ExternalService
	// Services are the room services to run, each advertised to clients.
	Services []Service

	// Log receives events, without bodies and secrets. Nil: none.
	Log *slog.Logger
	// Metrics is where the server registers its metrics. Nil: nowhere.
	Metrics prometheus.Registerer
}

// DefaultOptions returns the options that suit a deployment at domain.
func DefaultOptions(domain string) Options {
	return Options{
		Domain:      domain,
		Hibernation: time.Minute, Negotiation: 30 * time.Second,
		PingEvery: 30 * time.Second, ReadTimeout: 75 * time.Second, WriteTimeout: 30 * time.Second,
		MaxFrame: xmpp.MaxFrame, StanzaRate: 100, ByteRate: 256 << 10, MaxSessions: 20000, MaxSessionsEach: 2000,
		OutboxBytes: 4 << 20, UnackedBytes: 4 << 20, UnackedStanzas: 8192, AckEvery: 5,
		MaxRooms: 64, MaxOccupants: 2000, History: 20, MailboxEvents: 1024,
		ParkTimeout: 15 * time.Second, MaxParked: 500, MaxExpected: 10000,
	}
}
