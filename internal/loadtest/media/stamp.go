package media

import (
	"encoding/binary"
	"math/rand/v2"
)

// Stamp is what a trailer says. Decoders of VP8 do not look behind the
// last partition of a picture, and in an Opus packet the trailer is
// padding (RFC 6716 §3.2.5), so that browsers play what carries one.
type Stamp struct {
	Sent   int64  // wall clock, nanoseconds since 1970
	Height uint16 // of the picture; 0 for audio
	Clock  uint32 // whose clock says Sent: Here of the process that sent it
}

// Here is the mark of this process's clock. Times of other clocks cannot be
// compared with it, were they off by a millisecond only.
var Here = rand.Uint32()

// StampLen is the length of a trailer in bytes.
const StampLen = 18

// stampMark begins a trailer.
const stampMark = "pLnM"

// Append appends the trailer.
func (s Stamp) Append(b []byte) []byte {
	b = append(b, stampMark...)
	b = binary.BigEndian.AppendUint16(b, s.Height)
	b = binary.BigEndian.AppendUint32(b, s.Clock)
	return binary.BigEndian.AppendUint64(b, uint64(s.Sent))
}

// ReadStamp reads the trailer at the end of a payload; false if there is none.
func ReadStamp(payload []byte) (Stamp, bool) {
	n := len(payload) - StampLen
	if n < 0 || string(payload[n:n+4]) != stampMark {
		return Stamp{}, false
	}
	return Stamp{
		Height: binary.BigEndian.Uint16(payload[n+4:]), Clock: binary.BigEndian.Uint32(payload[n+6:]),
		Sent: int64(binary.BigEndian.Uint64(payload[n+10:])),
	}, true
}
