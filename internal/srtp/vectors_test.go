package srtp

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"strings"
	"testing"
)

// unhex decodes hexadecimal with any white space in it.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 3711 appendix B.3.
func TestKeyDerivationVectors(t *testing.T) {
	s := deriveRTP(unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139"), unhex(t, "0EC675AD498AFEEBB6960B3AABE6"))
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"cipher key", s.key[:], "C61E7A93744F39EE10734AFE3FF7A087"},
		{"cipher salt", s.salt[:], "30CBBC08863D8C85D49DB34A9AE1"},
		{"auth key", s.auth[:], "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s: got %X, want %s", c.name, c.got, c.want)
		}
	}
}

// RFC 3711 appendix B.2.
func TestCounterModeVectors(t *testing.T) {
	var keys sessionKeys
	copy(keys.key[:], unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"))
	copy(keys.salt[:], unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"))
	c, err := newCM(keys, keys)
	if err != nil {
		t.Fatal(err)
	}
	stream := make([]byte, 0xff02*aes.BlockSize)
	c.setIV(&c.rtpSalt, 0, 0)
	c.xor(c.rtp, stream, stream)
	for block, want := range map[int]string{
		0x0000: "E03EAD0935C95E80E166B16DD92B4EB4",
		0x0001: "D23513162B02D0F72A43A2FE4A5F97AB",
		0x0002: "41E95B3BB0A2E8DD477901E4FCA894C0",
		0xfeff: "EC8CDF7398607CB0F2D21675EA9EA1E4",
		0xff00: "362B7C3C6773516318A077D7FC5073AE",
		0xff01: "6A2CC3787889374FBEB4C81B17BA6C44",
	} {
		if got := stream[block*16:][:16]; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("block %04x: got %X, want %s", block, got, want)
		}
	}
}

// rfc7714 makes the transform of RFC 7714 §16 and §17, whose keys are session
// keys already.
func rfc7714(t *testing.T) *gcm {
	var keys sessionKeys
	copy(keys.key[:], unhex(t, "000102030405060708090a0b0c0d0e0f"))
	copy(keys.salt[:], unhex(t, "51756964 2070726f 2071756f"))
	g, err := newGCM(keys, keys)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// RFC 7714 §16.1.1 and §16.1.2.
func TestGCMVectorRTP(t *testing.T) {
	g := rfc7714(t)
	plain := unhex(t, `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
		69736120 696e2070 61727465 73207472 6573`)
	want := unhex(t, `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
		0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`)
	dst := make([]byte, len(plain)+gcmTagLen)
	n := g.sealRTP(dst, plain, 12, 0x5501a0b2, 0xf17b)
	if !bytes.Equal(dst[:n], want) {
		t.Fatalf("sealed\n%x, want\n%x", dst[:n], want)
	}
	n, ok := g.openRTP(dst, 12, 0x5501a0b2, 0xf17b)
	if !ok || !bytes.Equal(dst[:n], plain) {
		t.Fatalf("opened %v %x", ok, dst[:n])
	}
}

// RFC 7714 §17.1 and §17.2.
func TestGCMVectorRTCP(t *testing.T) {
	g := rfc7714(t)
	plain := unhex(t, `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
		deadbeef deadbeef deadbeef deadbeef deadbeef`)
	want := unhex(t, `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
		c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`)
	dst := make([]byte, len(plain)+gcmTagLen+rtcpIndexLen)
	n := g.sealRTCP(dst, plain, 0x4d617273, 0x5d4|encryptedFlag)
	if !bytes.Equal(dst[:n], want) {
		t.Fatalf("sealed\n%x, want\n%x", dst[:n], want)
	}
	n, ok := g.openRTCP(dst, 0x4d617273)
	if !ok || !bytes.Equal(dst[:n], plain) {
		t.Fatalf("opened %v %x", ok, dst[:n])
	}
}
