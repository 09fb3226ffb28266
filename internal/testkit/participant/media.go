package participant

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Payload types and header extensions as every offer has them.
const (
	ptOpus, ptVP8            = 111, 100
	extLevel, extTransportCC = 1, 5
)

// anything is what may stand in a message of a server that is trusted.
var anything = jingle.Limits{Contents: 64, PayloadTypes: 256, Extensions: 64, Candidates: 256, Sources: 1 << 20}

// onJingle takes the offer; of the rest tests only count that it came.
func (p *Participant) onJingle(el xmpp.Element) error {
	if el.AttrOr("action", "") != string(jingle.SessionInitiate) {
		return nil
	}
	m, err := jingle.Parse(el, anything)
	if err != nil {
		return fmt.Errorf("the offer: %w", err)
	}
	for _, c := range m.Contents {
		if c.Transport != nil && p.offered == nil {
			p.offered = c.Transport
		}
	}
	if p.offered == nil {
		return fmt.Errorf("an offer without transport")
	}
	p.sid = m.SID
	p.mark(Offered)
	p.running.Go(func() {
		if err := p.accept(); err != nil {
			p.fail(err)
		}
	})
	return nil
}

// patience bounds what a participant does by itself.
const patience = time.Minute

// accept answers the offer, and connects at the same time, as browsers do.
func (p *Participant) accept() error {
	if p.opt.Slow != nil {
		select {
		case <-p.opt.Slow:
		case <-p.life.Done():
			return nil
		}
	}
	err := p.conn.ask("set", p.room()+"/focus", p.answer(), func(st xmpp.Stanza) {
		if st.Type != "result" {
			p.fail(fmt.Errorf("session-accept: %s", st.Raw))
			return
		}
		p.mark(Accepted)
	})
	if err != nil || p.opt.NoMedia {
		return err
	}
	ctx, cancel := context.WithTimeout(p.life, patience)
	defer cancel()
	p.running.Go(func() {
		if err := p.openChannel(ctx, p.offered.ChannelURL); err != nil {
			p.fail(fmt.Errorf("bridge channel: %w", err))
		}
	})
	if p.opt.Watches {
		p.peer.OnRTP(p.onRTP)
	}
	if p.opt.Shows {
		p.peer.OnRTCP(p.onRTCP)
	}
	if err := p.peer.Connect(ctx, p.offered); err != nil {
		return err
	}
	p.mark(Secured)
	if p.opt.Speaks || p.opt.Shows {
		p.running.Go(p.play)
	}
	return p.Wait(ctx, Channelled) // ctx must outlive its opening
}

func (p *Participant) answer() string {
	local := &media.Transport{Ufrag: "none", Pwd: "nobodywillcheckthispassword", Fingerprint: &media.Fingerprint{
		Hash: "sha-256", Setup: "active", Value: "00" + string(bytes.Repeat([]byte(":00"), 31)),
	}}
	if p.peer != nil {
		local = p.peer.Local()
	}
	m := &jingle.Message{Action: jingle.SessionAccept, SID: p.sid, JSON: true, Sources: []source.Owned{{Owner: p.Nick(), Set: p.sources()}}}
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		m.Contents = append(m.Contents, jingle.Content{
			Name: kind.String(), Creator: "responder", Senders: "both", Media: kind.String(),
			Description: &media.Description{Kind: kind}, RTCPMux: true, Transport: local,
		})
	}
	return string(m.Encode())
}

// The SSRCs, from that of the microphone: three encodings of the camera, and
// their retransmissions.
const (
	camera  = 1
	repeats = 4
)

func (p *Participant) sources() source.Set {
	id := p.Nick()
	s := source.Set{Sources: []source.Source{{SSRC: p.ssrc, Kind: media.Audio, Name: id + "-a0", MSID: id + "-audio-0-1 mic"}}}
	if !p.opt.Shows {
		return s
	}
	sim := source.Group{Semantics: source.SIM, Kind: media.Video}
	for i := range uint32(3) {
		a, b := p.ssrc+camera+i, p.ssrc+repeats+i
		for _, ssrc := range []uint32{a, b} {
			s.Sources = append(s.Sources, source.Source{SSRC: ssrc, Kind: media.Video, Name: id + "-v0", MSID: id + "-video-0-1 cam"})
		}
		sim.SSRCs = append(sim.SSRCs, a)
		s.Groups = append(s.Groups, source.Group{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{a, b}})
	}
	s.Groups = append(s.Groups, sim)
	return s
}

