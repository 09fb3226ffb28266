package wsframe

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

// TestAppend: another implementation writes the same, at each size of header.
func TestAppend(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 1<<16 - 1, 1 << 16, 1<<16 + 1} {
		payload := bytes.Repeat([]byte{'x'}, n)
		var want bytes.Buffer
		if err := ws.WriteFrame(&want, ws.NewTextFrame(payload)); err != nil {
			t.Fatal(err)
		}
		if got := Append([]byte("before"), ws.OpText, payload); !bytes.Equal(got, append([]byte("before"), want.Bytes()...)) {
			t.Errorf("a frame of %d bytes is another", n)
		}
	}
}
