package ice

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// MaxMessage is how many bytes of memory Outgoing needs: the longest message
// is a request to a peer with the longest user fragment.
const MaxMessage = 512

// writer builds a message in the caller's memory. Its buffer never grows:
// MaxMessage holds everything that is built here.
type writer struct {
	b []byte
}

func newWriter(dst []byte, c class, id *txID) writer {
	w := writer{dst[:headerSize:MaxMessage]}
	binary.BigEndian.PutUint16(w.b, uint16(c))
	binary.BigEndian.PutUint32(w.b[4:], magicCookie)
	copy(w.b[8:], id[:])
	return w
}

// attr begins an attribute of so many bytes and returns them.
func (w *writer) attr(kind uint16, size int) []byte {
	at := len(w.b)
	w.b = w.b[:at+4+(size+3)&^3]
	clear(w.b[at:])
	binary.BigEndian.PutUint16(w.b[at:], kind)
	binary.BigEndian.PutUint16(w.b[at+2:], uint16(size))
	return w.b[at+4 : at+4+size]
}

func (w *writer) uint32(kind uint16, v uint32) {
	binary.BigEndian.PutUint32(w.attr(kind, 4), v)
}

func (w *writer) uint64(kind uint16, v uint64) {
	binary.BigEndian.PutUint64(w.attr(kind, 8), v)
}

// username writes the receiver's user fragment before ours.
func (w *writer) username(remote, local string) {
	v := w.attr(attrUsername, len(remote)+1+len(local))
	n := copy(v, remote)
	v[n] = ':'
	copy(v[n+1:], local)
}

// xorMapped writes XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
func (w *writer) xorMapped(addr netip.AddrPort) {
	var mask [16]byte
	copy(mask[:], w.b[4:headerSize])
	var v []byte
	if a := addr.Addr(); a.Is4() {
		v = w.attr(attrXORMappedAddress, 8)
		v[1] = 1
		b := a.As4()
		copy(v[4:], b[:])
	} else {
		v = w.attr(attrXORMappedAddress, 20)
		v[1] = 2
		b := a.As16()
		copy(v[4:], b[:])
	}
	binary.BigEndian.PutUint16(v[2:], addr.Port()^magicCookie>>16)
	for i := range v[4:] {
		v[4+i] ^= mask[i]
	}
}

// errorCode writes ERROR-CODE without a reason phrase.
func (w *writer) errorCode(code uint16) {
	v := w.attr(attrErrorCode, 4)
	v[2], v[3] = byte(code/100), byte(code%100)
}

func (w *writer) unknown(kinds []uint16) {
	v := w.attr(attrUnknown, 2*len(kinds))
	for i, k := range kinds {
		binary.BigEndian.PutUint16(v[2*i:], k)
	}
}

// finish adds MESSAGE-INTEGRITY and FINGERPRINT and returns the length of the
// message.
func (w *writer) finish(k *key) int {
	at := len(w.b)
	v := w.attr(attrMessageIntegrity, integritySize)
	k.sum(v, w.b[:at])
	at = len(w.b)
	v = w.attr(attrFingerprint, fingerprintSize)
	w.setLength()
	binary.BigEndian.PutUint32(v, crc32.ChecksumIEEE(w.b[:at])^fingerprintXOR)
	return len(w.b)
}

func (w *writer) setLength() {
	binary.BigEndian.PutUint16(w.b[2:], uint16(len(w.b)-headerSize))
}
