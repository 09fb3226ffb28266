package media

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// Output takes the packets of senders. e and payload are valid during the
// call only; the receiver of the call adds the header extensions it wants.
type Output interface {
	// Packet sends one packet of an encoding. level is the audio level with
	// the voice bit (RFC 6464) and meaningless for video.
	Packet(enc *Encoding, e *rtp.Egress, payload []byte, level uint8)
}

// AudioPeriod is the time between two audio packets.
const AudioPeriod = 20 * time.Millisecond

// frameTicks are those of Opus's RTP clock in a frame (RFC 7587 §4.1).
const frameTicks = 960

// Audio is one microphone: a packet every AudioPeriod, speech or quiet.
type Audio struct {
	Encoding
	talk    *Conversation
	who     int
	at      int // next frame of the clip that plays
	began   mono.Time
	next    mono.Time
	scratch []byte
	speaks  bool
	muted   bool
	pauses  bool // while it is muted
	cycle   int  // frames since the last pause
	spoke   time.Duration
}

// NewAudio makes a microphone that speaks when it is who's turn in talk.
// payloadType is Opus's; seed makes its numbers differ from others'.
func NewAudio(ssrc uint32, payloadType uint8, talk *Conversation, who int, seed uint64) *Audio {
	a := &Audio{talk: talk, who: who, scratch: make([]byte, 0, 512)}
	a.begin(ssrc, payloadType, seed)
	return a
}

// Start lets the first packet be due; began is when the room's talk began.
func (a *Audio) Start(now, began mono.Time) { a.next, a.began = now, began }

// Mute lets it send digital silence from now on, whoever's turn it is, as a
// browser does whose track is disabled. With pauses it is sent as libopus does
// with DTX: a frame, marked as the first after a pause (RFC 3551 §4.1), one of no
// length that begins a pause, and nothing for the next nineteen.
func (a *Audio) Mute(pauses bool) { a.muted, a.pauses = true, pauses }

// silent is 20 ms of digital silence as libopus encodes it; the first byte alone
// is a frame of no length (RFC 6716 §3.2.1).
var silent = []byte{0xf8, 0xff, 0xfe}

// dtxCycle is how many frames there are from one that is sent to the next after a
// pause: 400 ms are left out.
const dtxCycle = 21

// silentLevel is the audio level of digital silence (RFC 6464 §3).
const silentLevel = 127

// Deadline is when Send has to be called, 0 for never.
func (a *Audio) Deadline() mono.Time { return a.next }

// Spoke is how long the microphone has spoken.
func (a *Audio) Spoke() time.Duration { return a.spoke }

// Send sends what is due, at most two packets: what was missed in a longer
// absence is left out, as a sound card would. It reports how late it is.
func (a *Audio) Send(now mono.Time, wall int64, out Output) (late time.Duration) {
	if a.next == 0 || now < a.next {
		return 0
	}
	late = now.Sub(a.next)
	if late > 4*AudioPeriod {
		missed := late / AudioPeriod
		a.next = a.next.Add(missed * AudioPeriod)
		a.ts += uint32(missed) * frameTicks
	}
	for range 2 {
		if now < a.next {
			break
		}
		a.packet(a.next, wall, out)
		a.next = a.next.Add(AudioPeriod)
	}
	return late
}

func (a *Audio) packet(at mono.Time, wall int64, out Output) {
	if a.muted {
		a.silence(out)
		return
	}
	clip, voice := samples().quiet, uint8(0)
	speaks := a.talk.Speaking(a.who, at.Sub(a.began))
	first := speaks && !a.speaks
	if speaks {
		clip, voice = samples().voice, 0x80
		a.spoke += AudioPeriod
	}
	if speaks != a.speaks {
		a.at, a.speaks = 0, speaks
	}
	f := &clip.Frames[a.at%len(clip.Frames)]
	a.at++
	a.scratch = appendPadded(a.scratch[:0], f.Data, Stamp{Sent: wall, Clock: Here})
	a.send(a.scratch, f.Level|voice, first, out)
}

// silence is a frame of a muted microphone.
func (a *Audio) silence(out Output) {
	at := a.cycle
	a.cycle = (at + 1) % dtxCycle
	switch {
	case !a.pauses || at == 0:
		a.send(silent, silentLevel, a.pauses, out)
	case at == 1:
		a.send(silent[:1], silentLevel, false, out)
	default:
		a.ts += frameTicks
	}
}

func (a *Audio) send(payload []byte, level uint8, first bool, out Output) {
	e := a.header(a.SSRC, a.payloadType, a.seq, a.ts)
	e.Marker = first
	out.Packet(&a.Encoding, e, payload, level)
	a.sent(len(payload))
	a.ts += frameTicks
}

// appendPadded appends an Opus packet with a trailer as its padding: a packet
// of one frame (code 0) becomes one of a counted number of frames, one, with
// padding (code 3, RFC 6716 §3.2.5). Other packets stay without a trailer.
func appendPadded(dst, opus []byte, s Stamp) []byte {
	if len(opus) == 0 || opus[0]&3 != 0 {
		return append(dst, opus...)
	}
	dst = append(dst, opus[0]|3, 0x41, StampLen)
	dst = append(dst, opus[1:]...)
	return s.Append(dst)
}
