package bridge

import (
	"encoding/binary"
	"flag"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// labStart is when simulated time begins. What happens is the same each time it
// begins at the same; how the timers of all who take part lie beside each other
// depends on it.
var labStart = flag.Duration("lab.start", time.Hour, "when simulated time begins")

// lab is a bridge whose only worker is driven in simulated time. What it sends
// goes through real sockets, is opened by clients, and crosses a simulated
// link before they report on it.
type lab struct {
	t       testing.TB
	w       *worker
	clients []*labClient
	read    uint64      // packets sent that were collected
	each    []func()    // done every millisecond
	asleep  func() bool // the worker does not look at its timers yet; nil for never
}

// labClient sends a voice and a camera with three encodings, if it has
// sources, and answers as its kind of client does.
type labClient struct {
	l      *lab
	ep     *endpoint
	addr   netip.AddrPort
	sink   *net.UDPConn
	raw    func(buf []byte) int
	sealer *srtp.Sealer
	opener *srtp.Opener
	base   uint32 // of its SSRCs, 0 for none
	kind   labKind
	still  bool // its camera's encodings are the test's business
	share  int  // percent of labRates that its camera takes, 0 for all
	path   netem.Link
	remb   uint64

	arrivals rtp.Recorder
	pending  []labArrival // on the way
	seqs     map[uint32]uint16
	key      [3]bool // a key frame is asked for

	audio, video, padding, repeated int // packets received
	reports                         int // blocks in RTCP
	missing                         int // audio packets that were dropped on the way
	bytes                           map[uint32]int
	heights                         map[uint32]int // of the newest key frame
	last                            map[uint32]uint16
	gaps                            int // in video, as sent

	quiet bool                // it does not speak
	check func(h *rtp.Header) // sees every packet, unless nil
}

type labArrival struct {
	at     mono.Time
	tcc    uint16
	hasTCC bool
	marker bool
}

type labKind uint8

const (
	reportsAll labKind = iota
	reportsVideo
	reportsNothing
	reportsREMB
)

// The camera's encodings in bit/s.
var labRates = [3]int{150_000, 450_000, 1_500_000}

func newLab(t testing.TB, senders, receivers int) *lab {
	t.Helper()
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), 1
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.closeSockets)
	l := &lab{t: t, w: b.workers[0]}
	l.w.now = mono.Time(*labStart)
	l.w.wheel = mono.NewWheel(l.w.now)
	for i := range senders + receivers {
		base := uint32(0)
		if i < senders {
			base = uint32(1000 * (i + 1))
		}
		l.join(base)
	}
	return l
}

func (l *lab) join(base uint32, change ...func(*colibri.EndpointModify)) *labClient {
	l.t.Helper()
	i := len(l.clients)
	c := &labClient{
		l: l, base: base, addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(i+1)),
		seqs: map[uint32]uint16{}, bytes: map[uint32]int{}, heights: map[uint32]int{}, last: map[uint32]uint16{},
	}
	id := string(rune('a'+i)) + "aaaaaaa"
	m := colibri.EndpointModify{ID: id, Create: true, WantTransport: true, Media: offer()}
	if base != 0 {
		s := sourcesOf(id, base)
		m.Sources = &s
	}
	for _, f := range change {
		f(&m)
	}
	req := &colibri.ConferenceModify{MeetingID: meeting, Create: i == 0, Endpoints: []colibri.EndpointModify{m}}
	if _, err := l.w.modify(req); err != nil {
		l.t.Fatal(err)
	}
	c.ep = l.w.conferences[meeting].endpoints[id]
	c.listen()
	c.connect(byte(i))
	l.clients = append(l.clients, c)
	return c
}

func (c *labClient) listen() {
	c.sink = listen(c.l.t)
	c.l.t.Cleanup(func() { c.sink.Close() })
	read := readerOf(c.l.t, c.sink, c.l.w)
	c.raw = func(buf []byte) int {
		n := read(buf)
		if n > 0 {
			c.l.read++
		}
		return n
	}
}

// readerOf reads what the worker sent to a socket, one datagram at a time; 0 or
// less if there is none. Others are not heard: the port may have been another's
// a moment ago.
func readerOf(t testing.TB, sink *net.UDPConn, w *worker) func(buf []byte) int {
	rc, err := sink.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	from := &unix.SockaddrInet4{Port: int(w.sock.LocalAddr().Port()), Addr: [4]byte{127, 0, 0, 1}}
	rc.Control(func(fd uintptr) { err = unix.Connect(int(fd), from) })
	if err != nil {
		t.Fatal(err)
	}
	return func(buf []byte) (n int) {
		rc.Read(func(fd uintptr) bool {
			n, _, _ = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			return true
		})
		return n
	}
}

