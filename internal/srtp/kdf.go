package srtp

import (
	"crypto/aes"
	"crypto/cipher"
)

// Key derivation labels (RFC 3711 §4.3.2).
const (
	labelRTPKey byte = iota
	labelRTPAuth
	labelRTPSalt
	labelRTCPKey
	labelRTCPAuth
	labelRTCPSalt
)

const (
	authKeyLen = 20 // RFC 3711 §5.2
	cmSaltLen  = 14
)

// sessionKeys are the keys of one direction and one of RTP and RTCP.
type sessionKeys struct {
	key  [masterKeyLen]byte
	auth [authKeyLen]byte // unused with AES-GCM
	salt [cmSaltLen]byte  // AES-GCM uses the first 12 bytes
}

// derive computes session keys from master keys (RFC 3711 §4.3.1) with a key
// derivation rate of zero. A salt of 12 bytes is extended with zeros on its
// right (RFC 7714 §11).
func derive(key, salt []byte, labels [3]byte) sessionKeys {
	var s sessionKeys
	prf(s.key[:], key, salt, labels[0])
	prf(s.auth[:], key, salt, labels[1])
	prf(s.salt[:], key, salt, labels[2])
	return s
}

func deriveRTP(key, salt []byte) sessionKeys {
	return derive(key, salt, [3]byte{labelRTPKey, labelRTPAuth, labelRTPSalt})
}

func deriveRTCP(key, salt []byte) sessionKeys {
	return derive(key, salt, [3]byte{labelRTCPKey, labelRTCPAuth, labelRTCPSalt})
}

// prf fills out with the AES-CM key stream for a label (RFC 3711 §4.3.3).
func prf(out, key, salt []byte, label byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("srtp: key length was not checked: " + err.Error())
	}
	var iv [aes.BlockSize]byte
	copy(iv[:cmSaltLen], salt)
	iv[7] ^= label // key_id = label || index 0 of 48 bits, right-aligned with the salt
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
}
