package rtp

import "encoding/binary"

// RTCP packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
const (
	TypeSR    uint8 = 200
	TypeRR    uint8 = 201
	TypeSDES  uint8 = 202
	TypeBYE   uint8 = 203
	TypeAPP   uint8 = 204
	TypeRTPFB uint8 = 205
	TypePSFB  uint8 = 206
	TypeXR    uint8 = 207
)

// Formats of feedback messages, which stand where other packets have a count.
const (
	FormatNACK        uint8 = 1  // RTPFB, RFC 4585 §6.2.1
	FormatTransportCC uint8 = 15 // RTPFB, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1
	FormatPLI         uint8 = 1  // PSFB, RFC 4585 §6.3.1
	FormatFIR         uint8 = 4  // PSFB, RFC 5104 §4.3.1
	FormatAFB         uint8 = 15 // PSFB, RFC 4585 §6.4; REMB is one
)

const (
	rtcpHeaderLen   = 4
	feedbackHdrLen  = 8 // sender SSRC and media SSRC
	senderInfoLen   = 20
	reportBlockLen  = 24
	maxReportBlocks = 31
)

// Compound walks over the packets of an RTCP compound. The zero value is
// empty.
//
//	for c := rtp.NewCompound(buf); c.Next(); {
//		switch p := c.Packet(); p.Type { … }
//	}
type Compound struct {
	rest []byte
	cur  RTCP
	bad  bool
}

// RTCP is one packet of a compound. It refers to the compound's memory.
type RTCP struct {
	Type  uint8
	Count uint8  // 5 bits: number of blocks, or the format of feedback
	Body  []byte // behind the 4-byte header, without padding
	Raw   []byte // the whole packet
}

// NewCompound starts a walk over buf. Compounds of reduced size are accepted
// (RFC 5506).
func NewCompound(buf []byte) *Compound { return &Compound{rest: buf} }

// Next advances to the next packet. It returns false at the end and at the
// first packet that is malformed.
func (c *Compound) Next() bool {
	if len(c.rest) == 0 {
		return false
	}
	n, body, ok := frameRTCP(c.rest)
	if !ok {
		c.bad, c.rest = true, nil
		return false
	}
	c.cur = RTCP{Type: c.rest[1], Count: c.rest[0] & 0x1f, Body: c.rest[rtcpHeaderLen:body:body], Raw: c.rest[:n:n]}
	c.rest = c.rest[n:]
	return true
}

// frameRTCP finds the length of the first packet of b and where its padding
// begins (RFC 3550 §6.4.1).
func frameRTCP(b []byte) (n, body int, ok bool) {
	if len(b) < rtcpHeaderLen || b[0]>>6 != version {
		return 0, 0, false
	}
	n = rtcpHeaderLen + 4*int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < n {
		return 0, 0, false
	}
	body = n
	if b[0]&0x20 != 0 {
		padding := int(b[n-1])
		if padding == 0 || padding > n-rtcpHeaderLen {
			return 0, 0, false
		}
		body -= padding
	}
	return n, body, true
}

// Packet returns the packet Next advanced to.
func (c *Compound) Packet() RTCP { return c.cur }

// Malformed reports whether the walk ended before the end of the compound.
func (c *Compound) Malformed() bool { return c.bad }

// SenderSSRC is the SSRC of who sent the packet; every kind begins with it,
// except SDES and BYE, which list SSRCs. It is 0 if the packet is too short.
func (p RTCP) SenderSSRC() uint32 { return p.word(0) }

// MediaSSRC is the SSRC a feedback message is about (RFC 4585 §6.1). It is 0
// for FIR, REMB and packets that are too short.
func (p RTCP) MediaSSRC() uint32 { return p.word(1) }

// word returns the i-th 32-bit word of the body, or 0.
func (p RTCP) word(i int) uint32 {
	if len(p.Body) < 4*i+4 {
		return 0
	}
	return binary.BigEndian.Uint32(p.Body[4*i:])
}

// IsFeedback reports whether the packet is a complete feedback message of the
// given type and format.
func (p RTCP) IsFeedback(typ, format uint8) bool {
	return p.Type == typ && p.Count == format && len(p.Body) >= feedbackHdrLen
}

// fci is the feedback control information of a feedback message.
func (p RTCP) fci() []byte {
	if len(p.Body) < feedbackHdrLen {
		return nil
	}
	return p.Body[feedbackHdrLen:]
}

// appendRTCP appends the header of a packet whose body will have the given
// number of bytes, a multiple of 4.
func appendRTCP(dst []byte, typ, count uint8, body int) []byte {
	dst = append(dst, version<<6|count&0x1f, typ)
	return binary.BigEndian.AppendUint16(dst, uint16(body/4))
}

func appendWords(dst []byte, words ...uint32) []byte {
	for _, w := range words {
		dst = binary.BigEndian.AppendUint32(dst, w)
	}
	return dst
}
