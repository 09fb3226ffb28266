package loadtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// quietLife is what a peer sends in a time without receiving anything.
type quietLife struct {
	t      *testing.T
	m      *peer
	opener *srtp.Opener
	now    mono.Time
	sent   map[string][]mono.Time // by what it is
	most   int                    // datagrams in one round of housekeeping
	counts map[uint32]uint32      // what sender reports counted
}

func newQuietLife(t *testing.T, role Role) *quietLife {
	m, _ := peerOf(t, &role)
	opener, err := srtp.NewOpener(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	return &quietLife{t: t, m: m, opener: opener, now: m.w.now}
}

func (q *quietLife) live(d time.Duration) {
	q.sent, q.most, q.counts = map[string][]mono.Time{}, 0, map[uint32]uint32{}
	for end := q.now.Add(d); q.now < end; q.now = q.now.Add(housePeriod) {
		before := q.m.count.RTCPOut
		q.m.w.now = q.now
		q.m.rtcpDue(q.now)
		q.m.flush()
		q.most = max(q.most, int(q.m.count.RTCPOut-before))
		for left := q.m.count.RTCPOut - before; left > 0; {
			n := q.m.member.Read(q.m.w.batch)
			for i := range n {
				q.look(q.m.w.batch.Packets[i].Data)
			}
			left -= uint64(n)
		}
	}
}

// look notes what a datagram is: sender reports by their SSRCs.
func (q *quietLife) look(pkt []byte) {
	q.t.Helper()
	n, err := q.opener.OpenRTCP(pkt)
	if err != nil {
		q.t.Fatal(err)
	}
	what := ""
	for c := rtp.NewCompound(pkt[:n]); c.Next(); {
		p := c.Packet()
		switch {
		case p.Type == rtp.TypeSR:
			info, _ := p.SenderInfo()
			q.counts[p.SenderSSRC()] = info.Packets
			what += fmt.Sprintf("SR %d ", p.SenderSSRC())
		case p.Type == rtp.TypeRR && p.Reports() > 0:
			what += "blocks "
		case p.Type == rtp.TypeRR:
			what += "RR "
		default:
			what += fmt.Sprint(p.Type, " ")
		}
	}
	q.sent[what] = append(q.sent[what], q.now)
}

// rate is how often something is sent, a second.
func (q *quietLife) rate(what string, d time.Duration) float64 {
	return float64(len(q.sent[what])) / d.Seconds()
}

// TestQuiet: who has muted what it has goes on reporting as Chromium does: on
// each stream that it sent, and on nothing on each m-line, each by a clock of its
// own, and nothing else.
func TestQuiet(t *testing.T) {
	const span = 200 * time.Second
	q := newQuietLife(t, Role{Audio: true, Video: true, Muted: true})
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want/6 {
			t.Errorf("%s: %.2f a second, want %.2f", what, got, want)
		}
	}
	q.live(span)
	if len(q.m.sources.still) != 4 || len(q.sent) != 5 {
		t.Fatalf("%d streams, sent %v", len(q.m.sources.still), slices.Collect(maps.Keys(q.sent)))
	}
	for i := range q.m.sources.still {
		s := &q.m.sources.still[i]
		what, want := fmt.Sprintf("SR %d 202 ", s.enc.SSRC), 1.0
		if i == 0 { // the microphone
			want = 0.2
		}
		near(what, q.rate(what, span), want)
		least, most := span, time.Duration(0)
		for k, at := range q.sent[what][1:] {
			gap := at.Sub(q.sent[what][k])
			least, most = min(least, gap), max(most, gap)
		}
		if d := time.Duration(float64(time.Second) / want); least < d/2-housePeriod || most > d*3/2+housePeriod || most < d*5/4 {
			t.Errorf("%s: every %v to %v", what, least, most)
		}
	}
	near("RR", q.rate("RR ", span), 1.2)
	if q.most > 4 {
		t.Errorf("%d datagrams at once", q.most)
	}

	// Sources of others: two in one SSRC each, and a camera with three.
	q.m.announce(map[uint32]announced{1: {source: "a-a0"}, 2: {source: "a-v0", video: true}})
	q.m.announce(map[uint32]announced{3: {source: "b-v0", video: true}, 4: {source: "b-v0", video: true}, 5: {source: "b-v0", video: true}})
	q.m.remap(map[uint32]announced{2: {source: "c-v0", video: true}}) // an m-line that there is
	q.live(span)
	near("RR", q.rate("RR ", span), 3.4)
}

