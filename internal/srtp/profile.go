package srtp

import "errors"

// Profile is an SRTP protection profile. Its values are the numbers DTLS-SRTP
// negotiates (RFC 5764 §4.1.2, RFC 7714 §14.2).
type Profile uint16

// The profiles that are implemented, best first.
const (
	AEADAES128GCM      Profile = 0x0007 // RFC 7714
	AES128CMHMACSHA180 Profile = 0x0001 // RFC 3711
)

// Limits, see the package comment.
const (
	DefaultMaxSSRCs       = 256   // SSRCs an Opener remembers, unless told otherwise
	DefaultMaxSealedSSRCs = 16384 // SSRCs a Sealer remembers, unless told otherwise
	ReplayWindow          = 1024  // packets per SSRC, RTP received
	ReplayWindowRTCP      = 128   // packets per SSRC, RTCP received
	SealWindow            = 512   // packets per SSRC, RTP sealed out of order

	// MaxOverheadRTP and MaxOverheadRTCP are how many bytes sealing adds to a
	// packet with the profile that adds most.
	MaxOverheadRTP  = gcmTagLen
	MaxOverheadRTCP = gcmTagLen + rtcpIndexLen
)

const (
	masterKeyLen  = 16
	gcmTagLen     = 16
	cmTagLen      = 10
	rtcpIndexLen  = 4
	encryptedFlag = 1 << 31   // of the word that holds the SRTCP index (RFC 3711 §3.4)
	maxSRTCPIndex = 1<<31 - 1 // RFC 3711 §9.2
	maxRTPIndex   = 1<<48 - 1

	rtcpHeaderLen      = 8 // the first packet's header and sender SSRC stay clear
	rtpFixedHeaderLen  = 12
	extensionHeaderLen = 4
)

// Profiles lists the profiles in the order in which a server prefers them.
// AES-GCM costs a fraction of HMAC-SHA1.
func Profiles() []Profile { return []Profile{AEADAES128GCM, AES128CMHMACSHA180} }

// String returns the name IANA registered for the profile.
func (p Profile) String() string {
	switch p {
	case AEADAES128GCM:
		return "SRTP_AEAD_AES_128_GCM"
	case AES128CMHMACSHA180:
		return "SRTP_AES128_CM_HMAC_SHA1_80"
	}
	return "unknown SRTP profile"
}

// Valid reports whether the profile is implemented.
func (p Profile) Valid() bool { return p == AEADAES128GCM || p == AES128CMHMACSHA180 }

// KeyLen is the length of the master key in bytes.
func (p Profile) KeyLen() int { return masterKeyLen }

// SaltLen is the length of the master salt in bytes: 12 for AES-GCM
// (RFC 7714 §12), 14 for AES-CM (RFC 3711 §8.2).
func (p Profile) SaltLen() int {
	if p == AEADAES128GCM {
		return 12
	}
	return 14
}

// OverheadRTP is how many bytes sealing adds to an RTP packet.
func (p Profile) OverheadRTP() int {
	if p == AEADAES128GCM {
		return gcmTagLen
	}
	return cmTagLen
}

// OverheadRTCP is how many bytes sealing adds to an RTCP packet.
func (p Profile) OverheadRTCP() int { return p.OverheadRTP() + rtcpIndexLen }

// Errors of this package. None of them carries details of the packet, so that
// returning one costs no memory.
var (
	// ErrProfile: the profile is not implemented.
	ErrProfile = errors.New("srtp: unknown protection profile")
	// ErrKeyLength: the master key or salt does not have the profile's length.
	ErrKeyLength = errors.New("srtp: wrong length of master key or salt")
	// ErrShort: the packet ends before its headers or tag do, or is not RTP.
	ErrShort = errors.New("srtp: packet malformed or too short")
	// ErrAuth: the packet is not authentic. Its bytes are undefined afterwards.
	ErrAuth = errors.New("srtp: authentication failed")
	// ErrReplay: the packet was seen before, or is older than the window.
	ErrReplay = errors.New("srtp: replayed or too old")
	// ErrTooManySSRCs: no more SSRCs are remembered.
	ErrTooManySSRCs = errors.New("srtp: too many SSRCs")
	// ErrNonceReuse: sealing the packet would use a key stream twice.
	ErrNonceReuse = errors.New("srtp: index was sealed before")
	// ErrSSRC: the packet is not of the SSRC that is being sealed.
	ErrSSRC = errors.New("srtp: packet of another SSRC")
	// ErrKeyExhausted: the key has protected as much as it may (RFC 3711 §9.2).
	ErrKeyExhausted = errors.New("srtp: key exhausted")
	// ErrBuffer: dst has no room for the sealed packet.
	ErrBuffer = errors.New("srtp: destination too small")
)
