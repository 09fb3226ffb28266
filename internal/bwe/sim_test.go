package bwe

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

const (
	ms   = time.Millisecond
	mbit = 1_000_000
	kbit = 1_000
)

var (
	bridgeAddr = netip.MustParseAddrPort("10.0.0.1:10000")
	clientAddr = netip.MustParseAddrPort("10.0.0.2:5000")
	crossAddr  = netip.MustParseAddrPort("10.0.0.3:9")
	tcpAddr    = netip.MustParseAddrPort("10.0.0.4:9")
	sinkAddr   = netip.MustParseAddrPort("10.0.0.5:9")
)

// datagram is how packets look in the simulation: a kind, for media the
// transport-wide number and whether it ends a frame, and then nothing.
const (
	kindMedia = iota
	kindFeedback
	headerLen = 4
)

// bridge is a sender like the real one: several videos at 30 frames a second,
// each frame sent in one go, audio in between, and padding when it is asked
// for. It follows the estimate at once, up to the demand.
type bridge struct {
	est    *Estimator
	rng    *rand.Rand
	demand int64 // bit/s wanted
	seq    uint16
	out    [][]byte
	to     netip.AddrPort

	videos  int
	due     []mono.Time // next frame of each video
	audioAt mono.Time
	keyAt   mono.Time // next key frame, of any video
	key     time.Duration

	layers  []int64 // if set, only these rates can be sent
	padding int64   // bytes
	muted   bool    // no video
}

const (
	audioSize     = 100
	audioInterval = 20 * ms
	frameInterval = 33_333 * time.Microsecond
	packetSize    = 1100
)

func newBridge(rng *rand.Rand, opt Options, demand int64) *bridge {
	b := &bridge{est: New(opt), rng: rng, demand: demand, to: clientAddr, videos: 3, key: 10 * time.Second}
	b.seq = uint16(rng.Uint32())
	for i := range b.videos {
		b.due = append(b.due, netem.Start.Add(time.Duration(i)*11*ms))
	}
	b.audioAt = netem.Start
	b.keyAt = netem.Start.Add(b.key)
	b.setDemand(demand)
	return b
}

func (b *bridge) setDemand(demand int64) {
	b.demand = demand
	b.est.SetDemand(b.target(), demand)
}

func (b *bridge) target() int64 {
	rate := min(b.est.Estimate(), b.demand)
	if b.layers == nil {
		return rate
	}
	best := int64(0)
	for _, l := range b.layers {
		if l <= rate {
			best = max(best, l)
		}
	}
	return best
}

func (b *bridge) Deadline() mono.Time {
	at := mono.Earliest(b.est.Deadline(), b.audioAt)
	for _, t := range b.due {
		at = mono.Earliest(at, t)
	}
	return at
}

func (b *bridge) Tick(now mono.Time) {
	if at := b.est.Deadline(); at != 0 && at <= now {
		b.est.Tick(now)
	}
	if p, ok := b.est.NextProbe(now); ok {
		for left := p.Bytes; left > 0; left -= p.PacketSize {
			b.send(now, min(max(left, 60), p.PacketSize), Padding, false)
		}
	}
	for b.audioAt <= now {
		b.audioAt = b.audioAt.Add(audioInterval)
		b.send(now, audioSize, Media, true)
	}
	for i := range b.due {
		for b.due[i] <= now {
			b.due[i] = b.due[i].Add(frameInterval)
			b.frame(now)
		}
	}
	b.est.SetDemand(b.target(), b.demand)
}

// frame sends one frame of one video, key frames four times as large as
// others, the rest of varying size.
func (b *bridge) frame(now mono.Time) {
	video := b.target() - audioSize*8*50
	if video <= 0 || b.muted {
		return
	}
	size := float64(video) / 8 * frameInterval.Seconds() / float64(b.videos)
	size *= 0.6 + 0.8*b.rng.Float64()
	if now >= b.keyAt {
		b.keyAt = now.Add(b.key)
		size *= 4
	}
	for left := int(size); left > 0; left -= packetSize {
		b.send(now, min(max(left, 60), packetSize), Media, left <= packetSize)
	}
}

