package bridge

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// crowd is a conference of many microphones whose worker is driven by the
// test. What the last endpoint is sent can be read; it has no microphone.
type crowd struct {
	t       testing.TB
	w       *worker
	c       *conference
	all     []*endpoint
	first   int // of all who is still there
	sealers []*srtp.Sealer
	seqs    []uint16
	ear     *net.UDPConn
	raw     func(buf []byte) int // reads a datagram of ear, 0 or less if there is none
	opener  *srtp.Opener
	pkt     []byte
	eg      rtp.Egress
}

func newCrowd(t testing.TB, people int, change func(*Options)) *crowd {
	t.Helper()
	return newCrowdFor(t, people, change, func(*colibri.EndpointModify) {})
}

// newCrowdFor lets the listener join in a way of its own.
func newCrowdFor(t testing.TB, people int, change func(*Options), listener func(*colibri.EndpointModify)) *crowd {
	t.Helper()
	o := DefaultOptions()
	o.Listen, o.Workers = netip.MustParseAddrPort(anyPort), 1
	change(&o)
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ear, sink := listen(t), listen(t)
	n := &crowd{t: t, w: b.workers[0], ear: ear, pkt: make([]byte, 1500), seqs: make([]uint16, people)}
	t.Cleanup(func() { b.closeSockets(); ear.Close(); sink.Close() })
	n.raw = readerOf(t, ear, n.w)
	n.w.now = mono.Now()
	req := &colibri.ConferenceModify{MeetingID: meeting, Create: true}
	for i := range people {
		m := colibri.EndpointModify{ID: fmt.Sprintf("%08x", i), Create: true, WantTransport: true, Media: offer()}
		if i < people-1 {
			m.Sources = &source.Set{Sources: []source.Source{{SSRC: micOf(i), Kind: media.Audio, Name: m.ID + "-a0"}}}
		} else {
			listener(&m)
		}
		req.Endpoints = append(req.Endpoints, m)
	}
	if _, err := n.w.modify(req); err != nil {
		t.Fatal(err)
	}
	n.c = n.w.conferences[meeting]
	n.all = slices.Clone(n.c.order)
	for i, ep := range n.all {
		n.connect(i, ep, sink.LocalAddr())
	}
	n.w.turnOver()
	return n
}

func listen(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadBuffer(4 << 20)
	return c
}

func micOf(i int) uint32 { return 1000 + uint32(i) }

// leave makes the first one leave; the numbers of the others stay.
func (n *crowd) leave() {
	n.t.Helper()
	m := colibri.EndpointModify{ID: n.all[0].id, Expire: true}
	if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{m}}); err != nil {
		n.t.Fatal(err)
	}
	n.first = 1
}

func (n *crowd) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, 1}), uint16(1000+i))
}

func (n *crowd) connect(i int, ep *endpoint, to net.Addr) {
	p := srtp.Profiles()[0]
	key, salt := make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	binary.BigEndian.PutUint32(key, uint32(i+1))
	if i == len(n.all)-1 {
		to = n.ear.LocalAddr()
		n.opener, _ = srtp.NewOpener(p, key, salt)
	}
	ep.to, ep.heard = to.(*net.UDPAddr).AddrPort(), n.w.now
	n.w.byAddr[n.addr(i)] = ep
	s, err := srtp.NewSealer(p, key, salt)
	if err != nil {
		n.t.Fatal(err)
	}
	n.sealers = append(n.sealers, s)
	keysReady{ep, secure.Keys{Profile: secure.Profile(p), RemoteKey: key, RemoteSalt: salt, LocalKey: key, LocalSalt: salt}}.handle(n.w)
}

func (n *crowd) listener() *endpoint { return n.all[len(n.all)-1] }

// mic lets the next packet of a microphone arrive. Payloads tell the sender's
// number, timestamps are 20 ms apart.
func (n *crowd) mic(i int, level uint8) {
	n.seqs[i]++
	n.late(i, n.seqs[i], level)
}

