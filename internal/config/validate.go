package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// roleNames are the roles a process can play.
var roleNames = []string{"signal", "focus", "bridge", "web"}

// codecNames are the video codecs that can be offered.
var codecNames = []string{"AV1", "VP8", "H264", "VP9"}

// Validate reports every value that cannot work, each with its key.
func (c *Config) Validate() error {
	var v validator
	v.domain("domain", c.Domain)
	v.publicURL("public-url", c.PublicURL)
	v.oneOfEach("roles", c.Roles, roleNames)
	v.roleSet(c.Roles)
	v.listen("http.listen", c.HTTP.Listen, false)
	v.listen("media.listen", c.Media.Listen, false)
	v.listen("admin.listen", c.Admin.Listen, true)
	v.together("http.certificate", c.HTTP.Certificate, "http.key", c.HTTP.Key)
	v.prefixes("http.trusted-proxies", c.HTTP.TrustedProxies)
	v.advertise("media.advertise", c.Media.Advertise)
	v.number("media.loudest.above", c.Media.Loudest.Above, 0, 100_000)
	v.number("media.loudest.speakers", c.Media.Loudest.Speakers, 0, 100)
	v.limits("media.conference-last-n-limits", c.Media.LastNLimits)
	v.duration("signal.hibernation", c.Signal.Hibernation, time.Second, 5*time.Minute)
	v.number("signal.max-frame", c.Signal.MaxFrame, 16<<10, 1<<20)
	v.number("signal.max-sessions-per-address", c.Signal.MaxSessionsEach, 0, 1_000_000)
	v.number("signal.max-sessions", c.Signal.MaxSessions, 1, 1_000_000)
	v.number("signal.max-occupants", c.Signal.MaxOccupants, 1, 100_000)
	v.number("signal.history", c.Signal.History, 0, 1000)
	v.number("focus.min-participants", c.Focus.MinParticipants, 1, 100)
	v.duration("focus.single-participant-timeout", c.Focus.SingleParticipantTimeout, time.Second, time.Hour)
	v.duration("focus.initial-timeout", c.Focus.InitialTimeout, time.Second, 10*time.Minute)
	v.delays("focus.source-signaling-delays", c.Focus.SourceSignalingDelays)
	v.oneOfEach("focus.codecs", c.Focus.Codecs, codecNames)
	v.oneOf("log.level", c.Log.Level, []string{"trace", "debug", "info", "warn", "error"})
	v.oneOf("log.format", c.Log.Format, []string{"text", "json"})
	return errors.Join(v.errs...)
}

type validator struct{ errs []error }

func (v *validator) bad(key, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (v *validator) domain(key, s string) {
	ok := len(s) <= 253 && s == strings.ToLower(s)
	for label := range strings.SplitSeq(s, ".") {
		ok = ok && label != "" && !strings.ContainsFunc(label, notInDomain)
	}
	if !ok {
		v.bad(key, "%q is not a domain name; write it in lower case, without https:// and without a port", s)
	}
}

// notInDomain leaves letters of all scripts, for names that are written so.
func notInDomain(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
}

func (v *validator) publicURL(key, s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		v.bad(key, "%q must look like https://meet.example.org, without a path", s)
	}
}

func (v *validator) listen(key, s string, mayBeEmpty bool) {
	if s == "" && mayBeEmpty {
		return
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		v.bad(key, "%q must be address:port, for example 127.0.0.1:8080 or :10000", s)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
		v.bad(key, "%q is not a port number", port)
	}
	if host == "" || host == "localhost" {
		return
	}
	if _, err := netip.ParseAddr(host); err != nil {
		v.bad(key, "%q must be an IP address", host)
	}
}

func (v *validator) advertise(key string, all []string) {
	for _, s := range all {
		if _, err := ParseAdvertise(s, 1); err != nil {
			v.bad(key, "%v", err)
		}
	}
}

// ParseAdvertise reads one advertised address: an IP, which gets the default
// port, or IP:port.
func ParseAdvertise(s string, defaultPort uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, defaultPort), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%q must be an IP address or IP:port", s)
	}
	return ap, nil
}

func (v *validator) prefixes(key string, all []string) {
	for _, s := range all {
		if _, err := netip.ParsePrefix(s); err != nil {
			v.bad(key, "%q must be an address range such as 10.0.0.0/8", s)
		}
	}
}

func (v *validator) together(ka, a, kb, b string) {
	if (a == "") != (b == "") {
		v.bad(ka, "set both %s and %s, or neither", ka, kb)
	}
}

func (v *validator) duration(key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.bad(key, "%v is outside %v to %v", d, least, most)
	}
}

func (v *validator) number(key string, n, least, most int) {
	if n < least || n > most {
		v.bad(key, "%d is outside %d to %d", n, least, most)
	}
}

func (v *validator) delays(key string, m map[int]time.Duration) {
	for n, d := range m {
		if n < 0 || d < 0 || d > 10*time.Second {
			v.bad(key, "%d: %v: counts start at 0, delays are between 0s and 10s", n, d)
		}
	}
}

func (v *validator) limits(key string, m map[int]int) {
	for size, n := range m {
		if size < 0 || n < -1 {
			v.bad(key, "%d: %d: sizes start at 0, limits at -1, which is none", size, n)
		}
	}
}

func (v *validator) oneOf(key, s string, allowed []string) {
	if !slices.Contains(allowed, s) {
		v.bad(key, "%q must be one of %s", s, strings.Join(allowed, ", "))
	}
}

func (v *validator) oneOfEach(key string, all, allowed []string) {
	if len(all) == 0 {
		v.bad(key, "name at least one of %s", strings.Join(allowed, ", "))
	}
	for i, s := range all {
		v.oneOf(key, s, allowed)
		if slices.Contains(all[:i], s) {
			v.bad(key, "%q is named twice", s)
		}
	}
}

// roleSet refuses partial role lists for as long as roles cannot reach each
// other across processes: a process that only looked alive would be worse.
// Signal alone is whole in itself, an XMPP server with rooms.
func (v *validator) roleSet(roles []string) {
	if slices.Equal(roles, []string{"signal"}) {
		return
	}
	var missing []string
	for _, r := range roleNames {
		if !slices.Contains(roles, r) {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		v.bad("roles", "%s missing: this version runs all roles in one process, or signal alone; leave this setting out for all", strings.Join(missing, ", "))
	}
}
