package bridge

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// TestMemoryOfReceivers bounds what an endpoint takes that only listens and
// watches, media having flowed and frames having been left out. What is shared,
// such as the history of a source, is spread over many and hardly counts. DTLS
// and the channel are not in it (package secure's TestMemoryOfSessions, and
// TestSilentChannelHasNoReader). PLENUM_HEAP names a file for a heap profile.
func TestMemoryOfReceivers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures memory")
	}
	for _, c := range []struct {
		senders, receivers int
		limit              int // bytes each
	}{{1, 1000, 24 << 10}, {30, 200, 52 << 10}} {
		t.Run(fmt.Sprintf("%d senders", c.senders), func(t *testing.T) {
			h := newHall(t, c.senders)
			h.media(t)
			before := liveHeap()
			h.watch(t, c.receivers)
			h.media(t)
			each := (liveHeap() - before) / c.receivers
			t.Logf("%d bytes a receiver", each)
			if each > c.limit {
				t.Errorf("more than %d", c.limit)
			}
			if name := os.Getenv("PLENUM_HEAP"); name != "" {
				f, err := os.Create(fmt.Sprint(name, c.senders))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				_ = pprof.WriteHeapProfile(f)
			}
			runtime.KeepAlive(h)
		})
	}
}

// TestMemoryOfIdleWorkers bounds what a worker takes that has nothing to do:
// there is one for each core, and a machine with many may have given this
// process little memory.
func TestMemoryOfIdleWorkers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures memory")
	}
	const workers, limit = 64, 256 << 10
	before := liveHeap()
	r := newRig(t, workers)
	each := (liveHeap() - before) / workers
	t.Logf("%d bytes a worker", each)
	if each > limit {
		t.Errorf("more than %d", limit)
	}
	runtime.KeepAlive(r)
}

func liveHeap() int {
	for range 3 { // finalizers and pools need more than one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// hall is a conference of some senders and many who receive, whose worker is
// driven by the test.
type hall struct {
	w       *worker
	senders []*bench
	to      netip.AddrPort
	people  int
}

func newHall(t *testing.T, senders int) *hall {
	t.Helper()
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), 1
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	sink := listen(t)
	t.Cleanup(func() { b.closeSockets(); sink.Close() })
	h := &hall{w: b.workers[0], to: sink.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()}
	h.w.now = mono.Now()
	for i := range senders {
		ep := h.join(t, sourcesOf(fmt.Sprintf("%08x", i), uint32(1000*(i+1))))
		n := &bench{w: h.w, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, 1}), uint16(1000+i)), pkt: make([]byte, 1500), sender: ep}
		h.w.byAddr[n.addr] = ep
		key := hallKeys(i)
		if n.sealer, err = srtp.NewSealer(srtp.AEADAES128GCM, key.RemoteKey, key.RemoteSalt); err != nil {
			t.Fatal(err)
		}
		h.senders = append(h.senders, n)
	}
	return h
}

func hallKeys(i int) secure.Keys {
	key, salt := make([]byte, 16), make([]byte, 12)
	key[0], key[1] = byte(i), byte(i>>8)
	return secure.Keys{Profile: secure.AEADAES128GCM, RemoteKey: key, RemoteSalt: salt, LocalKey: key, LocalSalt: salt}
}

// join lets somebody come in as browsers do: SSRCs are rewritten for them.
func (h *hall) join(t *testing.T, sources source.Set) *endpoint {
	t.Helper()
	m := colibri.EndpointModify{ID: fmt.Sprintf("%08x", h.people), Create: true, WantTransport: true, SSRCRewriting: true, Media: offer(), Sources: &sources}
	if _, err := h.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: h.people == 0, Endpoints: []colibri.EndpointModify{m}}); err != nil {
		t.Fatal(err)
	}
	ep := h.w.conferences[meeting].endpoints[m.ID]
	ep.to, ep.heard = h.to, h.w.now
	keysReady{ep, hallKeys(h.people)}.handle(h.w)
	h.people++
	return ep
}

// watch lets people come in who only receive, with a channel.
func (h *hall) watch(t *testing.T, people int) {
	for range people {
		ep := h.join(t, source.Set{})
		ep.channel.ws = newWSLink(h.w.b, nil, nil, ep)
		ep.message(want(180))
	}
	for range 3 { // slots are told, then ready
		h.w.turnOver()
		h.w.now = h.w.now.Add(newLineHold + unknownRTT)
		for _, ep := range h.w.conferences[meeting].order {
			ep.greet()
			ep.markDirty()
			if ep.channel.ws != nil {
				ep.channel.ws.queue, ep.channel.ws.bytes = nil, 0
			}
		}
	}
}

// media is two seconds of audio and of pictures of which every other is left
// out.
func (h *hall) media(t *testing.T) {
	var e rtp.Egress
	for i := range uint16(40) {
		h.w.now = h.w.now.Add(50e6)
		for _, n := range h.senders {
			ssrc := n.sender.sources[0].ssrc
			n.packet(t, &e, ssrc, ptOpus, make([]byte, 80))
			picture := append(vp8Frame(i == 0, n.seq, 180), make([]byte, 500)...)
			picture[5] = byte(i%2) << 6 // temporal layer
			n.packet(t, &e, ssrc+1, ptVP8, picture)
			for _, ep := range h.w.conferences[meeting].order {
				if v := ep.videoOf(n.sender.sources[1]); v != nil && v.src != nil {
					v.aimAt(quality{0, 0, 0})
				}
			}
		}
		h.w.turnOver()
	}
}
