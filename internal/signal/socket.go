package signal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio/wsframe"
)

// socket is one WebSocket as the server sees it: whole messages in, bytes of
// framed messages out. One goroutine reads; any may write.
type socket struct {
	nc        net.Conn
	br        *bufio.Reader // nil while nobody reads
	pooled    bool          // br is one of readers
	watched   bool          // reading may end whenever br is empty: somebody is told of more
	header    [ws.MaxHeaderSize]byte
	max       int           // longest message, bytes
	sendLimit time.Duration // longest single write
	throttle  func(int)     // called with the length of each frame read; may wait; nil for none
	heard     atomic.Int64  // mono.Time of the last frame's beginning

	wmu    sync.Mutex
	raw    syscall.RawConn // nil if nc stands for no descriptor
	closed atomic.Bool     // a closing frame went out; set under wmu

	part    sync.Once
	parting chan struct{} // closed when close is called
	until   time.Time     // all must be done by then; set before parting is closed
}

// newSocket serves nc.
func newSocket(nc net.Conn, max int, sendLimit time.Duration) *socket {
	s := &socket{nc: nc, max: max, sendLimit: sendLimit, parting: make(chan struct{})}
	if sc, ok := nc.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn() // without it writes only take longer
	}
	s.heard.Store(int64(mono.Now()))
	return s
}

// closeError ends a socket with a WebSocket status code (RFC 6455 §7.4).
type closeError struct {
	code ws.StatusCode
	text string
}

func (e *closeError) Error() string { return fmt.Sprintf("websocket %d: %s", e.code, e.text) }

var (
	errTooLong   = &closeError{ws.StatusMessageTooBig, "stanza too large"}
	errNotText   = &closeError{ws.StatusUnsupportedData, "text expected"}
	errFraming   = &closeError{ws.StatusProtocolError, "framing"}
	errPeerClose = errors.New("closed by peer")
	errIdle      = errors.New("nothing to read") // of a socket that is watched
)

// statusTryAgain is "try again later" of the IANA registry of RFC 6455.
const statusTryAgain ws.StatusCode = 1013

// readMessage returns the next text message, in memory of its own. Control
// frames in between are dealt with here. A watched socket does not wait for a
// message after a control frame: the error is errIdle.
func (s *socket) readMessage() ([]byte, error) {
	var msg []byte
	for started := false; ; {
		h, err := s.readHeader()
		if err != nil {
			return nil, err
		}
		if h.OpCode.IsControl() {
			if err := s.control(h); err != nil {
				return nil, err
			}
			if !started && s.idle() {
				return nil, errIdle
			}
			continue
		}
		switch {
		case h.OpCode == ws.OpBinary:
			return nil, errNotText
		case (h.OpCode == ws.OpContinuation) != started:
			return nil, errFraming
		case h.Length > int64(s.max-len(msg)):
			return nil, errTooLong
		}
		started = true
		if msg, err = s.readPayload(msg, h); err != nil || h.Fin {
			return msg, err
		}
	}
}

func (s *socket) readHeader() (ws.Header, error) {
	h, err := ws.ReadHeaderBuffer(s.br, s.header[:0:len(s.header)])
	if err != nil {
		return h, err
	}
	s.heard.Store(int64(mono.Now()))
	if h.Rsv != 0 || !h.Masked || h.OpCode.IsReserved() ||
		h.OpCode.IsControl() && (h.Length > ws.MaxControlFramePayloadSize || !h.Fin) {
		return h, errFraming
	}
	return h, nil
}

// readPayload appends a frame's payload, whose length was checked before.
func (s *socket) readPayload(msg []byte, h ws.Header) ([]byte, error) {
	n := len(msg)
	if msg == nil {
		msg = make([]byte, h.Length)
	} else {
		msg = append(msg, make([]byte, h.Length)...)
	}
	if _, err := io.ReadFull(s.br, msg[n:]); err != nil {
		return nil, err
	}
	ws.Cipher(msg[n:], h.Mask, 0)
	if s.throttle != nil { // every frame counts: pings and empty pieces cost as much as stanzas
		s.throttle(int(h.Length))
	}
	return msg, nil
}

func (s *socket) control(h ws.Header) error {
	payload, err := s.readPayload(nil, h)
	if err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		return s.write(wsframe.Append(nil, ws.OpPong, payload))
	case ws.OpClose:
		return errPeerClose
	}
	return nil
}

// pause waits, but not beyond the end of a socket that is being closed.
func (s *socket) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.parting:
		time.Sleep(min(d, time.Until(s.until)))
	}
}

// isParting reports whether close has been called.
func (s *socket) isParting() bool {
	select {
	case <-s.parting:
		return true
	default:
		return false
	}
}

// close says goodbye with a status code. Reading and writing must then be done
// within lingerFor, also a write that is under way, for which it waits. The
// reading goroutine, whoever that is, ends the socket with linger.
func (s *socket) close(code ws.StatusCode, reason string) {
	s.part.Do(func() {
		s.until = time.Now().Add(lingerFor)
		close(s.parting)
		_ = s.nc.SetDeadline(s.until)
	})
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed.Swap(true) {
		return
	}
	frame := wsframe.Append(nil, ws.OpClose, ws.NewCloseFrameBody(code, reason))
	_ = s.nc.SetWriteDeadline(s.until)
	_, _ = s.nc.Write(frame) // the peer may be gone already
}

const (
	// lingerFor is how long a peer has to take our goodbye.
	lingerFor = time.Second
	// lingerBytes is how much of its unread words is swallowed meanwhile.
	lingerBytes = 1 << 20
)

// linger ends the socket after close. What the peer has still sent is read and
// thrown away: closing over unread bytes would reset the connection and might
// take our last words with it.
func (s *socket) linger() {
	if cw, ok := s.nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, s.br, lingerBytes)
	}
	_ = s.nc.Close()
}

// drop ends the socket at once, also under a write that hangs.
func (s *socket) drop() { _ = s.nc.Close() }

// cut drops the socket unless our goodbye has been said on it: the reading
// goroutine then ends it, once the peer has had the time to take it.
func (s *socket) cut() {
	if !s.closed.Load() {
		s.drop()
	}
}
