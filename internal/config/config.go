package config

import (
	"crypto/tls"
	"fmt"
	"time"
)

// Config is everything an operator can set. The yaml tag is the key, the doc
// tag is its documentation (the first sentence says what it is; units and
// ranges follow).
type Config struct {
	Domain    string   `yaml:"domain" doc:"The XMPP domain, which is also the name people type into their browser. Its rooms live at conference.<domain>."`
	PublicURL string   `yaml:"public-url" doc:"The URL under which browsers reach this server, such as https://meet.example.org. Empty: made from the domain and the HTTP address."`
	Roles     []string `yaml:"roles" doc:"The parts of the system this process runs: signal, focus, bridge, web. All of them by default. The only other choice yet is signal alone: an XMPP server without media, whose rooms anybody may open."`

	HTTP   HTTP   `yaml:"http" doc:"The public listener: web client, signalling and bridge channels."`
	Media  Media  `yaml:"media" doc:"Audio and video: one UDP port for everybody."`
	Admin  Admin  `yaml:"admin" doc:"Health, metrics and debugging, on a listener of their own."`
	Signal Signal `yaml:"signal" doc:"XMPP sessions and rooms."`
	Focus  Focus  `yaml:"focus" doc:"Conferences: who is invited, what is offered."`
	Web    Web    `yaml:"web" doc:"What the web client is told."`
	Log    Log    `yaml:"log" doc:"Logging, to standard error."`
}

// HTTP configures the public listener.
type HTTP struct {
	Listen         string   `yaml:"listen" doc:"Address and port of the public HTTP listener. Browsers grant camera and microphone only on https or on localhost."`
	Certificate    string   `yaml:"certificate" doc:"File with the TLS certificate chain in PEM. With it and the key the listener speaks HTTPS; without, plain HTTP for localhost or behind a proxy that terminates TLS."`
	Key            string   `yaml:"key" doc:"File with the private key of the certificate, in PEM."`
	TrustedProxies []string `yaml:"trusted-proxies" doc:"Address ranges whose X-Forwarded-Proto and X-Forwarded-For headers are believed."`
}

// Pair loads the certificate with its key, nil if there is none. The error
// names the settings and the file.
func (h *HTTP) Pair() (*tls.Certificate, error) {
	if h.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(h.Certificate, h.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the TLS certificate (http.certificate, http.key): %w", err)
	}
	return &pair, nil
}

// Media configures the UDP side.
type Media struct {
	Listen    string   `yaml:"listen" doc:"Address and UDP port for media of all participants. An empty address means all of this machine's."`
	Advertise []string `yaml:"advertise" doc:"Public addresses of this machine that clients are offered besides its own, for example behind NAT: an IP, or IP:port when the port differs too."`

	Loudest     Loudest     `yaml:"loudest" doc:"Whose audio is forwarded in large conferences. Many open microphones cost the server, and everybody's connection, as much as few."`
	LastNLimits map[int]int `yaml:"conference-last-n-limits" doc:"Number of participants from which on -> videos that anybody is sent at once; the entry with the greatest number that is reached counts, together with what a participant asks for. -1 is no limit. Empty: no limit in conferences of any size. Example: {20: 20, 50: 10, 90: 2}."`
}

// Loudest configures whose audio is forwarded.
type Loudest struct {
	Above    int `yaml:"above" doc:"Number of audio sources in a conference, muted ones included, up to which all of them are forwarded. 0 to 100000."`
	Speakers int `yaml:"speakers" doc:"How many of them are forwarded at a time in larger conferences: those who talk, and of these the loudest. Whoever begins to speak is heard from the first word on. 0 forwards all in conferences of any size. 0 to 100."`
}

// Admin configures the operator's listener.
type Admin struct {
	Listen string `yaml:"listen" doc:"Address and port of the admin listener. It has no login: keep it on loopback. Empty turns it off."`
}