func (n *crowd) late(i int, seq uint16, level uint8) {
	e := &n.eg
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq, e.Timestamp = micOf(i), ptOpus, seq, uint32(seq)*960
	if level != speech.Unknown {
		e.AddByte(extLevel, level)
	}
	e.AddUint16(extTCC, seq)
	var payload [80]byte
	binary.BigEndian.PutUint16(payload[:], seq)
	size, err := e.Write(n.pkt, payload[:])
	if err == nil {
		size, err = n.sealers[i].SealRTP(n.pkt, n.pkt[:size])
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.w.packet(n.addr(i), n.pkt[:size], false)
}

// round is 20 ms in which everybody with a microphone sends a packet.
func (n *crowd) round(level func(i int) uint8) {
	n.w.now = n.w.now.Add(20 * time.Millisecond)
	for i := n.first; i < len(n.all)-1; i++ {
		n.mic(i, level(i))
	}
	n.w.turnOver()
}

func (n *crowd) rounds(times int, level func(i int) uint8) {
	for range times {
		n.round(level)
	}
}

// heard takes what the listener was sent, opened. A number that was used twice
// fails the test.
func (n *crowd) heard() (out []rtp.Header) {
	n.t.Helper()
	if n.w.count.own[dropSeal] != 0 {
		n.t.Fatal("a number was to be used twice")
	}
	for _, pkt := range n.datagrams() {
		if rtp.IsRTCP(pkt) {
			continue
		}
		size, err := n.opener.OpenRTP(pkt)
		if err != nil {
			n.t.Fatal(err)
		}
		h, err := rtp.Parse(pkt[:size])
		if err != nil {
			n.t.Fatal(err)
		}
		out = append(out, h)
	}
	return out
}

// datagrams reads all that the worker has sent to the listener so far. What is
// there makes room for a mark that is sent behind it, and waited for.
func (n *crowd) datagrams() (out [][]byte) {
	n.t.Helper()
	buf, mark := make([]byte, 1500), []byte{0}
	for size := n.raw(buf); size > 0; size = n.raw(buf) {
		out = append(out, slices.Clone(buf[:size]))
	}
	if err := n.w.sock.WriteTo(mark, n.ear.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		n.t.Fatal(err)
	}
	n.ear.SetReadDeadline(time.Now().Add(patience))
	for {
		size, err := n.ear.Read(buf)
		if err != nil {
			n.t.Fatal(err)
		}
		if size == len(mark) {
			return out
		}
		out = append(out, slices.Clone(buf[:size]))
	}
}

func of(packets []rtp.Header, ssrc uint32) (out []rtp.Header) {
	for _, h := range packets {
		if h.SSRC == ssrc {
			out = append(out, h)
		}
	}
	return out
}

// unbroken checks that numbers go on one by one and that timestamps are those
// of the sender; a jump of the timestamp carries the marker.
func unbroken(t *testing.T, packets []rtp.Header) {
	t.Helper()
	for i, h := range packets {
		if sent := binary.BigEndian.Uint16(h.Payload()); h.Timestamp != uint32(sent)*960 {
			t.Errorf("packet %d of the sender has timestamp %d", sent, h.Timestamp)
		}
		if i == 0 {
			continue
		}
		if h.Seq != packets[i-1].Seq+1 {
			t.Errorf("%d: number %d follows %d", h.SSRC, h.Seq, packets[i-1].Seq)
		}
		if jump := h.Timestamp != packets[i-1].Timestamp+960; jump != h.Marker {
			t.Errorf("%d: marker %v at timestamp %d behind %d", h.SSRC, h.Marker, h.Timestamp, packets[i-1].Timestamp)
		}
	}
}

const (
	roomNoise = 75
	voice     = 30
)

func quiet(int) uint8 { return roomNoise }

// speaking is a level for each of a crowd: those speak, the others do not.
func speaking(who ...int) func(i int) uint8 {
	return func(i int) uint8 {
		for _, w := range who {
			if w == i {
				return voice
			}
		}
		return roomNoise
	}
}

// TestLoudestOnly: in a large conference receivers are sent those who speak
// and nobody else, each from the packets before the first word on, and the
// streams have no gap that looks like a loss.
func TestLoudestOnly(t *testing.T) {
	n := newCrowd(t, 30, func(o *Options) { o.Loudest.Speakers = 3 })
	if !n.c.talk.loudest {
		t.Fatal("29 microphones are no large conference")
	}
	n.rounds(300, quiet)
	if got := n.heard(); len(got) != 0 || n.w.count.own[cAudioForwarded] != 0 {
		t.Errorf("%d packets of a silent room", len(got))
	}
	var got []rtp.Header
	turns := []struct{ who, rounds int }{{4, 50}, {9, 50}, {4, 30}, {12, 40}, {20, 30}, {4, 25}}
	begins := map[int][]uint16{}
	for _, turn := range turns {
		begins[turn.who] = append(begins[turn.who], n.seqs[turn.who]+1)
		n.rounds(turn.rounds, speaking(turn.who))
		got = append(got, n.heard()...)
		n.rounds(15, quiet) // a pause
		got = append(got, n.heard()...)
	}
	for who, onsets := range begins {
		mine := of(got, micOf(who))
		unbroken(t, mine)
		sent := map[uint16]bool{}
		for _, h := range mine {
			sent[binary.BigEndian.Uint16(h.Payload())] = true
		}
		for k, onset := range onsets {
			for i := range 25 {
				if !sent[onset+uint16(i)] {
					t.Errorf("packet %d of turn %d of %d was not heard", i, k, who)
				}
			}
		}
		if !sent[onsets[0]-1] || sent[onsets[0]-keptPackets-1] {
			t.Errorf("%d packets are sent ahead", keptPackets)
		}
		got = drop(got, micOf(who))
	}
	if len(got) != 0 {
		t.Errorf("%d packets of people who said nothing", len(got))
	}
	if n.w.count.own[dropQuiet] == 0 || n.w.count.own[cAudioOnset] == 0 {
		t.Error("nothing was counted")
	}
}

func drop(packets []rtp.Header, ssrc uint32) (out []rtp.Header) {
	for _, h := range packets {
		if h.SSRC != ssrc {
			out = append(out, h)
		}
	}
	return out
}

// TestLoudestBySize: up to the configured size everybody is forwarded, above
// it the loudest are, and again everybody when it has shrunk.
func TestLoudestBySize(t *testing.T) {
	n := newCrowd(t, 7, func(o *Options) { o.Loudest = Loudest{Above: 5, Speakers: 1} })
	state := func(want bool, senders int) {
		t.Helper()
		n.heard()
		n.rounds(3, quiet)
		n.heard()
		before := n.w.count.own[cAudioForwarded]
		n.rounds(10, quiet)
		others := len(n.c.order) - 1
		expect := uint64(10 * senders * others)
		if got := n.w.count.own[cAudioForwarded] - before; got != expect || n.c.talk.loudest != want {
			t.Errorf("%d forwarded, want %d; loudest only: %v", got, expect, n.c.talk.loudest)
		}
	}
	state(true, 0)
	n.leave()
	state(false, 5)

	off := newCrowd(t, 40, func(o *Options) { o.Loudest.Speakers = 0 })
	if off.c.talk.loudest {
		t.Error("it cannot be turned off")
	}
}

// TestHushed: a worker that cannot carry all audio forwards one voice of each
// conference, however small; what nobody hears of the others is counted.
func TestHushed(t *testing.T) {
	n := newCrowd(t, 5, func(*Options) {})
	n.rounds(300, quiet)
	if n.heard(); n.c.talk.loudest || n.w.count.own[cAudioForwarded] == 0 {
		t.Fatal("not all of a small conference is forwarded")
	}
	hush(n.w)
	n.c.routeLoudest()
	if !n.w.stress.Swamped() {
		t.Error("nothing waits")
	}
	n.w.stress.Read(0, 0) // now nothing does
	n.w.stress.Next(n.w.now.Add(time.Minute), stress.Traffic{})
	for short, words := range []string{"all video, and the microphones of those who talk", "less video, and the microphones of those who talk"} {
		if n.w.stress.short = short; n.w.stress.words() != words {
			t.Errorf("with %d short of video: %q", short, n.w.stress.words())
		}
	}
	before := n.w.count.own[cAudioForwarded]
	n.rounds(10, quiet)
	if got := n.w.count.own[cAudioForwarded] - before; got != 0 || n.w.stress.hushed != 10*4*4 {
		t.Errorf("%d forwarded of who is quiet, %d left out", got, n.w.stress.hushed)
	}
	n.heard()
	n.rounds(50, speaking(2))
	got := of(n.heard(), micOf(2))
	if len(got) < 50 {
		t.Fatalf("%d of 50 packets of who talks", len(got))
	}
	if _, ok := got[0].Extension(extTCC); ok {
		t.Error("feedback is asked for where there is no time for it")
	}
	n.w.stress.Governor = stress.New(n.w.now)
	n.c.routeLoudest()
	n.rounds(3, quiet)
	if n.heard(); n.c.talk.loudest {
		t.Error("it is for ever")
	}
}

// TestAskedForByName: who subscribes to a source by name hears it however many
// are louder, and without gaps when that begins and ends.
func TestAskedForByName(t *testing.T) {
	n := newCrowd(t, 30, func(o *Options) { o.Loudest.Speakers = 1 })
	n.rounds(300, quiet)
	n.heard()
	name := "00000007-a0"
	n.rounds(20, speaking(7))
	n.listener().message(&colibri.ReceiverAudioSubscription{All: true, Include: []string{name}})
	n.rounds(20, speaking(3))
	n.rounds(20, quiet)
	got := n.heard()
	n.listener().message(&colibri.ReceiverAudioSubscription{All: true})
	n.rounds(150, quiet)
	n.rounds(20, speaking(7))
	got = append(got, n.heard()...)
	mine := of(got, micOf(7))
	if want := 3 + 20 + 40; len(mine) < want+20 {
		t.Errorf("%d packets of a source that was asked for", len(mine))
	}
	for i, h := range mine[1:] {
		if h.Seq != mine[i].Seq+1 {
			t.Errorf("number %d follows %d", h.Seq, mine[i].Seq)
		}
	}
	if len(of(got, micOf(3))) < 20 {
		t.Error("the loudest are not heard any more")
	}
	n.listener().message(&colibri.ReceiverAudioSubscription{Include: []string{name}})
	n.rounds(20, speaking(3, 7))
	got = n.heard()
	if len(of(got, micOf(7))) != 20 || len(got) != 20 {
		t.Errorf("%d packets, %d of the one source wanted", len(got), len(of(got, micOf(7))))
	}
}

// TestAudioNumbers: whatever is lost, late, muted, silent or not among the
// loudest, and whoever subscribes to whatever, no number is used twice.
func TestAudioNumbers(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 11))
		n := newCrowd(t, 6, func(o *Options) { o.Loudest = Loudest{Above: int(seed % 2 * 100), Speakers: 1} })
		level, held := make([]uint8, 5), make([]uint16, 5)
		total := 0
		for range 3000 {
			n.w.now = n.w.now.Add(20 * time.Millisecond)
			for i := range 5 {
				if r.IntN(30) == 0 {
					level[i] = []uint8{voice, voice + 10, roomNoise, roomNoise, silence, speech.Unknown}[r.IntN(6)]
				}
				switch r.IntN(30) {
				case 0:
					n.seqs[i]++ // lost
				case 1, 2, 3: // two change places, or one comes much later
					if held[i] == 0 {
						n.seqs[i]++
						held[i] = n.seqs[i]
					} else {
						n.late(i, held[i], []uint8{level[i], voice, silence}[r.IntN(3)])
						held[i] = 0
					}
				default:
					n.mic(i, level[i])
				}
			}
			switch r.IntN(60) {
			case 0:
				n.all[r.IntN(5)].forceMute(colibri.ForceMute{Audio: r.IntN(2) == 0})
			case 1:
				m := colibri.ReceiverAudioSubscription{All: r.IntN(3) > 0}
				if r.IntN(2) == 0 {
					m.Include = []string{fmt.Sprintf("%08x-a0", r.IntN(5))}
				}
				n.listener().message(&m)
			case 2: // a source that goes and is back, once or twice
				i := r.IntN(5)
				for range 1 + r.IntN(2) {
					n.c.setSources(n.all[i], source.Set{})
					n.c.setSources(n.all[i], source.Set{Sources: []source.Source{{SSRC: micOf(i), Kind: media.Audio, Name: n.all[i].id + "-a0"}}})
				}
			}
			n.w.turnOver()
			if r.IntN(50) == 0 {
				total += len(n.heard())
			}
		}
		if total += len(n.heard()); total < 1000 {
			t.Errorf("only %d packets were heard", total)
		}
	}
}

