package signal

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// nowhere is a connection that takes everything and says nothing.
type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error)      { return len(b), nil }
func (nowhere) Close() error                     { return nil }
func (nowhere) SetDeadline(time.Time) error      { return nil }
func (nowhere) SetReadDeadline(time.Time) error  { return nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

// FuzzSocket reads messages out of what a peer sends and compares them with a
// plain reading of the same frames (RFC 6455 §5.2).
func FuzzSocket(f *testing.F) {
	frame := func(fs ...ws.Frame) []byte {
		var b bytes.Buffer
		for _, x := range fs {
			_ = ws.WriteFrame(&b, ws.MaskFrame(x))
		}
		return b.Bytes()
	}
	f.Add(frame(ws.NewTextFrame([]byte("<a/>")), ws.NewPingFrame([]byte("p")), ws.NewCloseFrame(nil)))
	f.Add(frame(ws.NewFrame(ws.OpText, false, []byte("<a")), ws.NewPongFrame(nil), ws.NewFrame(ws.OpContinuation, true, []byte("/>"))))
	f.Add(frame(ws.NewBinaryFrame(nil)))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 64
		s := newSocket(nowhere{}, most, time.Second)
		s.br = bufio.NewReader(bytes.NewReader(b))
		want := plainMessages(b)
		for i := 0; ; i++ {
			msg, err := s.readMessage()
			if err != nil {
				if i < len(want) && len(want[i]) <= most {
					t.Fatalf("message %d, %q: %v", i, want[i], err)
				}
				return
			}
			if len(msg) > most || i >= len(want) || !bytes.Equal(msg, want[i]) {
				t.Fatalf("message %d is %q, want %q", i, msg, want)
			}
		}
	})
}

// plainMessages returns the text messages in b up to the first thing that no
// client may send.
func plainMessages(b []byte) (list [][]byte) {
	r := bytes.NewReader(b)
	var msg []byte
	for started := false; ; {
		h, err := ws.ReadHeader(r)
		state := ws.StateServerSide
		if started {
			state = state.Set(ws.StateFragmented)
		}
		if err != nil || h.Length > int64(r.Len()) || ws.CheckHeader(h, state) != nil {
			return list
		}
		payload := make([]byte, h.Length)
		_, _ = io.ReadFull(r, payload)
		ws.Cipher(payload, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpClose:
			return list
		case h.OpCode.IsControl():
			continue
		case h.OpCode == ws.OpBinary:
			return list
		}
		if msg, started = append(msg, payload...), !h.Fin; h.Fin {
			list, msg = append(list, msg), nil
		}
	}
}