// play sends until the participant leaves.
func (p *Participant) play() {
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	p.wantKey.Store(true)
	audio := player{p: p, ssrc: p.ssrc, pt: ptOpus, step: 960}
	video := player{p: p, ssrc: p.ssrc + camera, pt: ptVP8, step: 3600}
	payload := make([]byte, 400)
	for n := 0; ; n++ {
		select {
		case <-p.life.Done():
			return
		case <-beat.C:
		}
		if p.opt.Speaks {
			audio.level = voice(n)
			audio.send(payload[:80])
		}
		if p.opt.Shows && n%2 == 0 {
			video.send(vp8(payload, p.wantKey.Swap(false), video.seq))
		}
	}
}

// voice is the audio level of packet n: words with pauses between them. What
// is always equally loud is noise to who looks for speakers.
func voice(n int) uint8 {
	if n%40 < 30 {
		return 0x80 | 30
	}
	return 100
}

// player numbers the packets of one stream.
type player struct {
	p     *Participant
	ssrc  uint32
	pt    uint8
	step  uint32
	level uint8 // audio level, 0 for none
	seq   uint16
	at    uint32
	buf   [1500]byte
}

func (x *player) send(payload []byte) {
	x.seq++
	x.at += x.step
	e := rtp.Egress{SSRC: x.ssrc, PayloadType: x.pt, Seq: x.seq, Timestamp: x.at, Marker: x.pt == ptVP8}
	if x.level != 0 {
		e.AddByte(extLevel, x.level)
	}
	if n, err := e.Write(x.buf[:], payload); err == nil {
		_ = x.p.peer.SendRTP(x.buf[:n])
	}
}

// vp8 writes the descriptor (RFC 7741 §4.2) and the frame header of a whole
// frame in front of noise.
func vp8(b []byte, key bool, picture uint16) []byte {
	b[0], b[1] = 0x90, 0x80
	binary.BigEndian.PutUint16(b[2:], picture|0x8000)
	b[4] = 1 // not a key frame
	if key {
		copy(b[4:], []byte{0, 0, 0, 0x9d, 0x01, 0x2a})
		binary.LittleEndian.PutUint16(b[10:], 320)
		binary.LittleEndian.PutUint16(b[12:], 180)
	}
	return b
}

// onRTP looks at what arrives until there is nothing more to learn from it.
func (p *Participant) onRTP(pkt []byte) {
	p.packets.Add(1)
	switch {
	case len(pkt) < 12:
	case pkt[1]&0x7f == ptOpus:
		if p.At(Heard) == 0 {
			p.mark(Heard)
		}
	case pkt[1]&0x7f == ptVP8 && p.At(Seen) == 0:
		h, err := rtp.Parse(pkt)
		if err != nil {
			return
		}
		if d, err := codec.ParseVP8(h.Payload()); err == nil && d.KeyFrame {
			p.mark(Seen)
		}
	}
}

// onRTCP sends a key frame to whoever asks.
func (p *Participant) onRTCP(pkt []byte) {
	for c := rtp.NewCompound(pkt); c.Next(); {
		if r := c.Packet(); r.IsPLI() && r.MediaSSRC() == p.ssrc+camera || r.IsFeedback(rtp.TypePSFB, rtp.FormatFIR) {
			p.wantKey.Store(true)
		}
	}
}

// link is the bridge channel.
type link struct {
	mu     sync.Mutex
	nc     net.Conn
	closed bool
}

func (l *link) set(nc net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nc = nc
	return !l.closed
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.nc != nil {
		_ = l.nc.Close()
	}
}

// openChannel opens the bridge channel and says what is wanted.
func (p *Participant) openChannel(ctx context.Context, url string) error {
	nc, br, err := dial(ctx, url)
	if err != nil {
		return err
	}
	if !p.channel.set(nc) {
		_ = nc.Close()
		return errClosed
	}
	height := p.opt.Height
	if height == 0 {
		height = 180
	}
	wanted := fmt.Sprintf(`{"colibriClass":"ReceiverVideoConstraints","lastN":%d,"defaultConstraints":{"maxHeight":%d}}`, p.opt.LastN, height)
	if err := writeFrame(nc, ws.NewTextFrame([]byte(wanted))); err != nil {
		return err
	}
	p.mark(Channelled)
	p.running.Go(func() { p.listen(nc, br) })
	return nil
}

func (p *Participant) listen(nc net.Conn, br *bufio.Reader) {
	var buf []byte
	for {
		msg, err := readText(nc, br, buf)
		if err != nil {
			p.fail(fmt.Errorf("the bridge channel ended: %w", err))
			return
		}
		buf = msg
	}
}