// TestNumbersGoOn: neither a packet that is later than its receiver, nor a
// source that goes before its receiver has heard anything, make a number be
// used again.
func TestNumbersGoOn(t *testing.T) {
	n := newCrowd(t, 3, func(o *Options) {})
	some := func(packets int) {
		for range packets {
			n.mic(0, voice)
			n.w.turnOver()
		}
	}
	n.seqs[0] = 20_000
	some(20)
	n.listener().message(&colibri.ReceiverAudioSubscription{})
	some(5)
	n.seqs[0]++
	late := n.seqs[0]
	some(5)
	n.listener().message(&colibri.ReceiverAudioSubscription{All: true})
	some(2)
	n.late(0, late, voice)
	some(2)
	if got := n.heard(); len(got) != 24 {
		t.Errorf("%d packets, want 24", len(got))
	}
	for range 2 {
		n.c.setSources(n.all[0], source.Set{})
		n.c.setSources(n.all[0], source.Set{Sources: []source.Source{{SSRC: micOf(0), Kind: media.Audio, Name: n.all[0].id + "-a0"}}})
	}
	n.seqs[0] = 20_000 + 1<<15 // a new stream begins below 2^15: at numbers that were used
	some(30)
	if got := n.heard(); len(got) != 30 || got[0].Seq != 20_025 {
		t.Errorf("%d packets, want 30", len(got))
	}
}

