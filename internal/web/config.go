package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// clientConfig is the object that config.js assigns to `config`. Names and
// meanings are those stock Jitsi clients read; what is absent keeps their
// default.
type clientConfig struct {
	Hosts                 hostsConfig    `json:"hosts"`
	FocusUserJID          string         `json:"focusUserJid"`
	WebSocket             string         `json:"websocket,omitempty"`
	BOSH                  string         `json:"bosh,omitempty"`
	WebSocketKeepAlive    int64          `json:"websocketKeepAlive"` // ms
	WebSocketKeepAliveURL string         `json:"websocketKeepAliveUrl"`
	ConferenceRequestURL  string         `json:"conferenceRequestUrl,omitempty"`
	Flags                 flagsConfig    `json:"flags"`
	BridgeChannel         channelConfig  `json:"bridgeChannel"`
	OpenBridgeChannel     string         `json:"openBridgeChannel"` // what older clients read
	P2P                   p2pConfig      `json:"p2p"`
	ICERestart            bool           `json:"enableIceRestart,omitempty"` // an explicit false would forbid older clients any restart
	VideoQuality          qualityConfig  `json:"videoQuality"`
	Resolution            int            `json:"resolution"`
	Constraints           map[string]any `json:"constraints"`
	ChannelLastN          int            `json:"channelLastN"`
	StartAudioMuted       *int           `json:"startAudioMuted,omitempty"`
	StartVideoMuted       *int           `json:"startVideoMuted,omitempty"`
	Analytics             struct{}       `json:"analytics"`
	NoThirdParties        bool           `json:"disableThirdPartyRequests"`
	PrejoinConfig         enabledConfig  `json:"prejoinConfig"`
	DeploymentInfo        *shardConfig   `json:"deploymentInfo,omitempty"`
}

type hostsConfig struct {
	Domain string `json:"domain"`
	MUC    string `json:"muc"`
	Focus  string `json:"focus"`
}

type flagsConfig struct {
	SSRCRewriting bool `json:"ssrcRewritingEnabled"`
	RTPMIDDemux   bool `json:"rtpMidDemuxEnabled"`
}

type channelConfig struct {
	PreferSCTP bool `json:"preferSctp"`
}

type p2pConfig struct {
	Enabled     bool     `json:"enabled"`
	STUNServers []string `json:"stunServers"` // never null: absent means an external server
}

type qualityConfig struct {
	Codecs       []string `json:"codecPreferenceOrder"`
	MobileCodecs []string `json:"mobileCodecPreferenceOrder"`
}

type enabledConfig struct {
	Enabled bool `json:"enabled"`
}

type shardConfig struct {
	Shard string `json:"shard"`
}

// clientConfig makes the configuration for one tenant ("" is none) of a
// server that is seen under o.
func (s *server) clientConfig(o origin, tenant string) clientConfig {
	opt := &s.opt
	base := tenantPath(tenant)
	c := clientConfig{
		Hosts:                 hostsConfig{Domain: opt.Domain, MUC: s.mucDomain(tenant), Focus: opt.FocusAddress},
		FocusUserJID:          opt.FocusUserJID,
		WebSocketKeepAlive:    keepAliveMillis(opt.Client.KeepAlive),
		WebSocketKeepAliveURL: o.http() + base + "_unlock",
		Flags:                 flagsConfig{SSRCRewriting: opt.Client.SSRCRewriting, RTPMIDDemux: opt.Client.RTPMIDDemux},
		BridgeChannel:         channelConfig{PreferSCTP: opt.Client.PreferSCTP},
		OpenBridgeChannel:     openBridgeChannel(opt.Client.PreferSCTP),
		P2P:                   p2pConfig{Enabled: opt.Client.P2P, STUNServers: []string{}},
		ICERestart:            opt.Client.ICERestart,
		VideoQuality:          qualityConfig{Codecs: nonNil(opt.Client.Codecs), MobileCodecs: nonNil(opt.Client.MobileCodecs)},
		Resolution:            opt.Client.Resolution,
		Constraints:           videoConstraints(opt.Client.Resolution),
		ChannelLastN:          opt.Client.ChannelLastN,
		StartAudioMuted:       unlessNegative(opt.Client.StartAudioMuted),
		StartVideoMuted:       unlessNegative(opt.Client.StartVideoMuted),
		NoThirdParties:        true,
		PrejoinConfig:         enabledConfig{Enabled: true},
	}
	if opt.Handlers.Signal != nil {
		c.WebSocket = o.ws() + base + "xmpp-websocket"
	}
	if opt.Handlers.BOSH != nil {
		c.BOSH = o.http() + base + "http-bind"
	}
	if opt.Handlers.ConferenceRequest != nil {
		c.ConferenceRequestURL = o.http() + base + "conference-request/v1"
	}
	if opt.Shard != "" {
		c.DeploymentInfo = &shardConfig{Shard: opt.Shard}
	}
	return c
}

// mucDomain is where the rooms of a tenant live.
func (s *server) mucDomain(tenant string) string {
	if tenant == "" {
		return "conference." + s.opt.Domain
	}
	return "conference." + tenantDomainPart(tenant) + "." + s.opt.Domain
}

// tenantPath is the path of a tenant's directory, with slashes on both sides.
func tenantPath(tenant string) string {
	if tenant == "" {
		return "/"
	}
	return "/" + url.PathEscape(tenant) + "/"
}

func keepAliveMillis(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

func openBridgeChannel(sctp bool) string {
	if sctp {
		return "datachannel"
	}
	return "websocket"
}

func unlessNegative(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func videoConstraints(height int) map[string]any {
	return map[string]any{"video": map[string]any{"height": map[string]int{"ideal": height, "max": height, "min": 180}}}
}

// assignment writes `var name = value;` with value as JSON. encoding/json
// escapes <, >, & and the two line separators, so the text cannot leave a
// string literal or a script element.
func assignment(name string, value any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("var " + name + " = ")
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - 1)
	b.WriteString(";\n")
	return b.Bytes(), nil
}

// interfaceConfig is the little that stock clients still want of
// interface_config.js.
type interfaceConfig struct {
	AppName            string `json:"APP_NAME"`
	ShowJitsiWatermark bool   `json:"SHOW_JITSI_WATERMARK"`
	ShowPromoBanner    bool   `json:"SHOW_PROMOTIONAL_CLOSE_PAGE"`
}

func (s *server) serveConfig(w http.ResponseWriter, r *http.Request, rt route) {
	s.serveScript(w, r, "config", s.clientConfig(s.originOf(r), rt.tenant))
}

func (s *server) serveInterfaceConfig(w http.ResponseWriter, r *http.Request, _ route) {
	s.serveScript(w, r, "interfaceConfig", interfaceConfig{AppName: "plenum"})
}

func (s *server) serveScript(w http.ResponseWriter, r *http.Request, name string, value any) {
	body, err := assignment(name, value)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// Other origins embed meetings and read this as a script or by fetch.
	h.Set("Access-Control-Allow-Origin", "*")
	writeBody(w, r, http.StatusOK, body)
}
