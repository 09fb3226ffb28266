package srtp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"math/big"
)

// twin is SRTP with the plainest possible code: indices are given, nothing is
// kept between packets, numbers are big integers, GCM is a multiplication bit
// by bit.
type twin struct {
	profile   Profile
	key, salt []byte
}

// keystream returns n bytes of AES counter mode from a counter block.
func keystream(key []byte, counter *big.Int, n int) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, n)
	cipher.NewCTR(block, counter.FillBytes(make([]byte, 16))).XORKeyStream(out, out)
	return out
}

// session derives a session key (RFC 3711 §4.3.1): x = label * 2^48 xor salt,
// counter = x * 2^16.
func (t *twin) session(label int64, n int) []byte {
	salt := make([]byte, 14)
	copy(salt, t.salt)
	x := new(big.Int).Xor(new(big.Int).Lsh(big.NewInt(label), 48), new(big.Int).SetBytes(salt))
	return keystream(t.key, x.Lsh(x, 16), n)
}

func xorBytes(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}

// counterMode is RFC 3711 §4.1.1.
func counterMode(key, salt, data []byte, ssrc uint32, index uint64) []byte {
	iv := new(big.Int).Lsh(new(big.Int).SetBytes(salt), 16)
	iv.Xor(iv, new(big.Int).Lsh(big.NewInt(int64(ssrc)), 64))
	iv.Xor(iv, new(big.Int).Lsh(new(big.Int).SetUint64(index), 16))
	return xorBytes(data, keystream(key, iv, len(data)))
}

func tag80(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha1.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:10]
}

// gf multiplies in GF(2^128) as NIST SP 800-38D §6.3 defines it.
func gf(x, y *big.Int) *big.Int {
	r := new(big.Int).Lsh(big.NewInt(0xe1), 120)
	z, v := new(big.Int), new(big.Int).Set(y)
	for i := 127; i >= 0; i-- {
		if x.Bit(i) == 1 {
			z.Xor(z, v)
		}
		low := v.Bit(0)
		v.Rsh(v, 1)
		if low == 1 {
			v.Xor(v, r)
		}
	}
	return z
}

// seal is GCM (NIST SP 800-38D §7.1) with a nonce of 12 bytes.
func gcmSeal(key, nonce, plain, aad []byte) []byte {
	block, _ := aes.NewCipher(key)
	hash := make([]byte, 16)
	block.Encrypt(hash, hash)
	h := new(big.Int).SetBytes(hash)
	j0 := new(big.Int).SetBytes(append(append([]byte{}, nonce...), 0, 0, 0, 1))
	text := xorBytes(plain, keystream(key, new(big.Int).Add(j0, big.NewInt(1)), len(plain)))

	var all []byte
	for _, part := range [][]byte{aad, text} {
		all = append(all, part...)
		for len(all)%16 != 0 {
			all = append(all, 0)
		}
	}
	all = binary.BigEndian.AppendUint64(all, uint64(len(aad))*8)
	all = binary.BigEndian.AppendUint64(all, uint64(len(text))*8)
	y := new(big.Int)
	for i := 0; i < len(all); i += 16 {
		y = gf(new(big.Int).Xor(y, new(big.Int).SetBytes(all[i:i+16])), h)
	}
	return append(text, xorBytes(y.FillBytes(make([]byte, 16)), keystream(key, j0, 16))...)
}

func (t *twin) sealRTP(pkt []byte, hdr int, index uint64) []byte {
	ssrc := binary.BigEndian.Uint32(pkt[8:])
	head, payload := pkt[:hdr], pkt[hdr:]
	roc := binary.BigEndian.AppendUint32(nil, uint32(index>>16))
	if t.profile == AEADAES128GCM {
		nonce := binary.BigEndian.AppendUint32([]byte{0, 0}, ssrc)
		nonce = append(nonce, roc...)
		nonce = append(nonce, pkt[2], pkt[3])
		text := gcmSeal(t.session(0, 16), xorBytes(nonce, t.session(2, 12)), payload, head)
		return append(append([]byte{}, head...), text...)
	}
	out := append(append([]byte{}, head...), counterMode(t.session(0, 16), t.session(2, 14), payload, ssrc, index)...)
	return append(out, tag80(t.session(1, 20), out, roc)...)
}

func (t *twin) sealRTCP(pkt []byte, index uint32) []byte {
	ssrc := binary.BigEndian.Uint32(pkt[4:])
	word := binary.BigEndian.AppendUint32(nil, index|1<<31)
	if t.profile == AEADAES128GCM {
		nonce := binary.BigEndian.AppendUint32([]byte{0, 0}, ssrc)
		nonce = append(nonce, 0, 0)
		nonce = binary.BigEndian.AppendUint32(nonce, index)
		aad := append(append([]byte{}, pkt[:8]...), word...)
		text := gcmSeal(t.session(3, 16), xorBytes(nonce, t.session(5, 12)), pkt[8:], aad)
		return append(append(append([]byte{}, pkt[:8]...), text...), word...)
	}
	out := append(append([]byte{}, pkt[:8]...),
		counterMode(t.session(3, 16), t.session(5, 14), pkt[8:], ssrc, uint64(index))...)
	out = append(out, word...)
	return append(out, tag80(t.session(4, 20), out)...)
}

// sealClearRTCP only authenticates (E flag 0).
func (t *twin) sealClearRTCP(pkt []byte, index uint32) []byte {
	word := binary.BigEndian.AppendUint32(nil, index)
	out := append([]byte{}, pkt...)
	if t.profile == AEADAES128GCM {
		nonce := append([]byte{0, 0}, pkt[4:8]...)
		nonce = append(nonce, 0, 0)
		nonce = append(nonce, word...)
		aad := append(append([]byte{}, pkt...), word...)
		return append(append(out, gcmSeal(t.session(3, 16), xorBytes(nonce, t.session(5, 12)), nil, aad)...), word...)
	}
	out = append(out, word...)
	return append(out, tag80(t.session(4, 20), out)...)
}