// TestNothingOfBeforeMute: what somebody said while muted is not sent ahead of
// the first word afterwards, nor is anything of before.
func TestNothingOfBeforeMute(t *testing.T) {
	n := newCrowd(t, 30, func(o *Options) {})
	n.rounds(300, quiet)
	n.all[4].forceMute(colibri.ForceMute{Audio: true})
	n.rounds(1, speaking(4))
	n.all[4].forceMute(colibri.ForceMute{})
	from := n.seqs[4] + 1
	n.rounds(20, speaking(4))
	got := n.heard()
	if len(got) != 20 || binary.BigEndian.Uint16(got[0].Payload()) != from {
		t.Errorf("%d packets, from %d on; want 20 from %d", len(got), binary.BigEndian.Uint16(got[0].Payload()), from)
	}
	unbroken(t, got)
}

// TestDominantIsHeard: the bridge tells the router who has the floor.
func TestDominantIsHeard(t *testing.T) {
	n := newCrowd(t, 30, func(o *Options) { o.Loudest.Speakers = 1 })
	n.rounds(300, quiet)
	n.w.wheel.Advance(n.w.now, n.w.fire)
	words := func(i int) uint8 { // what never pauses is noise
		if n.seqs[i]%15 < 5 {
			return roomNoise
		}
		return voice
	}
	for range 200 {
		n.round(func(i int) uint8 {
			if i == 5 {
				return words(i)
			}
			return roomNoise
		})
		n.w.wheel.Advance(n.w.now, n.w.fire)
	}
	if n.c.talk.floor != n.all[5] {
		t.Fatal("nobody has the floor")
	}
	n.heard()
	n.rounds(50, func(i int) uint8 {
		switch i {
		case 5:
			return words(i)
		case 6:
			return words(i) - 20 // much louder
		}
		return roomNoise
	})
	if got := len(of(n.heard(), micOf(5))); got != 50 {
		t.Errorf("%d of 50 packets of the dominant speaker", got)
	}
}

