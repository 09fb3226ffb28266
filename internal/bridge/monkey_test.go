package bridge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// monkey does what hostile and careless clients and a hasty focus do, in any
// order: the packets are authentic, everything else is chance.
type monkey struct {
	*rand.Rand
	t    *testing.T
	w    *worker
	all  []*ape
	next int
}

// ape is one endpoint of the monkey's.
type ape struct {
	id     string
	addr   netip.AddrPort
	ep     *endpoint
	sealer *srtp.Sealer
	ssrcs  []uint32
	seqs   map[uint32]uint16
}

const mostApes = 6

func newMonkey(t *testing.T, seed uint64) *monkey {
	b := idleWorkers(t, 2)
	if seed%2 == 1 {
		b.opt.Loudest = Loudest{Above: 2, Speakers: 1}
	}
	m := &monkey{Rand: rand.New(rand.NewPCG(seed, seed)), t: t, w: b.workers[0]}
	if _, err := m.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *monkey) modify(e colibri.EndpointModify) bool {
	_, err := m.w.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: m.w.conferences[meeting] == nil, Endpoints: []colibri.EndpointModify{e}})
	return err == nil
}

func (m *monkey) some() *ape {
	if len(m.all) == 0 {
		return nil
	}
	return m.all[m.IntN(len(m.all))]
}

func (m *monkey) join() {
	if len(m.all) >= mostApes {
		return
	}
	m.next++
	a := &ape{id: fmt.Sprintf("%08x", m.next%10), addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(2000+m.next)), seqs: map[uint32]uint16{}}
	e := create(a.id)
	switch m.IntN(6) {
	case 0:
		e.Media = e.Media[:1]
	case 1:
		e.Media = e.Media[1:]
	case 2:
		e.Media[1].HeaderExtensions = e.Media[1].HeaderExtensions[:1]
	case 3:
		e.Visitor = true
	}
	if !m.modify(e) {
		return
	}
	a.ep = m.w.conferences[meeting].endpoints[a.id]
	p := srtp.Profiles()[m.IntN(2)]
	key, salt := make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	key[0] = byte(m.next)
	a.sealer, _ = srtp.NewSealer(p, key, salt)
	a.ep.to, a.ep.heard = a.addr, m.w.now
	a.ep.bindAddr(a.addr)
	keysReady{a.ep, secure.Keys{Profile: secure.Profile(p), RemoteKey: key, RemoteSalt: salt, LocalKey: key, LocalSalt: salt}}.handle(m.w)
	m.all = append(m.all, a)
}

// lend lets another worker send to somebody from now on.
func (m *monkey) lend() {
	if a := m.some(); a != nil && a.ep.outlet == nil && m.IntN(4) == 0 {
		m.w.turnOver()
		m.w.lendTo(a.ep, m.w.b.workers[1])
	}
}

func (m *monkey) leave() {
	if a := m.some(); a != nil && m.IntN(4) == 0 {
		m.modify(colibri.EndpointModify{ID: a.id, Expire: true})
	}
}

// sources chooses a set, at times one with somebody else's SSRCs or nonsense.
func (m *monkey) sources() {
	a := m.some()
	if a == nil {
		return
	}
	base := uint32(1000 * (1 + m.IntN(12)))
	set := sourcesOf(a.id, base)
	switch m.IntN(5) {
	case 0:
		set = source.Set{}
	case 1:
		set.Groups = set.Groups[:m.IntN(len(set.Groups)+1)]
	case 2:
		set.Sources = set.Sources[:1+m.IntN(len(set.Sources))]
	case 3:
		set.Sources[1].SSRC = set.Sources[2].SSRC
	}
	if m.modify(colibri.EndpointModify{ID: a.id, Sources: &set}) {
		a.ssrcs = a.ssrcs[:0]
		for _, s := range set.Sources {
			a.ssrcs = append(a.ssrcs, s.SSRC)
		}
	}
}

