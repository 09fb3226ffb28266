package bridge

import (
	"net/netip"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// hotPaths are what a worker does for packets beside forwarding them
// ([BenchmarkForward]): each is one step to be done again and again, and how
// much has come of it so far.
var hotPaths = []struct {
	name string
	each uint64 // what comes of a step
	make func(t testing.TB) (step func(), done func() uint64)
}{
	{"repeat", 4, hotRepeat},
	{"lost", 1, hotLost},
	{"handover", hotReceivers, hotHandover},
	{"RTCP in", 1, hotReportsIn},
	{"RTCP out", hotReceivers + 1, hotReportsOut},
	{"feedback in", 1, hotFeedbackIn},
	{"feedback out", 1, hotFeedbackOut},
	{"feedback out at rest", 1, hotFeedbackAtRest},
}

const hotReceivers = 10

// TestHotPathsAllocateNothing is TestForwardAllocatesNothing for the other ways
// of packets.
func TestHotPathsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, hot := range hotPaths {
		t.Run(hot.name, func(t *testing.T) {
			step, done := hot.make(t)
			for range 500 { // until all that grows has its size
				step()
			}
			before := done()
			runs := uint64(allocs.None(t, 2000, step))
			if got := done() - before; got != hot.each*runs {
				t.Errorf("%d came of it, want %d", got, hot.each*runs)
			}
		})
	}
}

// BenchmarkHot measures a step of each.
func BenchmarkHot(b *testing.B) {
	for _, hot := range hotPaths {
		b.Run(hot.name, func(b *testing.B) {
			step, _ := hot.make(b)
			for range 500 {
				step()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				step()
			}
		})
	}
}

// hotCall is a sender whose video some receivers get.
type hotCall struct {
	*bench
	e  rtp.Egress
	to *endpoint    // one of the receivers
	by *srtp.Sealer // of what to says
	at netip.AddrPort
	t  testing.TB

	plain, sealed []byte
}

func newHotCall(t testing.TB, workers int) *hotCall {
	const profile = srtp.AEADAES128GCM
	h := &hotCall{bench: newBenches(t, workers, hotReceivers, profile), t: t, at: netip.MustParseAddrPort("127.0.0.1:10")}
	h.to = h.w.conferences[meeting].order[1]
	h.w.byAddr[h.at] = h.to
	key := make([]byte, profile.KeyLen())
	key[0] = 1 // see connect
	var err error
	if h.by, err = srtp.NewSealer(profile, key, make([]byte, profile.SaltLen())); err != nil {
		t.Fatal(err)
	}
	h.plain, h.sealed = make([]byte, 0, 1500), make([]byte, 1500)
	h.warm(t, &h.e, 1003, ptVP8, append(vp8Frame(true, 1, 720), make([]byte, 900)...), hotFrame)
	return h
}

var hotFrame = append(vp8Frame(false, 1, 0), make([]byte, 1100)...)

// video lets a packet of the sender arrive.
func (h *hotCall) video() {
	h.w.now = h.w.now.Add(5e6)
	h.packet(h.t, &h.e, 1003, ptVP8, hotFrame)
}

// says lets RTCP of an endpoint arrive.
func (h *hotCall) says(from netip.AddrPort, by *srtp.Sealer, plain []byte) {
	n, err := by.SealRTCP(h.sealed, plain)
	if err != nil {
		h.t.Fatal(err)
	}
	h.w.arrive(from, h.sealed[:n], false, h.w.now)
	h.w.flush()
}

// sent is how many datagrams f sends.
func (h *hotCall) sent(f func()) uint64 {
	h.w.flush()
	before := h.w.count.own[cPacketsOut]
	f()
	h.w.flush()
	return h.w.count.own[cPacketsOut] - before
}

func (h *hotCall) count(c counter) func() uint64 {
	return func() uint64 { return h.w.count.own[c] }
}

// hotRepeat is a NACK about the last four packets.
func hotRepeat(t testing.TB) (func(), func() uint64) {
	h := newHotCall(t, 1)
	v, lost := h.to.out[1001], make([]uint16, 4)
	return func() {
		for range lost {
			h.video()
		}
		newest, _ := v.seq.NewestOut()
		for i := range lost {
			lost[i] = newest - 3 + uint16(i)
		}
		h.to.resent = 0 // as at the end of a second
		h.says(h.at, h.by, rtp.AppendNACK(h.plain, 1, v.ssrc, lost))
	}, h.count(cRetransmitted)
}

