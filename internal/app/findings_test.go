package app

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/config"
)

// TestFindings: what is unsafe or will not work is said, with what to do; and
// an example that is in order has nothing to say.
func TestFindings(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	secure := func(c *config.Config) {
		c.Domain, c.HTTP.Certificate, c.HTTP.Key = "meet.example", "c.pem", "k.pem"
	}
	leaf := func(from, to time.Duration, names ...string) *x509.Certificate {
		return &x509.Certificate{NotBefore: now.Add(from), NotAfter: now.Add(to), DNSNames: names}
	}
	for _, tc := range []struct {
		name    string
		change  func(*config.Config)
		leaf    *x509.Certificate
		mistake string   // words of the only one, "" for none
		want    []string // one of each warning's words, in order
	}{
		{name: "local", change: func(*config.Config) {}},
		{name: "plain http for others", change: func(c *config.Config) { c.Domain, c.HTTP.Listen = "meet.example", "0.0.0.0:80" }, want: []string{"refuse camera", "no accounts"}},
		{name: "plain http at 443", change: func(c *config.Config) { c.Domain, c.HTTP.Listen = "meet.example", ":443" }, want: []string{"http://meet.example:443: use https", "no accounts"}},
		{name: "others are sent to their own machines", change: func(c *config.Config) { c.HTTP.Listen = ":8080" }, want: []string{"--domain", "no accounts"}},
		{name: "behind a proxy", change: func(c *config.Config) { c.PublicURL = "https://meet.example" }},
		{name: "open admin", change: func(c *config.Config) { c.Admin.Listen = "0.0.0.0:8081" }, want: []string{"no login"}},
		{name: "no admin", change: func(c *config.Config) { c.Admin.Listen = "" }},
		{name: "a certificate", change: secure, leaf: leaf(-day, 60*day, "meet.example")},
		{name: "for all below", change: secure, leaf: leaf(-day, 60*day, "*.example")},
		{name: "that has ended", change: secure, leaf: leaf(-90*day, -time.Second, "meet.example"), mistake: "c.pem ended on 2026-08-01 11:59 UTC, and browsers refuse it: renew it"},
		{name: "that is not valid yet", change: secure, leaf: leaf(time.Hour, 90*day, "meet.example"), mistake: "valid from 2026-08-01 13:00 UTC on"},
		{name: "that ends soon", change: secure, leaf: leaf(-80*day, 2*day, "meet.example"), want: []string{"ends on 2026-08-03 12:00 UTC: renew it"}},
		{name: "for another name", change: secure, leaf: leaf(-day, 60*day, "other.example", "www.other.example"), want: []string{"not for meet.example, but for other.example, www.other.example: browsers refuse it. Get one"}},
		{name: "for a name in other letters", change: func(c *config.Config) { secure(c); c.Domain = "b\u00fccher.example" }, leaf: leaf(-day, 60*day, "xn--bcher-kva.example")},
		{name: "for no name", change: secure, leaf: leaf(-day, 60*day), want: []string{"but for no name at all"}},
		{name: "for an address", change: func(c *config.Config) { secure(c); c.PublicURL = "https://192.0.2.1" },
			leaf: &x509.Certificate{NotBefore: now, NotAfter: now.Add(60 * day), IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}},
		{name: "ended and for another name", change: secure, leaf: leaf(-90*day, -day, "other.example"), mistake: "ended on", want: []string{"not for meet.example"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config.Default()
			tc.change(&c)
			var pair *tls.Certificate
			if tc.leaf != nil {
				pair = &tls.Certificate{Leaf: tc.leaf}
			}
			public := publicURL(&c, c.HTTP.Listen)
			got := examine(&c, public, pair, now)
			if found := strings.Join(got.Mistakes, "; "); !strings.Contains(found, tc.mistake) || (found == "") != (tc.mistake == "") {
				t.Errorf("mistakes %q, want %q", found, tc.mistake)
			}
			if len(got.Beware) != len(tc.want) {
				t.Fatalf("got %q, want %d", got.Beware, len(tc.want))
			}
			for i, w := range tc.want {
				if !strings.Contains(got.Beware[i], w) {
					t.Errorf("%q does not mention %q", got.Beware[i], w)
				}
			}
			if text := got.String(); strings.Count(text, "  BEWARE   ") != len(got.Mistakes) || strings.Count(text, "  Beware   ") != len(tc.want) {
				t.Error(text)
			}
		})
	}
}