func (c *labClient) connect(n byte) {
	p := srtp.Profiles()[0]
	key, salt := make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	key[0] = n
	c.ep.to, c.ep.heard = c.sink.LocalAddr().(*net.UDPAddr).AddrPort(), c.l.w.now
	c.l.w.byAddr[c.addr] = c.ep
	keysReady{c.ep, secure.Keys{
		Profile: secure.Profile(p), RemoteKey: key, RemoteSalt: salt, LocalKey: key, LocalSalt: salt,
	}}.handle(c.l.w)
	var err1, err2 error
	c.sealer, err1 = srtp.NewSealer(p, key, salt)
	c.opener, err2 = srtp.NewOpener(p, key, salt)
	if err1 != nil || err2 != nil {
		c.l.t.Fatal(err1, err2)
	}
}

// run lets time pass.
func (l *lab) run(d time.Duration) {
	l.t.Helper()
	for end := l.w.now.Add(d); l.w.now < end; {
		l.step()
	}
}

// within runs until ok holds, and returns how long that took.
func (l *lab) within(d time.Duration, what string, ok func() bool) time.Duration {
	l.t.Helper()
	start := l.w.now
	for l.w.now.Sub(start) < d {
		if ok() {
			return l.w.now.Sub(start)
		}
		l.run(10 * time.Millisecond)
	}
	l.t.Fatalf("not within %v: %s", d, what)
	return 0
}

func (l *lab) step() {
	l.w.now = l.w.now.Add(time.Millisecond)
	ms := int(time.Duration(l.w.now).Milliseconds())
	for _, f := range l.each {
		f()
	}
	for _, c := range l.clients {
		if c.base != 0 && !c.quiet && ms%20 == int(c.base/1000) {
			c.speak()
		}
		if c.base != 0 && !c.still && ms%33 == int(c.base/1000) {
			c.film()
		}
		c.report(ms)
	}
	if l.asleep == nil || !l.asleep() {
		l.w.wheel.Advance(l.w.now, l.w.fire)
	}
	l.w.turnOver()
	l.collect(func() {
		for _, c := range l.clients {
			c.collect()
		}
	})
}

// collect waits until the kernel has delivered all that was sent; take reads
// the sockets. On a busy machine it does so some time after the system call,
// and what was late for simulated time would look like a fault of the bridge.
func (l *lab) collect(take func()) {
	l.t.Helper()
	for end := mono.Now().Add(patience); l.read != l.w.count.own[cPacketsOut]; runtime.Gosched() {
		if take(); mono.Now() > end {
			l.t.Fatalf("%d packets of %d came", l.read, l.w.count.own[cPacketsOut])
		}
	}
}

func (c *labClient) send(e *rtp.Egress, payload []byte) {
	var buf [1500]byte
	c.seqs[e.SSRC]++
	c.seqs[0]++
	e.Seq = c.seqs[e.SSRC]
	e.AddUint16(extTCC, c.seqs[0])
	n, err := e.Write(buf[:], payload)
	if err == nil {
		n, err = c.sealer.SealRTP(buf[:], buf[:n])
	}
	if err != nil {
		c.l.t.Fatal(err)
	}
	c.l.w.packet(c.addr, buf[:n], false)
}

func (c *labClient) speak() {
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Timestamp = c.base, ptOpus, uint32(c.seqs[c.base])*960
	e.AddByte(extLevel, 30)
	c.send(&e, c.sign(make([]byte, 60)))
}

// sign writes into a payload whose it is.
func (c *labClient) sign(payload []byte) []byte {
	binary.BigEndian.PutUint32(payload[len(payload)-4:], c.base)
	return payload
}