// Signal configures XMPP.
type Signal struct {
	Hibernation     time.Duration `yaml:"hibernation" doc:"How long a participant whose connection broke keeps the seat and may resume. Clients give up after 65s, so more than 60s serves nobody. 1s to 5m."`
	MaxFrame        int           `yaml:"max-frame" doc:"Longest XMPP frame that is accepted, in bytes. 16384 to 1048576."`
	MaxSessionsEach int           `yaml:"max-sessions-per-address" doc:"How many of them one client address (for IPv6, one /64) may have; this machine itself may have all. Proxies must be in http.trusted-proxies, or all clients behind one count as one. 0 for no limit, to 1000000."`
	MaxSessions     int           `yaml:"max-sessions" doc:"Connections served at once; more are refused with HTTP 503. 1 to 1000000."`
	MaxOccupants    int           `yaml:"max-occupants" doc:"People in one room. 1 to 100000."`
	History         int           `yaml:"history" doc:"Chat messages a room remembers for newcomers. 0 to 1000."`
}

// Focus configures conferences.
type Focus struct {
	MinParticipants          int                   `yaml:"min-participants" doc:"Participants from which on media sessions are set up. 1 to 100."`
	SingleParticipantTimeout time.Duration         `yaml:"single-participant-timeout" doc:"How long the last one in a conference keeps the media session. 1s to 1h."`
	InitialTimeout           time.Duration         `yaml:"initial-timeout" doc:"How long a requested conference waits for its first participant. 1s to 10m."`
	SourceSignalingDelays    map[int]time.Duration `yaml:"source-signaling-delays" doc:"Number of participants from which on -> how long new and removed sources are gathered before others are told, in one message instead of many."`
	SSRCRewriting            bool                  `yaml:"ssrc-rewriting" doc:"Let the bridge send to clients that can take it under a bounded number of SSRCs, whatever the number of participants, and tell them itself what each carries. The focus tells such clients of no sources."`
	RTPMIDDemux              bool                  `yaml:"rtp-mid-demux" doc:"With SSRC rewriting, let clients that can (Chromium from 148 on) find the m-line of a packet by its MID, which every packet then carries, instead of by its SSRC."`
	Codecs                   []string              `yaml:"codecs" doc:"Video codecs offered to clients, in the order in which clients should prefer them: VP8, VP9, AV1, H264."`
	DataChannel              bool                  `yaml:"data-channel" doc:"Offer the bridge channel over SCTP as well as over WebSocket. Clients that prefer SCTP will use it."`
	OpusDTX                  bool                  `yaml:"opus-dtx" doc:"Ask clients to pause audio while there is nothing to hear: a microphone that is muted, or in a quiet room, then sends some five packets a second instead of fifty. Turn it off where very soft music matters."`
	ICERestart               bool                  `yaml:"ice-restart" doc:"Let clients whose network has changed keep their session and only find a new path to the bridge. Off: they get a new session."`
	AutoOwner                bool                  `yaml:"auto-owner" doc:"Make the first participant the moderator, and the next one when no moderator is left."`
}

// Web configures the static side.
type Web struct {
	P2P bool `yaml:"p2p" doc:"Let two participants exchange media directly instead of through the bridge while nobody else is there."`
}

// Log configures logging.
type Log struct {
	Level  string `yaml:"level" doc:"Least severe level that is written: trace, debug, info, warn, error. trace shows protocol exchanges, without message bodies and secrets."`
	Format string `yaml:"format" doc:"text for people, json for collectors."`
}

// Default returns the configuration that runs when nothing is set: everything
// on this machine, reachable from this machine.
func Default() Config {
	return Config{
		Domain: "localhost",
		Roles:  []string{"signal", "focus", "bridge", "web"},
		HTTP:   HTTP{Listen: "127.0.0.1:8080", TrustedProxies: []string{"127.0.0.0/8", "::1/128"}},
		Media:  Media{Listen: ":10000", Advertise: []string{}, Loudest: Loudest{Above: 20, Speakers: 5}, LastNLimits: map[int]int{}},
		Admin:  Admin{Listen: "127.0.0.1:8081"},
		Signal: Signal{Hibernation: time.Minute, MaxFrame: 256 << 10, MaxSessions: 20000, MaxSessionsEach: 2000, MaxOccupants: 2000, History: 20},
		Focus: Focus{
			MinParticipants: 2, SingleParticipantTimeout: 20 * time.Second, InitialTimeout: 15 * time.Second,
			SourceSignalingDelays: map[int]time.Duration{0: 20 * time.Millisecond, 10: 100 * time.Millisecond, 50: 500 * time.Millisecond, 100: time.Second},
			SSRCRewriting:         true, RTPMIDDemux: true,
			Codecs: []string{"VP8", "VP9", "AV1", "H264"}, DataChannel: true, OpusDTX: true, ICERestart: true, AutoOwner: true,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}
