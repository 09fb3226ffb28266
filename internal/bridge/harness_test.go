package bridge

import (
	"context"
	"encoding/binary"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
	"github.com/plenum-conf/plenum/internal/testkit/peer"
)

// patience is how long a test waits for something that should come at once.
// It is never spent when things work, so that it may be more than any machine
// needs.
const patience = 30 * time.Second

// anyPort is one that the kernel chooses.
const anyPort = "127.0.0.1:0"

// Payload types and extension ids as an offer has them.
const (
	ptOpus, ptVP8, ptRTX           = 111, 100, 96
	ptVP9, ptH264, ptAV1           = 101, 107, 41
	extDependency                  = 11
	extLevel, extTCC, extMIDNumber = 1, 5, 10
)

func offer() []media.Description {
	return []media.Description{
		{Kind: media.Audio, PayloadTypes: []media.PayloadType{
			{ID: ptOpus, Name: "opus", ClockRate: 48000, Channels: 2},
		}, HeaderExtensions: []media.HeaderExtension{
			{ID: extLevel, URI: media.ExtAudioLevel}, {ID: extTCC, URI: media.ExtTransportCC}, {ID: extMIDNumber, URI: media.ExtMID},
		}},
		{Kind: media.Video, PayloadTypes: []media.PayloadType{
			{ID: ptVP8, Name: "VP8", ClockRate: 90000},
			{ID: ptRTX, Name: "rtx", ClockRate: 90000, Parameters: []media.Parameter{{Name: "apt", Value: "100"}}},
			{ID: ptVP9, Name: "VP9", ClockRate: 90000},
			{ID: 97, Name: "rtx", ClockRate: 90000, Parameters: []media.Parameter{{Name: "apt", Value: "101"}}},
			{ID: ptH264, Name: "H264", ClockRate: 90000},
			{ID: 99, Name: "rtx", ClockRate: 90000, Parameters: []media.Parameter{{Name: "apt", Value: "107"}}},
			{ID: ptAV1, Name: "AV1", ClockRate: 90000},
			{ID: 42, Name: "rtx", ClockRate: 90000, Parameters: []media.Parameter{{Name: "apt", Value: "41"}}},
		}, HeaderExtensions: []media.HeaderExtension{
			{ID: extTCC, URI: media.ExtTransportCC}, {ID: extMIDNumber, URI: media.ExtMID},
			{ID: extDependency, URI: media.ExtDependencyDescriptor},
		}},
	}
}

// sourcesOf makes one microphone and one camera with three encodings.
func sourcesOf(id string, base uint32) source.Set {
	s := source.Set{Sources: []source.Source{
		{SSRC: base, Kind: media.Audio, Name: id + "-a0", MSID: id + "-audio"},
	}}
	sim := source.Group{Semantics: source.SIM, Kind: media.Video}
	for i := range uint32(3) {
		p, r := base+1+i, base+11+i
		s.Sources = append(s.Sources,
			source.Source{SSRC: p, Kind: media.Video, Name: id + "-v0", MSID: id + "-video", VideoType: source.Camera},
			source.Source{SSRC: r, Kind: media.Video, Name: id + "-v0", MSID: id + "-video", VideoType: source.Camera})
		sim.SSRCs = append(sim.SSRCs, p)
		s.Groups = append(s.Groups, source.Group{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{p, r}})
	}
	s.Groups = append(s.Groups, sim)
	return s
}

// rig is a running bridge.
type rig struct {
	*Bridge
	t   testing.TB
	web *httptest.Server
	ctx context.Context
}

