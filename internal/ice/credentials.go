package ice

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // STUN's MESSAGE-INTEGRITY is HMAC-SHA1 (RFC 8489 §14.5); ICE knows no other
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"io"
	mrand "math/rand/v2"
)

// alphabet has 32 letters, so that each stands for five random bits; all are
// ice-char (RFC 8839 §5.4) and need no escape anywhere.
const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

const (
	workerLetters = 2  // ten bits for a worker of eight; the other values are nobody's
	ufragLetters  = 10 // 40 random bits after the worker (RFC 8445 §5.3 wants 24)
	pwdLetters    = 26 // 130 random bits (RFC 8445 §5.3 wants 128)
)

// NewUfrag makes a local user fragment that tells the worker it belongs to.
// rnd is a cryptographic source; nil means crypto/rand.
func NewUfrag(worker uint8, rnd io.Reader) string {
	var b [ufragLetters]byte
	letters(b[workerLetters:], rnd)
	b[0] = alphabet[worker>>5]
	b[1] = alphabet[worker&31]
	return string(b[:])
}

// NewPwd makes a password. rnd is a cryptographic source; nil means crypto/rand.
func NewPwd(rnd io.Reader) string {
	var b [pwdLetters]byte
	letters(b[:], rnd)
	return string(b[:])
}

func letters(dst []byte, rnd io.Reader) {
	if rnd == nil {
		rnd = rand.Reader
	}
	if _, err := io.ReadFull(rnd, dst); err != nil {
		panic("ice: no random numbers: " + err.Error())
	}
	for i := range dst {
		dst[i] = alphabet[dst[i]&31]
	}
}

// WorkerOf tells which worker made a local user fragment; false if none did.
// It says nothing about whether the fragment is still in use.
func WorkerOf[T string | []byte](ufrag T) (worker uint8, ok bool) {
	if len(ufrag) != ufragLetters {
		return 0, false
	}
	for i := range len(ufrag) {
		if digit(ufrag[i]) < 0 {
			return 0, false
		}
	}
	n := digit(ufrag[0])<<5 | digit(ufrag[1])
	return uint8(n), n < 256
}

// digit is the value of a letter of the alphabet, or -1.
func digit(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= '2' && c <= '7':
		return int(c-'2') + 26
	}
	return -1
}

// validCredentials checks what a peer has told for length and characters
// (RFC 8839 §5.4).
func validCredentials(ufrag, pwd string) bool {
	return len(ufrag) >= 4 && len(ufrag) <= 256 && len(pwd) >= 22 && len(pwd) <= 256 &&
		iceChars(ufrag) && iceChars(pwd)
}

func iceChars(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// newSource makes random numbers that nobody can guess, for transaction ids.
func newSource() mrand.Source {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	return mrand.NewChaCha8(seed)
}

// key makes and checks MESSAGE-INTEGRITY with one password. It keeps the
// state of the hash, so that using it allocates nothing.
type key struct {
	mac    hash.Hash
	header [headerSize]byte
	buf    [integritySize]byte
}

func newKey(pwd string) *key {
	return &key{mac: hmac.New(sha1.New, []byte(pwd))}
}

// sum writes the integrity of the part of a message before the attribute;
// the header is hashed as if the message ended with it (RFC 8489 §14.5).
func (k *key) sum(dst, before []byte) {
	copy(k.header[:], before)
	binary.BigEndian.PutUint16(k.header[2:], uint16(len(before)-headerSize+4+integritySize))
	k.mac.Reset()
	k.mac.Write(k.header[:])
	k.mac.Write(before[headerSize:])
	copy(dst, k.mac.Sum(k.buf[:0]))
}

func (k *key) equal(before, want []byte) bool {
	var got [integritySize]byte
	k.sum(got[:], before)
	return subtle.ConstantTimeCompare(got[:], want) == 1
}