// film sends a frame of each encoding in as many packets as it needs.
func (c *labClient) film() {
	for i, rate := range labRates {
		ssrc, size := c.base+1+uint32(i), rate/8/30
		if c.share != 0 {
			size = size * c.share / 100
		}
		key := c.key[i]
		if key {
			size *= 2
		}
		c.key[i] = false
		frame := c.seqs[ssrc+500] + 1
		c.seqs[ssrc+500] = frame
		for first := true; size > 0; first = false {
			payload := append(vp8Frame(key, frame, 180<<i), make([]byte, max(min(size, 1000), 4))...)
			if !first {
				payload[0] &^= 0x10
			}
			size -= 1000
			var e rtp.Egress
			e.SSRC, e.PayloadType, e.Timestamp, e.Marker = ssrc, ptVP8, uint32(frame)*3000, size <= 0
			c.send(&e, c.sign(payload))
		}
	}
}

// collect takes what was sent to the client and puts it on its path.
func (c *labClient) collect() {
	var buf [2000]byte
	for n := c.raw(buf[:]); n > 0; n = c.raw(buf[:]) {
		pkt := buf[:n]
		if pkt[0] < 128 {
			continue // STUN, DTLS
		}
		if rtp.IsRTCP(pkt) {
			c.gotRTCP(pkt)
			continue
		}
		at, arrives := c.path.Send(c.l.w.now, n+packetOverhead)
		n, err := c.opener.OpenRTP(pkt)
		if err != nil {
			c.l.t.Fatal(err)
		}
		h, err := rtp.Parse(pkt[:n])
		if err != nil {
			c.l.t.Fatal(err)
		}
		c.gotRTP(&h, at, arrives)
	}
}

func (c *labClient) gotRTCP(pkt []byte) {
	n, err := c.opener.OpenRTCP(pkt)
	if err != nil {
		c.l.t.Fatal(err)
	}
	for m := rtp.NewCompound(pkt[:n]); m.Next(); {
		c.reports += m.Packet().Reports()
		if i := m.Packet().MediaSSRC() - c.base - 1; m.Packet().IsPLI() && i < 3 {
			c.key[i] = true
		}
	}
}

func (c *labClient) gotRTP(h *rtp.Header, at mono.Time, arrives bool) {
	audio, rtx := h.PayloadType == ptOpus, h.PayloadType == ptRTX
	if c.check != nil {
		c.check(h)
	}
	switch {
	case audio && !arrives:
		c.missing++
	case !arrives:
	case audio:
		c.audio++
	case h.PaddingOnly():
		c.padding++
	case rtx:
		c.repeated++
	default:
		c.video++
		c.bytes[h.SSRC] += len(h.Raw)
	}
	if !audio && !rtx && !h.PaddingOnly() {
		c.watch(h)
	}
	a := labArrival{at: at, marker: h.Marker}
	if data, ok := h.Extension(extTCC); ok {
		a.tcc, a.hasTCC = rtp.TransportSeq(data)
	}
	if arrives && (!audio || c.kind != reportsVideo) {
		c.pending = append(c.pending, a)
	}
}

// watch looks at video in the order in which it was sent.
func (c *labClient) watch(h *rtp.Header) {
	if last, ok := c.last[h.SSRC]; ok && h.Seq != last+1 && h.Seq != last+2 { // one number is left out at a switch
		c.gaps++
	}
	c.last[h.SSRC] = h.Seq
	for height := range heights([]rtp.Header{*h}) {
		c.heights[h.SSRC] = height
	}
}

// report sends the feedback that is due.
func (c *labClient) report(ms int) {
	now := c.l.w.now
	if c.kind == reportsREMB && ms%1000 == 0 {
		c.sendRTCP(rtp.AppendREMB(rtp.AppendReceiverReport(nil, 1, nil), 1, c.remb, nil))
	}
	for len(c.pending) > 0 && c.pending[0].at <= now {
		a := c.pending[0]
		c.pending = c.pending[1:]
		if !a.hasTCC || c.kind >= reportsNothing {
			continue
		}
		c.arrivals.Add(a.tcc, a.at)
		if c.arrivals.Due(now, rtp.FeedbackInterval, a.marker) {
			c.sendRTCP(c.arrivals.Build(rtp.AppendReceiverReport(nil, 1, nil), 1, 1001, now))
		}
	}
}

func (c *labClient) sendRTCP(plain []byte) {
	buf := make([]byte, len(plain)+srtp.MaxOverheadRTCP)
	n, err := c.sealer.SealRTCP(buf, plain)
	if err != nil {
		c.l.t.Fatal(err)
	}
	c.l.w.packet(c.addr, buf[:n], false)
}

