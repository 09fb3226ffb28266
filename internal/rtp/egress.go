package rtp

import (
	"encoding/binary"
	"errors"
	"time"
)

// MaxEgressExtensions is how many header extension elements an Egress holds.
const MaxEgressExtensions = 8

var (
	// ErrExtension: an element with id 0 or 15, too long, or one too many.
	ErrExtension = errors.New("rtp: header extension cannot be written")
	// ErrBuffer: dst has no room for the packet.
	ErrBuffer = errors.New("rtp: destination too small")
)

// Egress builds the packets of one stream as a receiver gets them: a fresh
// header with chosen extensions in front of a payload that is copied. Reuse
// one value for many packets; nothing is allocated.
//
//	e.Reset()
//	e.SSRC, e.Seq, e.Timestamp, e.PayloadType, e.Marker = …
//	e.Add(id, level)          // refers to level's memory until Write
//	e.AddUint16(tccID, next)
//	n, err := e.Write(dst, payload)
type Egress struct {
	SSRC        uint32
	Timestamp   uint32
	Seq         uint16
	PayloadType uint8 // 7 bits
	Marker      bool

	ext     [MaxEgressExtensions]element
	scratch [MaxEgressExtensions][4]byte
	n       int
	size    int // bytes of all contents
	twoByte bool
	bad     bool
}

type element struct {
	id   uint8
	data []byte
}

// Reset removes all extensions; the header fields stay.
func (e *Egress) Reset() { e.n, e.size, e.twoByte, e.bad = 0, 0, false, false }

// Add adds an element; its data must stay as they are until Write. The
// two-byte form is chosen if any element needs it (RFC 8285 §4.1.2, requires
// extmap-allow-mixed of the receiver). A bad element makes Write fail.
func (e *Egress) Add(id uint8, data []byte) {
	if e.n == MaxEgressExtensions || id == 0 || id == oneByteStop || len(data) > MaxExtensionLen {
		e.bad = true
		return
	}
	e.ext[e.n] = element{id, data}
	e.n++
	e.size += len(data)
	e.twoByte = e.twoByte || id > maxOneByteID || len(data) > maxOneByteLen || len(data) == 0
}

// AddByte adds an element of one byte.
func (e *Egress) AddByte(id, v uint8) { e.addScratch(id, uint32(v)<<24, 1) }

// AddUint16 adds an element of two bytes, as the transport-wide sequence
// number is.
func (e *Egress) AddUint16(id uint8, v uint16) { e.addScratch(id, uint32(v)<<16, 2) }

// AddAbsSendTime adds the absolute send time, 6.18 fixed-point seconds modulo
// 64 in three bytes. since is the time since any fixed instant.
func (e *Egress) AddAbsSendTime(id uint8, since time.Duration) {
	e.addScratch(id, AbsSendTime(since)<<8, 3)
}

func (e *Egress) addScratch(id uint8, v uint32, n int) {
	if e.n == MaxEgressExtensions {
		e.bad = true
		return
	}
	s := &e.scratch[e.n]
	binary.BigEndian.PutUint32(s[:], v)
	e.Add(id, s[:n])
}

// AbsSendTime converts a time to 6.18 fixed-point seconds modulo 64.
func AbsSendTime(since time.Duration) uint32 {
	seconds, rest := since/time.Second, since%time.Second
	return (uint32(seconds)<<18 + uint32(rest<<18/time.Second)) & (1<<24 - 1)
}

// extLen is the length of the extension with header and padding, or 0.
func (e *Egress) extLen() int {
	if e.n == 0 {
		return 0
	}
	n := e.size + e.n
	if e.twoByte {
		n += e.n
	}
	return extHeaderLen + (n+3)&^3
}

// HeaderLen is how many bytes Write will put before the payload.
func (e *Egress) HeaderLen() int { return fixedHeaderLen + e.extLen() }

// Write writes header and payload to dst[:n]. dst must not overlap the
// extensions' data; payload may lie where it will be written. Errors:
// ErrExtension, ErrBuffer.
func (e *Egress) Write(dst, payload []byte) (n int, err error) {
	hdr := e.HeaderLen()
	if err := e.check(dst, hdr+len(payload)); err != nil {
		return 0, err
	}
	copy(dst[hdr:], payload)
	e.writeHeader(dst)
	return hdr + len(payload), nil
}

// WriteRTX writes a retransmission (RFC 4588 §4): SSRC, Seq and PayloadType
// of the Egress are those of the retransmission stream, osn is the sequence
// number under which the receiver misses the packet. Errors as Write.
func (e *Egress) WriteRTX(dst []byte, osn uint16, payload []byte) (n int, err error) {
	hdr := e.HeaderLen()
	n = hdr + rtxHeaderLen + len(payload)
	if err := e.check(dst, n); err != nil {
		return 0, err
	}
	copy(dst[hdr+rtxHeaderLen:], payload)
	binary.BigEndian.PutUint16(dst[hdr:], osn)
	e.writeHeader(dst)
	return n, nil
}

// WritePadding writes a packet that is padding only, with the given number of
// padding bytes, 1 to 255 (RFC 3550 §5.1). Errors as Write; ErrBuffer also
// for another number.
func (e *Egress) WritePadding(dst []byte, padding int) (n int, err error) {
	hdr := e.HeaderLen()
	if padding < 1 || padding > 255 {
		return 0, ErrBuffer
	}
	if err := e.check(dst, hdr+padding); err != nil {
		return 0, err
	}
	clear(dst[hdr : hdr+padding-1])
	dst[hdr+padding-1] = byte(padding)
	e.writeHeader(dst)
	dst[0] |= 0x20
	return hdr + padding, nil
}

func (e *Egress) check(dst []byte, need int) error {
	if e.bad {
		return ErrExtension
	}
	if len(dst) < need {
		return ErrBuffer
	}
	return nil
}

func (e *Egress) writeHeader(dst []byte) {
	dst[0] = version << 6
	dst[1] = e.PayloadType & 0x7f
	if e.Marker {
		dst[1] |= 0x80
	}
	binary.BigEndian.PutUint16(dst[2:], e.Seq)
	binary.BigEndian.PutUint32(dst[4:], e.Timestamp)
	binary.BigEndian.PutUint32(dst[8:], e.SSRC)
	if e.n > 0 {
		dst[0] |= 0x10
		e.writeExtensions(dst[fixedHeaderLen : fixedHeaderLen+e.extLen()])
	}
}

func (e *Egress) writeExtensions(dst []byte) {
	profile := uint16(profileOneByte)
	if e.twoByte {
		profile = profileTwoByte
	}
	binary.BigEndian.PutUint16(dst, profile)
	binary.BigEndian.PutUint16(dst[2:], uint16(len(dst)/4-1))
	pos := extHeaderLen
	for i := range e.n {
		x := &e.ext[i]
		if e.twoByte {
			dst[pos], dst[pos+1] = x.id, byte(len(x.data))
			pos += 2
		} else {
			dst[pos] = x.id<<4 | byte(len(x.data)-1)
			pos++
		}
		pos += copy(dst[pos:], x.data)
	}
	clear(dst[pos:])
}
