package loadtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// Limits of a WebSocket.
const (
	dialTimeout  = 30 * time.Second
	writeTimeout = 10 * time.Second
	// maxFrame is the longest frame that is taken from a server. An offer in
	// a room of thousands is as long as that.
	maxFrame = 8 << 20
)

// socket is one WebSocket as a client has it. One goroutine reads; any may
// write.
type socket struct {
	conn net.Conn
	br   *bufio.Reader

	mu  sync.Mutex
	out []byte
}

// dialer makes all TCP connections. It opens WebSockets and tells how long
// each step takes.
type dialer struct {
	plain, secure *net.Dialer // for connections without TLS, and with
	tls           *tls.Config
	origin        string
}

// client makes an HTTP client. It goes through no proxy: what the dialers
// refuse would be the proxy's address.
func (d *dialer) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: d.plain.DialContext,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := d.secure.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			host, _, _ := net.SplitHostPort(address) // it was dialled
			return d.handshake(ctx, conn, host)
		},
		MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second,
	}}
}

// handshake begins TLS on a connection. With an error the connection is closed.
func (d *dialer) handshake(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	cfg := d.tls.Clone()
	cfg.ServerName = host
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// dial connects to a ws or wss URL. step is called after each step.
func (d *dialer) dial(ctx context.Context, raw, protocol string, step func(record.Step)) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("the WebSocket's URL cannot be read") // the error would show a password in it
	}
	conn, err := d.tcp(ctx, u, step)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "wss" {
		if conn, err = d.handshake(ctx, conn, u.Hostname()); err != nil {
			return nil, &stepError{record.TLS, err}
		}
		step(record.TLS)
	}
	s, err := d.upgrade(ctx, conn, u, protocol)
	if err != nil {
		_ = conn.Close()
		return nil, &stepError{record.WebSocket, err}
	}
	step(record.WebSocket)
	return s, nil
}

// stepError is an error that knows at which step it happened.
type stepError struct {
	step record.Step
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// tcp resolves a name and connects to the first address that answers.
func (d *dialer) tcp(ctx context.Context, u *url.URL, step func(record.Step)) (net.Conn, error) {
	by := d.plain
	if u.Scheme == "wss" {
		by = d.secure
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	addrs := []string{u.Hostname()}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		if addrs, err = net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
			return nil, &stepError{record.DNS, err}
		}
	}
	step(record.DNS)
	var conn net.Conn
	var err error
	for _, a := range addrs {
		if conn, err = by.DialContext(ctx, "tcp", net.JoinHostPort(a, port)); err == nil {
			step(record.TCP)
			return conn, nil
		}
	}
	if err == nil {
		err = errors.New("the name has no address")
	}
	return nil, &stepError{record.TCP, err}
}

// readBuffer is what a WebSocket reads at once. There are thousands of them.
const readBuffer = 2048

func (d *dialer) upgrade(ctx context.Context, conn net.Conn, u *url.URL, protocol string) (*socket, error) {
	unwatched := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // Upgrade knows no context
	wd := ws.Dialer{
		ReadBufferSize: readBuffer, WriteBufferSize: 1024,
		Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {d.origin}, "User-Agent": {"Mozilla/5.0 (plenum loadtest)"}}),
	}
	if protocol != "" {
		wd.Protocols = []string{protocol}
	}
	br, hs, err := wd.Upgrade(conn, u)
	if !unwatched() {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if protocol != "" && hs.Protocol != protocol {
		return nil, fmt.Errorf("the server does not speak %s over WebSocket", protocol)
	}
	if br == nil {
		br = bufio.NewReaderSize(conn, readBuffer)
	}
	return &socket{conn: conn, br: br}, nil
}

// Errors of reading.
var (
	errClosed  = errors.New("the server closed the WebSocket")
	errFraming = errors.New("the server breaks the WebSocket protocol")
	errTooLong = errors.New("the server sends a message longer than 8 MiB")
)

// read returns the next text message, in memory of its own, and answers
// control frames before it.
func (s *socket) read() ([]byte, error) {
	var msg []byte
	for {
		h, err := ws.ReadHeader(s.br)
		switch {
		case err != nil:
			return nil, err
		case h.Masked || h.Rsv != 0 || h.Length < 0:
			return nil, errFraming
		case h.Length > int64(maxFrame-len(msg)):
			return nil, errTooLong
		}
		if h.OpCode.IsControl() {
			if err := s.control(h); err != nil {
				return nil, err
			}
			continue
		}
		if h.OpCode != ws.OpText && h.OpCode != ws.OpContinuation {
			return nil, errFraming
		}
		if msg, err = s.payload(msg, int(h.Length)); err != nil {
			return nil, err
		}
		if h.Fin {
			return msg, nil
		}
	}
}

// control reads what a control frame carries, and answers it. The error ends
// the connection.
func (s *socket) control(h ws.Header) error {
	if h.Length > ws.MaxControlFramePayloadSize || !h.Fin { // RFC 6455 §5.5
		return errFraming
	}
	payload, err := s.payload(nil, int(h.Length))
	switch {
	case err != nil:
		return err
	case h.OpCode == ws.OpPing:
		_ = s.frames(ws.OpPong, payload)
	case h.OpCode == ws.OpClose:
		return closeReason(payload)
	case h.OpCode != ws.OpPong:
		return errFraming
	}
	return nil
}

// atOnce is how much memory is taken for what has been promised only.
const atOnce = 16 << 10

// payload reads n bytes to the end of msg. Its memory grows with what comes.
func (s *socket) payload(msg []byte, n int) ([]byte, error) {
	for n > 0 {
		begin, k := len(msg), min(n, atOnce)
		msg = slices.Grow(msg, k)[:begin+k]
		if _, err := io.ReadFull(s.br, msg[begin:]); err != nil {
			return nil, err
		}
		n -= k
	}
	return msg, nil
}

// closeReason makes an error of a closing frame.
func closeReason(payload []byte) error {
	code, reason := ws.ParseCloseFrameData(payload)
	if code == 0 || code == ws.StatusNormalClosure || code == ws.StatusNoStatusRcvd {
		return errClosed
	}
	return fmt.Errorf("%w: status %d %.100q", errClosed, code, reason)
}

// send sends text messages in one write.
func (s *socket) send(msgs ...[]byte) error { return s.frames(ws.OpText, msgs...) }

func (s *socket) frames(op ws.OpCode, msgs ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = s.out[:0]
	for _, m := range msgs {
		s.out = appendFrame(s.out, op, m)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(s.out)
	if cap(s.out) > 64<<10 {
		s.out = nil
	}
	return err
}

// appendFrame appends a masked frame (RFC 6455 §5.2).
func appendFrame(b []byte, op ws.OpCode, payload []byte) []byte {
	b = append(b, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	r := rand.Uint32()
	mask := [4]byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)}
	b = append(b, mask[:]...)
	begin := len(b)
	b = append(b, payload...)
	ws.Cipher(b[begin:], mask, 0)
	return b
}

// close ends the connection; drop without a closing frame, as a network that
// breaks.
func (s *socket) close() {
	_ = s.frames(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	_ = s.conn.Close()
}

// expire lets reading end after a time, whatever comes.
func (s *socket) expire(d time.Duration) { _ = s.conn.SetReadDeadline(time.Now().Add(d)) }

func (s *socket) drop() { _ = s.conn.Close() }
