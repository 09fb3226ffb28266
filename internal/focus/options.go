package focus

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/focus/admission"
	"github.com/plenum-conf/plenum/internal/focus/placement"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Placement chooses bridges for conferences. Implementations are safe for use
// by several goroutines and do not block.
type Placement interface {
	// Place chooses a bridge for the meeting, near the region if that is not
	// empty. ok is false when no bridge can take it now.
	Place(meetingID, region string) (choice placement.Choice, ok bool)
}

// Options say how a focus works. Start from [DefaultOptions].
type Options struct {
	// Domain is the XMPP domain D of the deployment. The focus is
	// "focus.D" for conference requests and "focus@auth.D/focus" in rooms; it
	// serves rooms at "conference.D" and, for tenants, "conference.<tenant>.D".
	Domain string
	// BreakoutDomain is where breakout rooms are, "breakout.D" by default.
	// Nobody becomes owner of such a room by being first.
	BreakoutDomain string

	Router    xmpp.Router    // needed
	Bridge    colibri.Bridge // the one bridge; ignored when Placement is set
	Placement Placement      // nil for Bridge alone
	Log       *slog.Logger   // nil for none
	Metrics   prometheus.Registerer

	// MinParticipants is how many must be in a room before anybody is invited
	// to the bridge, 1 or more.
	MinParticipants int
	// InitialTimeout is how long a room may stay without participants before
	// the focus leaves it.
	InitialTimeout time.Duration
	// SingleParticipantTimeout is how long the last of several participants
	// keeps the session with the bridge.
	SingleParticipantTimeout time.Duration
	// AutoOwner makes the first participant owner of the room, and the next
	// one when no owner is left.
	AutoOwner bool

	// SourceSignalingDelays tells how long changes of sources are gathered
	// before receivers are told, by number of participants: the entry with
	// the largest key not above it counts; 0 when there is none.
	SourceSignalingDelays map[int]time.Duration
	// SSRCRewriting makes the bridge rewrite SSRCs for clients that can take
	// it. Those are never told of sources: the bridge tells them what each of
	// its SSRCs carries, so that a conference of any size costs them a bounded
	// number of m-lines.
	SSRCRewriting bool
	// RTPMIDDemux lets such clients find the m-line of a packet by its MID, if
	// they can.
	RTPMIDDemux bool
	// StripSimulcast hides all but the first encoding of simulcast from
	// receivers. Clients need it on.
	StripSimulcast bool
	// SourceLimits bound what one participant may send.
	SourceLimits source.Limits
	// MaxAudioSenders and MaxVideoSenders bound how many participants may be
	// unmuted at a time; 0 is unlimited.
	MaxAudioSenders, MaxVideoSenders int

	// VideoCodecs are the codecs that are offered, in this order: of "AV1",
	// "VP8", "H264", "VP9".
	VideoCodecs []string
	// OpusRED offers redundant audio (RFC 2198) to clients that know it.
	OpusRED bool
	// OpusDTX asks clients to pause audio while nobody talks (RFC 7587 §7.1.1,
	// usedtx).
	OpusDTX bool
	// SCTP offers a data channel beside the bridge channel's WebSocket. It
	// must be off when the bridge has no SCTP: clients prefer what is offered.
	SCTP bool

	// DiscoTimeout is how long a participant's capabilities are waited for
	// before the smallest set is assumed.
	DiscoTimeout time.Duration
	// BridgeTimeout bounds one request to a bridge.
	BridgeTimeout time.Duration
	// BridgeRetry is the pause after a bridge's first failure; it doubles
	// with each further one, up to BridgeRetryMax.
	BridgeRetry, BridgeRetryMax time.Duration
	// ICERestart lets participants ask for new ICE credentials within their
	// session.
	ICERestart bool
	// RestartInterval and RestartsPerMinute limit how often one participant
	// may ask for a new session, and likewise for an ICE restart.
	RestartInterval   time.Duration
	RestartsPerMinute int
	// Invites bound how many participants, of all conferences, are being
	// invited at a time.
	Invites admission.Limits

	// JoinTimeout is how long a conference request waits for the focus to
	// enter the room before it is answered with "not ready".
	JoinTimeout time.Duration
	// MaxConferences bounds the conferences of this focus, MaxEmpty those in
	// which nobody is yet: each costs a room for InitialTimeout. One client
	// address may have asked for MaxEmptyEach of them; 0: no limit.
	MaxConferences, MaxEmpty, MaxEmptyEach int
	// MaxCapabilities bounds the cache of client capabilities, in entries.
	MaxCapabilities int
}

// DefaultOptions returns what a small deployment wants; Domain, Router and
// Bridge are still to be set.
func DefaultOptions() Options {
	return Options{
		MinParticipants:          2,
		InitialTimeout:           15 * time.Second,
		SingleParticipantTimeout: 20 * time.Second,
		AutoOwner:                true,
		SourceSignalingDelays: map[int]time.Duration{
			0:   20 * time.Millisecond,
			10:  100 * time.Millisecond,
			50:  500 * time.Millisecond,
			100: time.Second,
		},
		StripSimulcast:    true,
		SourceLimits:      source.DefaultLimits,
		VideoCodecs:       []string{"AV1", "VP8", "H264", "VP9"},
		OpusDTX:           true,
		DiscoTimeout:      5 * time.Second,
		BridgeTimeout:     15 * time.Second,
		BridgeRetry:       time.Second,
		BridgeRetryMax:    30 * time.Second,
		ICERestart:        true,
		RestartInterval:   5 * time.Second,
		RestartsPerMinute: 5,
		Invites:           admission.DefaultLimits(),
		JoinTimeout:       10 * time.Second,
		MaxConferences:    10_000,
		MaxEmpty:          4_000,
		MaxEmptyEach:      100,
		MaxCapabilities:   1_000,
	}
}

// complete fills in what may be left out.
func (o *Options) complete() {
	if o.BreakoutDomain == "" {
		o.BreakoutDomain = "breakout." + o.Domain
	}
	if o.Placement == nil {
		o.Placement = placement.Single{Choice: placement.Choice{Bridge: o.Bridge, Name: "local"}}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MinParticipants = max(o.MinParticipants, 1)
}

// signalingDelay returns how long changes are gathered with n participants.
func (o *Options) signalingDelay(n int) time.Duration {
	best, delay := -1, time.Duration(0)
	for from, d := range o.SourceSignalingDelays {
		if from <= n && from > best {
			best, delay = from, d
		}
	}
	return delay
}
