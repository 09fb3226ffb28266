package rtp

import "encoding/binary"

const rtxHeaderLen = 2 // RFC 4588 §4: the original sequence number

// UnwrapRTX turns a retransmission back into the packet it repeats (RFC 4588
// §4), in the memory of h.Raw: it returns the original packet, which has the
// payload type and SSRC given, the original sequence number, and everything
// else as it was. It reports false for packets without an original, which
// senders use as padding. h is useless afterwards.
func UnwrapRTX(h *Header, payloadType uint8, ssrc uint32) ([]byte, bool) {
	if len(h.Payload()) < rtxHeaderLen {
		return nil, false
	}
	osn := binary.BigEndian.Uint16(h.Payload())
	// Moving the header is cheaper than moving the payload.
	copy(h.Raw[rtxHeaderLen:], h.Raw[:h.payload])
	pkt := h.Raw[rtxHeaderLen:]
	pkt[1] = pkt[1]&0x80 | payloadType&0x7f
	binary.BigEndian.PutUint16(pkt[2:], osn)
	binary.BigEndian.PutUint32(pkt[8:], ssrc)
	return pkt, true
}
