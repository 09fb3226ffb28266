package bridge

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/plenum-conf/plenum/internal/media"
)

// localAddress is one address of this machine and where it is known from.
type localAddress struct {
	ip  netip.Addr
	why string // "the address of eth0", "media.advertise says so"
}

// Candidate priorities, RFC 8445 §5.1.2.1: type preference 126 for host; the
// local preference falls with each address, and IPv6 does not stand before
// IPv4 because few IPv6 paths of meeting rooms are better than the IPv4 ones.
func hostPriority(i int) uint32 { return 126<<24 | uint32(65535-i)<<8 | 255 }

// advertised lists the addresses clients are told, best first, each once.
func advertised(o *Options, port uint16, local []localAddress) (addrs []netip.AddrPort, why []string) {
	seen := map[netip.AddrPort]bool{}
	add := func(a netip.AddrPort, reason string) {
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), port)
		}
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if a.IsValid() && !seen[a] {
			seen[a] = true
			addrs = append(addrs, a)
			why = append(why, fmt.Sprintf("%v because %s", a, reason))
		}
	}
	for _, a := range o.Advertise {
		add(a, "the configuration advertises it")
	}
	if ip := o.Listen.Addr(); !ip.IsUnspecified() {
		add(netip.AddrPortFrom(ip, port), "media is listened for there only")
		return addrs, why
	}
	loopback := o.localOnly()
	for _, pass := range []bool{false, true} {
		for _, l := range local {
			if l.ip.IsLoopback() == pass && (!pass || loopback || len(addrs) == 0) && reachableFamily(o, l.ip) {
				add(netip.AddrPortFrom(l.ip, port), l.why)
			}
		}
	}
	return addrs, why
}

// reachableFamily reports whether the listening socket can be reached at ip:
// one bound to 0.0.0.0 hears no IPv6.
func reachableFamily(o *Options, ip netip.Addr) bool {
	return ip.Is4() || ip.Is4In6() || o.Listen.Addr().Is6()
}

// hostCandidates renders addresses as the candidates of an offer.
func hostCandidates(addrs []netip.AddrPort) []media.Candidate {
	out := make([]media.Candidate, 0, len(addrs))
	for i, a := range addrs {
		out = append(out, media.Candidate{
			Foundation: fmt.Sprint(i + 1), Component: 1, Protocol: "udp",
			Priority: hostPriority(i), Addr: a, Type: "host", ID: fmt.Sprintf("c%d", i+1),
		})
	}
	return out
}

// interfaceNames tells which interface an address is on, for people.
func interfaceNames() map[netip.Addr]string {
	names := map[netip.Addr]string{}
	all, _ := net.Interfaces() // without names the explanation is poorer, no more
	for _, i := range all {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				names[p.Addr().Unmap()] = i.Name
			}
		}
	}
	return names
}