// limit makes the client's path a bottleneck with a queue of 300 ms.
func (c *labClient) limit(bps int) {
	c.path.Rate, c.path.Queue = bps, bps*3/10/8
}

func (c *labClient) wants(height int) { c.ep.message(want(height)) }

// forget begins to count anew.
func (c *labClient) forget() {
	c.audio, c.video, c.padding, c.repeated, c.missing, c.gaps = 0, 0, 0, 0, 0, 0
	clear(c.bytes)
}

func (c *labClient) describe() BandwidthState { return c.ep.bw.state(c.l.w.now) }

// TestBottleneck: a receiver behind a narrow path keeps all audio and gets
// less video, and nobody else notices; when the path gets wide it gets all.
func TestBottleneck(t *testing.T) {
	l := newLab(t, 2, 2)
	narrow, wide := l.clients[2], l.clients[3]
	narrow.path.Delay, wide.path.Delay = 20*time.Millisecond, 20*time.Millisecond
	narrow.limit(600_000)
	narrow.wants(720)
	wide.wants(720)
	l.run(6 * time.Second)
	narrow.forget()
	wide.forget()
	changes := l.w.count.own[cLayersLowered] + l.w.count.own[cLayersRaised]
	for range 10 {
		l.run(3 * time.Second)
		d := narrow.describe()
		t.Logf("estimate %d budget %d (%s) target %d ideal %d queue %v heights %v sent %d missing %d pad %d rtx %d held %q probe %+v",
			d.Details.Estimate, d.Budget, d.Why, d.Details.Target, d.Details.Ideal, d.Details.Queue, narrow.heights, narrow.bytes, narrow.missing, narrow.padding, narrow.repeated, d.Held, d.Details.Probe)
	}
	changes = l.w.count.own[cLayersLowered] + l.w.count.own[cLayersRaised] - changes
	t.Logf("%d changes in 30 s; wide %d %+v", changes, wide.bytes, wide.describe())
	if all := narrow.audio + narrow.missing; narrow.missing > all/100 || all < 2900 {
		t.Errorf("%d of %d audio packets are missing", narrow.missing, all)
	}
	if n := narrow.bytes[1001] + narrow.bytes[2001]; n < 100_000*30/8 {
		t.Errorf("%d bytes of video on a path that has room for some", n)
	}
	if changes > 12 {
		t.Errorf("%d changes of layer in 30 s", changes)
	}
	if wide.missing > 0 || wide.gaps > 0 || wide.heights[1001] != 720 || wide.heights[2001] != 720 || wide.audio < 2900 ||
		wide.bytes[1001] < 1_500_000*29/8 || wide.bytes[2001] < 1_500_000*29/8 {
		t.Errorf("the other receiver noticed: %+v", wide)
	}

	narrow.limit(10_000_000)
	took := l.within(10*time.Second, "a better layer", func() bool {
		return narrow.heights[1001] == 720 || narrow.heights[2001] == 720
	})
	both := l.within(20*time.Second, "everything", func() bool {
		return narrow.heights[1001] == 720 && narrow.heights[2001] == 720
	})
	t.Logf("720p after %v, both after %v more", took, both)
}

// TestNoFlapping: however the path changes, layers change a bounded number of
// times.
func TestNoFlapping(t *testing.T) {
	l := newLab(t, 2, 1)
	c := l.clients[2]
	c.path.Delay = 20 * time.Millisecond
	c.wants(720)
	before := l.w.count.own[cLayersLowered] + l.w.count.own[cLayersRaised]
	for i := range 20 {
		c.limit([]int{700_000, 3_000_000}[i%2])
		l.run(3 * time.Second)
	}
	n := l.w.count.own[cLayersLowered] + l.w.count.own[cLayersRaised] - before
	t.Logf("%d changes in a minute", n)
	if n > 40 { // two sources, of which each can fall and rise every few seconds
		t.Errorf("%d changes in a minute", n)
	}
	if c.gaps > 0 {
		t.Errorf("%d gaps in what was sent", c.gaps)
	}
}

