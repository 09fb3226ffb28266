package loadtest

import (
	"encoding/binary"
	"testing"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// hotPaths are what a participant does for packets: each is one step to be done
// again and again, and how much has come of it so far.
var hotPaths = []struct {
	name string
	make func(c *hotCall) (step func(), done func() uint64)
}{
	{"in", hotIn},
	{"out", hotOut},
	{"RTCP in", hotRTCPIn},
	{"RTCP out", hotRTCPOut},
}

// TestHotPathsAllocateNothing: what comes often costs no memory once all that
// grows has its size.
func TestHotPathsAllocateNothing(t *testing.T) {
	for _, hot := range hotPaths {
		t.Run(hot.name, func(t *testing.T) {
			step, done := hot.make(newHotCall(t))
			for range 1000 {
				step()
			}
			before := done()
			runs := uint64(allocs.None(t, allocs.Many, step))
			if got := done() - before; got < runs {
				t.Errorf("%d came of %d steps", got, runs)
			}
		})
	}
}

// BenchmarkHot measures a step of each, the sealing of what comes in included.
func BenchmarkHot(b *testing.B) {
	for _, hot := range hotPaths {
		b.Run(hot.name, func(b *testing.B) {
			step, done := hot.make(newHotCall(b))
			for range 1000 {
				step()
			}
			before := done()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				step()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(done()-before, 1)), "ns/packet")
		})
	}
}

// hotCall is a participant with a camera, and the server's keys. Its clock is
// the test's.
type hotCall struct {
	t     testing.TB
	m     *peer
	far   *srtp.Sealer
	wall  int64
	plain []byte
	buf   []byte

	newest []uint16 // number of the packet sent last
	of     uint32   // its SSRC
}

func newHotCall(t testing.TB) *hotCall {
	m, far := fuzzPeer(t)
	return &hotCall{t: t, m: m, far: far, wall: time.Now().UnixNano(), plain: make([]byte, 0, 1500), buf: make([]byte, 1500), newest: make([]uint16, 1)}
}

func (c *hotCall) later(d time.Duration) {
	c.m.w.now = c.m.w.now.Add(d)
	c.wall += int64(d)
}

// picture sends what is due of the camera a picture later.
func (c *hotCall) picture() {
	c.later(34 * time.Millisecond)
	for _, v := range c.m.videos {
		v.Send(c.m.w.now, c.wall, c)
	}
	c.m.flush()
}

// Packet implements media.Output on the way to the peer.
func (c *hotCall) Packet(enc *lmedia.Encoding, e *rtp.Egress, payload []byte, level uint8) {
	c.newest[0], c.of = e.Seq, enc.SSRC
	c.m.Packet(enc, e, payload, level)
}

// says lets RTCP of the server arrive.
func (c *hotCall) says(plain []byte) {
	n, err := c.far.SealRTCP(c.buf, plain)
	if err != nil {
		c.t.Fatal(err)
	}
	c.m.media(c.buf[:n], 0)
}

// hotIn is a picture of four packets; one picture in two is opened.
func hotIn(c *hotCall) (func(), func() uint64) {
	seq, ts := uint16(0), uint32(0)
	return func() {
		c.later(33 * time.Millisecond)
		ts += 3000
		for i := range 4 {
			seq++
			pkt := c.plain[:1200]
			copy(pkt, []byte{0x90, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x51, byte(seq >> 8), byte(seq), 0, 0x90, 0xe0, 0x80, 1, 1, 0, 0x10})
			if i == 3 {
				pkt[1] |= 0x80
			}
			binary.BigEndian.PutUint16(pkt[2:], seq)
			binary.BigEndian.PutUint32(pkt[4:], ts)
			n, err := c.far.SealRTP(c.buf, pkt)
			if err != nil {
				c.t.Fatal(err)
			}
			c.m.media(c.buf[:n], 0)
		}
		c.m.afterRead()
	}, func() uint64 { return c.m.count.PacketsIn }
}

func hotOut(c *hotCall) (func(), func() uint64) {
	return c.picture, func() uint64 { return c.m.count.PacketsOut }
}

// hotRTCPIn is feedback about the packets of a picture, and a NACK about the
// last one, which is sent again.
func hotRTCPIn(c *hotCall) (func(), func() uint64) {
	var arrivals rtp.Recorder
	again := uint64(0)
	return func() {
		from := c.m.nextCC
		c.picture()
		if from == c.m.nextCC {
			return // the first one is not due yet
		}
		for seq := from; seq != c.m.nextCC; seq++ {
			arrivals.Add(seq, c.m.w.now.Add(20*time.Millisecond))
		}
		c.says(arrivals.Build(c.plain, 1, c.of, c.m.w.now))
		sent := c.m.count.PacketsOut
		c.says(rtp.AppendNACK(c.plain, 1, c.of, c.newest))
		again += c.m.count.PacketsOut - sent
		c.m.flush()
	}, func() uint64 { return again }
}

// hotRTCPOut is what a participant says each second: reports on a stream, and
// what it lacks of it.
func hotRTCPOut(c *hotCall) (func(), func() uint64) {
	in, _ := hotIn(c)
	return func() {
		for range 10 {
			in()
		}
		c.later(time.Second)
		c.m.rtcpDue(c.m.w.now)
		c.m.flush()
	}, func() uint64 { return c.m.count.RTCPOut }
}
