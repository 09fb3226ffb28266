package srtp

import "encoding/binary"

// suite is one cryptographic transform with its session keys. Lengths have
// been checked by the caller: dst has room, packets hold at least header,
// tag and, for RTCP, the index.
type suite interface {
	// sealRTP writes pkt, whose header ends at hdr, sealed to dst and returns
	// the length. dst and pkt start at the same byte or do not overlap.
	sealRTP(dst, pkt []byte, hdr int, ssrc uint32, index uint64) int
	// openRTP opens pkt in place and returns the plain length.
	openRTP(pkt []byte, hdr int, ssrc uint32, index uint64) (int, bool)
	// sealRTCP and openRTCP do the same for RTCP; eindex is the index with
	// the E flag as it stands in the packet.
	sealRTCP(dst, pkt []byte, ssrc uint32, eindex uint32) int
	openRTCP(pkt []byte, ssrc uint32) (int, bool)
	// rtcpIndex reads the index with the E flag of a sealed packet.
	rtcpIndex(pkt []byte) uint32
}

func newSuite(p Profile, key, salt []byte) (suite, error) {
	if !p.Valid() {
		return nil, ErrProfile
	}
	if len(key) != p.KeyLen() || len(salt) != p.SaltLen() {
		return nil, ErrKeyLength
	}
	rtp, rtcp := deriveRTP(key, salt), deriveRTCP(key, salt)
	if p == AEADAES128GCM {
		return newGCM(rtp, rtcp)
	}
	return newCM(rtp, rtcp)
}

// rtpHeaderLen returns where the payload of an RTP packet begins
// (RFC 3550 §5.1, §5.3.1), which is where encryption begins.
func rtpHeaderLen(pkt []byte) (int, bool) {
	if len(pkt) < rtpFixedHeaderLen || pkt[0]>>6 != 2 {
		return 0, false
	}
	n := rtpFixedHeaderLen + 4*int(pkt[0]&0x0f)
	if pkt[0]&0x10 != 0 {
		if len(pkt) < n+extensionHeaderLen {
			return 0, false
		}
		n += extensionHeaderLen + 4*int(binary.BigEndian.Uint16(pkt[n+2:]))
	}
	return n, n <= len(pkt)
}

func rtpSeq(pkt []byte) uint16   { return binary.BigEndian.Uint16(pkt[2:]) }
func rtpSSRC(pkt []byte) uint32  { return binary.BigEndian.Uint32(pkt[8:]) }
func rtcpSSRC(pkt []byte) uint32 { return binary.BigEndian.Uint32(pkt[4:]) }