// TestLoudestAllocatesNothing: neither who is heard nor who is not.
func TestLoudestAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	n := newCrowd(t, 30, func(o *Options) {})
	r := rand.New(rand.NewPCG(1, 2))
	talk := func(int) uint8 { return uint8(20 + r.IntN(60)) }
	n.rounds(500, talk)
	allocs.None(t, allocs.Many, func() { n.round(talk) })
}

// TestReportsOnWhatIsSent: an endpoint gets sender reports about the streams
// it was sent lately, and the cost is that of those.
func TestReportsOnWhatIsSent(t *testing.T) {
	n := newCrowd(t, 30, func(o *Options) { o.Loudest.Speakers = 2 })
	n.rounds(300, quiet)
	for i, ep := range n.all[:29] {
		ep.clock.learn(1<<40, n.w.now)
		ep.sources[0].encodings[0].report = senderReport{ntp: 1 << 40, ts: uint32(i), known: true}
	}
	n.rounds(20, speaking(3, 8))
	reported := func() (out []uint32) {
		buf := n.listener().reportAudio(n.w.rtcpBuf[:0], n.w.now)
		for c := rtp.NewCompound(buf); c.Next(); {
			p := c.Packet()
			out = append(out, p.SenderSSRC())
		}
		return out
	}
	if got := reported(); len(got) != 2 || len(n.listener().sounding) != 2 || got[0]+got[1] != micOf(3)+micOf(8) {
		t.Errorf("reports about %d", got)
	}
	n.rounds(300, quiet)
	if got := reported(); len(got) != 0 || len(n.listener().sounding) != 0 {
		t.Errorf("reports about %d, which are silent", got)
	}
	n.rounds(20, speaking(3))
	if got := reported(); len(got) != 1 {
		t.Errorf("reports about %d", got)
	}
}

