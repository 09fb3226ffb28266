package loadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// line is the bad network of one participant: a link for each direction
// between its socket and itself. It carries all datagrams (ICE, DTLS, media);
// signalling has its own connection. It belongs to the participant's worker.
type line struct {
	in, out *shape.Link
	buf     [2048]byte
	to      netip.AddrPort
	timer   mono.Timer
}

// lineTimer is the timer of a line.
type lineTimer struct{ m *peer }

func newLine(m *peer, p shape.Profile, seed uint64) *line {
	l := &line{in: shape.NewLink(p, seed), out: shape.NewLink(p, seed+1)}
	l.timer.Owner = lineTimer{m}
	return l
}

// buffer, commit and flush are the member's, with the line before it if there is one.
func (m *peer) buffer(n int, to netip.AddrPort) []byte {
	if m.line == nil {
		return m.member.Buffer(n, to)
	}
	m.line.to = to
	return m.line.buf[:n]
}

func (m *peer) commit(n int) {
	if m.line == nil {
		m.member.Commit(n)
		return
	}
	m.line.out.Push(mono.Now(), m.line.buf[:n], m.line.to)
}

func (m *peer) flush() {
	if m.line != nil {
		m.lineDue()
		return
	}
	m.member.Flush()
}

// arrived takes a datagram from the socket.
func (m *peer) arrived(pkt []byte, from netip.AddrPort, stamp int64) {
	if m.line == nil {
		m.datagramIn(pkt, from, stamp)
		return
	}
	m.line.in.Push(m.w.monotonic(stamp), pkt, from)
}

// lineDue lets through what has crossed the network by now. It is not called
// from within itself: what datagramIn sends waits for the end.
func (m *peer) lineDue() {
	l := m.line
	now := mono.Now()
	for {
		p, ok := l.out.Pop(now)
		if !ok {
			break
		}
		m.member.Commit(copy(m.member.Buffer(len(p.Data), p.Addr), p.Data))
	}
	m.member.Flush()
	m.w.wheel.Schedule(&l.timer, mono.Earliest(l.in.Deadline(), l.out.Deadline()))
}

// fireLine takes what has arrived, as if it came from the socket just then.
func (m *peer) fireLine() {
	for !m.closed {
		p, ok := m.line.in.Pop(m.w.now)
		if !ok {
			break
		}
		m.datagramIn(p.Data, p.Addr, m.w.wall-int64(m.w.now.Sub(p.At)))
	}
	if !m.closed {
		m.afterRead()
		m.lineDue()
	}
}

// NotPrivateError says that a plan that must not leave this machine and
// private networks (Plan.PrivateOnly) would have.
type NotPrivateError struct{ Addr netip.Addr }

// Error implements error.
func (e *NotPrivateError) Error() string {
	return fmt.Sprintf("%v is neither this machine nor in a private network", e.Addr)
}

// private reports whether an address is this machine's or of a network that
// routers do not forward (RFC 1918, RFC 4193, RFC 3927, RFC 6598).
func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// shared is the address space of RFC 6598.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// PlainTextError says that a token or a password (Plan.Token, Plan.Password,
// Plan.RoomPassword) would have gone through other people's networks for
// everybody to read.
type PlainTextError struct{ Addr netip.Addr }

// Error implements error.
func (e *PlainTextError) Error() string {
	return fmt.Sprintf("with a token or a password nothing goes without TLS to %v, which is neither this machine nor in a private network", e.Addr)
}

// newDialer makes the dialer of all TCP connections of a plan.
func newDialer(p *Plan) dialer {
	d := dialer{
		plain: &net.Dialer{}, secure: &net.Dialer{},
		tls: &tls.Config{InsecureSkipVerify: p.Insecure}, //nolint:gosec // only when asked for
	}
	switch {
	case p.PrivateOnly:
		d.plain = guard(func(a netip.Addr) error { return &NotPrivateError{a} })
		d.secure = d.plain
	case p.Token+p.Password+p.RoomPassword != "":
		d.plain = guard(func(a netip.Addr) error { return &PlainTextError{a} })
	}
	return d
}

// guard makes a dialer for this machine and private networks only. It looks at
// the address that is connected to, after all names are resolved.
func guard(refuse func(netip.Addr) error) *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.New("an address cannot be read")
		}
		if !private(to.Addr()) {
			return refuse(to.Addr().Unmap())
		}
		return nil
	}}
}

// reachable leaves out candidates that the plan must not send to.
func (s *mySources) reachable(all []media.Candidate) []media.Candidate {
	if !s.privateOnly {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c media.Candidate) bool { return !private(c.Addr.Addr()) })
}

// stranger notes a packet from an address that the plan must not send to. It
// is not looked at: ICE would answer a check, and could choose its address.
func (m *peer) stranger(from netip.Addr) {
	if !m.strange {
		m.strange = true
		m.story.wrong("", "what the bridge sends from elsewhere is left unanswered: "+(&NotPrivateError{from.Unmap()}).Error(), false)
	}
}
