package bridge

import (
	"encoding/binary"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/slots"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// outHeader is the header of a packet as receivers get it, built once a
// packet and patched for each of them: only sequence number, timestamp,
// transport-wide number, send time and MID differ. It is built anew when a receiver's
// extension numbers are not those of the one before, which is rare: everybody
// in a conference is offered the same, and [outHeaders] keeps who gets a MID
// apart from who does not.
type outHeader struct {
	b      [maxOutHeader]byte
	n      int
	tccAt  int // where the transport-wide number stands, 0 without one
	sendAt int // where the send time stands, 0 without one
	midAt  int // where the MID stands, 0 without one
	depAt  int // where the dependency descriptor stands
	depN   int // its length, 0 without one
	ext    extensions
	built  bool
	eg     rtp.Egress
}

// maxOutHeader holds the fixed header, three elements of any length, a MID and
// a send time.
const maxOutHeader = 12 + 4 + 3*(2+rtp.MaxExtensionLen) + 2 + slots.MIDLen + 2 + 3 + 3

func (o *outHeader) reset() { o.built = false }

// outHeaders are the headers of one packet: for who finds the m-line of a
// packet by its SSRC, and for who finds it by the MID.
type outHeaders [2]outHeader

func (o *outHeaders) reset() {
	o[0].reset()
	o[1].reset()
}

// of is the header for receivers with the extensions.
func (o *outHeaders) of(ext *extensions) *outHeader {
	if ext.mid != 0 {
		return &o[1]
	}
	return &o[0]
}

// noMID stands where the MID of each receiver's slot comes.
var noMID [slots.MIDLen]byte

// outExtensions are the header extensions that ep is sent. A MID is of use
// only to who was told of it in a source map: others know their m-lines by
// their own. A send time is of use only to who has to estimate its bandwidth
// itself, for lack of transport-wide numbers.
func (ep *endpoint) outExtensions() extensions {
	ext := ep.formats.ext
	if !ep.demux {
		ext.mid = 0
	}
	if ext.tcc != 0 {
		ext.absSendTime = 0
	}
	return ext
}

// build writes the header of h under another SSRC, with what receivers may
// see of its extensions. What the sender's own path was about (its mid, send
// times and transport-wide number) is left out. from has the sender's
// extension numbers; descriptor is the content of the dependency descriptor as
// it is to go out, empty for none.
func (o *outHeader) build(h *rtp.Header, from, to *extensions, ssrc uint32, descriptor []byte) bool {
	o.built, o.ext, o.tccAt, o.sendAt, o.midAt, o.depAt, o.depN = true, *to, 0, 0, 0, 0, 0
	e := &o.eg
	e.Reset()
	e.SSRC, e.Seq, e.Timestamp, e.PayloadType, e.Marker = ssrc, h.Seq, h.Timestamp, h.PayloadType, h.Marker
	var places [5]int // content lengths, in the order in which they are added
	if to.tcc != 0 {
		e.AddUint16(to.tcc, 0)
		places[0] = 2
	}
	if to.mid != 0 {
		e.Add(to.mid, noMID[:])
		places[1] = len(noMID)
	}
	places[2] = o.copyElement(h, from.audioLevel, to.audioLevel)
	if to.dependency != 0 && len(descriptor) > 0 {
		e.Add(to.dependency, descriptor)
		places[3] = len(descriptor)
	}
	if to.absSendTime != 0 {
		e.AddAbsSendTime(to.absSendTime, 0)
		places[4] = 3
	}
	n, err := e.Write(o.b[:], nil)
	if err != nil {
		o.n = 0
		return false
	}
	o.n = n
	o.locate(places)
	return true
}

// locate finds where the elements that are patched stand.
func (o *outHeader) locate(lengths [5]int) {
	head := 1
	if binary.BigEndian.Uint16(o.b[12:]) != 0xBEDE { // two-byte form (RFC 8285 §4.3)
		head = 2
	}
	pos := 16
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		pos += head
		switch i {
		case 0:
			o.tccAt = pos
		case 1:
			o.midAt = pos
		case 3:
			o.depAt, o.depN = pos, n
		case 4:
			o.sendAt = pos
		}
		pos += n
	}
}

func (o *outHeader) copyElement(h *rtp.Header, from, to uint8) int {
	if from == 0 || to == 0 {
		return 0
	}
	data, ok := h.Extension(from)
	if !ok {
		return 0
	}
	o.eg.Add(to, data)
	return len(data)
}

// dependency is the dependency descriptor in a copy of the header.
func (o *outHeader) dependency(dst []byte) []byte { return dst[o.depAt : o.depAt+o.depN] }

// setMarker sets the RTP marker of a packet that has been written.
func setMarker(dst []byte, marker bool) {
	if dst[1] &= 0x7f; marker {
		dst[1] |= 0x80
	}
}

// setSSRC makes a packet that has been written one of a receiver's own stream.
func setSSRC(dst []byte, ssrc uint32) { binary.BigEndian.PutUint32(dst[8:], ssrc) }

// setMID puts in the MID of a receiver's own stream, if receivers get one.
func (o *outHeader) setMID(dst, mid []byte) {
	if o.midAt != 0 {
		copy(dst[o.midAt:o.midAt+slots.MIDLen], mid)
	}
}

// write puts the header into dst for one receiver; dst has room for o.n bytes.
func (o *outHeader) write(dst []byte, seq uint16, ts uint32, to *endpoint) {
	copy(dst, o.b[:o.n])
	binary.BigEndian.PutUint16(dst[2:], seq)
	binary.BigEndian.PutUint32(dst[4:], ts)
	if o.tccAt != 0 {
		binary.BigEndian.PutUint16(dst[o.tccAt:], to.tccSeq)
	}
	if o.sendAt != 0 {
		at := rtp.AbsSendTime(time.Duration(to.w.now))
		dst[o.sendAt], dst[o.sendAt+1], dst[o.sendAt+2] = byte(at>>16), byte(at>>8), byte(at)
	}
}
