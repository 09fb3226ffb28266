package netio

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockaddr is a struct sockaddr_in or sockaddr_in6 as the kernel lays it out:
// family in host order, port in network order, then the address.
type sockaddr [unix.SizeofSockaddrInet6]byte

// addrPort reads the address of a received message; it is the zero AddrPort
// if the kernel gave none.
func (s *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// set writes an address for a socket of the given family and returns its
// length. An IPv4 address is mapped for a socket of the IPv6 family; an IPv6
// address for an IPv4 socket is written as it is and refused by the kernel.
func (s *sockaddr) set(family int, to netip.AddrPort) uint32 {
	*s = sockaddr{}
	binary.BigEndian.PutUint16(s[2:], to.Port())
	addr := to.Addr().Unmap()
	if family == unix.AF_INET && addr.Is4() {
		a := addr.As4()
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET)
		copy(s[4:], a[:])
		return unix.SizeofSockaddrInet4
	}
	a := addr.As16()
	binary.NativeEndian.PutUint16(s[:], unix.AF_INET6)
	copy(s[8:], a[:])
	return unix.SizeofSockaddrInet6
}
