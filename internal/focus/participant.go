package focus

import (
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// stage is how far a participant has come on its way to the bridge.
type stage uint8

const (
	idle       stage = iota // not invited, or to be invited again
	asking                  // its capabilities are being asked for
	allocating              // the bridge is preparing its endpoint
	offered                 // session-initiate is out
	joined                  // session-accept has been answered
	waiting                 // to be invited as soon as the server has time
	away                    // it ended its session itself and is still in the room
)

// String names the stage for the debug tree.
func (s stage) String() string {
	return [...]string{"idle", "asking", "allocating", "offered", "joined", "waiting", "away", "?"}[s&7]
}

// participant is somebody in a conference.
type participant struct {
	nick     string // the endpoint id
	occupant string // occupant JID as text
	pres     presence
	order    uint64 // of arrival

	known    bool // features are
	features features

	stage stage
	// gen changes whenever a running invitation becomes pointless; answers
	// that carry an older one are ignored.
	gen                    int
	ticket                 string // for the lobby, "" for none
	session                jingle.Session
	offerID                string // of the IQ that carries the offer
	endpoint               bool   // the bridge has, or is about to have, its endpoint
	mute                   colibri.ForceMute
	sendsAudio, sendsVideo bool // unmuted; only kept up when senders are limited

	crowned bool       // has been made owner once; taking it away again is the room's business
	told    source.Map // what it has been told of the others
	heard   time.Time  // when it was last told of anything new

	restarts, iceRestarts rateLimit
	iceGeneration         int // of the latest ICE restart in this session
	failures              int // of invitations in a row
	lastFail              time.Time
	retry                 *timer // a later invitation, nil when none is due
}

func (p *participant) moderator() bool { return p.pres.role == "moderator" }

func (p *participant) owner() bool { return p.pres.affiliation == "owner" }

func (p *participant) visitor() bool { return p.pres.role == "visitor" }

// eligible reports whether it may become owner by being there.
func (p *participant) eligible() bool {
	return !p.pres.service && !p.visitor() && !p.pres.jid.IsZero() && p.pres.affiliation != "outcast"
}

// address returns the participant's occupant JID.
func (c *conference) address(nick string) xmpp.JID { return c.room.WithResource(nick) }

// rateLimit bounds how often something may happen: a pause between two times,
// and a number a minute.
type rateLimit struct{ times []time.Time }

// allow books one time, or says no.
func (r *rateLimit) allow(now time.Time, pause time.Duration, perMinute int) bool {
	recent := r.times[:0]
	for _, t := range r.times {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	r.times = recent
	if n := len(recent); n > 0 && (now.Sub(recent[n-1]) < pause || n >= perMinute) {
		return false
	}
	r.times = append(r.times, now)
	return true
}
