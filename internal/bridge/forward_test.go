package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// bench is a bridge whose worker is driven by the test: one sender and some
// receivers with keys, sending into a socket that nobody reads. Receivers are
// offered everything, or what newBench is told.
type bench struct {
	w      *worker
	sender *endpoint
	sealer *srtp.Sealer // the sender's
	addr   netip.AddrPort
	sink   netip.AddrPort // where all receivers are
	seq    uint16
	pkt    []byte
}

func newBench(t testing.TB, receivers int, profile srtp.Profile, offered ...media.Description) *bench {
	t.Helper()
	return newBenches(t, 1, receivers, profile, offered...)
}

// newBenches is newBench with several workers; the conference is the first one's.
func newBenches(t testing.TB, workers, receivers int, profile srtp.Profile, offered ...media.Description) *bench {
	t.Helper()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), workers
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.closeSockets(); sink.Close() })
	w := b.workers[0]
	w.now = mono.Now()
	to := sink.LocalAddr().(*net.UDPAddr).AddrPort()
	n := &bench{w: w, addr: netip.MustParseAddrPort("127.0.0.1:9"), sink: netip.AddrPortFrom(to.Addr(), to.Port())}
	n.meet(t, meeting, receivers, profile, offered...)
	return n
}

// beside is another conference of the same worker, whose sender has another port.
func (n *bench) beside(t testing.TB, name string, port uint16, receivers int, profile srtp.Profile) *bench {
	t.Helper()
	o := &bench{w: n.w, addr: netip.AddrPortFrom(n.addr.Addr(), port), sink: n.sink}
	o.meet(t, name, receivers, profile)
	return o
}

func (n *bench) meet(t testing.TB, name string, receivers int, profile srtp.Profile, offered ...media.Description) {
	t.Helper()
	n.pkt = make([]byte, 1500)
	req := &colibri.ConferenceModify{MeetingID: name, Create: true}
	for i := range receivers + 1 {
		m := colibri.EndpointModify{ID: fmt.Sprintf("%08x", i), Create: true, WantTransport: true, Media: offer()}
		if i == 0 {
			s := sourcesOf("00000000", 1000)
			m.Sources = &s
		} else if len(offered) > 0 {
			m.Media = offered
		}
		req.Endpoints = append(req.Endpoints, m)
	}
	if _, err := n.w.modify(req); err != nil {
		t.Fatal(err)
	}
	for i, ep := range n.w.conferences[name].order {
		n.connect(t, ep, profile, i, n.sink)
	}
	n.w.turnOver()
}

// turnOver is the end of a turn.
func (w *worker) turnOver() {
	for len(w.dirty) > 0 {
		w.reallocate()
	}
	w.flush()
}

func (n *bench) connect(t testing.TB, ep *endpoint, profile srtp.Profile, i int, to netip.AddrPort) {
	t.Helper()
	key, salt := make([]byte, profile.KeyLen()), make([]byte, profile.SaltLen())
	key[0] = byte(i)
	ep.to, ep.heard = to, n.w.now
	keysReady{ep, secure.Keys{
		Profile: secure.Profile(profile), RemoteKey: key, RemoteSalt: salt, LocalKey: key, LocalSalt: salt,
	}}.handle(n.w)
	if i > 0 {
		ep.message(want(720))
		return
	}
	n.sender = ep
	n.w.byAddr[n.addr] = ep
	var err error
	if n.sealer, err = srtp.NewSealer(profile, key, salt); err != nil {
		t.Fatal(err)
	}
}

// packet seals the next packet of the sender and lets it arrive.
func (n *bench) packet(t testing.TB, e *rtp.Egress, ssrc uint32, pt uint8, payload []byte) {
	n.w.arrive(n.addr, n.sealed(t, e, ssrc, pt, payload), false, n.w.now)
	if n.seq%8 == 0 {
		n.w.flush()
	}
}

