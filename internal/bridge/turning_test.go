package bridge

import (
	"net/netip"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// TestTurnsAllocateNothing: the promise of the media path for whole turns, with
// all that happens in them but what is said on bridge channels: waits in a real socket, audio, video in
// three encodings with temporal layers, feedback and repeats, checks both ways,
// timers, the governor, and the end of a second.
func TestTurnsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	n := newTurning(t, 4)
	for range 1000 { // until all that grows has its size
		n.step()
	}
	before, seconds := n.w.count.own, n.w.published
	steps := allocs.None(t, 2000, n.step)
	for name, c := range map[string]counter{
		"turns": cTurns, "audio": cAudioForwarded, "video": cVideoForwarded, "feedback": cTransportFeedback, "repeats": cRetransmitted,
	} {
		if got := n.w.count.own[c] - before[c]; got < 20 {
			t.Errorf("%s: %d in %d steps", name, got, steps)
		}
	}
	for _, d := range []counter{dropBadSTUN, dropStranger, dropMalformed, dropSeal} {
		if n.w.count.own[d] != before[d] {
			t.Errorf("%d packets dropped, counter %d", n.w.count.own[d]-before[d], d)
		}
	}
	if n.w.published.Sub(seconds) < time.Second || n.callers[1].answered < 20 {
		t.Errorf("%v published, %d answers to checks", n.w.published.Sub(seconds), n.callers[1].answered)
	}
}

// turning is a bench whose worker has its turns, with clients that have sockets.
// The first is the sender.
type turning struct {
	*bench
	t       testing.TB
	callers []*caller
	pace    mono.Timer
	steps   int
	frames  [3][]byte // of each encoding: a key frame, then others
	audio   []byte
	e       rtp.Egress
	seqs    [4]uint16 // of the microphone, and of each encoding
}

func newTurning(t testing.TB, receivers int) *turning {
	n := &turning{bench: newBench(t, receivers, srtp.AEADAES128GCM), t: t, audio: make([]byte, 80)}
	n.pace.Owner = tick(func(mono.Time) {})
	for i, ep := range n.w.conferences[meeting].order {
		n.callers = append(n.callers, newCaller(t, ep, byte(i)))
	}
	for i := range n.frames {
		n.frames[i] = append(vp8Frame(true, 0, 180<<i), make([]byte, 1000)...)
	}
	return n
}

// step is a turn with a packet of video among others, and one that waits for a
// timer.
func (n *turning) step() {
	n.film(n.steps % len(n.frames))
	if n.steps%5 == 0 {
		n.send(0, ptOpus, n.audio)
	}
	for i, c := range n.callers {
		c.read()
		if n.steps%20 == i {
			c.report()
		}
		if n.steps%50 == i {
			c.check()
		}
		_, _, _ = c.sock.Flush()
		c.ep.bw.seconds = 0 // so that no ConnectionStats are due, which are no media
	}
	n.w.busy.spareTime(mono.Now().Sub(n.w.busy.ended)) // the clients' work is not the worker's
	n.w.turn()
	n.w.wheel.Schedule(&n.pace, mono.Now().Add(time.Millisecond))
	n.w.turn()
	n.steps++
}

// film sends the next frame of an encoding, a packet long. Of four frames one is
// of the lowest temporal layer; a second begins with a key frame.
func (n *turning) film(encoding int) {
	at, f := n.seqs[1+encoding], n.frames[encoding]
	f[2], f[3], f[4], f[5] = 0x80|byte(at>>8)&0x7f, byte(at), byte(at/4), [...]byte{0, 2, 1, 2}[at%4]<<6
	f[6] = 1 // no key frame
	if at%320 == 0 {
		f[6] = 0
	}
	n.send(1+encoding, ptVP8, f)
}

func (n *turning) send(stream int, pt uint8, payload []byte) {
	n.seqs[stream]++
	n.seq++
	e := &n.e
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp, e.Marker = uint32(1000+stream), pt, n.seqs[stream], uint32(n.steps)*90, true
	if pt == ptOpus {
		e.AddByte(extLevel, 30)
	}
	e.AddUint16(extTCC, n.seq)
	size, err := e.Write(n.pkt, payload)
	if err != nil {
		n.t.Fatal(err)
	}
	n.callers[0].seal(n.callers[0].sealer.SealRTP, n.pkt[:size])
}

// caller is a client of a turning.
type caller struct {
	t        testing.TB
	ep       *endpoint
	sock     *netio.Socket
	in       *netio.Batch
	agent    *ice.Agent
	sealer   *srtp.Sealer
	now      mono.Time
	asked    []byte // its last check
	answered int
	arrivals rtp.Recorder
	newest   uint16 // number of video
	rtcp     []byte
	lost     []uint16
}

