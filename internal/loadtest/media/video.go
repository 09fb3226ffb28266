package media

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// Codec is what a video is encoded with.
type Codec string

// The codecs there are samples of.
const (
	VP8  Codec = "VP8"
	VP9  Codec = "VP9"
	H264 Codec = "H264"
	AV1  Codec = "AV1"
)

// Codecs are all that cameras can have.
func Codecs() []Codec { return []Codec{VP8, VP9, H264, AV1} }

// maxPayload is how many bytes of a picture go into one packet, as libwebrtc
// has it.
const maxPayload = 1180

// videoClock is the RTP clock of video, in Hz.
const videoClock = 90_000

// minKeyFrameGap is how long an encoder ignores further requests for a key
// frame.
const minKeyFrameGap = 300 * time.Millisecond

// Video is one camera or screen: some encodings of the same picture.
type Video struct {
	Layers []*Layer // smallest first
	limit  int      // height wanted at most, -1 for any
	budget int64    // bit/s that may be used, 0 for any
	next   mono.Time
	began  mono.Time
	step   time.Duration
	frames uint32 // sent since began, skipped ones included

	scratch [maxPayload + 64]byte
}

// Layer is one encoding of a Video.
type Layer struct {
	Encoding
	codec   Codec
	rtxType uint8
	clip    *Clip
	rate    int64 // mean, bit/s
	fill    int   // bytes behind each picture
	at      int   // next frame of the clip
	wantKey bool
	lastKey mono.Time
	picture uint16
	tl0     uint8
	history [historyLen]sentPacket

	dependency uint8    // number of the extension, AV1 only
	descriptor [16]byte // of the packet in hand
}

// Codec is what the layer is encoded with.
func (l *Layer) Codec() Codec { return l.codec }

// historyLen is how many packets of a layer can be repeated, a power of two:
// some seconds.
const historyLen = 512

// sentPacket is enough to make a packet again.
type sentPacket struct {
	used    bool
	seq     uint16
	ts      uint32
	frame   int32
	offset  int32 // bytes; of payloads made before, which one
	picture uint16
	tl0     uint8
	stamp   int64
}

// VideoConfig says what a Video sends.
type VideoConfig struct {
	Source      string
	Codec       Codec
	PayloadType uint8
	RTXType     uint8    // 0 for no repetitions
	SSRCs       []uint32 // smallest picture first; those beyond the samples stay unused
	RTX         []uint32 // of the SSRCs, or empty
	Screen      bool
	// Rates are the bitrates of the layers in bit/s, smallest picture first:
	// pictures are filled up to them with bytes that decoders skip. Nil, or
	// less than a sample has, is as the sample is. Only VP8 can be filled.
	Rates []int64
	// FrameRate is how many pictures a second there are at most, 0 for as many
	// as the samples have. Only those of VP8 have layers to leave out: 30, 15
	// or 7.5.
	FrameRate int
	// Dependency is the number of the dependency descriptor's header extension,
	// 0 for none. Only AV1 has one.
	Dependency uint8
	Seed       uint64
}

// WebRates are what the web client allows the layers of a camera at most.
func WebRates() []int64 { return []int64{200_000, 500_000, 1_500_000} }

// NewVideo makes a camera or a screen. It sends nothing before Start.
func NewVideo(cfg VideoConfig) *Video {
	clips := samples().camera[cfg.Codec]
	if cfg.Screen {
		clips = []*Clip{samples().screen}
	}
	if len(cfg.SSRCs) == 1 && len(clips) == 3 {
		clips = clips[2:]
	}
	if cfg.FrameRate > 0 {
		slow := make([]*Clip, len(clips))
		for i, c := range clips {
			slow[i] = c.slower(cfg.FrameRate)
		}
		clips = slow
	}
	v := &Video{limit: -1, step: time.Second * time.Duration(clips[0].Step) / videoClock}
	for i, clip := range clips {
		if i >= len(cfg.SSRCs) {
			break
		}
		l := &Layer{codec: cfg.Codec, rtxType: cfg.RTXType, clip: clip, rate: clip.rate(), wantKey: true}
		l.begin(cfg.SSRCs[i], cfg.PayloadType, cfg.Seed)
		l.base, l.ts = uint32(cfg.Seed), uint32(cfg.Seed) // all layers of a source show the same moment
		l.Source, l.Height = cfg.Source, clip.Height
		if cfg.Codec == AV1 {
			l.dependency = cfg.Dependency
		}
		l.picture = uint16(cfg.Seed) & 0x7fff
		if i < len(cfg.RTX) && cfg.RTXType != 0 {
			l.RTX = cfg.RTX[i]
		}
		if i < len(cfg.Rates) && cfg.Codec == VP8 && cfg.Rates[i] > l.rate {
			l.fill = int(float64(cfg.Rates[i]-l.rate) * v.step.Seconds() / 8)
			l.rate = cfg.Rates[i]
		}
		v.Layers = append(v.Layers, l)
	}
	return v
}

