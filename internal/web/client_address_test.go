package web

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientOf(t *testing.T) {
	s := &server{opt: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, tc := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7:1234"},
		{"nobody believes a stranger", "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7:1234"},
		{"a proxy", "127.0.0.1:9", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"what the client wrote comes first", "127.0.0.1:9", []string{"192.0.2.1, 198.51.100.1"}, "198.51.100.1:0"},
		{"two proxies", "127.0.0.1:9", []string{"192.0.2.1", "198.51.100.1, 10.1.2.3"}, "198.51.100.1:0"},
		{"only proxies", "127.0.0.1:9", []string{"10.1.2.3"}, "10.1.2.3:0"},
		{"IPv6", "127.0.0.1:9", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{"mapped", "127.0.0.1:9", []string{"::ffff:198.51.100.1"}, "198.51.100.1:0"},
		{"nonsense", "127.0.0.1:9", []string{"198.51.100.1, unknown"}, "127.0.0.1:9"},
		{"empty", "127.0.0.1:9", []string{""}, "127.0.0.1:9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.remote
		for _, f := range tc.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.clientOf(r); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