// hotLost is a packet of the sender that does not come, and is asked for.
func hotLost(t testing.TB) (func(), func() uint64) {
	h, asked := newHotCall(t, 1), uint64(0)
	e := h.sender.sources[1].encodings[2]
	return func() {
		h.video()
		h.seq++
		h.video()
		h.w.now = h.w.now.Add(reorderFor)
		asked += h.sent(func() { e.sendNACK(h.w.now) })
	}, func() uint64 { return asked }
}

// hotHandover is a packet that lands on another worker's socket.
func hotHandover(t testing.TB) (func(), func() uint64) {
	h := newHotCall(t, 2)
	wrong := h.w.b.workers[1]
	addrBound{h.addr, 0}.handle(wrong)
	return func() {
		h.w.now = h.w.now.Add(5e6)
		wrong.now = h.w.now
		wrong.arrive(h.addr, h.bench.sealed(t, &h.e, 1003, ptVP8, hotFrame), false, h.w.now)
		wrong.flush()
		h.w.readMail()
		h.w.flush()
	}, h.count(cVideoForwarded)
}

// hotReportsIn is a sender report and a receiver report, which are believed.
func hotReportsIn(t testing.TB) (func(), func() uint64) {
	h := newHotCall(t, 1)
	blocks, heard := make([]rtp.ReportBlock, 1), uint64(0)
	return func() {
		h.w.now = h.w.now.Add(1e9)
		h.says(h.addr, h.bench.sealer, rtp.AppendSenderReport(h.plain, 1003, rtp.SenderInfo{NTP: ntpUnits(h.w.now), RTPTime: 1}, nil))
		blocks[0] = rtp.ReportBlock{SSRC: 1001, LSR: uint32(h.sender.clock.at(h.w.now) >> 16)}
		h.w.now = h.w.now.Add(50e6)
		h.to.rtt = 0
		h.says(h.at, h.by, rtp.AppendReceiverReport(h.plain, 1, blocks))
		if h.to.rtt > 0 {
			heard++
		}
	}, func() uint64 { return heard }
}

// hotReportsOut is the reports that everybody gets each second.
func hotReportsOut(t testing.TB) (func(), func() uint64) {
	h, reports := newHotCall(t, 1), uint64(0)
	return func() {
		h.video()
		h.says(h.addr, h.bench.sealer, rtp.AppendSenderReport(h.plain, 1003, rtp.SenderInfo{NTP: ntpUnits(h.w.now), RTPTime: 1}, nil))
		h.w.now = h.w.now.Add(1e8)
		reports += h.sent(func() {
			for _, ep := range h.w.conferences[meeting].order {
				ep.sendReports(h.w.now)
			}
		})
	}, func() uint64 { return reports }
}

// hotFeedbackIn is a receiver's transport-wide feedback about ten packets.
func hotFeedbackIn(t testing.TB) (func(), func() uint64) {
	h := newHotCall(t, 1)
	var arrivals rtp.Recorder
	return func() {
		for range 10 {
			seq := h.to.tccSeq
			h.video()
			arrivals.Add(seq, h.w.now.Add(20e6))
		}
		h.w.now = h.w.now.Add(40e6)
		h.says(h.at, h.by, arrivals.Build(h.plain, 1, 1001, h.w.now))
	}, h.count(cTransportFeedback)
}

// hotFeedbackOut is the sender's packets being reported on, ten at a time.
func hotFeedbackOut(t testing.TB) (func(), func() uint64) {
	h, told := newHotCall(t, 1), uint64(0)
	return func() {
		for range 10 {
			h.seq++ // a number of the path that is another stream's
			h.video()
		}
		told += h.sent(func() { h.sender.sendFeedback(h.w.now) })
	}, func() uint64 { return told }
}

// hotFeedbackAtRest is the same with the reports that go with it at rest.
func hotFeedbackAtRest(t testing.TB) (func(), func() uint64) {
	h, told, reported := newHotCall(t, 1), uint64(0), 0
	h.sender.resting = true
	return func() {
			for range 10 {
				h.seq++
				h.video()
			}
			h.w.blocks = h.w.blocks[:0]
			told += h.sent(func() { h.sender.sendFeedback(h.w.now) })
			reported += len(h.w.blocks)
		}, func() uint64 {
			if told > 0 && reported == 0 {
				t.Error("nothing was reported on")
			}
			return told
		}
}
