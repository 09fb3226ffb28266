package netio

import (
	"fmt"
	"testing"
)

const packetSize = 1150

// BenchmarkSend sends datagrams of a video packet's size in runs of so many
// to one destination, 64 a flush; one operation is one datagram.
func BenchmarkSend(b *testing.B) {
	for _, run := range []int{1, 4, 8, 32} {
		b.Run(fmt.Sprintf("run=%d", run), func(b *testing.B) {
			s := listen(b, Config{})
			receivers := make([]*Socket, 64/run)
			for i := range receivers {
				receivers[i] = listen(b, Config{ReadBuffer: 1 << 16})
			}
			b.SetBytes(packetSize)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Buffer(packetSize, receivers[i%len(receivers)].LocalAddr())
				s.Commit(packetSize)
				if i%64 == 63 {
					_, _, _ = s.Flush()
				}
			}
		})
	}
}

// BenchmarkWriteTo is the same without arena and batch.
func BenchmarkWriteTo(b *testing.B) {
	s, r := listen(b, Config{}), listen(b, Config{ReadBuffer: 1 << 16})
	data := make([]byte, packetSize)
	b.SetBytes(packetSize)
	b.ReportAllocs()
	for b.Loop() {
		_ = s.WriteTo(data, r.LocalAddr())
	}
}

// BenchmarkReceive sends 64 datagrams in runs and reads them; one operation
// is one datagram sent and received. Compare with BenchmarkSend.
func BenchmarkReceive(b *testing.B) {
	for _, run := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("run=%d", run), func(b *testing.B) {
			senders := make([]*Socket, 64/run)
			for i := range senders {
				senders[i] = listen(b, Config{})
			}
			r, batch := listen(b, Config{}), NewBatch(DefaultMessages)
			b.SetBytes(packetSize)
			b.ReportAllocs()
			for range (b.N + 63) / 64 {
				for _, s := range senders {
					for range run {
						s.Buffer(packetSize, r.LocalAddr())
						s.Commit(packetSize)
					}
					_, _, _ = s.Flush()
				}
				r.SetDeadline(patience)
				for got := 0; got < 64; {
					n, err := r.Read(batch)
					if err != nil || n == 0 {
						b.Fatal(n, err)
					}
					got += n
				}
			}
		})
	}
}

// BenchmarkOutbox is the grouping alone, without the kernel.
func BenchmarkOutbox(b *testing.B) {
	s := listen(b, Config{})
	o := s.out
	to := s.LocalAddr()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !o.fits(packetSize) {
			o.reset()
		}
		o.buffer(packetSize, to)
		o.commit(packetSize)
	}
}
