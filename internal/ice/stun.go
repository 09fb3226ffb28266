package ice

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
)

// STUN as ICE uses it: the Binding method only (RFC 8489 §5 and §14, RFC 8445
// §16.1).

const (
	headerSize  = 20
	magicCookie = 0x2112A442
	maxMessage  = 2048 // bytes of a message that is looked at
)

type txID [12]byte

// class is a message type of the Binding method.
type class uint16

const (
	bindingRequest    class = 0x0001
	bindingIndication class = 0x0011
	bindingSuccess    class = 0x0101
	bindingError      class = 0x0111
)

// Attribute types. Those below 0x8000 must be understood by the receiver.
const (
	attrMappedAddress    = 0x0001
	attrUsername         = 0x0006
	attrMessageIntegrity = 0x0008
	attrErrorCode        = 0x0009
	attrUnknown          = 0x000A
	attrRealm            = 0x0014
	attrNonce            = 0x0015
	attrIntegritySHA256  = 0x001C
	attrXORMappedAddress = 0x0020
	attrPriority         = 0x0024
	attrUseCandidate     = 0x0025
	attrFingerprint      = 0x8028
	attrControlled       = 0x8029
	attrControlling      = 0x802A
	// attrNetworkInfo is libwebrtc's: the sender's network id and what the
	// network costs (0 wired, 10 Wi-Fi, 900 cellular), 16 bits each.
	attrNetworkInfo = 0xC057

	integritySize   = 20
	fingerprintSize = 4
	fingerprintXOR  = 0x5354554E
)

// Error codes (RFC 8489 §14.8, RFC 8445 §16.2).
const (
	codeUnknownAttribute = 420
	codeRoleConflict     = 487
)

// Why a message is refused; nothing is sent to the peer but where said so.
var (
	// ErrMalformed is returned for what is not a STUN Binding message.
	ErrMalformed = errors.New("ice: malformed STUN message")
	// ErrUsername is returned for a request for somebody else.
	ErrUsername = errors.New("ice: wrong or missing username")
	// ErrIntegrity is returned for a message made without the password.
	ErrIntegrity = errors.New("ice: wrong or missing message integrity")
	// ErrUnexpected is returned for a response that nothing asked for.
	ErrUnexpected = errors.New("ice: unexpected response")
	// ErrIndication is returned for a Binding indication, which proves nothing.
	ErrIndication = errors.New("ice: indication")
	// ErrUnknownAttribute is returned for a request that needs an extension;
	// the peer gets a 420 response.
	ErrUnknownAttribute = errors.New("ice: unknown required attribute")
	// ErrRoleConflict is returned for a request that claims our role and loses;
	// the peer gets a 487 response.
	ErrRoleConflict = errors.New("ice: role conflict")
	// ErrFailed is returned by an agent that has failed.
	ErrFailed = errors.New("ice: agent has failed")
	// ErrFull is returned for a request that came before earlier ones were
	// answered.
	ErrFull = errors.New("ice: too many replies waiting")
)

// IsSTUN reports whether a datagram claims to be STUN, as opposed to DTLS or
// SRTP (RFC 7983 §7).
func IsSTUN(pkt []byte) bool {
	return len(pkt) >= headerSize && pkt[0] < 4 && binary.BigEndian.Uint32(pkt[4:]) == magicCookie
}

// PeekUsername finds the receiver's half of the USERNAME of a Binding request,
// without checking anything else; local points into pkt. It is what a socket
// needs to find the owner of a stranger's first message.
func PeekUsername(pkt []byte) (local []byte, ok bool) {
	if !IsSTUN(pkt) || len(pkt) > maxMessage || class(binary.BigEndian.Uint16(pkt)) != bindingRequest {
		return nil, false
	}
	for it := (attributes{rest: pkt[headerSize:]}); it.next(); {
		if it.kind == attrUsername {
			return localHalf(it.value)
		}
	}
	return nil, false
}

// localHalf cuts a username at the colon (RFC 8445 §7.2.2).
func localHalf(username []byte) ([]byte, bool) {
	for i, c := range username {
		if c == ':' {
			return username[:i], i > 0
		}
	}
	return nil, false
}

// attributes goes through the attributes of a message.
type attributes struct {
	rest  []byte
	kind  uint16
	value []byte
	bad   bool // an attribute is longer than the message
}

func (it *attributes) next() bool {
	if len(it.rest) == 0 {
		return false
	}
	if len(it.rest) < 4 {
		it.bad = true
		return false
	}
	size := int(binary.BigEndian.Uint16(it.rest[2:]))
	padded := 4 + (size+3)&^3
	if padded > len(it.rest) {
		it.bad = true
		return false
	}
	it.kind = binary.BigEndian.Uint16(it.rest)
	it.value = it.rest[4 : 4+size]
	it.rest = it.rest[padded:]
	return true
}