var monkeyTypes = []uint8{ptOpus, ptVP8, ptVP8, ptVP8, ptRTX, ptVP9, 97, ptH264, 99, ptAV1, ptAV1, 42, 0, 126}

func (m *monkey) media() {
	a := m.some()
	if a == nil || len(a.ssrcs) == 0 {
		return
	}
	ssrc := a.ssrcs[m.IntN(len(a.ssrcs))]
	e := rtp.Egress{SSRC: ssrc, PayloadType: monkeyTypes[m.IntN(len(monkeyTypes))], Marker: m.IntN(2) == 0}
	step := uint16(1)
	if m.IntN(20) == 0 {
		step = uint16(m.IntN(400)) - 100
	}
	a.seqs[ssrc] += step
	e.Seq, e.Timestamp = a.seqs[ssrc], uint32(a.seqs[ssrc])*3000
	payload, dependency := m.payload(e.PayloadType, e.Seq)
	e.AddByte(extLevel, uint8(m.IntN(256)))
	e.AddUint16(extTCC, uint16(m.IntN(1<<16)))
	if dependency != nil {
		e.Add(extDependency, dependency)
	}
	buf := make([]byte, 2000)
	n, err := e.Write(buf, payload)
	if err != nil {
		m.t.Fatal(err)
	}
	m.arrives(a, buf, n, a.sealer.SealRTP)
}

func (m *monkey) payload(pt uint8, n uint16) (payload, dependency []byte) {
	switch {
	case m.IntN(10) == 0:
		return m.noise(40), m.noise(20)
	case pt == ptAV1:
		tc := codecCases["AV1"]
		return tc.frame(m.IntN(4) == 0, n)
	case pt == ptVP9:
		tc := codecCases["VP9"]
		return tc.frame(m.IntN(4) == 0, n)
	case pt == ptRTX:
		return append([]byte{byte(n >> 8), byte(n)}, vp8Frame(false, n, 0)...), nil
	}
	return vp8Frame(m.IntN(4) == 0, n, 90*m.IntN(10)), nil
}

