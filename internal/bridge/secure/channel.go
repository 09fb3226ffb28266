package secure

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

const (
	// MaxMessage is the longest message in bytes on a data channel, either way.
	MaxMessage = 64 << 10
	// maxUnsent bounds in bytes what waits for the peer's acknowledgement.
	maxUnsent = 256 << 10
	// receiveWindow is what the peer may have under way. It exceeds the
	// 262144 bytes that clients take as the longest message, so that a message
	// that is too long for us can be received and discarded instead of
	// blocking the association for ever.
	receiveWindow = 320 << 10
	// messageBuffer fits nearly every message of a bridge channel; longer ones
	// get memory of their own.
	messageBuffer = 2048
	// dtlsOverhead is what a record adds to application data: header 13,
	// explicit nonce 8, tag 16.
	dtlsOverhead = 37
)

// SendChannel sends msg as one text message. It copies msg and never waits.
// If more than 256 KiB wait already the message is refused with
// ErrChannelFull: nothing that was accepted is dropped, the channel stays
// open, and it is the caller who knows whether the message can be forgotten
// or its state has to be sent again later. ErrNoChannel and ErrMessageTooLong
// are the other refusals.
func (s *Session) SendChannel(msg []byte) error {
	stream := s.channel.Load()
	switch {
	case stream == nil:
		return ErrNoChannel
	case len(msg) > MaxMessage:
		return ErrMessageTooLong
	case stream.BufferedAmount()+uint64(len(msg)) > maxUnsent:
		return ErrChannelFull
	}
	if _, err := stream.WriteSCTP(msg, sctp.PayloadTypeWebRTCString); err != nil {
		return fmt.Errorf("%w: %w", ErrNoChannel, err)
	}
	return nil
}

// serveChannel runs the SCTP association whose first packet is first, until
// it ends, whichever way: a peer that breaks SCTP loses the channel, not its
// media.
func (s *Session) serveChannel(conn *dtls.Conn, cfg *ChannelConfig, first []byte) {
	under := &channelConn{conn: conn, first: slices.Clone(first)}
	association, err := sctp.ServerWithOptions(
		sctp.WithNetConn(under),
		sctp.WithLoggerFactory(quiet{}),
		sctp.WithMTU(uint32(s.cfg.MTU-dtlsOverhead)&^3), // SCTP pads to 4 bytes
		sctp.WithMaxReceiveBufferSize(receiveWindow),
		sctp.WithMaxMessageSize(MaxMessage),
		sctp.WithEnableInterleaving(false), // one stream: nothing to interleave
	)
	if err != nil {
		return
	}
	defer association.Close()
	stream, err := acceptChannel(association)
	if err != nil {
		return
	}
	s.channel.Store(stream)
	cfg.OnOpen()
	err = s.readChannel(stream, cfg.OnMessage)
	s.channel.Store(nil)
	cfg.OnClosed(err)
}

// acceptChannel waits for the peer's first stream and its DATA_CHANNEL_OPEN
// (RFC 8832 §5.1), which is acknowledged. Label and protocol are not checked:
// there is only one channel it can be. Further streams are never accepted.
func acceptChannel(association *sctp.Association) (*sctp.Stream, error) {
	stream, err := association.AcceptStream()
	if err != nil {
		return nil, err
	}
	_, err = datachannel.Server(stream, &datachannel.Config{LoggerFactory: quiet{}})
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// readChannel passes text messages on until the stream ends.
func (s *Session) readChannel(stream *sctp.Stream, deliver func([]byte)) error {
	small := make([]byte, messageBuffer)
	buf := small
	for {
		n, kind, err := stream.ReadSCTP(buf)
		if errors.Is(err, io.ErrShortBuffer) {
			buf = make([]byte, n) // n is the message's length; it is still there
			continue
		}
		if err != nil {
			_ = stream.Close() // answers a reset with a reset (RFC 8831 §6.7)
			return err
		}
		switch {
		case kind != sctp.PayloadTypeWebRTCString || n > MaxMessage:
			s.discarded.Add(1)
		case len(buf) == messageBuffer:
			deliver(slices.Clone(buf[:n]))
		default:
			deliver(buf[:n])
		}
		buf = small
	}
}

// channelConn lets an SCTP association read a DTLS connection whose first
// record was read before. Closing it ends the association's reads and leaves
// the DTLS connection open.
type channelConn struct {
	conn *dtls.Conn

	mu     sync.Mutex
	first  []byte
	closed bool
}

// Read implements net.Conn.
func (c *channelConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	first, closed := c.first, c.closed
	c.first = nil
	c.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case first != nil:
		return copy(b, first), nil
	}
	return readData(c.conn, b)
}

// Write implements net.Conn.
func (c *channelConn) Write(b []byte) (int, error) { return c.conn.Write(b) }

// Close implements net.Conn.
func (c *channelConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	return c.conn.SetReadDeadline(past)
}

// LocalAddr implements net.Conn.
func (c *channelConn) LocalAddr() net.Addr { return peerAddr{} }

// RemoteAddr implements net.Conn.
func (c *channelConn) RemoteAddr() net.Addr { return peerAddr{} }

// SetDeadline implements net.Conn; the association is unblocked by Close.
func (c *channelConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *channelConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *channelConn) SetWriteDeadline(time.Time) error { return nil }
