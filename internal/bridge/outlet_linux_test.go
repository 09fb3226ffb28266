package bridge

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// threadCPU is the CPU time of the calling thread. Unlike time by the clock it
// means something on a machine that has other things to do.
func threadCPU() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	return cpuOf(thread)
}

func cpuOf(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOutlet shows how much of the work of a large conference can be done
// by others: what a packet of its video costs the conference's worker and what
// its outlet, for each receiver, in CPU time.
func BenchmarkOutlet(b *testing.B) {
	const receivers = 500
	for _, lent := range []int{0, receivers / 2, receivers} {
		b.Run(fmt.Sprintf("%d of %d lent", lent, receivers), func(b *testing.B) {
			n := newBenches(b, 2, receivers, srtp.AEADAES128GCM)
			outlet := n.w.b.workers[1]
			for _, ep := range n.w.conferences[meeting].order[1 : 1+lent] {
				n.w.lendTo(ep, outlet)
			}
			key, delta := append(vp8Frame(true, 1, 720), make([]byte, 900)...), append(vp8Frame(false, 1, 0), make([]byte, 1000)...)
			var e rtp.Egress
			turn := func(payload []byte) (home, other time.Duration) {
				t0 := threadCPU()
				n.w.now = n.w.now.Add(4e6)
				for range 4 {
					n.packet(b, &e, 1003, ptVP8, payload)
				}
				n.w.turnOver()
				t1 := threadCPU()
				outlet.serve()
				return t1 - t0, threadCPU() - t1
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			turn(key)
			turn(key)
			for range 300 {
				turn(delta)
			}
			forwarded := n.w.forwards()
			var home, other time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				h, o := turn(delta)
				home, other = home+h, other+o
			}
			got := float64(n.w.forwards() - forwarded)
			if got != float64(4*receivers*b.N) {
				b.Fatalf("%.0f packets forwarded, want %d", got, 4*receivers*b.N)
			}
			b.ReportMetric(float64(home.Nanoseconds())/got, "here-ns/forwarded")
			b.ReportMetric(float64(other.Nanoseconds())/got, "there-ns/forwarded")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkLentAtRest is what it costs that somebody was lent and the worker is
// not busy any more: the delay of one packet of audio to ten receivers on real
// workers, and the CPU time of all who take part.
func BenchmarkLentAtRest(b *testing.B) {
	const receivers = 10
	for _, lent := range []int{0, 1, receivers} {
		b.Run(fmt.Sprintf("%d of %d lent", lent, receivers), func(b *testing.B) {
			r := newRig(b, 2)
			a := r.join(meeting, "aaaaaaaa", 1000)
			var all []*client
			for i := range receivers {
				all = append(all, r.join(meeting, fmt.Sprintf("bbbbbbb%d", i), 0))
			}
			for _, c := range all {
				c.until("audio", func() { a.audio(30) }, func() bool { return len(c.packets(1000)) > 0 })
			}
			for _, c := range all[:lent] {
				r.lend(c.id, 1)
			}
			before := cpuOf(syscall.RUSAGE_SELF)
			b.ResetTimer()
			for range b.N {
				for _, c := range all {
					c.mu.Lock()
					c.rtp = c.rtp[:0]
					c.mu.Unlock()
				}
				a.audio(30)
				for _, c := range all {
					c.until("the packet", nil, func() bool { return len(c.rtp) > 0 })
				}
			}
			b.ReportMetric(float64((cpuOf(syscall.RUSAGE_SELF)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
