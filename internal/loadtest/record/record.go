package record

import "time"

// Step is one step of joining.
type Step string

// The steps in the order in which they usually come. Not every participant
// takes each: without TLS there is no TLS step, a signalling-only participant
// ends with Room.
const (
	Config        Step = "config"          // config.js was read (once for all, told by each)
	Request       Step = "request"         // the conference request was answered
	DNS           Step = "dns"             // the name was resolved
	TCP           Step = "tcp"             // the connection was open
	TLS           Step = "tls"             // its TLS handshake was over
	WebSocket     Step = "websocket"       // it was upgraded
	Auth          Step = "auth"            // SASL, resource binding and stream management were done
	Room          Step = "room"            // the own presence came back
	Offer         Step = "offer"           // session-initiate came
	Accepted      Step = "accepted"        // session-accept was confirmed
	ICE           Step = "ice"             // a pair was valid
	DTLS          Step = "dtls"            // the handshake was over
	Channel       Step = "channel"         // the bridge channel was open
	FirstAudio    Step = "first audio"     // an audio packet of somebody came
	FirstKeyFrame Step = "first key frame" // a complete beginning of a picture came
)

// Steps lists all steps in their order.
func Steps() []Step {
	return []Step{Config, Request, DNS, TCP, TLS, WebSocket, Auth, Room, Offer, Accepted, ICE, DTLS, Channel, FirstAudio, FirstKeyFrame}
}

// StepTime says when a participant was through with a step.
type StepTime struct {
	Step Step          `json:"step"`
	At   time.Duration `json:"at"`   // since the participant began
	Took time.Duration `json:"took"` // since the step it had to wait for
}

// State says how far a participant is.
type State string

// The states. InCall means that ICE, DTLS and session-accept are done, or for
// a signalling-only participant that it is in the room.
const (
	Waiting State = "waiting" // its turn has not come
	Joining State = "joining"
	InRoom  State = "in room"
	InCall  State = "in call"
	Left    State = "left"
	Failed  State = "failed"
)

// MaxErrors is how many different errors a participant keeps.
const MaxErrors = 16

// Error is something that went wrong for a participant, or that its server
// did wrong.
type Error struct {
	At    time.Duration `json:"at"` // the first time, since the run began
	Step  Step          `json:"step,omitempty"`
	Cause string        `json:"cause"` // for people; the same text for the same cause
	Fatal bool          `json:"fatal"` // the participant could not go on
	Count int           `json:"count"`
}

// Participant is what one synthetic participant did and saw.
type Participant struct {
	Index    int    `json:"index"` // from 0
	Room     string `json:"room"`
	Name     string `json:"name"`
	Role     string `json:"role"`               // as in the plan
	Endpoint string `json:"endpoint"`           // 8 hex digits, "" until known
	Again    bool   `json:"again,omitempty"`    // it left before, and came back as this one
	Alone    bool   `json:"alone,omitempty"`    // it came into an empty room: its offer waits for somebody else to come
	NoMedia  bool   `json:"no_media,omitempty"` // it declines media
	State    State  `json:"state"`

	Began time.Duration `json:"began"` // since the run began
	Steps []StepTime    `json:"steps"`

	Errors      []Error `json:"errors,omitempty"`
	MoreErrors  int     `json:"more_errors,omitempty"` // different ones beyond MaxErrors
	Resumes     int     `json:"resumes"`               // streams resumed after a loss (XEP-0198)
	Rejoins     int     `json:"rejoins"`               // times it began anew after the session was lost
	Reinvites   int     `json:"reinvites"`             // further session-initiates
	ChannelLost int     `json:"channel_lost"`          // times the bridge channel had to be opened again

	// Listened is the time in which it should have received media, by what
	// others in its room sent, and Silent what of that nothing at all came in;
	// both in whole seconds of the run, since it had received something, or had
	// waited for that for some seconds.
	Listened time.Duration `json:"listened"`
	Silent   time.Duration `json:"silent"`

	Signalling Signalling `json:"signalling"`
	Media      *Media     `json:"media,omitempty"` // nil without media
}

