package wsframe

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Append appends one frame with its payload.
func Append(b []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(b, op, len(payload)), payload...)
}

// AppendHeader appends the header of a frame with a payload of n bytes, which is
// to follow.
func AppendHeader(b []byte, op ws.OpCode, n int) []byte {
	b = append(b, 0x80|byte(op))
	switch {
	case n < 126:
		return append(b, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
}
