package bridge

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// TestPrefetchReadsNothing: a stream that has no place among the keys yet is no
// reason to fault.
func TestPrefetchReadsNothing(t *testing.T) {
	prefetch(nil)
	prefetch3(nil)
	l := audioList{subs: make([]*audioSub, 8)}
	for i := range l.subs {
		l.subs[i] = &audioSub{to: &endpoint{}}
		if i%2 == 0 {
			l.subs[i].audioStream = &audioStream{}
		}
	}
	for i := range l.subs {
		l.fetchAhead(i)
	}
}

// TestFetchGatheredAllocates: what is fetched for packets that have gathered, from people
// without keys, with keys, and from nobody, is there or is not asked for; and
// whoever leaves does not live on in it. Nothing is allocated.
func TestFetchGatheredAllocates(t *testing.T) {
	for _, profile := range []srtp.Profile{srtp.AEADAES128GCM, srtp.AES128CMHMACSHA180} {
		c := newCalmWorker(t)
		w := c.w
		opener, err := srtp.NewOpener(profile, make([]byte, profile.KeyLen()), make([]byte, profile.SaltLen()))
		if err != nil {
			t.Fatal(err)
		}
		addr := func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), uint16(1000+i))
		}
		const n = 12
		for i := range n {
			w.in.Packets[i] = netio.Packet{Addr: addr(i), Data: [][]byte{aCheck, aReport, aVoice, nil}[i%4]}
			if i%3 > 0 {
				w.byAddr[addr(i)] = &endpoint{c: &conference{}}
			}
			if i%3 > 1 {
				w.byAddr[addr(i)].opener = opener
			}
		}
		w.gathering.now = true
		allocs.None(t, allocs.Many, func() {
			w.arrange(n)
			for i := range n {
				w.fetchAhead(i)
			}
		})
		for i, ep := range w.intake.owners {
			if ep != w.byAddr[addr(i)] {
				t.Errorf("packet %d is another's", i)
			}
		}
		w.forget()
		for _, ep := range w.intake.owners[:n] {
			if ep != nil {
				t.Fatal("somebody lives on")
			}
		}
		w.gathering.now = false
		if w.arrange(n); len(w.intake.owners) > 0 {
			t.Error("owners of what has not gathered")
		}
	}
}

// TestEncodingOf: what comes next is found by what a packet says in clear.
func TestEncodingOf(t *testing.T) {
	c := newCalmWorker(t)
	mic := c.sender.sources[0].encodings[0]
	report := append([]byte(nil), aReport...)
	binary.BigEndian.PutUint32(report[4:], mic.ssrc)
	for i, tc := range []struct {
		pkt  []byte
		enc  *encoding
		rtcp bool
	}{{c.microphone(silence), mic, false}, {report, mic, true}, {aReport, nil, true}, {aVoice, nil, false}, {aCheck, nil, false}, {nil, nil, false}} {
		if enc, rtcp := c.sender.encodingOf(tc.pkt); enc != tc.enc || rtcp != tc.rtcp {
			t.Errorf("packet %d is RTCP %v, of %v", i, rtcp, enc)
		}
	}
}

// TestInbounds compares with a map.
func TestInbounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var in inbounds
	slow, encodings := map[uint32]inbound{}, []*encoding{{}, {}, {}}
	for range 20_000 {
		ssrc, what := r.Uint32N(20), inbound{enc: encodings[r.IntN(3)], rtx: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			in.set(ssrc, what)
			slow[ssrc] = what
		} else {
			in.drop(ssrc)
			delete(slow, ssrc)
		}
		for ssrc := range uint32(20) {
			want, known := slow[ssrc]
			if got, ok := in.find(ssrc); ok != known || got != want {
				t.Fatalf("%d is %v %v, want %v %v", ssrc, got, ok, want, known)
			}
		}
		for _, left := range in.of[len(in.of):cap(in.of)] {
			if left.enc != nil {
				t.Fatal("an encoding lives on")
			}
		}
	}
}