// Signalling counts what came and went over the XMPP stream.
type Signalling struct {
	StanzasIn  uint64        `json:"stanzas_in"`
	StanzasOut uint64        `json:"stanzas_out"`
	BytesIn    uint64        `json:"bytes_in"`
	BytesOut   uint64        `json:"bytes_out"`
	Occupants  int           `json:"occupants"` // of the room now, the focus and itself included
	Ping       time.Duration `json:"ping"`      // the last ping's round trip
	KeepAlives int           `json:"keep_alives"`
	Malformed  int           `json:"malformed"` // frames that could not be read
	Ignored    int           `json:"ignored"`   // messages and features nobody here knows
}

// Media counts what came and went over UDP, and what the bridge said.
type Media struct {
	PacketsIn     uint64 `json:"packets_in"` // RTP, retransmissions included
	BytesIn       uint64 `json:"bytes_in"`   // UDP payload
	PacketsOut    uint64 `json:"packets_out"`
	BytesOut      uint64 `json:"bytes_out"`
	RTCPIn        uint64 `json:"rtcp_in"`
	RTCPOut       uint64 `json:"rtcp_out"`
	Opened        uint64 `json:"opened"`         // packets that were decrypted
	Unauthentic   uint64 `json:"unauthentic"`    // and were not what they should be
	Malformed     uint64 `json:"malformed"`      // RTP or RTCP that could not be read
	UnknownSSRC   uint64 `json:"unknown_ssrc"`   // packets of streams nobody announced
	UnknownType   uint64 `json:"unknown_type"`   // packets of payload types that were not offered
	EarlyPackets  uint64 `json:"early_packets"`  // before there were keys
	Padding       uint64 `json:"padding"`        // packets without payload
	Retransmitted uint64 `json:"retransmitted"`  // repetitions received, in streams of their own or not
	NacksOut      uint64 `json:"nacks_out"`      // packets asked for again
	NacksIn       uint64 `json:"nacks_in"`       // packets the server asked for again
	KeyFramesOut  uint64 `json:"key_frames_out"` // asked for
	KeyFramesIn   uint64 `json:"key_frames_in"`  // the server asked for

	Profile          string        `json:"profile"`           // SRTP
	ICERTT           time.Duration `json:"ice_rtt"`           // round trip of the checks
	UplinkEstimate   int64         `json:"uplink_estimate"`   // own, bit/s, 0 if none
	DownlinkEstimate int64         `json:"downlink_estimate"` // as the bridge says, bit/s, 0 if it does not
	ChannelKind      string        `json:"channel_kind"`      // "websocket", "sctp" or ""
	ChannelIn        uint64        `json:"channel_in"`        // messages
	ChannelOut       uint64        `json:"channel_out"`       //
	ChannelMalformed uint64        `json:"channel_malformed"` //
	DominantSpeaker  string        `json:"dominant_speaker"`  // the last one named
	SpeakerChanges   int           `json:"speaker_changes"`   //
	Forwarded        int           `json:"forwarded"`         // video sources being forwarded now
	ForwardedChanges int           `json:"forwarded_changes"` //
	Mapped           int           `json:"mapped"`            // SSRCs that rewriting has assigned
	Spoke            time.Duration `json:"spoke"`             // by the speech model
	Late             uint64        `json:"late"`              // own packets sent over 20 ms too late, for want of time
	KernelDrops      uint64        `json:"kernel_drops"`      // datagrams lost in its own queue

	Delay   *Histogram `json:"delay,omitempty"` // sender to receiver, of what was decrypted
	Streams []Stream   `json:"streams"`         // received
	Sending []Sending  `json:"sending"`
}

// Stream is one stream as it was received.
type Stream struct {
	SSRC       uint32        `json:"ssrc"`
	Kind       string        `json:"kind"`   // "audio" or "video"
	Source     string        `json:"source"` // name, "" if not announced; the last one with SSRC rewriting
	Codec      string        `json:"codec"`
	Desktop    bool          `json:"desktop,omitempty"`
	Packets    uint64        `json:"packets"`
	Bytes      uint64        `json:"bytes"`     // of payload
	Expected   uint64        `json:"expected"`  // by sequence numbers
	Lost       int64         `json:"lost"`      // never came, not even as a repetition
	Recovered  uint64        `json:"recovered"` // came as a repetition
	Duplicates uint64        `json:"duplicates"`
	Jitter     time.Duration `json:"jitter"`
	Frames     uint64        `json:"frames"`
	KeyFrames  uint64        `json:"key_frames"` // among what was decrypted
	Height     int           `json:"height"`     // of the last picture known, 0 if unknown
	Switches   int           `json:"switches"`   // changes of Height
	Freezes    int           `json:"freezes"`    // gaps in a video that should move: of 200 ms, or three of its sender's intervals
	Frozen     time.Duration `json:"frozen"`     // their sum
	LongestGap time.Duration `json:"longest_gap"`
	Bitrate    int64         `json:"bitrate"` // last second, bit/s of payload
}

