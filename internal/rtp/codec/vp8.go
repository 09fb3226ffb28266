package codec

import "encoding/binary"

// VP8 is what the payload descriptor of a VP8 packet says (RFC 7741 §4.2),
// and, on the first packet of a key frame, the frame header (§4.3).
type VP8 struct {
	PictureID     uint16 // 7 or 15 bits
	PictureIDBits uint8  // 7, 15, or 0 without a picture id
	TL0PicIdx     uint8
	TID           uint8 // temporal layer, 0 to 3; 0 without HasTID
	KeyIdx        uint8
	HasTL0PicIdx  bool
	HasTID        bool
	HasKeyIdx     bool
	LayerSync     bool // Y: depends on layer 0 only
	NonReference  bool // N: may be dropped without harm
	StartOfFrame  bool // first packet of a frame
	KeyFrame      bool // only known, and true, on the first packet of a key frame
	Width, Height uint16
	// DescriptorLen is where the VP8 bitstream begins.
	DescriptorLen int
}

const (
	vp8Extended   = 0x80
	vp8NonRef     = 0x20
	vp8Start      = 0x10
	vp8Partition  = 0x07
	vp8HasPicture = 0x80
	vp8HasTL0     = 0x40
	vp8HasTID     = 0x20
	vp8HasKeyIdx  = 0x10
	vp8LongID     = 0x80
)

// ParseVP8 reads the descriptor of a VP8 payload. The result depends on the
// descriptor and the first ten bytes behind it only, which end-to-end
// encryption leaves clear.
func ParseVP8(payload []byte) (VP8, error) {
	if len(payload) == 0 {
		return VP8{}, ErrMalformed
	}
	d := VP8{
		NonReference: payload[0]&vp8NonRef != 0,
		StartOfFrame: payload[0]&vp8Start != 0 && payload[0]&vp8Partition == 0,
	}
	d.DescriptorLen = 1
	if payload[0]&vp8Extended != 0 && !d.parseExtended(payload) {
		return VP8{}, ErrMalformed
	}
	if len(payload) <= d.DescriptorLen { // RFC 7741 §4.2: a payload follows
		return VP8{}, ErrMalformed
	}
	if d.StartOfFrame {
		d.parseFrameHeader(payload[d.DescriptorLen:])
	}
	return d, nil
}

// parseExtended reads what follows the first byte of the descriptor.
func (d *VP8) parseExtended(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	flags, pos := b[1], 2
	if flags&vp8HasPicture != 0 {
		switch {
		case len(b) > pos && b[pos]&vp8LongID == 0:
			d.PictureID, d.PictureIDBits = uint16(b[pos]), 7
			pos++
		case len(b) > pos+1:
			d.PictureID, d.PictureIDBits = binary.BigEndian.Uint16(b[pos:])&0x7fff, 15
			pos += 2
		default:
			return false
		}
	}
	if flags&vp8HasTL0 != 0 {
		if len(b) <= pos {
			return false
		}
		d.TL0PicIdx, d.HasTL0PicIdx = b[pos], true
		pos++
	}
	if flags&(vp8HasTID|vp8HasKeyIdx) != 0 {
		if len(b) <= pos {
			return false
		}
		d.HasTID, d.HasKeyIdx = flags&vp8HasTID != 0, flags&vp8HasKeyIdx != 0
		d.parseLayers(b[pos])
		pos++
	}
	d.DescriptorLen = pos
	return true
}

func (d *VP8) parseLayers(b byte) {
	if d.HasTID {
		d.TID, d.LayerSync = b>>6, b&0x20 != 0
	}
	if d.HasKeyIdx {
		d.KeyIdx = b & 0x1f
	}
}

// parseFrameHeader reads the start of the first partition (RFC 7741 §4.3, RFC
// 6386 §9.1).
func (d *VP8) parseFrameHeader(b []byte) {
	d.KeyFrame = b[0]&1 == 0
	if !d.KeyFrame || len(b) < 10 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return
	}
	d.Width = binary.LittleEndian.Uint16(b[6:]) & 0x3fff
	d.Height = binary.LittleEndian.Uint16(b[8:]) & 0x3fff
}

// VP8Growth is how much longer RewriteVP8 can make a payload.
const VP8Growth = 1

// RewriteVP8 copies a payload to dst[:n] with other numbers in its descriptor.
// A picture id becomes one of 15 bits, since receivers cannot follow a stream
// that changes the size; fields that payload does not have are not added. d is
// what ParseVP8 said about payload. dst must hold len(payload)+VP8Growth bytes
// and may be payload's own memory if the picture id has 15 bits already or is
// absent; otherwise the two must not overlap.
func RewriteVP8(dst, payload []byte, d *VP8, pictureID uint16, tl0PicIdx uint8) (n int) {
	if d.PictureIDBits == 7 {
		copy(dst[:2], payload)
		n = 4 + copy(dst[4:], payload[3:])
	} else {
		n = copy(dst, payload)
	}
	pos := 2
	if d.PictureIDBits != 0 {
		binary.BigEndian.PutUint16(dst[pos:], pictureID|vp8LongID<<8)
		pos += 2
	}
	if d.HasTL0PicIdx {
		dst[pos] = tl0PicIdx
	}
	return n
}
