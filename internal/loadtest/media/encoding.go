package media

import (
	"math/rand/v2"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// Encoding is one SSRC that is sent: its numbers and counters.
type Encoding struct {
	SSRC   uint32
	RTX    uint32 // SSRC of its repetitions, 0 for none
	Source string // name
	Height int    // 0 for audio

	payloadType uint8
	seq         uint16
	rtxSeq      uint16
	ts          uint32
	base        uint32

	Packets   uint64
	Bytes     uint64 // of payload
	Repeated  uint64
	KeyFrames uint64
	Active    bool

	sinceReport uint64
	egress      rtp.Egress // the packet in hand: one of its own would be allocated
}

// begin chooses where the numbers start. Sequence numbers begin below 2^15 so
// that a receiver which misses the first packets guesses the roll-over
// counter right (RFC 3711 §3.3.1).
func (e *Encoding) begin(ssrc uint32, payloadType uint8, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(ssrc)))
	e.SSRC, e.payloadType = ssrc, payloadType
	e.seq, e.rtxSeq = uint16(rng.Uint32N(1<<15)), uint16(rng.Uint32N(1<<15))
	e.base = rng.Uint32()
	e.ts = e.base
}

// header begins a packet.
func (e *Encoding) header(ssrc uint32, payloadType uint8, seq uint16, ts uint32) *rtp.Egress {
	h := &e.egress
	h.Reset()
	h.SSRC, h.PayloadType, h.Seq, h.Timestamp, h.Marker = ssrc, payloadType, seq, ts, false
	return h
}

func (e *Encoding) sent(payload int) {
	e.seq++
	e.Packets++
	e.Bytes += uint64(payload)
	e.sinceReport++
}

// Padding is the header of a packet that follows what was sent last and has no
// payload.
func (e *Encoding) Padding() *rtp.Egress {
	h := e.header(e.SSRC, e.payloadType, e.seq, e.ts)
	e.seq++
	e.Packets++
	e.sinceReport++
	return h
}

// Reportable reports whether something was sent since the last call: only
// then a sender report is due (RFC 3550 §6.4).
func (e *Encoding) Reportable() bool {
	n := e.sinceReport
	e.sinceReport = 0
	return n > 0
}

// Timestamp is the RTP timestamp of what is sent at a moment.
func (a *Audio) Timestamp(now mono.Time) uint32 {
	return a.ts - uint32(a.next.Sub(now)*48/1e6)
}