func (b *bridge) send(now mono.Time, size int, kind Kind, marker bool) {
	d := make([]byte, max(size, headerLen))
	d[0] = kindMedia
	if marker {
		d[1] = 1
	}
	binary.BigEndian.PutUint16(d[2:], b.seq)
	b.est.Sent(b.seq, len(d), now, kind)
	b.seq++
	if kind == Padding {
		b.padding += int64(size)
	}
	b.out = append(b.out, d)
}

func (b *bridge) Receive(now mono.Time, _ netip.AddrPort, pkt []byte) {
	c := rtp.NewCompound(pkt[headerLen:])
	for c.Next() {
		if fb, err := rtp.ParseTransportCC(c.Packet()); err == nil {
			b.est.Feedback(fb, now)
		}
	}
	b.est.SetDemand(b.target(), b.demand)
}

func (b *bridge) Outgoing(dst []byte) (int, netip.AddrPort, bool) {
	if len(b.out) == 0 {
		return 0, netip.AddrPort{}, false
	}
	n := copy(dst, b.out[0])
	b.out = b.out[1:]
	return n, b.to, true
}

// client reports arrivals the way browsers do, on a clock of its own.
type client struct {
	rec    rtp.Recorder
	out    [][]byte
	bytes  int64
	offset time.Duration
	now    mono.Time
	peer   netip.AddrPort
}

func (c *client) Deadline() mono.Time {
	if at := c.rec.Deadline(rtp.FeedbackInterval); at != 0 {
		return max(at.Add(-c.offset), c.now)
	}
	return 0
}

func (c *client) Tick(now mono.Time) {
	c.now = now
	if at := c.Deadline(); at != 0 && at <= now {
		c.report(now)
	}
}

func (c *client) report(now mono.Time) {
	for c.rec.Pending() {
		d := c.rec.Build([]byte{kindFeedback, 0, 0, 0}, 1, 2, now.Add(c.offset))
		c.out = append(c.out, d)
	}
}

func (c *client) Receive(now mono.Time, from netip.AddrPort, pkt []byte) {
	c.now = now
	c.peer = from
	c.bytes += int64(len(pkt))
	local := now.Add(c.offset)
	c.rec.Add(binary.BigEndian.Uint16(pkt[2:]), local)
	if c.rec.Due(local, rtp.FeedbackInterval, pkt[1] == 1) {
		c.report(now)
	}
}

func (c *client) Outgoing(dst []byte) (int, netip.AddrPort, bool) {
	if len(c.out) == 0 {
		return 0, netip.AddrPort{}, false
	}
	n := copy(dst, c.out[0])
	c.out = c.out[1:]
	return n, c.peer, true
}

// world is a bridge, a client and the bottleneck between them.
type world struct {
	*netem.Network
	bridge *bridge
	client *client
	down   *netem.Link // towards the client
	up     *netem.Link // from the client
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 77)) }

// newWorld makes a path of 20 ms each way with a queue of 200 ms.
func newWorld(seed uint64, capacity int, demand int64) *world {
	n := netem.New(seed)
	rng := newRand(seed)
	w := &world{Network: n, bridge: newBridge(rng, Options{}, demand), client: &client{}}
	w.client.offset = time.Duration(rng.Int64N(int64(20 * 24 * time.Hour)))
	n.Attach(w.bridge, bridgeAddr)
	p := n.Attach(w.client, clientAddr)
	w.down, w.up = p.Down, p.Up
	w.down.Delay, w.up.Delay = 20*ms, 20*ms
	w.setCapacity(capacity, 200*ms)
	return w
}

func (w *world) setCapacity(bps int, queue time.Duration) {
	w.down.Rate = bps
	w.down.Queue = int(float64(bps) / 8 * queue.Seconds())
}

func (w *world) setRate(bps int) { w.down.Rate = bps }

func (w *world) estimate() int64 { return w.bridge.est.Estimate() }
