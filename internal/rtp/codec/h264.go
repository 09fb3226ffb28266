package codec

import "encoding/binary"

// H264 is what the NAL unit headers of a packet say (RFC 6184 §5). H.264 has
// no descriptor: temporal layers are not visible, and with end-to-end
// encryption only the first bytes are clear, which is enough.
type H264 struct {
	SPS bool // a sequence parameter set, with which a key frame begins
	IDR bool // the beginning of a slice of a key frame
	// KeyFrame is SPS or IDR: packets with which decoding can begin. A picture
	// may have several of them; only if SPS is set it is surely the first.
	KeyFrame bool
	// Width and Height are the size that a whole SPS tells, 0 if there is none.
	Width, Height uint16
}

// NAL unit types (RFC 6184 §5.2, ITU-T H.264 table 7-1).
const (
	nalIDR   = 5
	nalSPS   = 7
	nalSTAPA = 24
	nalFUA   = 28
	nalType  = 0x1f
	fuStart  = 0x80
)

// ParseH264 reads the NAL unit headers of a payload: single NAL units, STAP-A
// and FU-A, which are all that packetization-mode 1 has (RFC 6184 §6.3).
func ParseH264(payload []byte) (H264, error) {
	if len(payload) == 0 {
		return H264{}, ErrMalformed
	}
	var h H264
	switch payload[0] & nalType {
	case nalSTAPA:
		if !h.aggregate(payload[1:]) {
			return H264{}, ErrMalformed
		}
	case nalFUA:
		if len(payload) < 2 {
			return H264{}, ErrMalformed
		}
		if payload[1]&fuStart != 0 {
			h.note(payload[1] & nalType)
		}
	default:
		h.unit(payload)
	}
	h.KeyFrame = h.SPS || h.IDR
	return h, nil
}

// aggregate reads the units of a STAP-A (RFC 6184 §5.7.1).
func (h *H264) aggregate(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 {
			return false
		}
		n := int(binary.BigEndian.Uint16(b))
		if n == 0 || len(b) < 2+n {
			return false
		}
		h.unit(b[2 : 2+n])
		b = b[2+n:]
	}
	return true
}

// unit notes a whole NAL unit.
func (h *H264) unit(b []byte) {
	t := b[0] & nalType
	h.note(t)
	if t == nalSPS {
		h.Width, h.Height = pictureSize(b)
	}
}

func (h *H264) note(t uint8) {
	h.SPS = h.SPS || t == nalSPS
	h.IDR = h.IDR || t == nalIDR
}
