package netio

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Listen opens cfg.Sockets sockets on one address and port. Either all are
// returned or none; each belongs to one worker from then on. It fails when
// anybody has the port already, sockets that share theirs included.
func Listen(cfg Config) ([]*Socket, error) {
	cfg = cfg.withDefaults()
	var all []*Socket
	for i := range cfg.Sockets {
		s, err := listenOne(cfg, i == 0)
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, fmt.Errorf("listen on udp %v: %w", cfg.Addr, err)
		}
		cfg.Addr = s.local // the port the kernel chose, if it did
		all = append(all, s)
	}
	return all, nil
}

// listenOne opens one socket; the first one finds out whether the port is free.
func listenOne(cfg Config, first bool) (*Socket, error) {
	family, addr := unix.AF_INET6, cfg.Addr
	if addr.Addr().Unmap().Is4() {
		family = unix.AF_INET
	}
	fd, err := open(family)
	if err == unix.EAFNOSUPPORT && addr.Addr().IsUnspecified() {
		// A kernel without IPv6: [::] means all there is.
		family, addr = unix.AF_INET, netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
		fd, err = open(family)
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &Socket{family: family}
	err = s.setup(fd, addr, cfg, first)
	if err == nil {
		err = s.adopt(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

func open(family int) (int, error) {
	return unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
}

// setup sets options, binds, and makes the memory of a socket.
func (s *Socket) setup(fd int, addr netip.AddrPort, cfg Config, first bool) error {
	if s.family == unix.AF_INET6 {
		only := 1
		if addr.Addr().IsUnspecified() {
			only = 0
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	s.count.readBuffer.Store(grow(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReadBuffer))
	s.count.writeBuffer.Store(grow(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.WriteBuffer))
	if err := s.claim(fd, addr, first, cfg.Sockets > 1); err != nil {
		return err
	}
	local, err := localAddr(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	s.local = local
	s.count.stamps.Store(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil)
	if !cfg.NoOffload {
		s.count.gro.Store(unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil)
		// Segment size 0 changes nothing: it asks whether the kernel knows the option.
		s.count.gso.Store(unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0) == nil)
	}
	s.out = newOutbox(cfg.Arena)
	s.send.init(s.count.gso.Load())
	return nil
}

// grow asks for a buffer size, first in the way that may pass the system's
// limit, and returns what was granted: the kernel reports twice what it lets
// the data take up.
func grow(fd, force, option, size int) int64 {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size) // the default stays
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return int64(got / 2)
}

// claim binds a socket. The first one is bound alone and lets others share
// the port only afterwards: if it shared from the beginning, the kernel would
// let it join whatever sockets of the same user share a port, for port 0 even
// choose such a port, and give each side a part of the other's datagrams.
func (s *Socket) claim(fd int, addr netip.AddrPort, first, share bool) error {
	if !first {
		if err := sharePort(fd); err != nil {
			return err
		}
	}
	if err := bind(fd, s.family, addr); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if first && share {
		return sharePort(fd)
	}
	return nil
}

func sharePort(fd int) error {
	return os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

func bind(fd, family int, addr netip.AddrPort) error {
	if family == unix.AF_INET {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()})
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()})
}

func localAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, err
}