// rate is a clip's mean bitrate, headers included.
func (c *Clip) rate() int64 {
	var bytes, packets int
	for i := range c.Frames {
		n := len(c.Frames[i].Data)
		bytes += n
		packets += (n + maxPayload - 1) / maxPayload
	}
	seconds := float64(len(c.Frames)) * float64(c.Step) / videoClock
	return int64(float64(8*(bytes+70*packets)) / seconds)
}

// Start lets the first picture be due.
func (v *Video) Start(now mono.Time) { v.next, v.began, v.frames = now, now, 0 }

// Stop ends sending until the next Start; pictures begin with a key frame then.
func (v *Video) Stop() {
	v.next = 0
	for _, l := range v.Layers {
		l.Active, l.wantKey = false, true
	}
}

// Deadline is when Send has to be called, 0 for never.
func (v *Video) Deadline() mono.Time { return v.next }

// SetLimit sets the height the bridge wants at most: -1 for any, 0 for none.
func (v *Video) SetLimit(height int) { v.limit = height }

// Limit returns what SetLimit was told.
func (v *Video) Limit() int { return v.limit }

// SetBudget sets how much may be sent, in bit/s; 0 for as much as there is.
func (v *Video) SetBudget(bps int64) { v.budget = bps }

// Ideal is what all wanted layers together take, in bit/s.
func (v *Video) Ideal() int64 {
	var sum int64
	for i, l := range v.Layers {
		if v.wanted(i) {
			sum += l.rate
		}
	}
	return sum
}

// wanted reports whether somebody wants a layer. The smallest is also wanted
// by who wants less than it has.
func (v *Video) wanted(i int) bool {
	return v.limit < 0 || v.limit > 0 && (i == 0 || v.Layers[i].Height <= v.limit)
}

// activate decides which layers are sent: as many as are wanted and fit the
// budget, the smallest first and always.
func (v *Video) activate() {
	room := v.budget
	for i, l := range v.Layers {
		on := v.wanted(i)
		if on && v.budget > 0 {
			room -= l.rate
			on = i == 0 || room >= 0
		}
		if on && !l.Active {
			l.wantKey = true
		}
		l.Active = on
	}
}

// KeyFrame asks for a key frame of an SSRC and reports whether it is one of
// this video's.
func (v *Video) KeyFrame(ssrc uint32) bool {
	for _, l := range v.Layers {
		if l.SSRC == ssrc {
			l.wantKey = true
			return true
		}
	}
	return false
}

// Send sends the picture that is due, in all layers. Pictures that should
// have been sent before are left out. It reports how late it is.
func (v *Video) Send(now mono.Time, wall int64, out Output) (late time.Duration) {
	if v.next == 0 || now < v.next {
		return 0
	}
	late = now.Sub(v.next)
	v.frames += uint32(late / v.step)
	v.activate()
	ts := uint32(uint64(v.frames) * uint64(v.Layers[0].clip.Step))
	for _, l := range v.Layers {
		if l.Active {
			l.frame(now, l.base+ts, wall, v.scratch[:], out)
		}
	}
	v.frames++
	v.next = v.began.Add(time.Duration(v.frames) * v.step)
	return late
}

// Timestamp is the RTP timestamp of what is sent at a moment.
func (v *Video) Timestamp(l *Layer, now mono.Time) uint32 {
	return l.base + uint32(now.Sub(v.began)*9/1e5)
}

