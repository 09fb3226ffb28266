package signal

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestEarlyBytes: nothing is lost between net/http's reader and ours, whether
// the client's first frames came with its request or later, and whether or not
// the socket is watched.
func TestEarlyBytes(t *testing.T) {
	for _, early := range []string{"", "a", strings.Repeat("e", 4096)} {
		for _, watched := range []bool{false, true} {
			here, there := net.Pipe()
			late := []byte(strings.Repeat("late ", 500))
			go func() { _, _ = there.Write(late); _ = there.Close() }()
			br := bufio.NewReaderSize(strings.NewReader(early), 4096)
			_, _ = br.Peek(len(early))
			s := newSocket(here, 100, time.Second)
			s.watched = watched
			s.open(earlyBytes(br))
			_, _ = s.br.Peek(min(1, len(early)))
			if watched && s.br.Buffered() != len(early) {
				t.Errorf("%d of %d early bytes are with the reader that is thrown away when they are read", s.br.Buffered(), len(early))
			}
			got, err := io.ReadAll(s.br)
			if err != nil || !bytes.Equal(got, append([]byte(early), late...)) {
				t.Errorf("%d early bytes: read %d bytes, %v", len(early), len(got), err)
			}
			_ = here.Close()
		}
	}
}
