package rtp

import (
	"encoding/binary"
	"math/bits"
)

// NACKs is how many pairs of packet identifier and bit mask a generic NACK
// holds (RFC 4585 §6.2.1).
func (p RTCP) NACKs() int {
	if !p.IsFeedback(TypeRTPFB, FormatNACK) {
		return 0
	}
	return len(p.fci()) / 4
}

// NACK returns the i-th pair, 0 <= i < NACKs: seq is lost, and so is seq+1+b
// for every bit b that is set in mask.
func (p RTCP) NACK(i int) (seq, mask uint16) {
	b := p.fci()[4*i:]
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
}

// EachNACK calls f with every lost sequence number until it returns false.
// A NACK within one datagram can name some 6,000; the caller sets its limit.
func (p RTCP) EachNACK(f func(seq uint16) bool) {
	for i := range p.NACKs() {
		seq, mask := p.NACK(i)
		if !f(seq) {
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			if !f(seq + 1 + uint16(bits.TrailingZeros16(mask))) {
				return
			}
		}
	}
}

// AppendNACK appends a generic NACK for the sequence numbers, which must be
// in ascending order (with wrap). With none it appends nothing.
func AppendNACK(dst []byte, sender, media uint32, seqs []uint16) []byte {
	if len(seqs) == 0 {
		return dst
	}
	start := len(dst)
	dst = appendWords(appendRTCP(dst, TypeRTPFB, FormatNACK, 0), sender, media)
	for i := 0; i < len(seqs); {
		first, mask := seqs[i], uint16(0)
		for i++; i < len(seqs) && seqs[i]-first-1 < 16; i++ {
			mask |= 1 << (seqs[i] - first - 1)
		}
		dst = appendWords(dst, uint32(first)<<16|uint32(mask))
	}
	return setRTCPLen(dst, start)
}

// setRTCPLen writes the length of the packet that begins at start.
func setRTCPLen(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst
}

// IsPLI reports whether the packet is a picture loss indication; MediaSSRC
// says for which stream (RFC 4585 §6.3.1).
func (p RTCP) IsPLI() bool { return p.IsFeedback(TypePSFB, FormatPLI) }

// AppendPLI appends a picture loss indication.
func AppendPLI(dst []byte, sender, media uint32) []byte {
	return appendWords(appendRTCP(dst, TypePSFB, FormatPLI, 8), sender, media)
}

// FIRs is how many entries a full intra request holds (RFC 5104 §4.3.1.1).
func (p RTCP) FIRs() int {
	if !p.IsFeedback(TypePSFB, FormatFIR) {
		return 0
	}
	return len(p.fci()) / 8
}

// FIR returns the i-th entry, 0 <= i < FIRs: the stream, and a number that
// stays the same when the request is repeated.
func (p RTCP) FIR(i int) (ssrc uint32, seq uint8) {
	b := p.fci()[8*i:]
	return binary.BigEndian.Uint32(b), b[4]
}

// AppendFIR appends a full intra request for one stream.
func AppendFIR(dst []byte, sender, media uint32, seq uint8) []byte {
	return appendWords(appendRTCP(dst, TypePSFB, FormatFIR, 16), sender, 0, media, uint32(seq)<<24)
}

const (
	rembIdentifier   = 0x52454d42 // "REMB"
	rembMantissaBits = 18
)

// REMB decodes a receiver estimated maximum bitrate in bit/s
// (draft-alvestrand-rmcat-remb-03 §2.2).
func (p RTCP) REMB() (bitrate uint64, ok bool) {
	if !p.IsFeedback(TypePSFB, FormatAFB) || len(p.fci()) < 8 || p.word(2) != rembIdentifier {
		return 0, false
	}
	exponent, mantissa := p.fci()[5]>>2, p.word(3)&(1<<rembMantissaBits-1)
	if bits.Len32(mantissa)+int(exponent) > 64 {
		return 0, false
	}
	return uint64(mantissa) << exponent, true
}

// REMBSSRCs is how many streams the estimate is about.
func (p RTCP) REMBSSRCs() int {
	if _, ok := p.REMB(); !ok {
		return 0
	}
	return min(int(p.fci()[4]), len(p.fci())/4-2)
}

// REMBSSRC returns the i-th stream, 0 <= i < REMBSSRCs.
func (p RTCP) REMBSSRC(i int) uint32 { return p.word(4 + i) }

// AppendREMB appends a receiver estimated maximum bitrate for up to 255
// streams. The bitrate is rounded down to 18 significant bits.
func AppendREMB(dst []byte, sender uint32, bitrate uint64, ssrcs []uint32) []byte {
	ssrcs = ssrcs[:min(len(ssrcs), 255)]
	exponent := max(bits.Len64(bitrate)-rembMantissaBits, 0)
	dst = appendRTCP(dst, TypePSFB, FormatAFB, 16+4*len(ssrcs))
	dst = appendWords(dst, sender, 0, rembIdentifier,
		uint32(len(ssrcs))<<24|uint32(exponent)<<rembMantissaBits|uint32(bitrate>>exponent))
	return appendWords(dst, ssrcs...)
}
