package rtp

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/renumber"
)

// SeqMap numbers the packets of one stream as one receiver gets them: sequence
// numbers without gaps for what was left out on purpose but with gaps for what
// was lost, and timestamps that go on when the stream is fed from another
// encoding. It finds back which packet a receiver asks for. A worker keeps one
// per receiver and stream, feeds it every packet of the encoding that is being
// forwarded, and calls Switch with the first packet of another.
//
// It remembers the outgoing packets of the last [RingKeep], [renumber.MaxWindow]
// at most, and the last [renumber.Epochs] switches, in about 200 bytes, and 128
// bytes to 2 KiB more once it had to leave out a packet.
type SeqMap struct {
	numbers  renumber.Map
	paced    int64     // the newest number when the pace was last looked at
	pacedAt  mono.Time // and when that was
	epochs   seqEpochs
	lastTime mono.Time // when the newest timestamp went out
	lastTS   uint32    // newest outgoing timestamp
	clock    uint32
	minStep  uint32
	from     int64 // first outgoing number of a stream that goes on, else 0
}

// Mark is where a stream stands: enough to let it go on later with another
// SeqMap, under the same SSRC and the same key.
type Mark struct {
	Seq uint16    // newest number assigned
	TS  uint32    // newest timestamp
	At  mono.Time // when that went out
}

// seqEpochs is what is known of epochs, by their serial number modulo
// [renumber.Epochs].
type seqEpochs struct {
	encoding [renumber.Epochs]uint8
	tsOffset [renumber.Epochs]uint32
}

// Origin says where an outgoing packet came from.
type Origin struct {
	Epoch    uint32 // counts calls to Switch, from 0
	Encoding uint8  // as given to Switch
	Seq      uint16 // the encoding's own sequence number
	TSOffset uint32 // outgoing minus incoming timestamp
}

// Init prepares a SeqMap for a clock rate in Hz. minStep is how far timestamps
// advance at least at a switch: one frame, 3000 for video and 960 for Opus.
func (m *SeqMap) Init(clock, minStep uint32) { *m = SeqMap{clock: clock, minStep: minStep} }

// Resume is Init for a stream that goes on behind k: neither numbers nor
// timestamps are used again.
func (m *SeqMap) Resume(clock, minStep uint32, k Mark) {
	m.Init(clock, minStep)
	m.from, m.lastTS, m.lastTime = int64(k.Seq)+1<<16+1, k.TS, k.At
}

// Mark returns where the stream stands; false if it has not begun.
func (m *SeqMap) Mark() (Mark, bool) {
	seq, ok := m.NewestOut()
	return Mark{seq, m.lastTS, m.lastTime}, ok
}

// Started reports whether there was a packet yet.
func (m *SeqMap) Started() bool {
	_, ok := m.numbers.Epoch()
	return ok
}

// Switch makes the packet (seq, ts) of an encoding the next one of the stream.
// It does not forward it yet: call Forward for it too. skip leaves that many
// sequence numbers unused in front of it; 1 tells the receiver that the last
// frame before it will not be completed.
//
// The first packet ever keeps its timestamp, and its sequence number without
// the highest bit (see package srtp on first sequence numbers). Afterwards the
// timestamp advances by the time that passed since the newest packet, but at
// least by minStep.
func (m *SeqMap) Switch(encoding uint8, seq uint16, ts uint32, now mono.Time, skip uint16) {
	var offset uint32
	out := int64(seq&0x7fff) + 1<<16
	switch {
	case m.Started():
		out = m.numbers.NewestOut() + 1 + int64(skip)
		offset = m.lastTS + m.step(now) - ts
	case m.from != 0:
		out = m.from + int64(skip)
		offset = m.lastTS + m.step(now) - ts
	}
	e := m.numbers.Begin(int64(seq)+1<<16, out) % renumber.Epochs
	m.epochs.encoding[e], m.epochs.tsOffset[e] = encoding, offset
}