func (m *monkey) noise(most int) []byte {
	b := make([]byte, m.IntN(most))
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

func (m *monkey) arrives(a *ape, buf []byte, n int, seal func(dst, pkt []byte) (int, error)) {
	if n, err := seal(buf, buf[:n]); err == nil {
		m.w.packet(a.addr, buf[:n], false)
	}
}

func (m *monkey) report() {
	a, b := m.some(), m.some()
	if a == nil {
		return
	}
	about := uint32(m.IntN(13000))
	if len(b.ssrcs) > 0 {
		about = b.ssrcs[m.IntN(len(b.ssrcs))]
	}
	for _, s := range m.w.conferences[meeting].ordered { // rather one it gets
		if a.ep.out[s.ssrc] != nil && m.IntN(2) == 0 {
			about = s.ssrc
		}
	}
	p := rtp.AppendReceiverReport(nil, 1, []rtp.ReportBlock{{SSRC: about, LSR: m.Uint32(), DLSR: m.Uint32()}})
	switch m.IntN(8) {
	case 0:
		p = rtp.AppendPLI(p, 1, about)
	case 1:
		p = rtp.AppendFIR(p, 1, about, 1)
	case 2:
		newest := uint16(m.Uint32())
		if v := a.ep.out[about]; v != nil {
			newest, _ = v.seq.NewestOut()
		}
		p = rtp.AppendNACK(p, 1, about, []uint16{newest - uint16(m.IntN(50)), newest, newest + 1})
	case 3:
		p = rtp.AppendSenderReport(p, about, rtp.SenderInfo{NTP: m.Uint64(), RTPTime: m.Uint32()}, nil)
	case 4:
		p = append(p, m.noise(60)...)
	case 5:
		p = rtp.AppendREMB(p, 1, uint64(m.IntN(5_000_000)), nil)
	case 6:
		var r rtp.Recorder
		for i := range uint16(m.IntN(40)) {
			if m.IntN(4) > 0 {
				r.Add(a.ep.tccSeq-20+i, m.w.now.Add(time.Duration(m.IntN(50))*time.Millisecond))
			}
		}
		p = r.Build(p, 1, about, m.w.now)
	}
	buf := make([]byte, 2000)
	m.arrives(a, buf, copy(buf, p), a.sealer.SealRTCP)
}

func (m *monkey) message() {
	a, b := m.some(), m.some()
	if a == nil {
		return
	}
	name := []string{b.id + "-v0", b.id + "-a0", a.id + "-v0"}[m.IntN(3)]
	var msg colibri.Message
	switch m.IntN(6) {
	case 0, 1:
		lastN := m.IntN(5) - 1
		msg = &colibri.ReceiverVideoConstraints{
			LastN: &lastN, OnStageSources: []string{name}, DefaultConstraints: &colibri.VideoConstraints{MaxHeight: []int{-1, 0, 180, 720}[m.IntN(4)]},
			Constraints: map[string]colibri.VideoConstraints{name: {MaxHeight: 90 * m.IntN(10)}},
		}
	case 2:
		msg = &colibri.SourceVideoType{SourceName: name, VideoType: []colibri.VideoType{colibri.None, colibri.Camera, colibri.Desktop}[m.IntN(3)]}
	case 3:
		msg = &colibri.ReceiverAudioSubscription{All: m.IntN(2) == 0, Include: []string{name}}
	case 4:
		msg = &colibri.LastNChangedEvent{LastN: m.IntN(4) - 1}
	case 5:
		msg = &colibri.EndpointMessage{To: b.id, Payload: []byte("{}")}
	}
	a.ep.message(msg)
}

func (m *monkey) mute() {
	if a := m.some(); a != nil {
		m.modify(colibri.EndpointModify{ID: a.id, ForceMute: &colibri.ForceMute{Audio: m.IntN(3) == 0, Video: m.IntN(3) == 0}})
	}
}

func (m *monkey) wait() {
	d := time.Duration(m.IntN(60)) * time.Millisecond
	if m.IntN(50) == 0 {
		d = 3 * time.Second
	}
	m.w.now = m.w.now.Add(d)
	m.w.wheel.Advance(m.w.now, m.w.fire)
	m.w.turnOver()
	m.w.b.workers[1].serve()
	for _, a := range m.all {
		if !a.ep.gone {
			a.ep.heard = m.w.now // it answers checks, as nobody here does
		}
	}
}

// step does one thing.
func (m *monkey) step() {
	do := []func(){m.join, m.leave, m.lend, m.sources, m.message, m.mute, m.report, m.report, m.wait, m.wait}
	if i := m.IntN(2 * len(do)); i < len(do) {
		do[i]()
	} else {
		m.media()
	}
	m.all = slices.DeleteFunc(m.all, func(a *ape) bool { return a.ep.gone })
}

// TestMonkey: whatever happens, the worker's lists agree with each other, and
// clients are told exactly what they get.
func TestMonkey(t *testing.T) {
	var n [numCounters]uint64
	var refused, sent uint64 // by outlets
	for seed := range uint64(6) {
		m := newMonkey(t, seed)
		for i := range 6000 {
			m.step()
			if i%20 == 0 {
				m.w.turnOver()
				m.check()
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, i)
			}
		}
		for i := range n {
			n[i] += m.w.count.own[i]
		}
		here, there := m.w.lending.sends.Load(), m.w.b.workers[1].lending.sends.Load()
		if live := m.w.numEndpoints.Load(); here+there != live || here < 0 || there < 0 {
			t.Errorf("the workers send to %d and %d receivers, there are %d", here, there, live)
		}
		refused += m.w.b.workers[1].count.own[dropSeal] // late beyond all bounds
		sent += m.w.b.workers[1].count.own[cPacketsOut]
	}
	if sent < 1000 || refused > sent/100 {
		t.Errorf("an outlet has sent %d packets and refused %d", sent, refused)
	}
	if n[cVideoForwarded] < 1000 || n[cAudioForwarded] < 1000 || n[cRetransmitted] == 0 || n[cKeyFrameRequests] < 100 || n[dropMuted] == 0 || n[dropQuiet] == 0 || n[cAudioOnset] == 0 {
		t.Errorf("too little has happened: %d", n)
	}
}

