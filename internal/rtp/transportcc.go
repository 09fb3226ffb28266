package rtp

import (
	"encoding/binary"
	"time"
)

// Transport-wide congestion control feedback,
// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
const (
	tccFixedLen = 16 // body up to the chunks: two SSRCs and two words
	tccTick     = 250 * time.Microsecond
	tccRefUnit  = 64 * time.Millisecond
	tccRefTicks = int64(tccRefUnit / tccTick)

	// MaxTransportCCPackets is how many packets one feedback message may be
	// about. The format allows more than 65,000 in a few bytes, which nobody
	// who reports ten times a second needs.
	MaxTransportCCPackets = 8192
)

// Symbols of packet status chunks (§3.1.1).
const (
	tccLost     = 0
	tccSmall    = 1
	tccLarge    = 2
	tccReserved = 3
)

// TransportCC is a parsed feedback message. It refers to the memory of the
// message; Next walks over the packets it is about.
type TransportCC struct {
	SenderSSRC, MediaSSRC uint32
	BaseSeq               uint16 // transport-wide number of the first packet
	Count                 uint16 // of packets, at most MaxTransportCCPackets
	FeedbackCount         uint8  // counts feedback messages

	chunks, deltas []byte
	left           int // packets not yet walked over
	seq            uint16
	at             int64 // in ticks
	run            chunk
}

// TransportStatus is what a receiver says about one packet.
type TransportStatus struct {
	Seq      uint16
	Received bool
	// At is when the packet arrived on the receiver's clock, which starts
	// anywhere and wraps after 12 days. Undefined if it was not received.
	At time.Duration
}

// ParseTransportCC checks a feedback message completely: ErrMalformed unless
// the chunks describe Count packets and there is a delta for each received.
func ParseTransportCC(p RTCP) (TransportCC, error) {
	if p.Type != TypeRTPFB || p.Count != FormatTransportCC || len(p.Body) < tccFixedLen {
		return TransportCC{}, ErrMalformed
	}
	reference := int64(int32(p.word(3)) >> 8) // 24 bits, signed
	t := TransportCC{
		SenderSSRC: p.SenderSSRC(), MediaSSRC: p.MediaSSRC(),
		BaseSeq: uint16(p.word(2) >> 16), Count: uint16(p.word(2)),
		FeedbackCount: p.Body[15],
		at:            reference * tccRefTicks,
	}
	if t.Count > MaxTransportCCPackets {
		return TransportCC{}, ErrMalformed
	}
	t.seq, t.left = t.BaseSeq, int(t.Count)
	chunksLen, deltasLen, ok := measureChunks(p.Body[tccFixedLen:], t.left)
	if !ok || len(p.Body) < tccFixedLen+chunksLen+deltasLen {
		return TransportCC{}, ErrMalformed
	}
	t.chunks = p.Body[tccFixedLen:][:chunksLen]
	t.deltas = p.Body[tccFixedLen+chunksLen:][:deltasLen]
	return t, nil
}

// measureChunks finds how many bytes the chunks for count packets take, and
// how many their deltas. It costs as much as there are bytes, however many
// packets they stand for: a run of thousands is two of them, and one datagram
// holds dozens of messages.
func measureChunks(b []byte, count int) (chunks, deltas int, ok bool) {
	for count > 0 {
		if len(b) < chunks+2 {
			return 0, 0, false
		}
		c := newChunk(binary.BigEndian.Uint16(b[chunks:]))
		chunks += 2
		n := min(c.left, count)
		size, ok := c.measure(n)
		if !ok {
			return 0, 0, false
		}
		deltas += size
		count -= n
	}
	return chunks, deltas, true
}

// measure is how many bytes the deltas of the next n symbols take: as many
// each as the symbol's number.
func (c *chunk) measure(n int) (deltas int, ok bool) {
	if c.vector == 0 {
		return n * int(c.symbol), c.symbol != tccReserved || n == 0
	}
	for ; n > 0; n-- {
		symbol := c.next()
		if symbol == tccReserved {
			return 0, false
		}
		deltas += int(symbol)
	}
	return deltas, true
}

// Next returns the status of the next packet, in the order of their numbers;
// false behind the last.
func (t *TransportCC) Next() (TransportStatus, bool) {
	if t.left == 0 {
		return TransportStatus{}, false
	}
	for t.run.left == 0 { // runs may be empty
		t.run = newChunk(binary.BigEndian.Uint16(t.chunks))
		t.chunks = t.chunks[2:]
	}
	s := TransportStatus{Seq: t.seq}
	switch t.run.next() {
	case tccSmall:
		t.at += int64(t.deltas[0])
		t.deltas = t.deltas[1:]
		s.Received = true
	case tccLarge:
		t.at += int64(int16(binary.BigEndian.Uint16(t.deltas)))
		t.deltas = t.deltas[2:]
		s.Received = true
	}
	s.At = time.Duration(t.at) * tccTick
	t.seq++
	t.left--
	return s, true
}

// chunk is a packet status chunk being read (§3.1.3, §3.1.4).
type chunk struct {
	left   int    // symbols not read
	vector uint8  // bits of a symbol, 0 in a run-length chunk
	symbol uint8  // of a run-length chunk, or the last one read
	bits   uint16 // symbols of a vector chunk, next one on top
}

func newChunk(w uint16) chunk {
	switch {
	case w&0x8000 == 0:
		return chunk{left: int(w & 0x1fff), symbol: uint8(w>>13) & 3}
	case w&0x4000 == 0:
		return chunk{left: 14, vector: 1, bits: w << 2}
	}
	return chunk{left: 7, vector: 2, bits: w << 2}
}

func (c *chunk) next() uint8 {
	c.left--
	if c.vector != 0 {
		c.symbol = uint8(c.bits >> (16 - c.vector))
		c.bits <<= c.vector
	}
	return c.symbol
}