// sealed is the next packet of the sender, which has not arrived yet.
func (n *bench) sealed(t testing.TB, e *rtp.Egress, ssrc uint32, pt uint8, payload []byte) []byte {
	n.seq++
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp, e.Marker = ssrc, pt, n.seq, uint32(n.seq)*3000, true
	e.AddByte(extLevel, 30)
	e.AddUint16(extTCC, n.seq)
	size, err := e.Write(n.pkt, payload)
	if err == nil {
		size, err = n.sealer.SealRTP(n.pkt, n.pkt[:size])
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.pkt[:size]
}

// warm brings every ring, map and list to its size.
func (n *bench) warm(t testing.TB, e *rtp.Egress, ssrc uint32, pt uint8, key, delta []byte) {
	n.packet(t, e, ssrc, pt, key)
	n.w.now = n.w.now.Add(1e6)
	n.w.turnOver()
	n.packet(t, e, ssrc, pt, key)
	for range 2000 {
		n.w.now = n.w.now.Add(1e6)
		n.packet(t, e, ssrc, pt, delta)
		n.w.turnOver()
	}
}

// TestForwardAllocatesNothing: the promise of the media path, on the real
// send arena.
func TestForwardAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, profile := range srtp.Profiles() {
		for name, tc := range map[string]struct {
			ssrc       uint32
			pt         uint8
			key, delta []byte
			count      counter
		}{
			"audio": {1000, ptOpus, make([]byte, 80), make([]byte, 80), cAudioForwarded},
			"video": {1003, ptVP8, append(vp8Frame(true, 1, 720), make([]byte, 900)...), append(vp8Frame(false, 1, 0), make([]byte, 1100)...), cVideoForwarded},
		} {
			t.Run(name+" "+profile.String(), func(t *testing.T) {
				const receivers = 10
				n := newBench(t, receivers, profile)
				var e rtp.Egress
				n.warm(t, &e, tc.ssrc, tc.pt, tc.key, tc.delta)
				if got := len(n.sender.sources[1].encodings[2].settled); tc.count == cVideoForwarded && got != receivers {
					t.Errorf("%d of %d receivers are in the list of their encoding", got, receivers)
				}
				before := n.w.count.own[tc.count]
				runs := allocs.None(t, allocs.Many, func() {
					n.w.now = n.w.now.Add(1e6)
					n.packet(t, &e, tc.ssrc, tc.pt, tc.delta)
				})
				if got := n.w.count.own[tc.count] - before; got != uint64(receivers*runs) {
					t.Errorf("%d packets forwarded, want %d", got, receivers*runs)
				}
			})
		}
	}
}

// BenchmarkForward measures one packet of a sender on its way to a number of
// receivers: opened once, rewritten and sealed for each, and sent.
func BenchmarkForward(b *testing.B) {
	for _, profile := range srtp.Profiles() {
		for _, receivers := range []int{1, 20, 100, 1000} { // 1000: more than the caches hold
			b.Run(fmt.Sprintf("video/%v/%d", profile, receivers), func(b *testing.B) {
				benchForward(b, profile, receivers, 1003, ptVP8, append(vp8Frame(true, 1, 720), make([]byte, 900)...), append(vp8Frame(false, 1, 0), make([]byte, 1100)...))
			})
			b.Run(fmt.Sprintf("audio/%v/%d", profile, receivers), func(b *testing.B) {
				benchForward(b, profile, receivers, 1000, ptOpus, make([]byte, 80), make([]byte, 80))
			})
		}
	}
}

func benchForward(b *testing.B, profile srtp.Profile, receivers int, ssrc uint32, pt uint8, key, delta []byte) {
	n := newBench(b, receivers, profile)
	var e rtp.Egress
	n.warm(b, &e, ssrc, pt, key, delta)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n.w.now = n.w.now.Add(1e6)
		n.packet(b, &e, ssrc, pt, delta)
	}
	n.w.flush()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*receivers), "ns/forwarded")
}