// frame sends one picture of a layer.
func (l *Layer) frame(now mono.Time, ts uint32, wall int64, scratch []byte, out Output) {
	if l.wantKey && (l.lastKey == 0 || now.Sub(l.lastKey) >= minKeyFrameGap) {
		l.at, l.wantKey = 0, false
	}
	index := l.at % len(l.clip.Frames)
	f := &l.clip.Frames[index]
	l.at++
	l.ts = ts
	if f.Key {
		l.lastKey = now
		l.KeyFrames++
	}
	l.picture++ // VP8 and VP9 write 15 bits of it
	if f.TID == 0 {
		l.tl0++
	}
	size, step := len(f.Data)+l.fill, maxPayload
	if f.payloads != nil {
		size, step = len(f.payloads), 1
	}
	for offset := 0; offset < size; offset += step {
		p := sentPacket{used: true, seq: l.seq, ts: ts, frame: int32(index), offset: int32(offset), picture: l.picture, tl0: l.tl0, stamp: wall}
		l.history[l.seq%historyLen] = p
		e := l.header(l.SSRC, l.payloadType, l.seq, ts)
		payload := l.payload(&p, e, scratch)
		out.Packet(&l.Encoding, e, payload, 0)
		l.sent(len(payload))
	}
}

// payload makes a packet's payload, the same each time, and its marker.
func (l *Layer) payload(p *sentPacket, e *rtp.Egress, scratch []byte) []byte {
	f := &l.clip.Frames[p.frame]
	if f.payloads != nil {
		return l.made(p, e, f)
	}
	begin, size := int(p.offset), len(f.Data)+l.fill
	end := min(begin+maxPayload, size)
	b := scratch[:0]
	switch l.codec {
	case VP9:
		b = appendVP9(b, l.clip, f, begin == 0, end == size, p.picture)
	default:
		b = appendVP8(b, f, begin == 0, p.picture, p.tl0)
	}
	have := f.Data[min(begin, len(f.Data)):min(end, len(f.Data))]
	b = append(b, have...)
	for range end - begin - len(have) {
		b = append(b, 0)
	}
	e.Marker = end == size
	if e.Marker && l.codec == VP8 { // a VP9 decoder takes what follows for another picture
		b = Stamp{Sent: p.stamp, Height: uint16(l.clip.Height), Clock: Here}.Append(b)
	}
	return b
}

// made is payload where payloads were made before.
func (l *Layer) made(p *sentPacket, e *rtp.Egress, f *Frame) []byte {
	e.Marker = int(p.offset) == len(f.payloads)-1
	if l.dependency != 0 {
		e.Add(l.dependency, dependency(&l.descriptor, l.clip, f, p.offset == 0, e.Marker, p.picture))
	}
	return f.payloads[p.offset]
}

// appendVP8 appends a payload descriptor (RFC 7741 §4.2) with picture id,
// TL0PICIDX, temporal layer and whether a receiver may begin the layer there.
func appendVP8(b []byte, f *Frame, start bool, picture uint16, tl0 uint8) []byte {
	first := byte(0x80)
	if start {
		first |= 0x10
	}
	layer := f.TID << 6
	if f.Sync {
		layer |= 0x20 // Y
	}
	return append(b, first, 0xe0, 0x80|byte(picture>>8), byte(picture), tl0, layer)
}

// appendVP9 appends a payload descriptor (RFC 9628 §4.2) of a stream without
// layers; the structure with the picture's size goes with key frames.
func appendVP9(b []byte, c *Clip, f *Frame, start, end bool, picture uint16) []byte {
	first := byte(0x80) // I
	if !f.Key {
		first |= 0x40 // P
	}
	if start {
		first |= 0x08 // B
	}
	if end {
		first |= 0x04 // E
	}
	structure := start && f.Key
	if structure {
		first |= 0x02 // V
	}
	b = append(b, first, 0x80|byte(picture>>8), byte(picture))
	if structure {
		b = append(b, 0x10, byte(c.Width>>8), byte(c.Width), byte(c.Height>>8), byte(c.Height))
	}
	return b
}

// Repeat sends a packet again as a retransmission (RFC 4588), if the SSRC is
// one of this video's, repetitions were negotiated, and the packet is known.
func (v *Video) Repeat(ssrc uint32, seq uint16, out Repeater) bool {
	for _, l := range v.Layers {
		if l.SSRC != ssrc || l.RTX == 0 {
			continue
		}
		p := &l.history[seq%historyLen]
		if !p.used || p.seq != seq {
			return false
		}
		e := l.header(l.RTX, l.rtxType, l.rtxSeq, p.ts)
		payload := l.payload(p, e, v.scratch[:])
		l.rtxSeq++
		l.Repeated++
		out.Repeat(e, seq, payload)
		return true
	}
	return false
}

// Repeater takes repetitions.
type Repeater interface {
	// Repeat sends a retransmission of the packet with sequence number osn.
	Repeat(e *rtp.Egress, osn uint16, payload []byte)
}
