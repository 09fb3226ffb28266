package secure

import (
	"runtime"
	"testing"
)

// TestMemoryOfSessions measures what an established session keeps, because a bridge has
// thousands. The clients are gone (behind cut wires) when it looks. The
// bounds are generous against the numbers in doc.go: they shall catch a
// goroutine or a buffer that somebody adds, not the weather.
func TestMemoryOfSessions(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures memory")
	}
	for _, c := range []struct {
		name       string
		channel    bool
		bytes      int
		goroutines int
	}{
		{"keys only", false, 8 << 10, 0},
		{"with a data channel", true, 112 << 10, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			bytes, goroutines := cost(t, 100, c.channel)
			t.Logf("%d bytes, %d goroutines a session", bytes, goroutines)
			if bytes > c.bytes || goroutines > c.goroutines {
				t.Errorf("more than %d bytes, %d goroutines", c.bytes, c.goroutines)
			}
		})
	}
}

// cost returns what each of n established sessions takes.
func cost(t *testing.T, n int, channel bool) (bytes, goroutines int) {
	measure := func() (int, int) {
		for range 3 { // finalizers and pools need more than one
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
	}
	bytesBefore, goroutinesBefore := measure()
	sessions := make([]*Session, n)
	for i := range sessions {
		sessions[i] = abandoned(t, channel)
	}
	bytesAfter, goroutinesAfter := measure()
	for _, s := range sessions {
		s.Close()
	}
	for _, s := range sessions {
		<-s.Done()
	}
	return (bytesAfter - bytesBefore) / n, (goroutinesAfter - goroutinesBefore) / n
}

// abandoned returns an established session whose client no longer exists.
func abandoned(t *testing.T, channel bool) *Session {
	p := newPair(t, channel)
	p.connect()
	if channel {
		c := dialChannel(t, p)
		<-p.opened
		if err := p.session.SendChannel([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c.read(t)
		p.rewire(cut, cut)
		c.close()
	}
	p.rewire(cut, cut)
	_ = p.conn.Close()
	p.client = nil
	p.conn = nil
	return p.session
}

func BenchmarkHandshake(b *testing.B) {
	identity(b)
	b.ReportAllocs()
	for b.Loop() {
		p := newPair(b, false)
		p.connect()
		p.finish()
	}
}
