package netio

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// LocalAddresses returns the addresses of this host that a peer could reach
// it by: those of interfaces that are up, without link-local and multicast
// ones, each once. Public addresses come first, then private ones, then
// loopback; within each IPv4 before IPv6.
func LocalAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var all []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface went away meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				addr, _ := netip.AddrFromSlice(n.IP)
				all = append(all, addr.Unmap())
			}
		}
	}
	return usable(all), nil
}

// usable filters and orders addresses as LocalAddresses promises.
func usable(all []netip.Addr) []netip.Addr {
	all = slices.DeleteFunc(all, func(a netip.Addr) bool {
		return !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast()
	})
	slices.SortStableFunc(all, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(reach(a), reach(b)), a.Compare(b))
	})
	return slices.Compact(all)
}

// reach orders addresses by how far away they can be reached from.
func reach(a netip.Addr) int {
	switch {
	case a.IsLoopback():
		return 2
	case a.IsPrivate():
		return 1
	}
	return 0
}
