package signal

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"time"

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

// Credentials are one client's right to use a TURN server, for a while.
type Credentials struct {
	Username, Password string
	Expires            time.Time
}

// CredentialsAt derives credentials as TURN servers with a static secret
// expect them: the user name is the Unix time of expiry, the password its
// HMAC-SHA1. The zero Credentials mean that the service needs none.
func (e ExternalService) CredentialsAt(now time.Time) Credentials {
	if e.Secret == "" {
		return Credentials{}
	}
	expires := now.Add(e.TTL)
	user := strconv.FormatInt(expires.Unix(), 10)
	mac := hmac.New(sha1.New, []byte(e.Secret))
	mac.Write([]byte(user))
	return Credentials{user, base64.StdEncoding.EncodeToString(mac.Sum(nil)), expires}
}

// encodeExternal encodes the services of one type, or all, for the given
// version of the protocol.
func (s *Server) encodeExternal(ns, typ string) []byte {
	w := xmpp.NewWriter(512)
	w.Open("services", "xmlns", ns)
	for _, e := range s.opt.ExternalServices {
		if typ == "" || typ == e.Type {
			e.encode(w, time.Now())
		}
	}
	w.Close("services")
	return w.Bytes()
}

func (e ExternalService) encode(w *xmpp.Writer, now time.Time) {
	attrs := []string{"type", e.Type, "host", e.Host}
	if e.Port != 0 {
		attrs = append(attrs, "port", strconv.Itoa(e.Port))
	}
	if e.Transport != "" {
		attrs = append(attrs, "transport", e.Transport)
	}
	if c := e.CredentialsAt(now); c.Username != "" {
		attrs = append(attrs, "username", c.Username, "password", c.Password,
			"expires", c.Expires.UTC().Format(time.RFC3339), "restricted", "1")
	}
	w.Empty("service", attrs...)
}
