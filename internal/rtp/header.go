package rtp

import (
	"encoding/binary"
	"errors"
)

const (
	version        = 2
	fixedHeaderLen = 12 // RFC 3550 §5.1
	maxPacketLen   = 1<<16 - 1
)

// ErrMalformed is returned for whatever is not a well-formed RTP packet.
var ErrMalformed = errors.New("rtp: malformed packet")

// Header is a view of one RTP packet (RFC 3550 §5.1). It refers to the memory
// that was parsed and is valid for as long as that is.
type Header struct {
	// Raw is the packet that was parsed, with its padding.
	Raw []byte

	SSRC        uint32
	Timestamp   uint32
	Seq         uint16
	PayloadType uint8 // 7 bits
	Marker      bool

	extStart, extEnd    uint16 // of the elements, without their 4-byte header
	payload, payloadEnd uint16
	extForm             form
}

// Parse reads the header of an RTP packet. It checks that CSRCs, header
// extension and padding lie within the packet, so that all methods of the
// result are safe; single extension elements are checked when they are read.
func Parse(pkt []byte) (Header, error) {
	if len(pkt) < fixedHeaderLen || len(pkt) > maxPacketLen || pkt[0]>>6 != version {
		return Header{}, ErrMalformed
	}
	h := Header{
		Raw:         pkt,
		Marker:      pkt[1]&0x80 != 0,
		PayloadType: pkt[1] & 0x7f,
		Seq:         binary.BigEndian.Uint16(pkt[2:]),
		Timestamp:   binary.BigEndian.Uint32(pkt[4:]),
		SSRC:        binary.BigEndian.Uint32(pkt[8:]),
	}
	pos := fixedHeaderLen + 4*int(pkt[0]&0x0f)
	if pkt[0]&0x10 != 0 {
		if pos = h.parseExtension(pos); pos == 0 {
			return Header{}, ErrMalformed
		}
	}
	end := len(pkt)
	if pkt[0]&0x20 != 0 {
		end -= int(pkt[len(pkt)-1])
		if end == len(pkt) { // the count includes itself (RFC 3550 §5.1)
			return Header{}, ErrMalformed
		}
	}
	if pos > end {
		return Header{}, ErrMalformed
	}
	h.payload, h.payloadEnd = uint16(pos), uint16(end)
	return h, nil
}

// parseExtension locates the header extension at pos and returns the position
// behind it, or 0.
func (h *Header) parseExtension(pos int) int {
	if len(h.Raw) < pos+extHeaderLen {
		return 0
	}
	profile := binary.BigEndian.Uint16(h.Raw[pos:])
	end := pos + extHeaderLen + 4*int(binary.BigEndian.Uint16(h.Raw[pos+2:]))
	if len(h.Raw) < end {
		return 0
	}
	h.extForm = formOf(profile)
	h.extStart, h.extEnd = uint16(pos+extHeaderLen), uint16(end)
	return end
}

// PayloadOffset is where the payload begins in Raw.
func (h *Header) PayloadOffset() int { return int(h.payload) }

// Payload returns the payload without padding, in the packet's memory.
func (h *Header) Payload() []byte { return h.Raw[h.payload:h.payloadEnd:h.payloadEnd] }

// PaddingLen is how many bytes of padding follow the payload.
func (h *Header) PaddingLen() int { return len(h.Raw) - int(h.payloadEnd) }

// PaddingOnly reports whether the packet carries no payload at all. Such
// packets probe for bandwidth and are not forwarded.
func (h *Header) PaddingOnly() bool { return h.payload == h.payloadEnd }

// CSRCs is how many contributing sources the packet names, 0 to 15.
func (h *Header) CSRCs() int { return int(h.Raw[0] & 0x0f) }

// CSRC returns the i-th contributing source.
func (h *Header) CSRC(i int) uint32 {
	if i < 0 || i >= h.CSRCs() {
		return 0
	}
	return binary.BigEndian.Uint32(h.Raw[fixedHeaderLen+4*i:])
}

// IsRTCP tells RTCP from RTP on one port (RFC 5761 §4). The packet must be
// known to be one of both (RFC 7983 §7).
func IsRTCP(pkt []byte) bool {
	return len(pkt) >= 2 && pkt[1] >= 192 && pkt[1] <= 223
}

// PeekSenderSSRC returns the SSRC of whom RTCP is from, which may still be sealed;
// false if it is not RTCP.
func PeekSenderSSRC(pkt []byte) (uint32, bool) {
	if len(pkt) < 8 || !IsRTCP(pkt) {
		return 0, false
	}
	return binary.BigEndian.Uint32(pkt[4:]), true
}

// PeekSSRC returns the SSRC of a packet that may still be sealed; false if it
// is too short to be RTP.
func PeekSSRC(pkt []byte) (uint32, bool) {
	if len(pkt) < fixedHeaderLen {
		return 0, false
	}
	return binary.BigEndian.Uint32(pkt[8:]), true
}
