package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origin is scheme and host of this server as a browser writes them.
type origin struct {
	secure bool
	host   string // with the port when it is not the scheme's own
}

func (o origin) http() string { return scheme("http", o.secure) + "://" + o.host }
func (o origin) ws() string   { return scheme("ws", o.secure) + "://" + o.host }

func scheme(name string, secure bool) string {
	if secure {
		return name + "s"
	}
	return name
}

// originOf says under which address the client of r sees this server.
func (s *server) originOf(r *http.Request) origin {
	if u, err := url.Parse(s.opt.PublicURL); err == nil && u.Host != "" {
		return origin{secure: u.Scheme == "https", host: u.Host}
	}
	host := r.Host
	if !validHost(host) {
		host = s.opt.Domain
	}
	return origin{secure: s.isSecure(r), host: host}
}

// isSecure reports whether the client speaks TLS, to us or to a proxy we trust.
func (s *server) isSecure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return s.trusted(r.RemoteAddr) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// maxForwarded bounds how many proxies are followed back.
const maxForwarded = 16

// clientOf is the address of the client of r, as "ip:port": the last one in
// X-Forwarded-For that no proxy of ours has. What stands before that anybody
// may have written. The port of a forwarded address is 0.
func (s *server) clientOf(r *http.Request) string {
	client := r.RemoteAddr
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= max(0, len(hops)-maxForwarded) && s.trusted(client); i-- {
		ip, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = netip.AddrPortFrom(ip.Unmap(), 0).String()
	}
	return client
}

// trusted reports whether remote ("ip:port") lies in a trusted network.
func (s *server) trusted(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range s.opt.TrustedProxies {
		if p.Contains(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// validHost accepts a host name, an IPv4 address or a bracketed IPv6 address,
// each with or without a port. The text goes into URLs that clients use, so
// everything else in a Host header is refused.
func validHost(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if !allDigits(port) {
			return false
		}
		host = h
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.Contains(host, ":") {
		_, err := netip.ParseAddr(host)
		return err == nil && strings.HasPrefix(s, "[")
	}
	return host != "" && !strings.ContainsFunc(host, notHostRune)
}

func notHostRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
}

func allDigits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5
}
