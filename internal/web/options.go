package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Options is what the web role needs to know. The zero value is not usable:
// start from [DefaultOptions] and set Domain.
type Options struct {
	// Domain is the XMPP domain, `hosts.domain` of config.js. Required.
	Domain string
	// PublicURL is the address under which browsers reach this server, for
	// example "https://meet.example". Only scheme and host are allowed. When
	// empty, addresses in config.js are made from the request's Host header.
	PublicURL string
	// FocusUserJID is the bare JID of the focus's user. Default "focus@auth.<Domain>".
	FocusUserJID string
	// FocusAddress is where conference requests go as IQs. Default "focus.<Domain>".
	FocusAddress string
	// NoPages leaves out the web client: only the doors to the other roles,
	// config.js and the health check remain.
	NoPages bool
	// TrustedProxies lists the networks whose X-Forwarded-Proto and X-Forwarded-For headers are
	// believed. Default: loopback.
	TrustedProxies []netip.Prefix
	// Shard, when set, is sent as X-Jitsi-Shard on the keepalive addresses;
	// clients reload when it changes under them.
	Shard string
	// Handlers are the doors to other roles.
	Handlers Handlers
	// Health says whether this server can take participants. It is asked on
	// every GET of /about/health with a deadline of two seconds. Nil means
	// always healthy.
	Health func(ctx context.Context) error
	// Log takes what goes wrong. Default: slog.Default().
	Log *slog.Logger
	// Client is what config.js tells clients to do.
	Client ClientOptions
}

// Handlers are the HTTP handlers of other roles. A nil handler answers 404
// and its address is left out of config.js.
type Handlers struct {
	// Signal serves XMPP over WebSocket (RFC 7395) and the keepalive GET. It
	// always sees the path /xmpp-websocket; the tenant is the query parameter
	// "prefix", which requests cannot set themselves.
	Signal http.Handler
	// BOSH serves /http-bind in the same manner (XEP-0206).
	BOSH http.Handler
	// ConferenceRequest serves POST and OPTIONS of /conference-request/v1; the
	// tenant is the query parameter "prefix".
	ConferenceRequest http.Handler
	// ColibriWS serves /colibri-ws/…, the bridge channel. It sees the path as
	// it was requested.
	ColibriWS http.Handler
}

// ClientOptions are the choices that config.js makes for all clients.
type ClientOptions struct {
	// P2P lets two participants send media to each other directly. They then
	// show each other their addresses. Default false.
	P2P bool
	// ICERestart lets clients whose ICE has failed restart it within their
	// session; the focus must allow it.
	ICERestart bool
	// PreferSCTP makes stock clients use a data channel as bridge channel when
	// the offer has one. Default false: the WebSocket can reconnect, a data
	// channel cannot.
	PreferSCTP bool
	// SSRCRewriting makes stock clients say that they take source maps of the
	// bridge instead of sources. It should be what the focus does. Default false.
	SSRCRewriting bool
	// RTPMIDDemux makes those that can say, besides, that they find m-lines by
	// MID. It should be what the focus does. Default false.
	RTPMIDDemux bool
	// Codecs is the order of preference for video on desktop clients, of
	// "VP8", "VP9", "AV1" and "H264". What is not listed is not advertised.
	Codecs []string
	// MobileCodecs is the same for phones and tablets.
	MobileCodecs []string
	// Resolution is the height of camera pictures to ask for, in pixels.
	Resolution int
	// ChannelLastN is how many videos a client asks to receive; -1 is no limit.
	ChannelLastN int
	// StartAudioMuted and StartVideoMuted are the numbers of participants
	// after which newcomers join muted; -1 is never.
	StartAudioMuted, StartVideoMuted int
	// KeepAlive is how often clients make a plain GET beside the WebSocket, so
	// that load balancers see them. Negative switches it off.
	KeepAlive time.Duration
}

// DefaultOptions returns options that lack only Domain.
func DefaultOptions() Options {
	return Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Client: ClientOptions{
			Codecs:          []string{"VP8", "VP9", "H264", "AV1"},
			MobileCodecs:    []string{"VP8", "H264", "VP9", "AV1"},
			Resolution:      720,
			ChannelLastN:    -1,
			StartAudioMuted: -1,
			StartVideoMuted: -1,
			KeepAlive:       time.Minute,
		},
	}
}

// Validate reports the first thing that is wrong with o.
func (o *Options) Validate() error {
	if o.Domain == "" {
		return errors.New("web: domain is empty")
	}
	if !validHost(o.Domain) {
		return fmt.Errorf("web: domain %q is not a host name", o.Domain)
	}
	if err := checkPublicURL(o.PublicURL); err != nil {
		return err
	}
	return checkCodecs(append(append([]string(nil), o.Client.Codecs...), o.Client.MobileCodecs...))
}

func checkPublicURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("web: public URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("web: public URL %q must start with http:// or https://", s)
	}
	if !validHost(u.Host) || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return fmt.Errorf("web: public URL %q may have only a scheme and a host", s)
	}
	return nil
}

func checkCodecs(names []string) error {
	for _, name := range names {
		switch name {
		case "VP8", "VP9", "AV1", "H264":
		default:
			return fmt.Errorf("web: unknown video codec %q", name)
		}
	}
	return nil
}

// withDefaults fills what was left empty.
func (o Options) withDefaults() Options {
	if o.FocusUserJID == "" {
		o.FocusUserJID = "focus@auth." + o.Domain
	}
	if o.FocusAddress == "" {
		o.FocusAddress = "focus." + o.Domain
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}