// message is a parsed STUN message; its slices point into the datagram.
type message struct {
	class    class
	id       txID
	username []byte
	mapped   netip.AddrPort

	priority     uint32
	useCandidate bool
	role         Role // as the sender says, 0 if it does not
	tieBreaker   uint64
	cost         int // of the sender's network, -1 if it does not say
	errorCode    int

	unknown  [4]uint16 // required attributes that we do not know
	unknowns int

	raw       []byte
	integrity int // offset of MESSAGE-INTEGRITY, 0 if there is none
	print     int // offset of FINGERPRINT, 0 if there is none
}

// parse reads a whole datagram. Of attributes that are repeated the first
// counts, and after MESSAGE-INTEGRITY nothing does but FINGERPRINT (RFC 8489
// §14 and §14.5).
func (m *message) parse(pkt []byte) error {
	*m = message{raw: pkt, cost: -1}
	if !IsSTUN(pkt) || len(pkt) > maxMessage || int(binary.BigEndian.Uint16(pkt[2:])) != len(pkt)-headerSize {
		return ErrMalformed
	}
	m.class = class(binary.BigEndian.Uint16(pkt))
	switch m.class {
	case bindingRequest, bindingIndication, bindingSuccess, bindingError:
	default:
		return ErrMalformed
	}
	m.id = txID(pkt[8:headerSize])
	it := attributes{rest: pkt[headerSize:]}
	for at := headerSize; it.next(); at = len(pkt) - len(it.rest) {
		switch {
		case m.print != 0:
			return ErrMalformed // FINGERPRINT is not the last (RFC 8489 §14.7)
		case it.kind == attrFingerprint:
			if !fingerprintFits(pkt[:at], it.value) {
				return ErrMalformed
			}
			m.print = at
		case m.integrity != 0: // not protected
		default:
			if !m.attribute(it.kind, it.value, at) {
				return ErrMalformed
			}
		}
	}
	if it.bad {
		return ErrMalformed
	}
	return nil
}

// attribute takes one attribute; false if its value cannot be right.
func (m *message) attribute(kind uint16, v []byte, at int) bool {
	switch kind {
	case attrUsername:
		m.username = first(m.username, v)
		return len(v) <= 513 // RFC 8489 §14.3: less than 509; two halves of 256 and a colon
	case attrMessageIntegrity:
		m.integrity = at
		return len(v) == integritySize
	case attrXORMappedAddress:
		return m.xorMapped(v)
	case attrPriority:
		return len(v) == 4 && set(&m.priority, binary.BigEndian.Uint32(v))
	case attrUseCandidate:
		m.useCandidate = true
		return len(v) == 0
	case attrControlling, attrControlled:
		return m.roleAttribute(kind, v)
	case attrErrorCode:
		return m.errorAttribute(v)
	case attrNetworkInfo:
		if len(v) == 4 {
			m.cost = int(binary.BigEndian.Uint16(v[2:]))
		}
	case attrMappedAddress, attrUnknown, attrRealm, attrNonce, attrIntegritySHA256:
	default:
		if kind < 0x8000 && m.unknowns < len(m.unknown) {
			m.unknown[m.unknowns] = kind
			m.unknowns++
		}
	}
	return true
}

func first(old, v []byte) []byte {
	if old != nil {
		return old
	}
	return v
}

func set(p *uint32, v uint32) bool {
	if *p == 0 {
		*p = v
	}
	return true
}

func (m *message) roleAttribute(kind uint16, v []byte) bool {
	if len(v) != 8 {
		return false
	}
	if m.role == 0 {
		m.role, m.tieBreaker = Controlled, binary.BigEndian.Uint64(v)
		if kind == attrControlling {
			m.role = Controlling
		}
	}
	return true
}

func (m *message) errorAttribute(v []byte) bool {
	if len(v) < 4 || v[2]&7 < 3 || v[2]&7 > 6 || v[3] > 99 {
		return false
	}
	m.errorCode = int(v[2]&7)*100 + int(v[3])
	return true
}

// xorMapped reads XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
func (m *message) xorMapped(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	var mask [16]byte
	copy(mask[:], m.raw[4:headerSize])
	port := binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16
	switch {
	case v[1] == 1 && len(v) == 8:
		a := [4]byte(v[4:])
		for i := range a {
			a[i] ^= mask[i]
		}
		m.mapped = netip.AddrPortFrom(netip.AddrFrom4(a), port)
	case v[1] == 2 && len(v) == 20:
		a := [16]byte(v[4:])
		for i := range a {
			a[i] ^= mask[i]
		}
		m.mapped = netip.AddrPortFrom(netip.AddrFrom16(a), port)
	default:
		return false
	}
	return true
}

// fingerprintFits checks FINGERPRINT, whose length field counts itself; it is
// always last, so the header needs no change.
func fingerprintFits(before, value []byte) bool {
	return len(value) == fingerprintSize &&
		binary.BigEndian.Uint32(value) == crc32.ChecksumIEEE(before)^fingerprintXOR
}

// authentic checks MESSAGE-INTEGRITY (RFC 8489 §14.5) in constant time.
func (m *message) authentic(k *key) bool {
	if m.integrity == 0 || k == nil {
		return false
	}
	at := m.integrity + 4
	return k.equal(m.raw[:m.integrity], m.raw[at:at+integritySize])
}