// TestReceiversWithoutFeedback: whoever reports nothing gets everything after a
// while, as there is nothing to go by; one that tells its own estimate gets no
// more than that.
func TestReceiversWithoutFeedback(t *testing.T) {
	l := newLab(t, 2, 2)
	silent, old := l.clients[2], l.clients[3]
	silent.kind = reportsNothing
	old.kind, old.remb = reportsREMB, 400_000
	silent.wants(720)
	old.wants(720)
	l.run(2 * time.Second)
	if b := silent.describe(); b.Budget <= 0 || b.Budget > 2_500_000 {
		t.Errorf("budget %d at first", b.Budget)
	}
	l.run(8 * time.Second)
	if b := silent.describe(); b.Budget != unlimitedBudget || silent.heights[1001] != 720 || silent.heights[2001] != 720 {
		t.Errorf("%v after a while, %+v", silent.heights, b)
	}
	if b := old.describe(); b.Details.Estimate != 400_000 || old.heights[1001] != 180 {
		t.Errorf("%v with REMB of 400 kbit/s, %+v", old.heights, b)
	}
	old.remb = 10_000_000
	took := l.within(10*time.Second, "720p", func() bool { return old.heights[1001] == 720 })
	t.Logf("720p %v after REMB allowed it", took)
	if silent.padding+silent.repeated+old.padding+old.repeated > 0 {
		t.Error("padding for who cannot report on it")
	}
}

// TestLooksForAudioNowAndThen: a flood of messages is not walked over for the
// sake of one number.
func TestLooksForAudioNowAndThen(t *testing.T) {
	var r rtp.Recorder
	for seq := range uint16(5) {
		if seq != 2 {
			r.Add(seq, 1e9)
		}
	}
	c := rtp.NewCompound(r.Build(nil, 1, 2, 1e9))
	c.Next()
	fb, err := rtp.ParseTransportCC(c.Packet())
	if err != nil {
		t.Fatal(err)
	}
	var a audioShare
	now := mono.Time(1e9)
	look := func(missed int) {
		t.Helper()
		a.marked, a.mark = true, 2
		a.uncounted(fb, now)
		if a.missed != missed {
			t.Errorf("missed %d times, want %d", a.missed, missed)
		}
	}
	look(1)
	look(1)
	now = now.Add(lookEvery - 1)
	look(1)
	now++
	look(2)
}

// TestAudioNotCounted: a client that leaves audio out of its feedback loses
// nothing by that.
func TestAudioNotCounted(t *testing.T) {
	l := newLab(t, 2, 1)
	c := l.clients[2]
	c.path.Delay, c.kind = 20*time.Millisecond, reportsVideo
	c.wants(720)
	l.run(8 * time.Second)
	b := c.describe()
	if b.Counted || b.Audio != 0 {
		t.Errorf("audio has numbers: %+v", b)
	}
	if c.heights[1001] != 720 || c.heights[2001] != 720 || b.Details.Counters.Lost > 0 {
		t.Errorf("%v, %+v", c.heights, b.Details)
	}
	if c.audio < 700 {
		t.Errorf("%d audio packets", c.audio)
	}
	if all := l.clients[0].describe(); !all.Counted {
		t.Errorf("audio of others: %+v", all)
	}
}

// TestProbesNeedAReason: nothing is padded while everything wanted is sent;
// with nothing to repeat, empty packets are sent.
func TestProbesNeedAReason(t *testing.T) {
	l := newLab(t, 2, 1)
	c := l.clients[2]
	c.path.Delay = 20 * time.Millisecond
	c.wants(180)
	l.run(10 * time.Second)
	if n := c.padding + c.repeated; n > 0 || c.heights[1001] != 180 {
		t.Errorf("%d packets of padding, %v", n, c.heights)
	}
	c.limit(130_000) // room for audio only
	l.run(20 * time.Second)
	c.forget()
	l.run(20 * time.Second)
	t.Logf("audio %d, missing %d, video %d, padding %d, RTX %d, %+v", c.audio, c.missing, c.video, c.padding, c.repeated, c.describe())
	if all := c.audio + c.missing; c.missing > all/100 || all < 1900 {
		t.Errorf("%d of %d audio packets are missing", c.missing, all)
	}
	if c.padding == 0 {
		t.Error("no empty packets")
	}
	c.limit(5_000_000)
	took := l.within(15*time.Second, "video again", func() bool { return c.bytes[1001] > 0 && c.bytes[2001] > 0 })
	t.Logf("video %v later", took)
	if c.gaps > 0 {
		t.Errorf("%d gaps in what was sent", c.gaps)
	}
}

