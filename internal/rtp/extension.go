package rtp

import "iter"

const (
	extHeaderLen   = 4
	profileOneByte = 0xBEDE // RFC 8285 §4.2
	profileTwoByte = 0x1000 // RFC 8285 §4.3, the low 4 bits are for applications
	oneByteStop    = 15     // RFC 8285 §4.2: stop processing
	maxOneByteID   = 14
	maxOneByteLen  = 16
	// MaxExtensionLen is the longest element the two-byte form can hold.
	MaxExtensionLen = 255
)

// form is the shape of a header extension's elements.
type form uint8

const (
	formNone form = iota // none, or none that RFC 8285 knows
	formOneByte
	formTwoByte
)

func formOf(profile uint16) form {
	switch {
	case profile == profileOneByte:
		return formOneByte
	case profile&0xfff0 == profileTwoByte:
		return formTwoByte
	}
	return formNone
}

// nextElement reads the element at the start of b, skipping padding. It
// returns the rest behind the element; ok is false at the end and where an
// element would reach beyond b.
func (f form) nextElement(b []byte) (id uint8, data, rest []byte, ok bool) {
	for len(b) > 0 && b[0] == 0 { // RFC 8285 §4.2, §4.3: padding
		b = b[1:]
	}
	n, skip := 0, 1
	switch {
	case len(b) == 0 || f == formNone:
		return 0, nil, nil, false
	case f == formOneByte:
		id, n = b[0]>>4, int(b[0]&0x0f)+1
		// An id of 0 with a length is invalid; 15 ends the extension.
		if id == oneByteStop || id == 0 {
			return 0, nil, nil, false
		}
	case len(b) < 2:
		return 0, nil, nil, false
	default:
		id, n, skip = b[0], int(b[1]), 2
	}
	if len(b) < skip+n {
		return 0, nil, nil, false
	}
	return id, b[skip : skip+n : skip+n], b[skip+n:], true
}

// Extension returns the first element with the id, in the packet's memory, or
// false. It costs no allocation.
func (h *Header) Extension(id uint8) ([]byte, bool) {
	if h.extForm == formNone {
		return nil, false
	}
	for b := h.Raw[h.extStart:h.extEnd]; ; {
		got, data, rest, ok := h.extForm.nextElement(b)
		if !ok {
			return nil, false
		}
		if got == id {
			return data, true
		}
		b = rest
	}
}

// Extensions iterates over all elements: id and content, in the packet's
// memory.
func (h *Header) Extensions() iter.Seq2[uint8, []byte] {
	return func(yield func(uint8, []byte) bool) {
		for b := h.Raw[h.extStart:h.extEnd]; ; {
			id, data, rest, ok := h.extForm.nextElement(b)
			if !ok || !yield(id, data) {
				return
			}
			b = rest
		}
	}
}

// SetExtension overwrites an element in place. It reports false, and changes
// nothing, unless the packet has an element with this id and length; use
// [Egress] to build a packet with other elements.
func (h *Header) SetExtension(id uint8, data []byte) bool {
	old, ok := h.Extension(id)
	if !ok || len(old) != len(data) {
		return false
	}
	copy(old, data)
	return true
}

// AudioLevel decodes the client-to-mixer audio level (RFC 6464 §3): level is
// in -dBov, 0 loudest to 127 silence; voice is the sender's opinion whether
// there is speech.
func AudioLevel(data []byte) (level uint8, voice, ok bool) {
	if len(data) == 0 {
		return 0, false, false
	}
	return data[0] & 0x7f, data[0]&0x80 != 0, true
}

// TransportSeq decodes the transport-wide sequence number
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
func TransportSeq(data []byte) (uint16, bool) {
	if len(data) < 2 {
		return 0, false
	}
	return uint16(data[0])<<8 | uint16(data[1]), true
}