// TestQuietReceives: what comes is reported on, once a second, as long as it
// comes, and its m-line has nothing else to say meanwhile.
func TestQuietReceives(t *testing.T) {
	q := newQuietLife(t, Role{Audio: true, Video: true, Muted: true})
	q.m.announce(map[uint32]announced{9: {source: "a-v0", video: true}})
	far, err := srtp.NewSealer(srtp.AEADAES128GCM, make([]byte, 16), make([]byte, 12))
	if err != nil {
		t.Fatal(err)
	}
	total := map[string]int{}
	for seq := range uint16(30) {
		q.m.datagramIn(fromBridge(t, far, 9, 100, seq, []byte{0x90, 0xe0, 0x80, 1, 1, 0, 0x10, 0, 0, 0}, 0), q.m.remote, 0)
		q.live(time.Second)
		for what, at := range q.sent {
			total[what] += len(at)
		}
	}
	if n := total["blocks 202 "]; n < 29 || n > 31 {
		t.Errorf("%d report blocks in 30 s", n)
	}
	if n := total["RR "]; n < 24 || n > 48 { // an m-line less than else
		t.Errorf("%d reports about nothing in 30 s", n)
	}
	if q.live(10 * time.Second); len(q.sent["blocks 202 "]) > 1 || len(q.sent["RR "]) < 15 {
		t.Errorf("after that %d report blocks and %d reports about nothing in 10 s", len(q.sent["blocks 202 "]), len(q.sent["RR "]))
	}
}

// nowhere takes packets of media.
type nowhere struct{}

func (nowhere) Packet(*lmedia.Encoding, *rtp.Egress, []byte, uint8) {}

// TestQuietSilence: the reports on a microphone that sends silence count it.
func TestQuietSilence(t *testing.T) {
	q := newQuietLife(t, Role{Audio: true, Muted: true, Silence: true})
	a := q.m.audio
	for i := range 3000 {
		a.Send(a.Deadline(), int64(i), nowhere{})
	}
	if a.Packets != 3000 || a.Spoke() != 0 {
		t.Fatalf("%d packets, %v spoken", a.Packets, a.Spoke())
	}
	q.live(100 * time.Second)
	for what, at := range q.sent {
		if len(at) < 14 || len(at) > 26 && what != "RR " {
			t.Errorf("%s: %d in 100 s", what, len(at))
		}
	}
	if len(q.sent) != 2 || q.counts[a.SSRC] != 3000 {
		t.Errorf("sent %v, counted %v", slices.Collect(maps.Keys(q.sent)), q.counts)
	}
}

// TestAskedForPauses: a load pauses if the offer asks for it, as browsers do.
func TestAskedForPauses(t *testing.T) {
	for usedtx, want := range map[string]int{"1": 10, "0": 100, "": 100} {
		d := media.Description{Kind: media.Audio, PayloadTypes: []media.PayloadType{
			{ID: 111, Name: "opus", ClockRate: 48000, Channels: 2, Parameters: []media.Parameter{{Name: "usedtx", Value: usedtx}}},
		}}
		o := &offer{codecs: map[string]uint8{}}
		o.learn(&d)
		a := makeSources(o, &Role{Audio: true, Muted: true, Silence: true}, "e", nil, 0).audio
		a.Start(1, 1)
		for now := mono.Time(1); now < mono.Time(2*time.Second); now = now.Add(lmedia.AudioPeriod) {
			a.Send(now, int64(now), nowhere{})
		}
		if a.Packets != uint64(want) {
			t.Errorf("usedtx=%s: %d packets in two seconds, want %d", usedtx, a.Packets, want)
		}
	}
}