// Sending is one encoding as it was sent.
type Sending struct {
	SSRC      uint32 `json:"ssrc"`
	Source    string `json:"source"`
	Codec     string `json:"codec"`
	Height    int    `json:"height"` // 0 for audio
	Active    bool   `json:"active"`
	Limit     int    `json:"limit"` // height the bridge wants at most, -1 for any
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"` // of payload
	Repeated  uint64 `json:"repeated"`
	KeyFrames uint64 `json:"key_frames"`
}

// Second is the state of the whole run at the end of a second.
type Second struct {
	At           time.Duration `json:"at"` // since the run began
	Began        int           `json:"began"`
	InRoom       int           `json:"in_room"` // in a room at least
	InCall       int           `json:"in_call"`
	Failed       int           `json:"failed"`
	Left         int           `json:"left"`
	WorstJoin    time.Duration `json:"worst_join"`  // the longest that anybody took to get into the call so far
	PacketsIn    uint64        `json:"packets_in"`  // in this second
	PacketsOut   uint64        `json:"packets_out"` //
	BitsIn       uint64        `json:"bits_in"`     // UDP payload
	BitsOut      uint64        `json:"bits_out"`
	Lost         int64         `json:"lost"` // in this second; a repetition that comes later gives back
	Freezes      int           `json:"freezes"`
	Listening    int           `json:"listening"` // participants that should have received media in this second
	Silent       int           `json:"silent"`    // and of these, who received nothing at all
	DelayP50     time.Duration `json:"delay_p50"` // of this second's packets
	DelayP99     time.Duration `json:"delay_p99"`
	StanzasIn    uint64        `json:"stanzas_in"`
	StanzasOut   uint64        `json:"stanzas_out"`
	Resumes      int           `json:"resumes"`
	Errors       int           `json:"errors"`        // in this second
	CPU          float64       `json:"cpu"`           // cores used by the generator
	BusiestShare float64       `json:"busiest_share"` // of a second that the busiest media worker worked
	Late         uint64        `json:"late"`          // packets the generator sent too late
	KernelDrops  uint64        `json:"kernel_drops"`  // datagrams lost in the generator's own queues
}

// Machine is what the generator itself needed, or one of several machines.
type Machine struct {
	Name         string        `json:"name,omitempty"`         // where it is, of several
	Participants int           `json:"participants,omitempty"` // of the plan that are its, of several
	Lost         string        `json:"lost,omitempty"`         // why it could not tell to the end; "" if it did
	Cores        int           `json:"cores"`                  // that it may use
	CPU          time.Duration `json:"cpu"`                    // user and system
	PeakMemory   uint64        `json:"peak_memory"`            // bytes resident
	// Limited says in plain words why the generator, not the server, may have
	// been what limited the result; empty if it was not.
	Limited []string `json:"limited,omitempty"`
}

// Report is everything about one run.
type Report struct {
	Target   string        `json:"target"`
	Began    time.Time     `json:"began"`
	Duration time.Duration `json:"duration"`
	Plan     any           `json:"plan"` // as it was carried out
	Machine  Machine       `json:"machine"`
	// Machines are those that shared the plan; none if it was one. Machine is
	// all of them together then.
	Machines     []Machine     `json:"machines,omitempty"`
	Server       *Server       `json:"server,omitempty"`
	Participants []Participant `json:"participants"`
	Seconds      []Second      `json:"seconds"`
	// Error is why the run as a whole could not be done, "" if it could.
	Error string `json:"error,omitempty"`
}

// Server is what the server needed, if it can be known.
type Server struct {
	Source  string         `json:"source"` // where it was learnt: a URL without secrets, or a process
	Samples []ServerSample `json:"samples"`
	Error   string         `json:"error,omitempty"` // why some are missing
}

// ServerSample is one look at the server.
type ServerSample struct {
	At       time.Duration      `json:"at"`                 // since the run began
	CPU      float64            `json:"cpu"`                // cores used since the look before
	Memory   uint64             `json:"memory"`             // bytes resident, 0 if unknown
	Counters map[string]float64 `json:"counters,omitempty"` // what else it says about itself, by name
}
