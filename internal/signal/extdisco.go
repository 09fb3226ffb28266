package signal

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// ExternalService is a STUN or TURN server clients may use (XEP-0215).
type ExternalService struct {
	Type      string // stun, turn or turns
	Host      string
	Port      int    // 0: the scheme's default
	Transport string // udp or tcp, may be empty
	// Secret is shared with the TURN server; credentials are derived from it
	// for TTL. Empty: the service needs none.
	Secret string
	TTL    time.Duration
}

// at returns the service as one client may use it from now on. With a secret,
// credentials are derived as TURN servers with a static secret expect them:
// the user name is the Unix time of expiry, the password its HMAC-SHA1.
func (e ExternalService) at(now time.Time) service.External {
	x := service.External{Type: e.Type, Host: e.Host, Transport: e.Transport}
	if e.Port != 0 {
		x.Port = strconv.Itoa(e.Port)
	}
	if e.Secret != "" {
		expires := now.Add(e.TTL)
		x.Username = strconv.FormatInt(expires.Unix(), 10)
		mac := hmac.New(sha1.New, []byte(e.Secret))
		mac.Write([]byte(x.Username))
		x.Password = base64.StdEncoding.EncodeToString(mac.Sum(nil))
		x.Expires = expires.UTC().Format(time.RFC3339)
		x.Restricted = true
	}
	return x
}

// external returns the configured services with fresh credentials.
func (s *Server) external() []service.External {
	now := time.Now()
	list := make([]service.External, 0, len(s.opt.ExternalServices))
	for _, e := range s.opt.ExternalServices {
		list = append(list, e.at(now))
	}
	return list
}

// encodeExternal encodes the services of one type, or all, for the given
// version of the protocol.
func (s *Server) encodeExternal(ns, typ string) []byte {
	w := xmpp.NewWriter(512)
	w.Open("services", "xmlns", ns)
	for _, x := range s.external() {
		if typ == "" || typ == x.Type {
			encodeService(w, x)
		}
	}
	w.Close("services")
	return w.Bytes()
}

func encodeService(w *xmpp.Writer, x service.External) {
	attrs := []string{"type", x.Type, "host", x.Host}
	for _, a := range [...][2]string{{"port", x.Port}, {"transport", x.Transport},
		{"username", x.Username}, {"password", x.Password}, {"expires", x.Expires}} {
		if a[1] != "" {
			attrs = append(attrs, a[0], a[1])
		}
	}
	if x.Restricted {
		attrs = append(attrs, "restricted", "1")
	}
	w.Empty("service", attrs...)
}