func newRig(t testing.TB, workers int, change ...func(*Options)) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	o := DefaultOptions()
	o.Listen = netip.MustParseAddrPort(anyPort)
	o.Workers = workers
	o.PublicURL = "http://127.0.0.1"
	for _, f := range change {
		f(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	// A machine that is busy with other things is no reason to leave out what
	// the test waits for: nobody governs within the hour, and nothing is too old.
	for _, w := range b.workers {
		w.mail.postAlways(call(func(w *worker) {
			w.stress.Governor = stress.New(w.now.Add(time.Hour))
			w.useless = ages{video: time.Hour, handed: time.Hour, repeated: time.Hour}
		}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
	r := &rig{Bridge: b, t: t, ctx: ctx, web: httptest.NewServer(b.Handler())}
	t.Cleanup(func() {
		cancel()
		ctx, cancel := context.WithTimeout(context.Background(), patience) // however long the test took
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		r.web.Close()
		noLeaks(t, before)
	})
	return r
}

// noLeaks waits until the goroutines of a test have gone.
func noLeaks(t testing.TB, before int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *rig) modify(req *colibri.ConferenceModify) *colibri.ConferenceModified {
	r.t.Helper()
	res, err := r.Modify(r.ctx, req)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *rig) change(meeting string, m colibri.EndpointModify) *colibri.ConferenceModified {
	r.t.Helper()
	return r.modify(&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{m}})
}

// client is a peer that has joined.
type client struct {
	*peer.Peer
	r       *rig
	id      string
	base    uint32 // of its SSRCs
	offered *media.Transport

	news chan struct{} // something has arrived
	mu   sync.Mutex
	rtp  []rtp.Header
	rtcp [][]byte
	seqs map[uint32]uint16
}

// allocate creates the endpoint; the meeting is created if it is the first.
func (r *rig) allocate(meeting, id string, base uint32, change ...func(*colibri.EndpointModify)) *client {
	r.t.Helper()
	p, err := peer.New()
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{Peer: p, r: r, id: id, base: base, seqs: map[uint32]uint16{}, news: make(chan struct{}, 1)}
	p.OnRTP(c.gotRTP)
	p.OnRTCP(c.gotRTCP)
	r.t.Cleanup(p.Close)
	m := colibri.EndpointModify{ID: id, Create: true, WantTransport: true, Media: offer()}
	for _, f := range change {
		f(&m)
	}
	r.mu.Lock()
	exists := r.homes[meeting] != nil
	r.mu.Unlock()
	res := r.modify(&colibri.ConferenceModify{
		MeetingID: meeting, Room: "room@conference.test", Create: !exists, Endpoints: []colibri.EndpointModify{m},
	})
	c.offered = res.Endpoints[0].Transport
	return c
}

// accept is the client's session-accept.
func (c *client) accept(meeting string) {
	c.r.t.Helper()
	m := colibri.EndpointModify{ID: c.id, Transport: c.Local()}
	if c.base != 0 {
		s := sourcesOf(c.id, c.base)
		m.Sources = &s
	}
	c.r.change(meeting, m)
}

// join does all that a client does to take part.
func (r *rig) join(meeting, id string, base uint32, profiles ...srtp.Profile) *client {
	r.t.Helper()
	c := r.allocate(meeting, id, base)
	c.accept(meeting)
	if err := c.Connect(r.ctx, c.offered, profiles...); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (c *client) gotRTP(pkt []byte) {
	h, err := rtp.Parse(pkt)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.rtp = append(c.rtp, h)
		c.tell()
	}
}

func (c *client) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *client) gotRTCP(pkt []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rtcp = append(c.rtcp, pkt)
	c.tell()
}

// again is how often a test repeats what it waits for the effect of.
const again = 5 * time.Millisecond

// until waits until ok holds for what has arrived, and does something again
// and again meanwhile, if anything.
func (c *client) until(what string, do func(), ok func() bool) {
	c.r.t.Helper()
	late, tick := time.After(patience), time.NewTicker(again)
	defer tick.Stop()
	for {
		c.mu.Lock()
		done := ok()
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-late:
			c.r.t.Fatalf("%s: never: %s", c.id, what)
		case <-c.news:
		case <-tick.C:
			if do != nil {
				do()
			}
		}
	}
}

// sees waits until a frame of a's smallest encoding arrives that is sent now:
// what was on its way before that has arrived then. Meanwhile a sends more of
// them, and does something before each, if anything.
func (c *client) sees(a *client, before func()) {
	c.r.t.Helper()
	sent := a.video(0, true)
	more := func() {
		if before != nil {
			before()
		}
		a.video(0, true)
	}
	c.until("video", more, func() bool {
		return slices.ContainsFunc(c.packets(a.base+1), func(h rtp.Header) bool {
			d, err := codec.ParseVP8(h.Payload())
			return err == nil && int16(d.PictureID-sent) >= 0
		})
	})
}

// forget drops what has arrived.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rtp = nil
}