// TestProbeAllocatesNothing: neither kind of padding does, nor does a packet
// that is told to the estimator.
func TestProbeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := newLab(t, 1, 1)
	c := l.clients[1]
	c.path.Delay = 20 * time.Millisecond
	c.wants(720)
	l.run(5 * time.Second)
	v := c.ep.out[1001]
	if n := v.padRepeat(); n == 0 {
		t.Fatal("nothing to repeat")
	}
	v.pads.next += 2
	allocs.None(t, allocs.Many, func() {
		v.pads.next = v.pads.top
		if v.padRepeat() == 0 || c.ep.padEmpty() == 0 {
			t.Fatal("not sent")
		}
		l.w.flush()
	})
}

// TestLoad: the first second of an encoding is not a full one, and what was
// heard of long ago counts no more.
func TestLoad(t *testing.T) {
	var l load
	l.roll()
	l.add(100 - packetOverhead)
	l.roll()
	if l.seconds != 1 || l.perSecond != 0 {
		t.Errorf("%+v after part of a second", l)
	}
	for _, want := range []uint64{8000, 8000, 5600} {
		if want != 5600 {
			l.add(1000 - packetOverhead)
		}
		if l.roll(); l.perSecond != want {
			t.Errorf("%+v, want %d", l, want)
		}
	}
}

// TestHold: a rise that was in vain makes the next one wait longer.
func TestHold(t *testing.T) {
	var h hold
	now := mono.Time(time.Minute)
	for i, want := range []time.Duration{2, 4, 8, 8, 8} {
		h.fell(now)
		if h.wait != want*time.Second || !h.holds(now.Add(h.wait-1)) || h.holds(now.Add(h.wait)) {
			t.Errorf("fall %d: %v", i, h.wait)
		}
		now = now.Add(h.wait)
		h.rose = now
		now = now.Add(time.Second)
	}
	now = now.Add(holdMemory)
	if h.fell(now); h.wait != holdFirst {
		t.Errorf("%v after a long time", h.wait)
	}
	if h.fell(now.Add(time.Second)); h.wait != holdFirst || !h.holds(now.Add(h.wait)) {
		t.Errorf("%v when it goes on", h.wait)
	}
	if h.ask(); h.holds(now) {
		t.Error("held although the receiver asks")
	}
}

// TestRiseAndFall: with an estimate that is known exactly. A layer needs 12 %
// more than it takes to be taken up, and for more than a second, but not to be
// kept; it is given up in the turn in which it does not fit; audio comes first.
func TestRiseAndFall(t *testing.T) {
	l := newLab(t, 1, 1)
	c := l.clients[1]
	c.kind, c.remb = reportsREMB, 300_000
	target := func() int {
		q, _ := c.ep.wantOf(l.clients[0].ep.sources[1])
		return q.encoding
	}
	tell := func(bps int64) {
		c.remb = uint64(bps)
		c.sendRTCP(rtp.AppendREMB(rtp.AppendReceiverReport(nil, 1, nil), 1, c.remb, nil))
	}
	c.wants(360)
	l.run(6 * time.Second)
	e := l.clients[0].ep.sources[1].encodings
	small, need, audio := e[0].bitrate(l.w.now), e[1].bitrate(l.w.now), c.ep.bw.audio.reserve()
	if target() != 0 || audio < 45_000 || audio > 60_000 {
		t.Fatalf("encoding %d, %d bit/s for audio", target(), audio)
	}
	tell(audio + need*110/100)
	l.run(8 * time.Second)
	if target() != 0 {
		t.Error("taken up without room to spare")
	}
	tell(audio + need*120/100)
	l.run(900 * time.Millisecond)
	if target() != 0 {
		t.Error("taken up at once")
	}
	l.within(4*time.Second, "a larger picture", func() bool { return target() == 1 })
	tell(audio + need*105/100)
	l.run(8 * time.Second)
	if target() != 1 {
		t.Error("given up although it fits")
	}
	tell(audio + need*95/100)
	l.run(2 * time.Millisecond)
	if target() != 0 {
		t.Error("not given up at once")
	}
	tell(small + audio/2)
	l.run(2 * time.Millisecond)
	if target() != -1 || len(c.ep.forwarded.names) != 0 {
		t.Errorf("encoding %d, %q forwarded, where audio has not its part", target(), c.ep.forwarded.names)
	}
	c.wants(180) // asks again: nothing is held back, but the last second counts
	tell(2_000_000)
	l.within(3*time.Second, "video again", func() bool { return target() == 0 && len(c.ep.forwarded.names) == 1 })
}
