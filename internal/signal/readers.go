package signal

import (
	"bufio"
	"bytes"
	"io"
	"sync"
)

// A socket has a buffer to read with only while somebody reads.

// readAhead is enough for the headers of some frames; what is longer is read
// straight to where it belongs. It is for sockets that are read all the time.
const readAhead = 512

// readers are buffers for sockets that are watched. They are large, so that
// mostly one system call reads all there is; and not smaller than that of
// net/http, so that what it has read early fits.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// open makes the socket ready to be read. early is what has been read of it
// already, 4 KB at most.
func (s *socket) open(early []byte) {
	var src io.Reader = s.nc
	if len(early) > 0 {
		src = io.MultiReader(bytes.NewReader(early), s.nc)
	}
	if !s.watched {
		s.br = bufio.NewReaderSize(src, readAhead)
		return
	}
	s.br, s.pooled = readers.Get().(*bufio.Reader), true
	s.br.Reset(src)
}

// shut gives the buffer back. What it still held is lost.
func (s *socket) shut() {
	if s.br != nil && s.pooled {
		s.br.Reset(nil)
		readers.Put(s.br)
	}
	s.br, s.pooled = nil, false
}

// idle reports whether everything that came has been read, as far as is known,
// and waiting for more can be left to others.
func (s *socket) idle() bool { return s.watched && s.br.Buffered() == 0 }

// earlyBytes returns what net/http's reader holds of the client's first words.
// The reader itself is not kept: it is large, keeps what else the server knows
// of the connection, and stands on the stack of whoever waits in it.
func earlyBytes(br *bufio.Reader) []byte {
	early, _ := br.Peek(br.Buffered()) // what is buffered is there
	return bytes.Clone(early)
}
