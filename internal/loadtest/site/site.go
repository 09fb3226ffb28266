package site

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"
)

// Site is what a client knows of a deployment.
type Site struct {
	Base      *url.URL // of the deployment, with the tenant's path and a slash at the end
	Domain    string   // hosts.domain
	Anonymous string   // hosts.anonymousdomain, "" if there is none
	MUC       string
	Focus     string // address for requests by IQ
	FocusUser string // bare JID, "" if config.js does not name it

	WebSocket string // ws or wss URL
	Request   string // conferenceRequestUrl, "" for requests by IQ
	KeepAlive string // URL of the keepalive GET; "" for none
	Every     time.Duration
	Bare      bool // an XMPP server without a focus: nobody is asked for a conference

	PreferSCTP bool // bridgeChannel.preferSctp
	Rewriting  bool // flags.ssrcRewritingEnabled
	LastN      int  // channelLastN, -1 for all
	Codecs     []string
}

// Guess is what a deployment at a URL has when it has no config.js: Jitsi's
// usual names.
func Guess(base *url.URL) *Site {
	b := *base
	if !strings.HasSuffix(b.Path, "/") {
		b.Path += "/"
	}
	b.RawQuery, b.Fragment = "", ""
	host := b.Hostname()
	return &Site{
		Base: &b, Domain: host, MUC: "conference." + host, Focus: "focus." + host,
		WebSocket: socket(&b, "xmpp-websocket"), Every: time.Minute, PreferSCTP: true, Rewriting: true, LastN: -1,
	}
}

// IsBare reports whether a URL is that of the WebSocket of an XMPP server,
// and not of a deployment.
func IsBare(u *url.URL) bool { return u.Scheme == "ws" || u.Scheme == "wss" }

// Bare is an XMPP server that has its WebSocket at ws and no config.js. An
// empty domain is the host of the URL, an empty muc conference.DOMAIN.
func Bare(ws *url.URL, domain, muc string) *Site {
	domain = cmp.Or(domain, ws.Hostname())
	return &Site{Base: ws, Domain: domain, MUC: strings.ToLower(cmp.Or(muc, "conference."+domain)), WebSocket: ws.String(), Bare: true, LastN: -1}
}

// Least is how many occupants a room has when one participant is in it: the
// focus is another.
func (s *Site) Least() int {
	if s.Bare {
		return 1
	}
	return 2
}

// Origin is what a page of the deployment sends as its origin (RFC 6454 §7).
func (s *Site) Origin() string {
	scheme := s.Base.Scheme
	if o := map[string]string{"ws": "http", "wss": "https"}[scheme]; o != "" {
		scheme = o
	}
	return scheme + "://" + s.Base.Host
}

// socket is a path below base as a WebSocket URL.
func socket(base *url.URL, path string) string {
	u := *base
	u.Scheme = map[string]string{"https": "wss"}[u.Scheme]
	if u.Scheme == "" {
		u.Scheme = "ws"
	}
	u.Path += path
	return u.String()
}

// ErrBOSH: the deployment has no WebSocket.
var ErrBOSH = errors.New("the deployment offers only BOSH (http-bind), no WebSocket")

// FromConfig makes a Site of what ReadConfig has read at base.
func FromConfig(base *url.URL, c Object) (*Site, error) {
	s := Guess(base)
	hosts := c.object("hosts")
	s.Domain = hosts.text("domain", s.Domain)
	s.Anonymous = hosts.text("anonymousdomain", "")
	s.MUC = strings.ToLower(hosts.text("muc", "conference."+s.Domain))
	s.Focus = hosts.text("focus", "focus."+s.Domain)
	s.FocusUser = c.text("focusUserJid", "")
	ws := c.text("websocket", "")
	if ws == "" && c.text("bosh", "") != "" {
		return nil, ErrBOSH
	}
	var err error
	if ws != "" {
		if s.WebSocket, err = resolve(s.Base, ws, true); err != nil {
			return nil, err
		}
	}
	if r := c.text("conferenceRequestUrl", ""); r != "" {
		if s.Request, err = resolve(s.Base, r, false); err != nil {
			return nil, err
		}
	}
	s.KeepAlive = strings.Replace(strings.Replace(s.WebSocket, "ws:", "http:", 1), "wss:", "https:", 1)
	if k := c.text("websocketKeepAliveUrl", ""); k != "" {
		if s.KeepAlive, err = resolve(s.Base, k, false); err != nil {
			return nil, err
		}
	}
	if ms, ok := c["websocketKeepAlive"].(float64); ok && ms >= 1000 && ms < 1e9 {
		s.Every = time.Duration(ms) * time.Millisecond
	} else if ok {
		s.KeepAlive = ""
	}
	s.PreferSCTP = c.object("bridgeChannel").flag("preferSctp", true)
	s.Rewriting = c.object("flags").flag("ssrcRewritingEnabled", true)
	if n, ok := c["channelLastN"].(float64); ok && n >= -1 && n < 1e6 {
		s.LastN = int(n)
	}
	for _, v := range c.object("videoQuality").list("codecPreferenceOrder") {
		if t, ok := v.(string); ok {
			s.Codecs = append(s.Codecs, strings.ToUpper(t))
		}
	}
	return s, nil
}

// resolve makes an absolute URL of one that may lack scheme and host.
func resolve(base *url.URL, ref string, ws bool) (string, error) {
	u, err := base.Parse(ref)
	if err != nil {
		return "", err
	}
	if ws {
		switch u.Scheme {
		case "https":
			u.Scheme = "wss"
		case "http":
			u.Scheme = "ws"
		}
	}
	if u.Host == "" {
		return "", errors.New("config.js has a URL without a host: " + ref)
	}
	return u.String(), nil
}

// WithQuery adds a parameter to a URL; an empty value adds nothing.
func WithQuery(raw, name, value string) string {
	if value == "" || raw == "" {
		return raw
	}
	sep := "?"
	if strings.Contains(raw, "?") {
		sep = "&"
	}
	return raw + sep + name + "=" + url.QueryEscape(value)
}

func (o Object) object(name string) Object {
	v, _ := o[name].(Object)
	return v
}

func (o Object) text(name, def string) string {
	if v, ok := o[name].(string); ok && v != "" {
		return v
	}
	return def
}

func (o Object) flag(name string, def bool) bool {
	if v, ok := o[name].(bool); ok {
		return v
	}
	return def
}

func (o Object) list(name string) []any {
	v, _ := o[name].([]any)
	return v
}
