package signal

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

// TestOwnReader: nothing is lost between net/http's reader and ours, whether
// the client's first frames came with its request or later.
func TestOwnReader(t *testing.T) {
	for _, early := range []string{"", "a", strings.Repeat("early ", 500)} {
		here, there := net.Pipe()
		late := []byte(strings.Repeat("late ", 500))
		go func() { _, _ = there.Write(late); _ = there.Close() }()
		br := bufio.NewReaderSize(strings.NewReader(early), 4096)
		_, _ = br.Peek(len(early))
		own := ownReader(here, br)
		if own.Size() != readAhead {
			t.Errorf("it holds %d bytes", own.Size())
		}
		got, err := io.ReadAll(own)
		if err != nil || !bytes.Equal(got, append([]byte(early), late...)) {
			t.Errorf("%d early bytes: read %d bytes, %v", len(early), len(got), err)
		}
		_ = here.Close()
	}
}
