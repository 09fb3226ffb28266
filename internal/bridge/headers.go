package bridge

import (
	"encoding/binary"

	"github.com/plenum-conf/plenum/internal/rtp"
)

// outHeader is the header of a packet as receivers get it, built once a
// packet and patched for each of them: only sequence number, timestamp and
// transport-wide number differ. It is built anew when a receiver's extension
// numbers are not those of the one before, which is rare: everybody in a
// conference is offered the same.
type outHeader struct {
	b     [maxOutHeader]byte
	n     int
	tccAt int // where the transport-wide number stands, 0 without one
	ext   extensions
	built bool
	eg    rtp.Egress
}

// maxOutHeader holds the fixed header and three elements of any length.
const maxOutHeader = 12 + 4 + 3*(2+rtp.MaxExtensionLen) + 3

func (o *outHeader) reset() { o.built = false }

// build writes the header of h under another SSRC, with what receivers may
// see of its extensions. What the sender's own path was about (its mid, send
// times and transport-wide number) is left out.
func (o *outHeader) build(h *rtp.Header, from, to *extensions, ssrc uint32) bool {
	o.built, o.ext, o.tccAt = true, *to, 0
	e := &o.eg
	e.Reset()
	e.SSRC, e.Seq, e.Timestamp, e.PayloadType, e.Marker = ssrc, h.Seq, h.Timestamp, h.PayloadType, h.Marker
	if to.tcc != 0 {
		e.AddUint16(to.tcc, 0) // first, so that its place is known
	}
	o.copyElement(h, from.audioLevel, to.audioLevel)
	o.copyElement(h, from.dependency, to.dependency)
	n, err := e.Write(o.b[:], nil)
	if err != nil {
		o.n = 0
		return false
	}
	o.n = n
	if to.tcc != 0 {
		o.tccAt = 12 + 4 + 1
		if binary.BigEndian.Uint16(o.b[12:]) != 0xBEDE { // two-byte form (RFC 8285 §4.3)
			o.tccAt++
		}
	}
	return true
}

func (o *outHeader) copyElement(h *rtp.Header, from, to uint8) {
	if from == 0 || to == 0 {
		return
	}
	if data, ok := h.Extension(from); ok {
		o.eg.Add(to, data)
	}
}

// write puts the header into dst for one receiver; dst has room for o.n bytes.
func (o *outHeader) write(dst []byte, seq uint16, ts uint32, tcc uint16) {
	copy(dst, o.b[:o.n])
	binary.BigEndian.PutUint16(dst[2:], seq)
	binary.BigEndian.PutUint32(dst[4:], ts)
	if o.tccAt != 0 {
		binary.BigEndian.PutUint16(dst[o.tccAt:], tcc)
	}
}
