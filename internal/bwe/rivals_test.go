package bwe

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// Traffic that competes for the bottleneck.

// cross sends datagrams at a constant rate.
type cross struct {
	rate int64
	next mono.Time
	out  int
}

func (c *cross) Deadline() mono.Time { return c.next }
func (c *cross) Tick(now mono.Time) {
	if c.next == 0 || now < c.next {
		return
	}
	c.out++
	c.next = now.Add(time.Duration(packetSize * 8 * int64(time.Second) / c.rate))
}

func (c *cross) set(now mono.Time, rate int64) {
	c.rate, c.next = rate, 0
	if rate > 0 {
		c.next = now
	}
}
func (c *cross) Receive(mono.Time, netip.AddrPort, []byte) {}
func (c *cross) Outgoing([]byte) (int, netip.AddrPort, bool) {
	if c.out == 0 {
		return 0, netip.AddrPort{}, false
	}
	c.out--
	return packetSize, sinkAddr, true
}

// reno is a download with the congestion control of RFC 5681, simplified: no
// timeouts, and losses are seen from the first acknowledgement behind them.
type reno struct {
	on       bool
	window   float64 // packets
	slow     float64 // slow start threshold
	next     uint32
	acked    uint32
	recover  uint32
	progress mono.Time
}

const renoPacket = 1400

func (r *reno) start(now mono.Time) {
	*r = reno{on: true, window: 10, slow: 1e9, next: r.next, acked: r.next, recover: r.next, progress: now}
}

func (r *reno) Deadline() mono.Time {
	if !r.on {
		return 0
	}
	return r.progress.Add(3 * time.Second)
}

// Tick starts again after everything was lost.
func (r *reno) Tick(now mono.Time) {
	if r.on && now >= r.Deadline() {
		r.start(now)
	}
}

func (r *reno) Receive(now mono.Time, _ netip.AddrPort, ack []byte) {
	n := binary.BigEndian.Uint32(ack)
	if !r.on || int32(n-r.acked) < 0 {
		return
	}
	r.progress = now
	if n != r.acked && int32(n-r.recover) > 0 { // a gap, once for each round trip
		r.window = max(2, r.window/2)
		r.slow, r.recover = r.window, r.next
	}
	r.acked = n + 1
	if r.window < r.slow {
		r.window++
	} else {
		r.window += 1 / r.window
	}
}

func (r *reno) Outgoing(dst []byte) (int, netip.AddrPort, bool) {
	if !r.on || float64(r.next-r.acked) >= r.window {
		return 0, netip.AddrPort{}, false
	}
	binary.BigEndian.PutUint32(dst, r.next)
	r.next++
	return renoPacket, sinkAddr, true
}

// sink acknowledges the download and counts it.
type sink struct {
	bytes int64
	out   []uint32
}

func (s *sink) Deadline() mono.Time { return 0 }
func (s *sink) Tick(mono.Time)      {}
func (s *sink) Receive(_ mono.Time, from netip.AddrPort, pkt []byte) {
	if from == tcpAddr {
		s.bytes += int64(len(pkt))
		s.out = append(s.out, binary.BigEndian.Uint32(pkt))
	}
}

func (s *sink) Outgoing(dst []byte) (int, netip.AddrPort, bool) {
	if len(s.out) == 0 {
		return 0, netip.AddrPort{}, false
	}
	binary.BigEndian.PutUint32(dst, s.out[0])
	s.out = s.out[1:]
	return 40, tcpAddr, true
}

// rivals puts competing traffic behind the same bottleneck.
func (w *world) rivals() (*cross, *reno, *sink) {
	c, r, s := &cross{}, &reno{}, &sink{}
	w.Attach(c, crossAddr)
	w.Attach(r, tcpAddr)
	p := w.Attach(s, sinkAddr)
	p.Down, p.Up.Delay = w.down, 20*ms
	return c, r, s
}

// second adds another bridge and client that share the bottleneck.
func (w *world) second(seed uint64, demand int64) *bridge {
	b := newBridge(newRand(seed), Options{}, demand)
	for i := range b.due {
		b.due[i] = w.Now().Add(time.Duration(i) * 7 * ms)
	}
	b.audioAt, b.keyAt = w.Now(), w.Now().Add(b.key)
	b.to = netip.MustParseAddrPort("10.0.0.7:5000")
	w.Attach(b, netip.MustParseAddrPort("10.0.0.6:10000"))
	p := w.Attach(&client{}, b.to)
	p.Down, p.Up.Delay = w.down, 20*ms
	return b
}

var _ = []netem.Node{&bridge{}, &client{}, &cross{}, &reno{}, &sink{}}
