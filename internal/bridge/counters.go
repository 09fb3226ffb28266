package bridge

import "sync/atomic"

// counter names one thing a worker counts.
type counter uint8

// What workers count. Every reason for dropping something has its own.
const (
	cPacketsIn counter = iota
	cBytesIn
	cPacketsOut
	cBytesOut
	cHandedOver
	cLent
	cAudioForwarded
	cAudioOnset
	cVideoForwarded
	cRetransmitted
	cKeyFrameRequests
	cTurns
	cTransportFeedback
	cPadding
	cDecisions
	cLayersLowered
	cLayersRaised
	cEndpointsCreated
	cICERestarts
	cICERestarted
	dropStranger
	dropUnknownKind
	dropHandover
	dropMailbox
	dropBadSTUN
	dropNoKeys
	dropAuth
	dropReplay
	dropMalformed
	dropUnsignalled
	dropDuplicate
	dropMuted
	dropVisitor
	dropSilence
	dropQuiet
	dropLate
	dropStale
	dropStaleAudio
	dropPadding
	dropSeal
	dropSend
	dropOutlet
	dropHistory
	dropRetransmitLimit
	dropKeyFrameLimit
	dropNoSlot
	dropUntold
	dropChannelBusy
	dropChannelMessage
	dropChannelRate
	dropChannelOutbox
	dropStaleTransport
	numCounters
)

var counterNames = [numCounters]struct{ name, help string }{
	cPacketsIn:          {"packets_received", "UDP datagrams received"},
	cBytesIn:            {"bytes_received", "bytes of UDP payload received"},
	cPacketsOut:         {"packets_sent", "UDP datagrams sent"},
	cBytesOut:           {"bytes_sent", "bytes of UDP payload sent"},
	cHandedOver:         {"packets_handed_over", "datagrams that arrived at another worker's socket"},
	cLent:               {"packets_lent", "packets given to another worker to be sealed and sent, because it is less busy"},
	cAudioForwarded:     {"audio_packets_forwarded", "audio packets forwarded, counted once a receiver"},
	cAudioOnset:         {"audio_onsets", "audio packets sent late because a word turned out to begin in them"},
	cVideoForwarded:     {"video_packets_forwarded", "video packets forwarded, counted once a receiver"},
	cRetransmitted:      {"packets_retransmitted", "packets sent again as RTX"},
	cKeyFrameRequests:   {"key_frame_requests", "PLI sent to senders"},
	cTurns:              {"turns", "turns of the worker loop"},
	cTransportFeedback:  {"transport_feedback", "transport-wide feedback messages from receivers"},
	cPadding:            {"padding_packets", "packets sent to find out whether there is more bandwidth"},
	cDecisions:          {"video_decisions", "decisions about which videos somebody is sent, and how large"},
	cLayersLowered:      {"layers_lowered", "videos made smaller or taken away for lack of bandwidth"},
	cLayersRaised:       {"layers_raised", "videos made larger or brought back, asked for as before"},
	cEndpointsCreated:   {"endpoints_created", "endpoints that were added to a conference"},
	cICERestarts:        {"ice_restarts", "ICE restarts in place that were begun"},
	cICERestarted:       {"ice_restarts_done", "ICE restarts in place that have moved media to their path"},
	dropStranger:        {"dropped_stranger", "datagrams from addresses no peer has proved to hold"},
	dropUnknownKind:     {"dropped_unknown_kind", "datagrams that are neither STUN, DTLS, RTP nor RTCP"},
	dropHandover:        {"dropped_handover", "datagrams the owning worker had no room or time for"},
	dropMailbox:         {"dropped_mailbox", "events a full mailbox refused"},
	dropBadSTUN:         {"dropped_stun", "STUN messages refused"},
	dropNoKeys:          {"dropped_no_keys", "SRTP before the DTLS handshake was complete"},
	dropAuth:            {"dropped_authentication", "SRTP whose authentication failed"},
	dropReplay:          {"dropped_replay", "SRTP that had been seen before or was too old"},
	dropMalformed:       {"dropped_malformed", "RTP or RTCP that could not be parsed"},
	dropUnsignalled:     {"dropped_unsignalled", "RTP of an SSRC the endpoint did not signal"},
	dropDuplicate:       {"dropped_duplicate", "media packets that had arrived already"},
	dropMuted:           {"dropped_muted", "media silenced by a moderator"},
	dropVisitor:         {"dropped_visitor", "media sent by a visitor"},
	dropSilence:         {"dropped_silence", "audio packets that held silence"},
	dropQuiet:           {"dropped_not_loudest", "audio packets of those who are not among the loudest of a large conference"},
	dropLate:            {"dropped_late_audio", "audio packets that came after what followed them had been left out"},
	dropStale:           {"dropped_stale_video", "video packets that waited in the socket for so long that they were of no use"},
	dropStaleAudio:      {"dropped_stale_audio", "audio packets that waited in the socket for long, while there was too much for all of it"},
	dropPadding:         {"dropped_padding", "packets without payload"},
	dropSeal:            {"dropped_seal", "packets that could not be encrypted"},
	dropSend:            {"dropped_send", "datagrams the kernel did not take"},
	dropOutlet:          {"dropped_outlet", "packets that the worker which was to send them had no room for"},
	dropHistory:         {"dropped_history", "retransmissions asked for packets no longer held"},
	dropRetransmitLimit: {"dropped_retransmit_limit", "retransmissions asked for again within a round trip"},
	dropKeyFrameLimit:   {"dropped_key_frame_limit", "key frame requests of receivers that ask too often"},
	dropNoSlot:          {"dropped_no_slot", "audio packets to receivers whose SSRCs all carry others"},
	dropUntold:          {"dropped_untold", "audio packets to receivers that do not know yet whose they are"},
	dropChannelBusy:     {"dropped_channel_busy", "bridge channel messages of an endpoint with too many waiting"},
	dropChannelMessage:  {"dropped_channel_message", "bridge channel messages that were not understood or allowed"},
	dropChannelRate:     {"dropped_channel_rate", "bridge channel messages of an endpoint that sends too many"},
	dropChannelOutbox:   {"dropped_channel_outbox", "bridge channel messages that a slow client had no room for"},
	dropStaleTransport:  {"dropped_stale_transport", "ICE credentials of clients that belong to no present restart"},
}

// counters belongs to one worker; shared is the copy others may read.
type counters struct {
	own    [numCounters]uint64
	shared [numCounters]atomic.Uint64
}

func (c *counters) add(i counter, n uint64) { c.own[i] += n }
func (c *counters) inc(i counter)           { c.own[i]++ }

// publish copies what changed. The worker calls it at the end of each turn, so
// that what is read belongs to the same moment as CPU time and the counters of
// the socket; of some sixty a turn changes a few, and only stores are dear.
func (c *counters) publish() {
	for i := range c.own {
		if c.shared[i].Load() != c.own[i] {
			c.shared[i].Store(c.own[i])
		}
	}
}

// snapshot returns the last published values. Any goroutine may call it.
func (c *counters) snapshot() (out [numCounters]uint64) {
	for i := range out {
		out[i] = c.shared[i].Load()
	}
	return out
}