// newCaller makes the client of an endpoint that has keys, see [bench.connect].
func newCaller(t testing.TB, ep *endpoint, key byte) *caller {
	const ufrag, pwd = "abcd", "0123456789012345678901"
	socks, err := netio.Listen(netio.Config{Addr: netip.AddrPortFrom(ep.w.sock.LocalAddr().Addr(), 0)})
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{t: t, ep: ep, sock: socks[0], in: netio.NewBatch(netio.DefaultMessages), now: mono.Now(), lost: make([]uint16, 1)}
	t.Cleanup(func() { c.sock.Close() })
	secret := make([]byte, srtp.AEADAES128GCM.KeyLen())
	secret[0] = key
	if c.sealer, err = srtp.NewSealer(srtp.AEADAES128GCM, secret, make([]byte, srtp.AEADAES128GCM.SaltLen())); err != nil {
		t.Fatal(err)
	}
	c.agent = ice.NewAgent(ice.Config{Ufrag: ufrag, Pwd: pwd, TieBreaker: 1})
	mine := ep.describe(ep.agent)
	bridge := media.Candidate{Component: 1, Protocol: "udp", Addr: ep.w.sock.LocalAddr(), Type: "host", Priority: 1}
	if err := c.agent.SetRemote(mine.Ufrag, mine.Pwd, []media.Candidate{bridge}, c.now); err != nil {
		t.Fatal(err)
	}
	ep.setRemote(&media.Transport{Ufrag: ufrag, Pwd: pwd})
	return c
}

// read takes what has come from the bridge, and lets the agent have its time.
func (c *caller) read() {
	c.sock.SetDeadline(dontWait)
	n, err := c.sock.Read(c.in)
	if err != nil {
		c.t.Fatal(err)
	}
	c.now = mono.Now()
	for i := range n {
		c.got(c.in.Packets[i].Data)
	}
	if at := c.agent.Deadline(); at != 0 && at <= c.now {
		c.agent.Tick(c.now)
	}
	for {
		buf := c.sock.Buffer(ice.MaxMessage, c.ep.w.sock.LocalAddr())
		n, _, ok := c.agent.Outgoing(buf)
		if !ok {
			return
		}
		c.sock.Commit(n)
		if _, request := ice.PeekUsername(buf[:n]); request {
			c.asked = append(c.asked[:0], buf[:n]...)
		}
	}
}

func (c *caller) got(pkt []byte) {
	if ice.IsSTUN(pkt) {
		_ = c.agent.Handle(c.now, c.ep.w.sock.LocalAddr(), pkt)
		c.answered++
		return
	}
	h, err := rtp.Parse(pkt) // whose header is in the clear
	if err != nil || rtp.IsRTCP(pkt) {
		return
	}
	if h.SSRC == 1001 {
		c.newest = h.Seq
	}
	data, _ := h.Extension(extTCC)
	if seq, ok := rtp.TransportSeq(data); ok {
		c.arrivals.Add(seq, c.now)
	}
}

// report is a sender report from whoever sends, and from who receives what came
// when and that a packet of video did not.
func (c *caller) report() {
	c.rtcp = c.rtcp[:0]
	if c.ep == c.ep.c.order[0] {
		c.rtcp = rtp.AppendSenderReport(c.rtcp, 1003, rtp.SenderInfo{NTP: ntpUnits(c.now), RTPTime: 1}, nil)
	}
	if c.newest != 0 {
		c.lost[0] = c.newest - 3
		c.rtcp = rtp.AppendNACK(rtp.AppendReceiverReport(c.rtcp, 1, nil), 1, 1001, c.lost)
	}
	if len(c.rtcp) > 0 {
		c.seal(c.sealer.SealRTCP, c.rtcp)
	}
	if c.arrivals.Pending() {
		c.rtcp = c.arrivals.Build(c.rtcp[:0], 1, 1001, c.now)
		c.seal(c.sealer.SealRTCP, c.rtcp)
	}
}

// check asks once more what the agent has asked last, as a network may.
func (c *caller) check() {
	buf := c.sock.Buffer(len(c.asked), c.ep.w.sock.LocalAddr())
	c.sock.Commit(copy(buf, c.asked))
}

// seal sends a packet when it is protected.
func (c *caller) seal(by func(dst, pkt []byte) (int, error), pkt []byte) {
	size, err := by(c.sock.Buffer(len(pkt)+64, c.ep.w.sock.LocalAddr()), pkt)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sock.Commit(size)
}
