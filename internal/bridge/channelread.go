package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/mono"
)

// channelReadAhead is enough for the headers of some frames; what is longer is
// read straight to where it belongs.
const channelReadAhead = 512

// ownReader goes on where br has stopped reading nc, without br: net/http's
// reader is eight times as large as needed and keeps what else the server knows
// of the connection.
func ownReader(nc net.Conn, br *bufio.Reader) *bufio.Reader {
	early, _ := br.Peek(br.Buffered()) // what is buffered is there
	if len(early) == 0 {
		return bufio.NewReaderSize(nc, channelReadAhead)
	}
	// All of it in the buffer, so that what is buffered is all that was read.
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), nc), max(channelReadAhead, len(early)))
}

var (
	errFrame = errors.New("bridge: bad WebSocket frame")
	errClose = errors.New("bridge: WebSocket closed by the client")
	errIdle  = errors.New("bridge: nothing to read")
)

// read is the reading goroutine. Where the system tells when there is something
// to read (package readable) it ends when there is nothing.
func (l *wsLink) read() {
	if l.in == nil {
		l.in = bufio.NewReaderSize(l.conn, channelReadAhead)
	}
	for {
		msg, err := l.message()
		switch {
		case err == errIdle:
		case err != nil:
			l.over(err)
			return
		default:
			l.ep.channelReceived(l, msg)
		}
		if l.idle() && l.park() {
			return
		}
	}
}

func (l *wsLink) over(err error) {
	if l.watch != nil {
		l.watch.Forget()
	}
	l.close(closeStatus(err), "")
	l.ep.channelClosed(l)
	l.b.forgetSocket(l)
	l.b.channels.Done()
}

// idle reports whether everything that came has been read, and waiting for more
// can be left to others.
func (l *wsLink) idle() bool { return l.watch != nil && l.in.Buffered() == 0 }

// park leaves waiting to the bridge's Set. False means that there is a reason to
// go on reading; after true, another goroutine may be reading already.
func (l *wsLink) park() bool {
	in := l.in
	l.in = nil
	l.parked.Store(true)
	if l.watch.Arm() == nil { // not if the connection was closed before parked was set
		return true
	}
	if !l.parked.CompareAndSwap(true, false) {
		return true
	}
	l.in = in
	return false
}

// Readable implements readable.Waiter.
func (l *wsLink) Readable() { l.rouse() }

// hurry notes that something was read that somebody waits for.
func (l *wsLink) hurry() {
	if l.watch != nil {
		l.watch.Hurry(mono.Time(l.heard.Load()))
	}
}

// rouse starts the reading goroutine unless there is one.
func (l *wsLink) rouse() {
	if l.parked.CompareAndSwap(true, false) {
		go l.read()
	}
}

func closeStatus(err error) ws.StatusCode {
	switch {
	case errors.Is(err, errFrame):
		return ws.StatusProtocolError
	case errors.Is(err, errClose):
		return ws.StatusNormalClosure
	}
	return ws.StatusGoingAway
}

// message reads frames until one text message is complete, or there is nothing
// to read but a control frame: the error is errIdle.
func (l *wsLink) message() ([]byte, error) {
	var msg []byte
	for started := false; ; {
		l.conn.SetReadDeadline(time.Now().Add(wsIdle))
		h, err := ws.ReadHeader(l.in)
		if err != nil {
			return nil, err
		}
		l.heard.Store(int64(mono.Now()))
		body, err := l.body(h, len(msg))
		if err != nil {
			return nil, err
		}
		if h.OpCode.IsControl() {
			if err := l.control(h.OpCode, body); err != nil {
				return nil, err
			}
			if !started && l.idle() {
				return nil, errIdle
			}
			continue
		}
		if started == (h.OpCode != ws.OpContinuation) {
			return nil, errFrame
		}
		started = true
		if msg = append(msg, body...); h.Fin {
			return msg, nil
		}
	}
}

// body reads one frame's payload after its size was found acceptable.
func (l *wsLink) body(h ws.Header, sofar int) ([]byte, error) {
	limit := int64(l.b.opt.Limits.ChannelMessage - sofar)
	if h.OpCode.IsControl() {
		limit = ws.MaxControlFramePayloadSize
	}
	if h.Length > limit || !h.Masked || h.Rsv != 0 || (h.OpCode.IsControl() && !h.Fin) {
		return nil, errFrame // RFC 6455 §5.1: a client masks
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(l.in, body); err != nil {
		return nil, err
	}
	ws.Cipher(body, h.Mask, 0)
	return body, nil
}

func (l *wsLink) control(op ws.OpCode, body []byte) error {
	switch op {
	case ws.OpPing:
		l.mu.Lock()
		l.pong, l.ponged = body, true
		l.wake()
		l.mu.Unlock()
	case ws.OpClose:
		return errClose
	}
	return nil
}