func (m *monkey) check() {
	c := m.w.conferences[meeting]
	if c == nil {
		return
	}
	ssrcs := 0
	for _, s := range c.ordered {
		m.checkSource(s)
		for _, e := range s.encodings {
			ssrcs++
			if c.ssrcs[e.ssrc] != s.owner {
				m.t.Errorf("SSRC %d belongs to nobody", e.ssrc)
			}
		}
	}
	voices, routed := 0, 0
	for _, s := range c.ordered {
		if s.kind == media.Audio {
			voices++
		}
		if s.audio.voice.Routed() {
			routed++
		}
	}
	if c.talk.voices != voices || c.talk.router.Routed() != routed || !c.talk.loudest && routed > 0 {
		m.t.Errorf("%d of %d audio sources counted, %d of %d are routed", c.talk.voices, voices, c.talk.router.Routed(), routed)
	}
	if len(c.ordered) != len(c.sources) || len(c.ssrcs) < ssrcs/2 {
		m.t.Errorf("%d sources in order, %d by name", len(c.ordered), len(c.sources))
	}
	for _, ep := range c.order {
		m.checkReceiver(c, ep)
	}
}

func (m *monkey) checkSource(s *mediaSource) {
	list := func(l *videoList, of int) {
		for i, v := range *l {
			settled := v.sel.Current() == of && v.sel.Target() == of
			if v.list != l || v.index != i || v.src != s || v.to.gone || v.to.out[s.ssrc] != v || (of >= 0) != settled && of >= 0 {
				m.t.Errorf("%s: subscription %d of list %d is wrong: %+v", s.name, i, of, v.sel)
			}
		}
	}
	list(&s.switching, simulcast.None)
	for _, e := range s.encodings {
		list(&e.settled, e.index)
	}
	for _, l := range []*audioList{&s.audio.all, &s.audio.asked} {
		for i, a := range l.subs {
			if a.list != l || a.index != i || a.src != s || a.to.gone || a.to.audioOut[s.ssrc] != a {
				m.t.Errorf("%s: audio subscription %d is wrong", s.name, i)
			}
		}
	}
	most := 0
	for _, ep := range s.owner.c.order {
		if h := ep.heights[s]; h < 0 || most < 0 {
			most = -1
		} else {
			most = max(most, h)
		}
	}
	told := s.demand.told == most || s.demand.lower != 0 && larger(s.demand.told, most)
	if s.kind == media.Video && (s.demand.Height() != most || s.demand.known && !told) {
		m.t.Errorf("%s: wanted %d, told %d, in truth %d", s.name, s.demand.Height(), s.demand.told, most)
	}
}

func (m *monkey) checkReceiver(c *conference, ep *endpoint) {
	var gets []string
	for ssrc, v := range ep.out {
		if v.src == nil {
			continue
		}
		if c.sources[v.src.name] != v.src || v.src.ssrc != ssrc || v.src.owner == ep {
			m.t.Errorf("%s gets a source that is not there", ep.id)
		}
		gets = append(gets, v.src.name)
	}
	slices.Sort(gets)
	if ep.forwarded.known && !slices.Equal(gets, ep.forwarded.names) {
		m.t.Errorf("%s gets %v and is told %v", ep.id, gets, ep.forwarded.names)
	}
	for s, height := range ep.heights {
		if c.sources[s.name] != s || height == 0 {
			m.t.Errorf("%s wants a source that is not there", ep.id)
		}
	}
}
