package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/plenum-conf/plenum/internal/config"
)

// Findings are what a person should know of a configuration that can be
// served, a sentence each.
type Findings struct {
	Mistakes []string // with which no browser comes in
	Beware   []string // what is unsafe, or will not work for somebody
}

// String is a line for each, the mistakes first.
func (f Findings) String() string {
	var b strings.Builder
	for _, line := range f.Mistakes {
		fmt.Fprintf(&b, "  BEWARE   %s\n", line)
	}
	for _, line := range f.Beware {
		fmt.Fprintf(&b, "  Beware   %s\n", line)
	}
	return b.String()
}

// Examine says of a configuration, without serving it, what [App.Banner] says
// when it is served at the time now. The error is what serving would fail with:
// a certificate that cannot be used.
func Examine(c *config.Config, now time.Time) (Findings, error) {
	pair, err := c.HTTP.Pair()
	if err != nil {
		return Findings{}, err
	}
	return examine(c, publicURL(c, c.HTTP.Listen), pair, now), nil
}

// examine gathers the findings. public is the URL people open, pair the
// certificate or nil.
func examine(c *config.Config, public string, pair *tls.Certificate, now time.Time) (f Findings) {
	beware := func(format string, args ...any) { f.Beware = append(f.Beware, fmt.Sprintf(format, args...)) }
	u, _ := url.Parse(public)
	if u == nil {
		u = &url.URL{}
	}
	if pair != nil {
		f.certificate(&c.HTTP, pair, u.Hostname(), now)
	}
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		beware("browsers refuse camera and microphone on %s: use https (http.certificate, or a proxy and public-url).", public)
	}
	if isLocal(u.Hostname()) && !isLocal(hostOf(c.HTTP.Listen)) {
		beware("the public listener %s is reachable from outside, but clients are told to use %s: set --domain.", c.HTTP.Listen, public)
	}
	if !isLocal(hostOf(c.HTTP.Listen)) {
		beware("anybody who reaches this server can open rooms: there are no accounts yet.")
	}
	if c.Admin.Listen != "" && !isLocal(hostOf(c.Admin.Listen)) {
		beware("the admin listener %s has no login and is not on loopback.", c.Admin.Listen)
	}
	return f
}

// soon is how long before its end a certificate should have been renewed: those
// who renew by themselves do so weeks before.
const soon = 7 * 24 * time.Hour

// certificate looks at the dates and names of a certificate, of which host is
// what browsers will compare. Whether they trust who signed it is theirs to say.
func (f *Findings) certificate(h *config.HTTP, pair *tls.Certificate, host string, now time.Time) {
	leaf := pair.Leaf
	if leaf == nil {
		return
	}
	const stamp = "2006-01-02 15:04 UTC"
	ends := leaf.NotAfter.UTC().Format(stamp)
	switch {
	case now.After(leaf.NotAfter):
		f.Mistakes = append(f.Mistakes, fmt.Sprintf("the certificate %s ended on %s, and browsers refuse it: renew it, then start the server again.", h.Certificate, ends))
	case now.Before(leaf.NotBefore):
		f.Mistakes = append(f.Mistakes, fmt.Sprintf("the certificate %s is valid from %s on, and browsers refuse it before: wait, or set this machine's clock.", h.Certificate, leaf.NotBefore.UTC().Format(stamp)))
	case leaf.NotAfter.Sub(now) < soon:
		f.Beware = append(f.Beware, fmt.Sprintf("the certificate %s ends on %s: renew it, then start the server again.", h.Certificate, ends))
	}
	if isASCII(host) && leaf.VerifyHostname(host) != nil { // of other names certificates have another spelling
		f.Beware = append(f.Beware, fmt.Sprintf("the certificate %s is not for %s, but for %s: browsers refuse it. Get one for that name, or set domain or public-url to one of its names.", h.Certificate, host, namesOf(pair)))
	}
}

// namesOf lists what a certificate is for.
func namesOf(pair *tls.Certificate) string {
	names := append([]string(nil), pair.Leaf.DNSNames...)
	for _, ip := range pair.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	return strings.Join(names, ", ")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

func hostOf(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	return host
}

func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
