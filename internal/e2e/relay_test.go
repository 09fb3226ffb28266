package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// relay is a NAT between a page and the bridge: a UDP port of its own, and
// behind it a socket for each address that comes by. All pages behind it share
// one link on the way to them.
type relay struct {
	front  *net.UDPConn
	bridge netip.AddrPort
	done   sync.WaitGroup

	mu   sync.Mutex
	ways map[netip.AddrPort]*way
	down *netem.Link
	late chan delivery
}

// delivery is what is on the way to a page.
type delivery struct {
	at   mono.Time
	page netip.AddrPort
	data []byte
}

// way is what the NAT knows of one address.
type way struct {
	back *net.UDPConn
	dead bool
}

func newRelay(t *testing.T, bridge netip.AddrPort) *relay {
	t.Helper()
	r := &relay{front: loopback(t), bridge: bridge, ways: map[netip.AddrPort]*way{}, down: netem.NewLink(1), late: make(chan delivery, 1024)}
	r.done.Add(2)
	go r.forth()
	over := make(chan struct{})
	go r.deliver(over)
	t.Cleanup(func() {
		close(over)
		r.front.Close()
		r.mu.Lock()
		for _, w := range r.ways {
			w.back.Close()
		}
		r.mu.Unlock()
		r.done.Wait()
	})
	return r
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *relay) addr() netip.AddrPort { return r.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// forth carries what pages send.
func (r *relay) forth() {
	defer r.done.Done()
	buf := make([]byte, 2048)
	for {
		n, page, err := r.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		if w := r.way(page); w != nil && !w.dead {
			_, _ = w.back.WriteToUDPAddrPort(buf[:n], r.bridge)
		}
		r.mu.Unlock()
	}
}

// way finds or makes the way of an address; r.mu is held.
func (r *relay) way(page netip.AddrPort) *way {
	w := r.ways[page]
	if w == nil {
		w = &way{}
		r.ways[page] = w
		r.open(w, page)
	}
	return w
}

// open gives a way a new socket; r.mu is held.
func (r *relay) open(w *way, page netip.AddrPort) {
	back, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		w.dead = true
		return
	}
	w.back = back
	r.done.Add(1)
	go r.home(w, back, page)
}

// home carries what the bridge sends to one page.
func (r *relay) home(w *way, back *net.UDPConn, page netip.AddrPort) {
	defer r.done.Done()
	buf := make([]byte, 2048)
	for {
		n, err := back.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		if !w.dead {
			r.send(buf[:n], page)
		}
		r.mu.Unlock()
	}
}

// send puts a packet on the link to a page; r.mu is held.
func (r *relay) send(pkt []byte, page netip.AddrPort) {
	now := mono.Now()
	at, ok := r.down.Send(now, len(pkt)+pathOverhead)
	switch {
	case !ok:
	case at == now && len(r.late) == 0:
		_, _ = r.front.WriteToUDPAddrPort(pkt, page)
	default:
		select {
		case r.late <- delivery{at, page, bytes.Clone(pkt)}:
		default: // the queue of the link is shorter
		}
	}
}

// pathOverhead is what UDP and IPv4 add to a packet.
const pathOverhead = 28

// deliver lets packets arrive when the link says so.
func (r *relay) deliver(over <-chan struct{}) {
	defer r.done.Done()
	for {
		select {
		case d := <-r.late:
			time.Sleep(d.at.Sub(mono.Now()))
			_, _ = r.front.WriteToUDPAddrPort(d.data, d.page)
		case <-over:
			return
		}
	}
}

// limit makes the link to pages as narrow as that, in bit/s, with a queue of so
// much time; 0 for as fast as the machine.
func (r *relay) limit(rate int, queue time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down.Rate, r.down.Queue = rate, int(int64(rate)/8*int64(queue)/int64(time.Second))
}

// rebind forgets all bindings: the bridge sees everybody at another address.
func (r *relay) rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for page, w := range r.ways {
		w.back.Close()
		r.open(w, page)
	}
}

// kill lets nothing through any more for addresses that have been seen.
func (r *relay) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.ways {
		w.dead = true
	}
}

// through lets a page know no other way to the bridge than by an address, and
// the bridge no way to the page.
const through = `(() => {
	const P = RTCPeerConnection.prototype
	const all = /a=candidate:.*\r\n/g
	const moved = c => c.split(' ').with(4, '%s').with(5, '%d').join(' ')
	const { setRemoteDescription, addIceCandidate } = P
	P.setRemoteDescription = function (d) {
		return setRemoteDescription.call(this, { type: d.type, sdp: d.sdp.replace(all, moved) })
	}
	const { get } = Object.getOwnPropertyDescriptor(P, 'localDescription')
	Object.defineProperty(P, 'localDescription', { get() {
		const d = get.call(this)
		return d && { type: d.type, sdp: d.sdp.replace(all, '') }
	} })
})()`

// enterThrough opens a page whose media goes through a relay; the bridge knows
// nothing of that.
func (s *stage) enterThrough(t *testing.T, room, name string, r *relay, options string) *actor {
	t.Helper()
	p := &actor{Page: s.b.Open("about:blank"), a: s.a, name: name}
	if err := browser.Prepare(p.Page, fmt.Sprintf(through, r.addr().Addr(), r.addr().Port())); err != nil {
		t.Fatal(err)
	}
	if err := p.Navigate(roomURL(s.a, room, name) + options); err != nil {
		t.Fatal(err)
	}
	p.do(t, onlooker)
	p.joined(t)
	return p
}
