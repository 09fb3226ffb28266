package signal

import (
	"runtime"
	"sync"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/netio/wsframe"
)

// maxBatch is how much is written at once, bytes.
const maxBatch = 64 << 10

var batches = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// flusher writes what sessions have waiting. Nearly always the kernel takes it
// at once, so that as many goroutines as there are cores suffice for all; they
// exist only while something waits. A socket that is full gets a goroutine of
// its own until it has caught up.
type flusher struct {
	mu      sync.Mutex
	queue   []*conn
	first   int
	running int
}

// add lets the outbox of a connection be written soon. Whoever calls has set
// writing and counted in c.writer.
func (f *flusher) add(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first > len(f.queue)/2 { // else a queue that is never empty would keep all that was ever in it
		n := copy(f.queue, f.queue[f.first:])
		clear(f.queue[n:])
		f.queue, f.first = f.queue[:n], 0
	}
	f.queue = append(f.queue, c)
	if f.running < runtime.GOMAXPROCS(0) {
		f.running++
		go f.run()
	}
}

// run writes until nothing waits. It lets those go first who are about to
// say more: what they say goes into the same write.
func (f *flusher) run() {
	buf := batches.Get().(*[]byte)
	for {
		runtime.Gosched()
		for range f.turn() {
			c := f.take()
			if c == nil {
				batches.Put(buf)
				return
			}
			buf = c.drain(buf)
		}
	}
}

// leastTurn is how many connections at the least are written to before others
// go first again.
const leastTurn = 16

// turn is to how many connections to write now: to a quarter of those that
// wait. On a core that is busy with media, who lets others go first comes back
// after tens of milliseconds: with leastTurn always, the answers to a crowd
// waited for seconds.
func (f *flusher) turn() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max((len(f.queue)-f.first)/4, leastTurn)
}

// take returns the next connection. Nil means that the goroutine is to end.
func (f *flusher) take() *conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == len(f.queue) {
		f.running--
		f.queue, f.first = f.queue[:0], 0
		if cap(f.queue) > 1024 {
			f.queue = nil
		}
		return nil
	}
	c := f.queue[f.first]
	f.queue[f.first] = nil
	f.first++
	return c
}

// drain writes what waits for the session, as long as the socket takes it at
// once. It returns the buffer for the next, which may be another.
func (c *conn) drain(buf *[]byte) *[]byte {
	for {
		*buf = c.session.batch(c, (*buf)[:0], maxBatch)
		if len(*buf) == 0 {
			c.writer.Done()
			return buf
		}
		n, err := c.sock.try(*buf)
		switch {
		case err != nil:
			c.writeFailed(err)
			c.writer.Done()
			return buf
		case n < len(*buf):
			go c.drainSlowly(buf, n)
			return batches.Get().(*[]byte)
		}
	}
}

// drainSlowly is drain for a socket that has to be waited for. The first n
// bytes of buf have been written.
func (c *conn) drainSlowly(buf *[]byte, n int) {
	defer c.writer.Done()
	defer batches.Put(buf)
	for len(*buf) > 0 {
		if err := c.sock.write((*buf)[n:]); err != nil {
			c.writeFailed(err)
			return
		}
		n = 0
		*buf = c.session.batch(c, (*buf)[:0], maxBatch)
	}
}

// writeFailed drops the socket, unless our goodbye has been said on it: the
// peer is then still being given time to read it. The reader finds out.
func (c *conn) writeFailed(err error) {
	if !isClosed(err) {
		c.drop()
	}
}

// ping asks a silent peer whether it is still there.
func (c *conn) ping() {
	if err := c.sock.write(wsframe.Append(nil, ws.OpPing, nil)); err != nil {
		c.writeFailed(err)
	}
}
