package bridge

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/media"
)

func TestAdvertised(t *testing.T) {
	local := []localAddress{
		{netip.MustParseAddr("192.0.2.7"), "it is the address of eth0"},
		{netip.MustParseAddr("2001:db8::7"), "it is the address of eth0"},
		{netip.MustParseAddr("127.0.0.1"), "it is the address of lo"},
		{netip.MustParseAddr("::1"), "it is the address of lo"},
	}
	for name, tc := range map[string]struct {
		listen, public string
		advertise      []string
		local          []localAddress
		want           string
	}{
		"all interfaces":     {"[::]:10000", "https://meet.example", nil, local, "192.0.2.7:10000 [2001:db8::7]:10000"},
		"IPv4 only":          {"0.0.0.0:10000", "https://meet.example", nil, local, "192.0.2.7:10000"},
		"one address":        {"192.0.2.7:10000", "https://meet.example", nil, local, "192.0.2.7:10000"},
		"NAT":                {"0.0.0.0:10000", "https://meet.example", []string{"203.0.113.1:0"}, local, "203.0.113.1:10000 192.0.2.7:10000"},
		"NAT, other port":    {"0.0.0.0:10000", "https://meet.example", []string{"203.0.113.1:443"}, local, "203.0.113.1:443 192.0.2.7:10000"},
		"said twice":         {"0.0.0.0:10000", "https://meet.example", []string{"192.0.2.7:0"}, local, "192.0.2.7:10000"},
		"localhost":          {"0.0.0.0:10000", "http://localhost:8080", nil, local, "192.0.2.7:10000 127.0.0.1:10000"},
		"nothing but itself": {"0.0.0.0:10000", "https://meet.example", nil, local[2:], "127.0.0.1:10000"},
	} {
		o := DefaultOptions()
		o.Listen, o.PublicURL = netip.MustParseAddrPort(tc.listen), tc.public
		for _, a := range tc.advertise {
			o.Advertise = append(o.Advertise, netip.MustParseAddrPort(a))
		}
		addrs, why := advertised(&o, 10000, tc.local)
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		if s := strings.Join(got, " "); s != tc.want || len(why) != len(addrs) {
			t.Errorf("%s: %s (%v), want %s", name, s, why, tc.want)
		}
		cs := hostCandidates(addrs)
		if !slices.IsSortedFunc(cs, func(a, b media.Candidate) int { return int(int64(b.Priority) - int64(a.Priority)) }) {
			t.Errorf("%s: priorities %v", name, cs)
		}
	}
}

func TestChannelBase(t *testing.T) {
	for public, want := range map[string]string{
		"https://meet.example":   "wss://meet.example/colibri-ws/plenum",
		"http://localhost:8080/": "ws://localhost:8080/colibri-ws/plenum",
		"":                       "",
		"meet.example":           "",
	} {
		o := DefaultOptions()
		o.PublicURL = public
		if got := o.channelBase(); got != want {
			t.Errorf("%q: %q, want %q", public, got, want)
		}
	}
}