// step is how far timestamps advance at a switch.
func (m *SeqMap) step(now mono.Time) uint32 {
	elapsed := max(now.Sub(m.lastTime), 0)
	if elapsed > time.Hour { // beyond that a receiver resynchronises anyway
		elapsed = time.Hour
	}
	return max(uint32(uint64(elapsed)*uint64(m.clock)/uint64(time.Second)), m.minStep)
}

// Forward returns sequence number and timestamp with which a packet of the
// current encoding goes out. False means that it cannot be forwarded: it is
// late and was left out, is too old, or belongs in front of the switch.
func (m *SeqMap) Forward(seq uint16, ts uint32, now mono.Time) (outSeq uint16, outTS uint32, ok bool) {
	e, ok := m.numbers.Epoch()
	if !ok {
		return 0, 0, false
	}
	out, ok := m.numbers.Next(m.extend(seq))
	if !ok {
		return 0, 0, false
	}
	m.watchPace(now)
	outTS = ts + m.epochs.tsOffset[e%renumber.Epochs]
	if m.lastTime == 0 || int32(outTS-m.lastTS) > 0 {
		m.lastTS, m.lastTime = outTS, now
	}
	return uint16(out), outTS, true
}

// watchPace widens the window before it is shorter than packets are kept: as
// soon as half of it takes less than half of that time.
func (m *SeqMap) watchPace(now mono.Time) {
	newest := m.numbers.NewestOut()
	if newest-m.paced < m.numbers.Window()/2 {
		return
	}
	if m.pacedAt != 0 && now.Sub(m.pacedAt) < RingKeep/2 {
		m.numbers.Widen()
	}
	m.paced, m.pacedAt = newest, now
}

// extend unwraps a sequence number of the current encoding.
func (m *SeqMap) extend(seq uint16) int64 {
	return renumber.Nearest(m.numbers.NewestIn(), seq, 16)
}

// Drop says that a packet of the current encoding is left out on purpose.
func (m *SeqMap) Drop(seq uint16) {
	if m.Started() {
		m.numbers.Drop(m.extend(seq))
	}
}

// Reserved reports whether a packet of the current encoding is late and a
// sequence number was kept for it, so that the receiver will ask for it. Such
// a packet should be forwarded whatever layer it belongs to; where the rest of
// its frame was left out (codec.VP8Rewriter refuses it), an empty packet with
// its numbers fills the gap, see [Egress.WritePadding].
func (m *SeqMap) Reserved(seq uint16) bool {
	return m.Numbered(seq) && m.extend(seq) < m.numbers.NewestIn()
}

// Numbered reports whether a packet of the current encoding has a sequence
// number: it went out, or one was kept for it.
func (m *SeqMap) Numbered(seq uint16) bool {
	e, ok := m.numbers.Epoch()
	if !ok {
		return false
	}
	_, ok = m.numbers.Out(e, m.extend(seq))
	return ok
}

// Source finds which packet has an outgoing sequence number, to answer a NACK:
// false if it was never assigned or is too old. That a number was assigned does
// not mean that its packet ever arrived.
func (m *SeqMap) Source(out uint16) (Origin, bool) {
	if !m.Started() {
		return Origin{}, false
	}
	e, in, ok := m.numbers.Source(renumber.Nearest(m.numbers.NewestOut(), out, 16))
	if !ok {
		return Origin{}, false
	}
	x := &m.epochs
	return Origin{Epoch: e, Encoding: x.encoding[e%renumber.Epochs], Seq: uint16(in), TSOffset: x.tsOffset[e%renumber.Epochs]}, true
}

// TSOffset is the current difference between outgoing and incoming timestamps,
// as needed to forward sender reports of the current encoding.
func (m *SeqMap) TSOffset() uint32 {
	e, ok := m.numbers.Epoch()
	if !ok {
		return 0
	}
	return m.epochs.tsOffset[e%renumber.Epochs]
}

// NewestOut returns the newest sequence number assigned; false before the
// first.
func (m *SeqMap) NewestOut() (uint16, bool) {
	if !m.Started() {
		return 0, false
	}
	return uint16(m.numbers.NewestOut()), true
}
