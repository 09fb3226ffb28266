package media

import (
	"bytes"
	"encoding/binary"
)

// packetize makes the payloads of a clip whose codec's packets cannot be cut
// out of the encoder's output at any byte. They are made once, for all who send
// the clip.
func (c *Clip) packetize(codec Codec) *Clip {
	for i := range c.Frames {
		f := &c.Frames[i]
		switch codec {
		case H264:
			f.payloads = payloadsH264(f.Data)
		case AV1:
			f.payloads = payloadsAV1(f.Data, f.Key)
		}
	}
	return c
}

// payloadsH264 makes single NAL units and FU-A (RFC 6184 §5.6, §5.8) of an
// access unit in Annex B format.
func payloadsH264(unit []byte) (all [][]byte) {
	for _, nal := range bytes.Split(unit, []byte{0, 0, 1}) {
		nal = bytes.TrimRight(nal, "\x00") // of the next start code; a NAL unit ends in a stop bit
		if len(nal) == 0 {
			continue
		}
		if len(nal) <= maxPayload {
			all = append(all, nal)
			continue
		}
		const start, end, fuA = 0x80, 0x40, 28
		kind := nal[0] & 0x1f
		for rest, flag := nal[1:], byte(start); len(rest) > 0; flag = 0 {
			n := min(len(rest), maxPayload-2)
			if n == len(rest) {
				flag |= end
			}
			all = append(all, append([]byte{nal[0]&0xe0 | fuA, flag | kind}, rest[:n]...))
			rest = rest[n:]
		}
	}
	return all
}

// Bits of the aggregation header (AV1 RTP §4.4).
const (
	av1Continues = 0x80 // Z: begins with the rest of an OBU
	av1Continued = 0x40 // Y: ends within an OBU
	av1Sequence  = 0x08 // N: a coded video sequence begins
)

// payloadsAV1 packs the OBUs of a temporal unit, without their size fields and
// without the temporal delimiter (AV1 RTP §4.3, §5), each with its length.
func payloadsAV1(unit []byte, key bool) (all [][]byte) {
	packet := []byte{0}
	flush := func() {
		all = append(all, packet)
		packet = []byte{0}
	}
	for _, obu := range splitOBUs(unit) {
		for first := true; first || len(obu) > 0; first = false {
			if !first {
				all[len(all)-1][0] |= av1Continued
				packet[0] |= av1Continues
			}
			n := min(len(obu), maxPayload-len(packet)-2)
			packet = append(packet, byte(n)|0x80, byte(n>>7)) // leb128 of two bytes
			packet = append(packet, obu[:n]...)
			if obu = obu[n:]; len(obu) > 0 || maxPayload-len(packet) < 16 {
				flush()
			}
		}
	}
	if len(packet) > 1 {
		flush()
	}
	if key && len(all) > 0 {
		all[0][0] |= av1Sequence
	}
	return all
}

// splitOBUs returns the OBUs of a temporal unit of the low-overhead format as
// they are sent (AV1 §5.3.2): nil if it cannot be read.
func splitOBUs(unit []byte) (all [][]byte) {
	const delimiter, hasExtension, hasSize = 2, 0x04, 0x02
	for len(unit) > 0 {
		header := 1
		if unit[0]&hasExtension != 0 {
			header = 2
		}
		if len(unit) < header || unit[0]&hasSize == 0 {
			return nil
		}
		size, n := binary.Uvarint(unit[header:]) // leb128 is the same
		if n <= 0 || size > uint64(len(unit)-header-n) {
			return nil
		}
		body := unit[header+n:][:size]
		if kind := unit[0] >> 3 & 15; kind != delimiter {
			obu := append([]byte{unit[0] &^ hasSize}, unit[1:header]...)
			all = append(all, append(obu, body...))
		}
		unit = unit[header+n+int(size):]
	}
	return all
}

// dependency writes the dependency descriptor (AV1 RTP, appendix A) of a packet
// of a stream without layers, as browsers do: one decode target, one chain, a
// template of key frames and one of those that refer to the picture before.
// With a key frame's first packet goes the structure that says so.
func dependency(dst *[16]byte, c *Clip, f *Frame, first, last bool, number uint16) []byte {
	w := descriptorWriter{b: dst[:0]}
	w.flag(first)
	w.flag(last)
	template := uint32(1)
	if f.Key {
		template = 0
	}
	w.bits(template, 6)
	w.bits(uint32(number), 16)
	if !f.Key || !first {
		return w.b
	}
	w.bits(0b10000, 5)    // structure, no active targets, nothing custom
	w.bits(0, 6+5)        // template ids from 0; one target
	w.bits(0b00_11, 4)    // two templates of the same layer
	w.bits(0b10_10, 4)    // switch, both
	w.bits(0b0_100000, 7) // no reference; one, to the picture before
	w.bits(1, 1)          // one chain, which protects the target
	w.bits(0x01, 8)       // distances in the chain: 0 and 1
	w.bits(1, 1)          // resolutions
	w.bits(uint32(c.Width-1), 16)
	w.bits(uint32(c.Height-1), 16)
	return w.b
}

// descriptorWriter writes bits, the highest first.
type descriptorWriter struct {
	b    []byte
	used int // bits of the last byte
}

func (w *descriptorWriter) flag(on bool) {
	if on {
		w.bits(1, 1)
	} else {
		w.bits(0, 1)
	}
}

func (w *descriptorWriter) bits(v uint32, n int) {
	for n--; n >= 0; n-- {
		if w.used == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(v>>n&1) << (7 - w.used)
		w.used = (w.used + 1) % 8
	}
}
