package codec

import "encoding/binary"

// Limits of VP9 descriptors (RFC 9628 §4.2).
const (
	MaxVP9SpatialLayers = 8
	maxVP9References    = 3
)

// VP9 is what the payload descriptor of a VP9 packet says (RFC 9628 §4.2). A
// picture consists of one frame for each spatial layer.
type VP9 struct {
	PictureID      uint16 // 7 or 15 bits, shared by the frames of a picture
	PictureIDBits  uint8  // 7, 15, or 0 without a picture id
	TL0PicIdx      uint8  // with HasTL0PicIdx
	TID, SID       uint8  // temporal and spatial layer, 0 without HasLayers
	HasLayers      bool   // L
	HasTL0PicIdx   bool
	InterPicture   bool // P: depends on another picture
	InterLayer     bool // D: depends on the layer below in this picture
	Flexible       bool // F: every picture names what it depends on
	StartOfFrame   bool // B: first packet of a frame
	EndOfFrame     bool // E: last packet of a frame
	SwitchUp       bool // U: higher temporal layers can be taken up behind it
	NotForUpper    bool // Z: the layers above do not depend on it
	KeyFrame       bool // first packet of a picture that depends on nothing
	References     uint8
	ReferenceDiffs [maxVP9References]uint8 // how many pictures back, in flexible mode
	// Structure is valid if HasStructure is set, at times on key frames.
	HasStructure bool
	Structure    VP9Structure
	// DescriptorLen is where the VP9 bitstream begins.
	DescriptorLen int
}

// VP9Structure is the scalability structure (RFC 9628 §4.2.1).
type VP9Structure struct {
	SpatialLayers uint8 // 1 to MaxVP9SpatialLayers
	HasSizes      bool
	Width, Height [MaxVP9SpatialLayers]uint16
	Pictures      uint8 // in the picture group, 0 without
}

const (
	vp9HasPicture = 0x80
	vp9Inter      = 0x40
	vp9HasLayers  = 0x20
	vp9Flexible   = 0x10
	vp9Begin      = 0x08
	vp9End        = 0x04
	vp9HasScal    = 0x02
	vp9NotUpper   = 0x01
	vp9LongID     = 0x80
)

// ParseVP9 reads the descriptor of a VP9 payload. The result depends on the
// descriptor only.
func ParseVP9(payload []byte) (VP9, error) {
	r := byteReader{b: payload}
	flags := r.byte()
	d := VP9{
		InterPicture: flags&vp9Inter != 0,
		HasLayers:    flags&vp9HasLayers != 0,
		Flexible:     flags&vp9Flexible != 0,
		StartOfFrame: flags&vp9Begin != 0,
		EndOfFrame:   flags&vp9End != 0,
		NotForUpper:  flags&vp9NotUpper != 0,
	}
	if flags&vp9HasPicture != 0 {
		d.parsePictureID(&r)
	}
	if d.HasLayers {
		d.parseLayers(&r)
	}
	if d.Flexible && d.InterPicture {
		d.parseReferences(&r)
	}
	if flags&vp9HasScal != 0 {
		d.HasStructure = true
		d.Structure.parse(&r)
	}
	d.DescriptorLen = r.pos
	if r.short || len(payload) <= r.pos {
		return VP9{}, ErrMalformed
	}
	d.KeyFrame = d.StartOfFrame && !d.InterPicture && d.SID == 0 && !d.InterLayer
	return d, nil
}

func (d *VP9) parsePictureID(r *byteReader) {
	d.PictureID, d.PictureIDBits = uint16(r.byte()), 7
	if d.PictureID&vp9LongID != 0 {
		d.PictureID, d.PictureIDBits = d.PictureID&0x7f<<8|uint16(r.byte()), 15
	}
}

func (d *VP9) parseLayers(r *byteReader) {
	b := r.byte()
	d.TID, d.SwitchUp, d.SID, d.InterLayer = b>>5, b&0x10 != 0, b>>1&7, b&1 != 0
	if !d.Flexible {
		d.TL0PicIdx, d.HasTL0PicIdx = r.byte(), true
	}
}

// parseReferences reads up to three reference indices; a fourth is an error
// (RFC 9628 §4.2).
func (d *VP9) parseReferences(r *byteReader) {
	for more := true; more; {
		if d.References == maxVP9References {
			r.short = true
			return
		}
		b := r.byte()
		d.ReferenceDiffs[d.References] = b >> 1
		d.References++
		more = b&1 != 0
	}
}

func (s *VP9Structure) parse(r *byteReader) {
	b := r.byte()
	s.SpatialLayers, s.HasSizes = b>>5+1, b&0x10 != 0
	if s.HasSizes {
		for i := range s.SpatialLayers {
			s.Width[i], s.Height[i] = r.uint16(), r.uint16()
		}
	}
	if b&0x08 == 0 {
		return
	}
	s.Pictures = r.byte()
	for range s.Pictures {
		r.skip(int(r.byte() >> 2 & 3)) // as many references
	}
}

// RewriteVP9 copies a payload to dst[:n] with other numbers in its descriptor,
// as RewriteVP8 does; dst must hold len(payload)+VP9Growth bytes.
func RewriteVP9(dst, payload []byte, d *VP9, pictureID uint16, tl0PicIdx uint8) (n int) {
	if d.PictureIDBits == 7 {
		dst[0] = payload[0]
		n = 3 + copy(dst[3:], payload[2:])
	} else {
		n = copy(dst, payload)
	}
	pos := 1
	if d.PictureIDBits != 0 {
		binary.BigEndian.PutUint16(dst[pos:], pictureID|vp9LongID<<8)
		pos += 2
	}
	if d.HasTL0PicIdx {
		dst[pos+1] = tl0PicIdx // behind the layer indices
	}
	return n
}

// VP9Growth is how much longer RewriteVP9 can make a payload.
const VP9Growth = 1

// byteReader reads bytes; beyond the end it returns zeros and notes it.
type byteReader struct {
	b     []byte
	pos   int
	short bool
}

func (r *byteReader) byte() uint8 {
	if r.pos >= len(r.b) {
		r.short = true
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

func (r *byteReader) uint16() uint16 { return uint16(r.byte())<<8 | uint16(r.byte()) }

func (r *byteReader) skip(n int) {
	if len(r.b)-r.pos < n {
		r.short = true
		n = len(r.b) - r.pos
	}
	r.pos += n
}