// packets returns what arrived under an SSRC. c.mu is held or nobody else is there.
func (c *client) packets(ssrc uint32) (out []rtp.Header) {
	for _, h := range c.rtp {
		if h.SSRC == ssrc {
			out = append(out, h)
		}
	}
	return out
}

// got is packets outside of until: more may come meanwhile.
func (c *client) got(ssrc uint32) []rtp.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets(ssrc)
}

// rtcpMessages counts the messages that arrived and for which f is true. c.mu
// is held: reports come at any time.
func (c *client) rtcpMessages(f func(p rtp.RTCP) bool) (n int) {
	for _, pkt := range c.rtcp {
		for w := rtp.NewCompound(pkt); w.Next(); {
			if f(w.Packet()) {
				n++
			}
		}
	}
	return n
}

func (c *client) nextSeq(ssrc uint32) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seqs[ssrc]++
	return 1000 + c.seqs[ssrc]
}

// audio sends one packet of the microphone.
func (c *client) audio(level uint8) {
	c.r.t.Helper()
	var e rtp.Egress
	e.SSRC, e.PayloadType = c.base, ptOpus
	e.Seq = c.nextSeq(e.SSRC)
	e.Timestamp = uint32(e.Seq) * 960
	e.AddByte(extLevel, level)
	e.AddUint16(extTCC, c.nextSeq(0))
	e.Add(extMIDNumber, []byte("0"))
	c.send(&e, []byte("opus from "+c.id))
}

// video sends one packet of an encoding that is a frame of its own.
func (c *client) video(encoding int, key bool) uint16 {
	c.r.t.Helper()
	var e rtp.Egress
	e.SSRC, e.PayloadType, e.Marker = c.base+1+uint32(encoding), ptVP8, true
	e.Seq = c.nextSeq(e.SSRC)
	e.Timestamp = uint32(e.Seq) * 3000
	e.AddUint16(extTCC, c.nextSeq(0))
	c.send(&e, vp8Frame(key, e.Seq+uint16(encoding)*5000, 180<<encoding))
	return e.Seq
}

// allVideo sends a frame of each encoding.
func (c *client) allVideo(key bool) {
	for i := range 3 {
		c.video(i, key)
	}
}

func (c *client) send(e *rtp.Egress, payload []byte) {
	c.r.t.Helper()
	buf := make([]byte, 1500)
	n, err := e.Write(buf, payload)
	if err == nil {
		err = c.SendRTP(buf[:n])
	}
	if err != nil {
		c.r.t.Fatal(err)
	}
}

// vp8Frame is a descriptor with a 15-bit picture id, TL0PICIDX and TID, and
// the beginning of a frame (RFC 7741 §4.2, §4.3).
func vp8Frame(key bool, picture uint16, height int) []byte {
	b := []byte{0x90, 0xe0, 0x80 | byte(picture>>8)&0x7f, byte(picture), byte(picture), 0}
	if !key {
		return append(b, 0x01, 0, 0, 1, 2, 3)
	}
	b = append(b, 0x00, 0, 0, 0x9d, 0x01, 0x2a)
	b = binary.LittleEndian.AppendUint16(b, uint16(height*16/9))
	return append(binary.LittleEndian.AppendUint16(b, uint16(height)), 1, 2, 3)
}
