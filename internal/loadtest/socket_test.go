package loadtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// frame writes a frame of a server.
func frame(fin bool, op ws.OpCode, payload string) []byte {
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, ws.Header{Fin: fin, OpCode: op, Length: int64(len(payload))})
	b.WriteString(payload)
	return b.Bytes()
}

func reading(frames ...[]byte) *socket {
	return &socket{br: bufio.NewReaderSize(bytes.NewReader(bytes.Join(frames, nil)), readBuffer)}
}

// TestSocketRead: messages of any length come whole, in any number of frames;
// what is none ends the connection.
func TestSocketRead(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 5*atOnce/16) + "!"
	whole := func(fin bool, text string) []byte { return frame(fin, ws.OpText, text) }
	for _, tc := range []struct {
		name   string
		frames [][]byte
		want   string
		err    error
	}{
		{"short", [][]byte{whole(true, "hello")}, "hello", nil},
		{"empty", [][]byte{whole(true, "")}, "", nil},
		{"long", [][]byte{whole(true, long)}, long, nil},
		{"as long as one piece", [][]byte{whole(true, long[:atOnce])}, long[:atOnce], nil},
		{"in parts", [][]byte{whole(false, long), frame(true, ws.OpPong, "x"), frame(false, ws.OpContinuation, "a"), frame(true, ws.OpContinuation, long)}, long + "a" + long, nil},
		{"cut off", [][]byte{whole(true, long)[:atOnce+100]}, "", io.ErrUnexpectedEOF},
		{"a long closing frame", [][]byte{frame(true, ws.OpClose, long)}, "", errFraming},
		{"half a ping", [][]byte{frame(false, ws.OpPing, "x")}, "", errFraming},
		{"an unknown control frame", [][]byte{frame(true, 11, "")}, "", errFraming},
		{"closed", [][]byte{frame(true, ws.OpClose, "\x03\xe8")}, "", errClosed},
		{"too long", [][]byte{whole(false, long), {0x80, 127, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff}}, "", errTooLong},
	} {
		if got, err := reading(tc.frames...).read(); string(got) != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d bytes, %v", tc.name, len(got), err)
		}
	}
}

// TestSocketPromise: a header that promises the longest frame takes little
// memory until it comes.
func TestSocketPromise(t *testing.T) {
	head := append([]byte{0x81, 127}, binary.BigEndian.AppendUint64(nil, maxFrame)...)
	var before, after runtime.MemStats
	s := reading(head, []byte("and no more"))
	runtime.ReadMemStats(&before)
	_, err := s.read()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, io.ErrUnexpectedEOF) || took > 256<<10 {
		t.Errorf("%v, %d bytes of memory", err, took)
	}
}