// TestSpeakersChange: with real peers, what a receiver hears when somebody else
// begins to speak includes the packets before the voice, and no number is
// missing.
func TestSpeakersChange(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.Loudest = Loudest{Above: 1, Speakers: 1} })
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	c := r.join(meeting, "cccccccc", 0)
	c.until("the first speaker", func() { a.audio(voice) }, func() bool { return len(c.packets(1000)) > 20 })
	// They stop, and their place becomes free.
	a.until("the place", func() { a.audio(roomNoise) }, func() bool { return r.counted(dropQuiet) > 0 })
	before := r.counted(dropQuiet)
	for range 10 {
		b.audio(roomNoise)
	}
	b.until("the noise", nil, func() bool { return r.counted(dropQuiet) >= before+10 })
	onset := uint32(b.nextSeq(2000)+1) * 960 // and one is lost
	for range 20 {
		b.audio(voice)
	}
	c.until("the second speaker", nil, func() bool {
		p := c.packets(2000)
		return len(p) > 0 && p[len(p)-1].Timestamp == onset+960*19
	})
	c.mu.Lock()
	heard := c.packets(2000)
	c.mu.Unlock()
	// On a busy machine what is kept may have become too old, the first packets
	// of the voice too; TestLoudestOnly counts exactly.
	if got := heard[0]; got.Timestamp > onset+960*keptPackets || got.Timestamp < onset-960*(keptPackets+1) || !got.Marker {
		t.Errorf("it begins at %d, marker %v; the voice sets in at %d", got.Timestamp, got.Marker, onset)
	}
	for i, h := range heard[1:] {
		if lost := h.Timestamp == onset; lost != (h.Seq != heard[i].Seq+1) {
			t.Errorf("number %d follows %d at %d", h.Seq, heard[i].Seq, h.Timestamp)
		}
	}
	// And back again: the stream of the first goes on where it stopped.
	c.until("the first speaker again", func() { a.audio(voice) }, func() bool {
		p := c.packets(1000)
		return p[len(p)-1].Timestamp > p[20].Timestamp+960*200 && p[len(p)-1].Seq > p[20].Seq+20
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, h := range c.packets(1000)[1:] {
		if last := c.packets(1000)[i]; h.Seq != last.Seq+1 {
			t.Errorf("number %d follows %d", h.Seq, last.Seq)
		}
	}
}

// TestLastNLimits: the table's entry for the size of a conference bounds
// everybody's videos, and nothing is decided anew while it stays the same.
func TestLastNLimits(t *testing.T) {
	o := Options{LastNLimits: map[int]int{4: 20, 6: 2, 10: -1}}
	for size, want := range map[int]int{0: alloc.Unlimited, 3: alloc.Unlimited, 4: 20, 5: 20, 6: 2, 9: 2, 10: alloc.Unlimited, 500: alloc.Unlimited} {
		if got := o.lastN(size); got != want {
			t.Errorf("limit %d in a conference of %d, want %d", got, size, want)
		}
	}
	n := newBench(t, 4, srtp.Profiles()[0])
	n.w.b.opt.LastNLimits = map[int]int{6: 0}
	c := n.sender.c
	var e rtp.Egress
	n.warm(t, &e, 1003, ptVP8, vp8Frame(true, 1, 720), vp8Frame(false, 1, 0))
	receivers := func() int { return n.sender.sources[1].videoReceivers() }
	if c.lastN != alloc.Unlimited || receivers() != 4 {
		t.Fatalf("limit %d, %d receivers", c.lastN, receivers())
	}
	if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{create("0000000a")}}); err != nil {
		t.Fatal(err)
	}
	n.w.turnOver()
	if c.lastN != 0 || receivers() != 0 {
		t.Errorf("limit %d, %d receivers in a conference of 6", c.lastN, receivers())
	}
	if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{create("0000000b")}}); err != nil {
		t.Fatal(err)
	}
	if len(n.w.dirty) != 0 {
		t.Errorf("%d decide anew although the limit is the same", len(n.w.dirty))
	}
	for _, id := range []string{"0000000a", "0000000b"} {
		if _, err := n.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{{ID: id, Expire: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	n.w.turnOver()
	if c.lastN != alloc.Unlimited || receivers() != 4 {
		t.Errorf("limit %d, %d receivers when it has shrunk", c.lastN, receivers())
	}
}

// BenchmarkOpenMicrophones is 20 ms of a conference in which everybody's
// microphone is open and five talk.
func BenchmarkOpenMicrophones(b *testing.B) {
	for _, people := range []int{30, 100, 300} {
		for _, speakers := range []int{0, 5} {
			b.Run(fmt.Sprintf("%d/%d", people, speakers), func(b *testing.B) {
				n := newCrowd(b, people, func(o *Options) { o.Loudest.Speakers = speakers })
				talk := speaking(1, 2, 3, 4, 5)
				n.rounds(10, talk)
				before := n.w.count.own[cAudioForwarded]
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					n.round(talk)
				}
				b.ReportMetric(float64(n.w.count.own[cAudioForwarded]-before)/float64(b.N), "forwarded/op")
			})
		}
	}
}
