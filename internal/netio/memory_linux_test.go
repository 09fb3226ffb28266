package netio

import (
	"runtime"
	"testing"
)

// TestMemoryOfSockets: a bridge has a socket and a batch for each core, of
// which there may be many in a machine with little memory.
func TestMemoryOfSockets(t *testing.T) {
	const count = 64
	type reader struct {
		s *Socket
		b *Batch
	}
	var readers []reader
	before := liveHeap()
	for range count {
		readers = append(readers, reader{listen(t, Config{}), NewBatch(DefaultMessages)})
	}
	idle := (liveHeap() - before) / count
	for _, r := range readers {
		r.s.out = grown(DefaultArena)
		r.s.send.begin(r.s.out)
		r.b.allocate(DefaultMessages)
	}
	most := (liveHeap() - before) / count
	t.Logf("%d bytes, later at most %d", idle, most)
	if idle > MaxMemory/30 || most > MaxMemory {
		t.Errorf("more than %d at first, and %d later", MaxMemory/30, MaxMemory)
	}
	runtime.KeepAlive(readers)
}

func liveHeap() int {
	runtime.GC()
	runtime.GC() // pools need two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestBatchGrows: a batch takes more at once as more is waiting, and nothing
// is lost by beginning small.
func TestBatchGrows(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{NoOffload: true})
	b, sent := NewBatch(8), 40
	for i := range sent {
		send(t, s, r.LocalAddr(), []byte{byte(i)})
	}
	for at, room := 0, 1; at < sent; {
		r.SetDeadline(patience)
		n, err := r.Read(b)
		if n == 0 || n > room || len(b.os.headers) != room || err != nil {
			t.Fatalf("%d datagrams in a batch for %d, want one for %d; %v", n, len(b.os.headers), room, err)
		}
		for _, p := range b.Packets[:n] {
			if len(p.Data) != 1 || p.Data[0] != byte(at) {
				t.Fatalf("datagram %d is %x", at, p.Data)
			}
			at++
		}
		if n == room {
			room = min(2*room, 8)
		}
	}
}

// TestOutboxGrowsInUse: what is sent through a socket arrives whole and in
// order while the outbox grows under it, the largest datagrams too.
func TestOutboxGrowsInUse(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{})
	b := NewBatch(DefaultMessages)
	for _, c := range []struct{ size, count int }{{MaxDatagram, 1}, {10, 70}, {1200, 70}, {10, 3}} {
		size, to := c.size, r.LocalAddr()
		for i := range c.count {
			data := s.Buffer(size, to)
			clear(data)
			data[0], data[size-1] = byte(i), byte(i)
			s.Commit(size)
		}
		if sent, dropped, err := s.Flush(); sent != c.count || dropped != 0 || err != nil {
			t.Fatalf("%d bytes: %d sent, %d dropped, %v", size, sent, dropped, err)
		}
		for at := 0; at < c.count; {
			r.SetDeadline(patience)
			n, err := r.Read(b)
			if n == 0 || err != nil {
				t.Fatalf("%d bytes: %d of %d came, %v", size, at, c.count, err)
			}
			for _, p := range b.Packets[:n] {
				if len(p.Data) != size || p.Data[0] != byte(at) || p.Data[size-1] != byte(at) {
					t.Fatalf("datagram %d of %d bytes is another one, of %d", at, size, len(p.Data))
				}
				at++
			}
		}
	}
}
