package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1" // RFC 3711 §4.2.1; HMAC-SHA1 is not broken
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// keyStreamLen is how much key stream is made before it is applied: large
// enough that most packets need one round, small enough to stay in cache.
const keyStreamLen = 96 * aes.BlockSize

// cm is AES_CM_128_HMAC_SHA1_80 (RFC 3711 §4.1.1, §4.2.1).
type cm struct {
	rtp, rtcp         cipher.Block
	rtpAuth, rtcpAuth hash.Hash
	rtpSalt, rtcpSalt [cmSaltLen]byte
	counter           [aes.BlockSize]byte
	roc               [4]byte
	tag               [authKeyLen]byte
	stream            [keyStreamLen]byte
}

func newCM(rtp, rtcp sessionKeys) (*cm, error) {
	c := &cm{rtpSalt: rtp.salt, rtcpSalt: rtcp.salt}
	c.rtpAuth = hmac.New(sha1.New, rtp.auth[:])
	c.rtcpAuth = hmac.New(sha1.New, rtcp.auth[:])
	var err error
	if c.rtp, err = aes.NewCipher(rtp.key[:]); err != nil {
		return nil, err
	}
	c.rtcp, err = aes.NewCipher(rtcp.key[:])
	return c, err
}

// setIV forms the counter block of RFC 3711 §4.1.1:
// (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16).
func (c *cm) setIV(salt *[cmSaltLen]byte, ssrc uint32, index uint64) {
	b := &c.counter
	copy(b[:], salt[:])
	b[14], b[15] = 0, 0
	binary.BigEndian.PutUint32(b[4:], binary.BigEndian.Uint32(b[4:])^ssrc)
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])^index<<16)
}

// xor applies the key stream that begins at the counter to src. A packet is
// shorter than 2^16 blocks, so that only the last two bytes count.
//
// The standard library's CTR mode is not used because it has to be allocated
// anew for every packet.
func (c *cm) xor(block cipher.Block, dst, src []byte) {
	for next := uint16(0); len(src) > 0; {
		part := min(len(src), keyStreamLen)
		for i := 0; i < part; i += aes.BlockSize {
			binary.BigEndian.PutUint16(c.counter[14:], next)
			block.Encrypt(c.stream[i:i+aes.BlockSize], c.counter[:])
			next++
		}
		subtle.XORBytes(dst, src[:part], c.stream[:part])
		dst, src = dst[part:], src[part:]
	}
}

// rtpTag computes the tag over the packet and the roll-over counter
// (RFC 3711 §4.2) into c.tag.
func (c *cm) rtpTag(pkt []byte, index uint64) []byte {
	binary.BigEndian.PutUint32(c.roc[:], uint32(index>>16))
	c.rtpAuth.Reset()
	c.rtpAuth.Write(pkt)
	c.rtpAuth.Write(c.roc[:])
	return c.rtpAuth.Sum(c.tag[:0])[:cmTagLen]
}

// rtcpTag computes the tag over the packet with its index.
func (c *cm) rtcpTag(pkt []byte) []byte {
	c.rtcpAuth.Reset()
	c.rtcpAuth.Write(pkt)
	return c.rtcpAuth.Sum(c.tag[:0])[:cmTagLen]
}

func (c *cm) sealRTP(dst, pkt []byte, hdr int, ssrc uint32, index uint64) int {
	copy(dst[:hdr], pkt[:hdr])
	c.setIV(&c.rtpSalt, ssrc, index)
	c.xor(c.rtp, dst[hdr:], pkt[hdr:])
	n := len(pkt)
	return n + copy(dst[n:], c.rtpTag(dst[:n], index))
}

func (c *cm) openRTP(pkt []byte, hdr int, ssrc uint32, index uint64) (int, bool) {
	n := len(pkt) - cmTagLen
	if subtle.ConstantTimeCompare(c.rtpTag(pkt[:n], index), pkt[n:]) != 1 {
		return 0, false
	}
	c.setIV(&c.rtpSalt, ssrc, index)
	c.xor(c.rtp, pkt[hdr:n], pkt[hdr:n])
	return n, true
}

func (c *cm) sealRTCP(dst, pkt []byte, ssrc, eindex uint32) int {
	copy(dst[:rtcpHeaderLen], pkt[:rtcpHeaderLen])
	c.setIV(&c.rtcpSalt, ssrc, uint64(eindex&^encryptedFlag))
	c.xor(c.rtcp, dst[rtcpHeaderLen:], pkt[rtcpHeaderLen:])
	n := len(pkt)
	binary.BigEndian.PutUint32(dst[n:], eindex)
	n += rtcpIndexLen
	return n + copy(dst[n:], c.rtcpTag(dst[:n]))
}

func (c *cm) openRTCP(pkt []byte, ssrc uint32) (int, bool) {
	signed := len(pkt) - cmTagLen
	if subtle.ConstantTimeCompare(c.rtcpTag(pkt[:signed]), pkt[signed:]) != 1 {
		return 0, false
	}
	n := signed - rtcpIndexLen
	if eindex := c.rtcpIndex(pkt); eindex&encryptedFlag != 0 {
		c.setIV(&c.rtcpSalt, ssrc, uint64(eindex&^encryptedFlag))
		c.xor(c.rtcp, pkt[rtcpHeaderLen:n], pkt[rtcpHeaderLen:n])
	}
	return n, true
}

func (c *cm) rtcpIndex(pkt []byte) uint32 {
	return binary.BigEndian.Uint32(pkt[len(pkt)-cmTagLen-rtcpIndexLen:])
}
