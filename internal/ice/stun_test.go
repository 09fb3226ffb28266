package ice

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// unhex reads a dump with spaces and line ends.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The test vectors of RFC 5769 §2.1 to §2.3.
const (
	vectorPwd = "VOkJxbRl1RmTxUk/WvJxBt"

	vectorRequest = `00010058 2112a442 b7e7a701bc34d686fa87dfae
		80220010 5354554e207465737420636c69656e74 00240004 6e0001ff
		80290008 932ff9b151263b36 00060009 6576746a3a68367659202020
		00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf`
	vectorIPv4 = `0101003c 2112a442 b7e7a701bc34d686fa87dfae
		8022000b 7465737420766563746f7220 00200008 0001a147e112a643
		00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`
	vectorIPv6 = `01010048 2112a442 b7e7a701bc34d686fa87dfae
		8022000b 7465737420766563746f7220
		00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
		00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`
)

func TestVectorsOfRFC5769(t *testing.T) {
	k := newKey(vectorPwd)
	var m message
	if err := m.parse(unhex(t, vectorRequest)); err != nil {
		t.Fatal(err)
	}
	if m.class != bindingRequest || string(m.username) != "evtj:h6vY" || m.priority != 0x6e0001ff ||
		m.role != Controlled || m.tieBreaker != 0x932ff9b151263b36 || m.print == 0 || m.unknowns != 0 {
		t.Errorf("request: %+v", m)
	}
	for _, tc := range []struct{ dump, mapped string }{
		{vectorIPv4, "192.0.2.1:32853"},
		{vectorIPv6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
	} {
		pkt := unhex(t, tc.dump)
		if err := m.parse(pkt); err != nil {
			t.Fatal(err)
		}
		if m.class != bindingSuccess || m.mapped.String() != tc.mapped || !m.authentic(k) {
			t.Errorf("response: %v, authentic %v", m.mapped, m.authentic(k))
		}
	}
	pkt := unhex(t, vectorRequest)
	if err := m.parse(pkt); err != nil || !m.authentic(k) || m.authentic(newKey(vectorPwd+"x")) {
		t.Errorf("integrity of the request: %v", err)
	}
}

// Every bit of a message is protected by FINGERPRINT, and every bit before
// MESSAGE-INTEGRITY by that.
func TestEveryBitCounts(t *testing.T) {
	k := newKey(vectorPwd)
	pkt := unhex(t, vectorRequest)
	var m message
	_ = m.parse(pkt)
	end := m.integrity
	for i := range len(pkt) * 8 {
		pkt[i/8] ^= 1 << (i % 8)
		if err := m.parse(pkt); err == nil && m.print != 0 {
			t.Errorf("bit %d of byte %d may change", i%8, i/8)
		}
		if i/8 < end && i/8 >= 4 && m.integrity == end && m.authentic(k) {
			t.Errorf("bit %d of byte %d is not authenticated", i%8, i/8)
		}
		pkt[i/8] ^= 1 << (i % 8)
	}
}

// build makes a message of raw attributes with a right length field.
func build(c class, attrs ...string) []byte {
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint16(b, uint16(c))
	binary.BigEndian.PutUint32(b[4:], magicCookie)
	for _, a := range attrs {
		raw, err := hex.DecodeString(strings.ReplaceAll(a, " ", ""))
		if err != nil {
			panic(err)
		}
		b = append(b, raw...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize))
	return b
}

// fingerprintFirst makes a message whose FINGERPRINT is right but not last.
func fingerprintFirst() []byte {
	b := build(bindingRequest, "8028 0004 00000000", "0025 0000")
	binary.BigEndian.PutUint32(b[headerSize+4:], crc32.ChecksumIEEE(b[:headerSize])^fingerprintXOR)
	return b
}

func TestParseRefuses(t *testing.T) {
	for name, pkt := range map[string][]byte{
		"empty":                {},
		"short":                build(bindingRequest)[:19],
		"no cookie":            make([]byte, 20),
		"other method":         build(0x0003),
		"longer than it says":  append(build(bindingRequest), 0),
		"shorter than it says": build(bindingRequest, "00250000")[:20],
		"huge":                 build(bindingRequest, strings.Repeat("80220000", 600)),
		"attribute too long":   build(bindingRequest, "00250001"),
		"attribute cut":        build(bindingRequest, "8022 0008 00000000"),
		"half an attribute":    build(bindingRequest, "0025"),
		"priority of 3":        build(bindingRequest, "0024 0003 01020300"),
		"role of 4":            build(bindingRequest, "8029 0004 01020304"),
		"use-candidate of 4":   build(bindingRequest, "0025 0004 01020304"),
		"integrity of 4":       build(bindingRequest, "0008 0004 01020304"),
		"error of 2":           build(bindingError, "0009 0002 01020000"),
		"error class 7":        build(bindingError, "0009 0004 00000700"),
		"error number 100":     build(bindingError, "0009 0004 00000464"),
		"mapped of 4":          build(bindingSuccess, "0020 0004 00010000"),
		"mapped family 3":      build(bindingSuccess, "0020 0008 0003 0000 00000000"),
		"mapped v6 of 8":       build(bindingSuccess, "0020 0008 0002 0000 00000000"),
		"wrong fingerprint":    build(bindingRequest, "8028 0004 00000000"),
		"fingerprint first":    fingerprintFirst(),
	} {
		var m message
		if err := m.parse(pkt); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseTakes(t *testing.T) {
	var m message
	pkt := build(bindingRequest, "0006 0003 613a6200", "0006 0003 783a7900", // the first counts
		"c057 0004 0001 000a", "0024 0004 6e0001ff", "7777 0000", "0026 0001 00000000", "f777 0000",
		"0008 0014"+strings.Repeat("00", 20), "0025 0000") // after integrity nothing counts
	if err := m.parse(pkt); err != nil {
		t.Fatal(err)
	}
	if string(m.username) != "a:b" || m.cost != 10 || m.unknowns != 2 || m.unknown != [4]uint16{0x7777, 0x26} ||
		m.useCandidate || m.integrity == 0 || m.print != 0 {
		t.Errorf("%+v", m)
	}
	pkt = build(bindingError, "0009 0007 00000457 61626300", strings.Repeat("7777 0000", 9))
	if err := m.parse(pkt); err != nil || m.errorCode != 487 || m.unknowns != 4 {
		t.Errorf("%v, %+v", err, m)
	}
}

// What the writer builds, the parser reads.
func TestWriteAndParse(t *testing.T) {
	k := newKey("a password of 22 chars")
	id := txID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	var dst [MaxMessage]byte
	for i := range dst {
		dst[i] = 0xFF // padding must be cleared
	}
	for _, addr := range []string{"192.0.2.1:1", "[2001:db8::1]:65535"} {
		w := newWriter(dst[:], bindingSuccess, &id)
		w.xorMapped(netip.MustParseAddrPort(addr))
		w.errorCode(420)
		w.unknown([]uint16{1, 2, 3})
		var m message
		if err := m.parse(dst[:w.finish(k)]); err != nil {
			t.Fatal(err)
		}
		if m.mapped.String() != addr || m.errorCode != 420 || m.id != id || !m.authentic(k) || m.print == 0 {
			t.Errorf("%+v", m)
		}
	}
	w := newWriter(dst[:], bindingRequest, &id)
	w.username(strings.Repeat("r", 256), strings.Repeat("l", ufragLetters))
	w.uint32(attrPriority, 5)
	w.uint64(attrControlling, 6)
	w.attr(attrUseCandidate, 0)
	n := w.finish(k)
	var m message
	if err := m.parse(dst[:n]); err != nil || len(m.username) != 256+1+ufragLetters || m.priority != 5 ||
		m.role != Controlling || m.tieBreaker != 6 || !m.useCandidate {
		t.Errorf("%v, %+v", err, m)
	}
	if !bytes.Equal(dst[n:], bytes.Repeat([]byte{0xFF}, len(dst)-n)) {
		t.Error("memory after the message was written to")
	}
}

func TestPeekUsername(t *testing.T) {
	for name, tc := range map[string]struct {
		pkt  []byte
		want string
	}{
		"vector":       {unhex(t, vectorRequest), "evtj"},
		"response":     {unhex(t, vectorIPv4), ""},
		"no username":  {build(bindingRequest, "80220000"), ""},
		"no colon":     {build(bindingRequest, "0006 0002 61620000"), ""},
		"no half":      {build(bindingRequest, "0006 0002 3a620000"), ""},
		"garbage":      {[]byte("no STUN message, but long enough"), ""},
		"cut":          {unhex(t, vectorRequest)[:21], ""},
		"too long":     {build(bindingRequest, strings.Repeat("80220000", 600), "0006 0003 613a6200"), ""},
		"length wrong": {append(build(bindingRequest, "0006 0003 613a6200"), 9, 9, 9), "a"},
	} {
		got, ok := PeekUsername(tc.pkt)
		if string(got) != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
}

func TestPeekUsernameAllocatesNothing(t *testing.T) {
	allocs.None(t, allocs.Many, func() { PeekUsername(unhexed) })
}

var unhexed, _ = hex.DecodeString(strings.Join(strings.Fields(vectorRequest), ""))

func FuzzParse(f *testing.F) {
	for _, v := range []string{vectorRequest, vectorIPv4, vectorIPv6} {
		f.Add(unhex(f, v))
	}
	f.Add(build(bindingError, "0009 0004 00000457"))
	k := newKey(vectorPwd)
	f.Fuzz(func(t *testing.T, pkt []byte) {
		before := bytes.Clone(pkt)
		local, peeked := PeekUsername(pkt)
		var m message
		if m.parse(pkt) == nil {
			m.authentic(k)
			want, ok := localHalf(m.username)
			if m.class == bindingRequest && ok && (!peeked || !bytes.Equal(local, want)) {
				t.Errorf("peeked %q, parsed %q", local, want)
			}
		}
		if !bytes.Equal(before, pkt) {
			t.Error("the datagram was changed")
		}
	})
}
