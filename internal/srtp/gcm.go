package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

const gcmNonceLen = 12

// gcm is AEAD_AES_128_GCM (RFC 7714). The nonce and the associated data of
// RTCP live in the struct because memory handed to an interface would
// otherwise be allocated for every packet.
type gcm struct {
	// Of every RTP packet; together, so that they are in the cache together.
	rtp     cipher.AEAD
	rtpSalt [gcmNonceLen]byte
	nonce   [gcmNonceLen]byte

	rtcp     cipher.AEAD
	rtcpSalt [gcmNonceLen]byte
	aad      [rtcpHeaderLen + rtcpIndexLen]byte
	clearAAD []byte // grown once, for RTCP that is only authenticated
}

func newGCM(rtp, rtcp sessionKeys) (*gcm, error) {
	g := &gcm{}
	copy(g.rtpSalt[:], rtp.salt[:])
	copy(g.rtcpSalt[:], rtcp.salt[:])
	var err error
	if g.rtp, err = newAEAD(rtp.key[:]); err != nil {
		return nil, err
	}
	g.rtcp, err = newAEAD(rtcp.key[:])
	return g, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// rtpNonce forms the nonce of RFC 7714 §8.1: 00 00 || SSRC || ROC || SEQ,
// exclusive-or the salt. ROC || SEQ is the 48-bit index.
func (g *gcm) rtpNonce(ssrc uint32, index uint64) []byte {
	n := &g.nonce
	n[0], n[1] = 0, 0
	binary.BigEndian.PutUint32(n[2:], ssrc)
	binary.BigEndian.PutUint32(n[6:], uint32(index>>16))
	binary.BigEndian.PutUint16(n[10:], uint16(index))
	xorInto(n, &g.rtpSalt)
	return n[:]
}

// rtcpNonce forms the nonce of RFC 7714 §9.1: 00 00 || SSRC || 00 00 || 0 ||
// SRTCP index, exclusive-or the salt.
func (g *gcm) rtcpNonce(ssrc, eindex uint32) []byte {
	n := &g.nonce
	clear(n[:])
	binary.BigEndian.PutUint32(n[2:], ssrc)
	binary.BigEndian.PutUint32(n[8:], eindex&^encryptedFlag)
	xorInto(n, &g.rtcpSalt)
	return n[:]
}

func xorInto(n, salt *[gcmNonceLen]byte) {
	for i := range n {
		n[i] ^= salt[i]
	}
}

// rtcpAAD forms the associated data of encrypted RTCP (RFC 7714 §9.2): the
// first 8 bytes and the word with the index.
func (g *gcm) rtcpAAD(pkt []byte, eindex uint32) []byte {
	copy(g.aad[:rtcpHeaderLen], pkt)
	binary.BigEndian.PutUint32(g.aad[rtcpHeaderLen:], eindex)
	return g.aad[:]
}

func (g *gcm) sealRTP(dst, pkt []byte, hdr int, ssrc uint32, index uint64) int {
	copy(dst[:hdr], pkt[:hdr])
	out := g.rtp.Seal(dst[hdr:hdr], g.rtpNonce(ssrc, index), pkt[hdr:], dst[:hdr])
	return hdr + len(out)
}

func (g *gcm) openRTP(pkt []byte, hdr int, ssrc uint32, index uint64) (int, bool) {
	out, err := g.rtp.Open(pkt[hdr:hdr], g.rtpNonce(ssrc, index), pkt[hdr:], pkt[:hdr])
	return hdr + len(out), err == nil
}

func (g *gcm) sealRTCP(dst, pkt []byte, ssrc, eindex uint32) int {
	copy(dst[:rtcpHeaderLen], pkt[:rtcpHeaderLen])
	out := g.rtcp.Seal(dst[rtcpHeaderLen:rtcpHeaderLen], g.rtcpNonce(ssrc, eindex),
		pkt[rtcpHeaderLen:], g.rtcpAAD(pkt, eindex))
	n := rtcpHeaderLen + len(out)
	binary.BigEndian.PutUint32(dst[n:], eindex)
	return n + rtcpIndexLen
}

func (g *gcm) openRTCP(pkt []byte, ssrc uint32) (int, bool) {
	eindex := g.rtcpIndex(pkt)
	body := pkt[:len(pkt)-rtcpIndexLen]
	if eindex&encryptedFlag == 0 {
		return g.openClearRTCP(body, ssrc, eindex)
	}
	out, err := g.rtcp.Open(body[rtcpHeaderLen:rtcpHeaderLen], g.rtcpNonce(ssrc, eindex),
		body[rtcpHeaderLen:], g.rtcpAAD(pkt, eindex))
	return rtcpHeaderLen + len(out), err == nil
}

// openClearRTCP checks RTCP that is authenticated only (RFC 7714 §9.3): the
// associated data are the whole packet and the word with the index, which do
// not lie side by side in the packet.
func (g *gcm) openClearRTCP(body []byte, ssrc, eindex uint32) (int, bool) {
	n := len(body) - gcmTagLen
	g.clearAAD = append(g.clearAAD[:0], body[:n]...)
	g.clearAAD = binary.BigEndian.AppendUint32(g.clearAAD, eindex)
	_, err := g.rtcp.Open(body[n:n], g.rtcpNonce(ssrc, eindex), body[n:], g.clearAAD)
	return n, err == nil
}

func (g *gcm) rtcpIndex(pkt []byte) uint32 {
	return binary.BigEndian.Uint32(pkt[len(pkt)-rtcpIndexLen:])
}
