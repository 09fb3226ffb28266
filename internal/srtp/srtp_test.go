package srtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// keys returns some master key and salt for a profile.
func keys(p Profile) (key, salt []byte) {
	key, salt = make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	for i := range key {
		key[i] = byte(3*i + 1)
	}
	for i := range salt {
		salt[i] = byte(200 - 7*i)
	}
	return key, salt
}

func pair(t testing.TB, p Profile) (*Sealer, *Opener) {
	t.Helper()
	key, salt := keys(p)
	s, err := NewSealer(p, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(p, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func bothProfiles(t *testing.T, f func(t *testing.T, p Profile)) {
	for _, p := range Profiles() {
		t.Run(p.String(), func(t *testing.T) { f(t, p) })
	}
}

// packet makes a plain RTP packet.
func packet(ssrc uint32, seq uint16, payload int) []byte {
	b := make([]byte, 12+payload)
	b[0], b[1] = 0x80, 96
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range payload {
		b[12+i] = byte(i)
	}
	return b
}

// randomPacket makes one with CSRCs and a header extension, and says where
// its payload begins.
func randomPacket(r *rand.Rand, ssrc uint32, seq uint16) (pkt []byte, hdr int) {
	pkt = packet(ssrc, seq, 0)
	csrcs := r.IntN(16)
	pkt[0] |= byte(csrcs)
	pkt = append(pkt, make([]byte, 4*csrcs)...)
	if r.IntN(2) == 0 {
		words := r.IntN(10)
		pkt[0] |= 0x10
		pkt = append(pkt, 0xbe, 0xde, 0, byte(words))
		pkt = append(pkt, make([]byte, 4*words)...)
	}
	hdr = len(pkt)
	for range r.IntN(1300) {
		pkt = append(pkt, byte(r.Uint32()))
	}
	return pkt, hdr
}

// Random packets through several wraps of the sequence number, sealed by the
// Sealer, compared with the slow twin, opened by the Opener.
func TestRTPAgainstTwin(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		r := rand.New(rand.NewPCG(uint64(p), 1))
		seal, open := pair(t, p)
		key, salt := keys(p)
		slow := twin{p, key, salt}
		index := uint64(r.IntN(1 << 15))
		for i := range 60 {
			pkt, hdr := randomPacket(r, 0xfedcba98, uint16(index))
			want := slow.sealRTP(pkt, hdr, index)
			got := make([]byte, len(pkt)+p.OverheadRTP())
			src := pkt
			if i%2 == 0 { // in place
				copy(got, pkt)
				src = got[:len(pkt)]
			}
			n, err := seal.SealRTP(got, src)
			if err != nil || !bytes.Equal(got[:n], want) {
				t.Fatalf("packet %d, index %d: %v\n%x, want\n%x", i, index, err, got[:n], want)
			}
			n, err = open.OpenRTP(got[:n])
			if err != nil || !bytes.Equal(got[:n], pkt) {
				t.Fatalf("packet %d does not open: %v", i, err)
			}
			index += 1 + r.Uint64N(1<<15-1)
		}
		if index < 3<<16 {
			t.Error("the test does not wrap often enough")
		}
	})
}

func TestRTCPAgainstTwin(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		r := rand.New(rand.NewPCG(uint64(p), 2))
		seal, open := pair(t, p)
		key, salt := keys(p)
		slow := twin{p, key, salt}
		for i := range 40 {
			pkt := make([]byte, 8+4*r.IntN(100))
			pkt[0], pkt[1] = 0x80, 200
			binary.BigEndian.PutUint32(pkt[4:], uint32(1+i%2))
			want := slow.sealRTCP(pkt, uint32(i/2+1))
			got := make([]byte, len(pkt)+p.OverheadRTCP())
			n, err := seal.SealRTCP(got, pkt)
			if err != nil || !bytes.Equal(got[:n], want) {
				t.Fatalf("packet %d: %v\n%x, want\n%x", i, err, got[:n], want)
			}
			if n, err = open.OpenRTCP(got[:n]); err != nil || !bytes.Equal(got[:n], pkt) {
				t.Fatalf("packet %d does not open: %v", i, err)
			}
		}
	})
}

func TestRTCPWithoutEncryption(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		_, open := pair(t, p)
		key, salt := keys(p)
		slow := twin{p, key, salt}
		pkt := []byte{0x80, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}
		sealed := slow.sealClearRTCP(pkt, 7)
		n, err := open.OpenRTCP(bytes.Clone(sealed))
		if err != nil || n != len(pkt) {
			t.Fatalf("%d %v", n, err)
		}
		if _, err := open.OpenRTCP(bytes.Clone(sealed)); !errors.Is(err, ErrReplay) {
			t.Errorf("again: %v", err)
		}
		sealed = slow.sealClearRTCP(pkt, 8)
		sealed[9] ^= 1
		if _, err := open.OpenRTCP(sealed); !errors.Is(err, ErrAuth) {
			t.Errorf("changed: %v", err)
		}
	})
}

// Every single changed bit must be noticed, and must not disturb what follows.
func TestTampering(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		buf := make([]byte, 200)
		n, _ := seal.SealRTP(buf, packet(9, 100, 20))
		for bit := range n * 8 {
			if bit == 5 || bit >= 16 && bit < 32 { // padding is not looked at; another sequence number is another index
				continue
			}
			bad := bytes.Clone(buf[:n])
			bad[bit/8] ^= 0x80 >> (bit % 8)
			if _, err := open.OpenRTP(bad); err == nil {
				t.Fatalf("bit %d was changed without notice", bit)
			}
		}
		if open.SSRCs() != 0 {
			t.Error("an SSRC was remembered without an authentic packet")
		}
		if _, err := open.OpenRTP(buf[:n]); err != nil {
			t.Error("the packet itself:", err)
		}
		n, _ = seal.SealRTCP(buf, []byte{0x80, 201, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8})
		for bit := range n * 8 {
			bad := bytes.Clone(buf[:n])
			bad[bit/8] ^= 0x80 >> (bit % 8)
			if _, err := open.OpenRTCP(bad); err == nil {
				t.Fatalf("RTCP: bit %d was changed without notice", bit)
			}
		}
	})
}

// sealAll seals packets of an SSRC with a Sealer of its own for each, so that
// any sequence is possible.
func sealAt(p Profile, ssrc uint32, index uint64) []byte {
	key, salt := keys(p)
	slow := twin{p, key, salt}
	return slow.sealRTP(packet(ssrc, uint16(index), 5), 12, index)
}

func TestReplayWindow(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		_, open := pair(t, p)
		for i, c := range []struct {
			index uint64
			want  error
		}{
			{5000, nil},
			{5000, ErrReplay},
			{5001, nil},
			{4999, nil},
			{4999, ErrReplay},
			{6000, nil},
			{5000, ErrReplay},
			{4977, nil}, // 1023 behind the newest
			{4976, ErrReplay},
			{30000, nil},
			{29000, nil},
			{62000, nil},
			{65536 + 100, nil}, // wrapped
			{65535, nil},       // late, before the wrap
			{65535, ErrReplay},
			{65536 + 100, ErrReplay},
			{3*65536 + 100, ErrReplay}, // index is guessed two wraps too low, where it was seen
			{3*65536 + 102, ErrAuth},   // guessed two wraps too low
			{65536 + 102, nil},
		} {
			if _, err := open.OpenRTP(sealAt(p, 1, c.index)); !errors.Is(err, c.want) {
				t.Errorf("step %d, index %d: %v, want %v", i, c.index, err, c.want)
			}
		}
	})
}

func TestReplayRTCP(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		_, open := pair(t, p)
		key, salt := keys(p)
		slow := twin{p, key, salt}
		for i, c := range []struct {
			index uint32
			want  error
		}{{1000, nil}, {1000, ErrReplay}, {873, nil}, {872, ErrReplay}, {1 << 30, nil}, {1<<30 - 127, nil}, {1<<30 - 128, ErrReplay}} {
			pkt := slow.sealRTCP([]byte{0x80, 201, 0, 1, 0, 0, 0, 1}, c.index)
			if _, err := open.OpenRTCP(pkt); !errors.Is(err, c.want) {
				t.Errorf("step %d: %v, want %v", i, err, c.want)
			}
		}
	})
}

// model is the obvious replay window.
type model struct {
	highest uint64
	used    map[uint64]bool
}

func TestWindowAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		bits := make([]uint64, 2<<r.IntN(4))
		m := model{used: map[uint64]bool{}}
		var highest uint64
		for range 5000 {
			index := uint64(max(0, int64(highest)+r.Int64N(40)-20))
			if r.IntN(50) == 0 {
				index = highest + r.Uint64N(3000)
			}
			want := index > m.highest || m.highest-index < uint64(len(bits)*64) && !m.used[index]
			if got := unused(bits, highest, index); got != want {
				t.Fatalf("seed %d: unused(%d) = %v at %d", seed, index, got, highest)
			}
			if want {
				highest = mark(bits, highest, index)
				m.used[index], m.highest = true, max(m.highest, index)
			}
			if highest != m.highest {
				t.Fatal("highest", highest, m.highest)
			}
		}
	}
}

func TestSealerRefusesNonceReuse(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		dst := make([]byte, 100)
		for i, c := range []struct {
			seq  uint16
			want error
		}{
			{1000, nil}, {1000, ErrNonceReuse},
			{1003, nil}, {1001, nil}, {1001, ErrNonceReuse}, {1003, ErrNonceReuse},
			{1600, nil}, {1089, nil}, {1088, ErrNonceReuse}, // SealWindow packets
			{999, ErrNonceReuse},
			{34300, nil}, {65000, nil}, {200, nil}, {65535, nil}, {65535, ErrNonceReuse}, {200, ErrNonceReuse},
		} {
			n, err := seal.SealRTP(dst, packet(1, c.seq, 10))
			if !errors.Is(err, c.want) {
				t.Errorf("step %d, %d: %v, want %v", i, c.seq, err, c.want)
			}
			if err == nil {
				if _, err := open.OpenRTP(dst[:n]); err != nil {
					t.Errorf("step %d, %d does not open: %v", i, c.seq, err)
				}
			}
		}
		if _, err := seal.SealRTP(dst, packet(2, 40000, 10)); err != nil {
			t.Error(err)
		}
		if _, err := seal.SealRTP(dst, packet(2, 10, 10)); err != nil {
			t.Error("first wrap:", err)
		}
		// Before the first packet of an SSRC there is no lower roll-over counter.
		seal.SealRTP(dst, packet(3, 5, 10))
		if _, err := seal.SealRTP(dst, packet(3, 65530, 10)); !errors.Is(err, ErrNonceReuse) {
			t.Error("below zero:", err)
		}
	})
}

func TestLimits(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		open.SetMaxSSRCs(3)
		seal.SetMaxSSRCs(4)
		rtcp := func(ssrc uint32) []byte {
			return binary.BigEndian.AppendUint32([]byte{0x80, 201, 0, 1}, ssrc)
		}
		for ssrc := range uint32(5) {
			buf := make([]byte, 100)
			n, err := seal.SealRTP(buf, packet(ssrc, 1, 10))
			wantErr(t, "seal", ssrc, err, 4)
			if err == nil {
				_, err = open.OpenRTP(buf[:n])
				wantErr(t, "open", ssrc, err, 3)
			}
			n, err = seal.SealRTCP(buf, rtcp(ssrc))
			wantErr(t, "seal RTCP", ssrc, err, 4)
			if err == nil {
				_, err = open.OpenRTCP(buf[:n])
				wantErr(t, "open RTCP", ssrc, err, 3)
			}
		}
		open.Forget(0)
		if _, err := open.OpenRTP(sealAt(p, 3, 2)); err != nil {
			t.Error("after Forget:", err)
		}
	})
}

func wantErr(t *testing.T, what string, ssrc uint32, err error, limit uint32) {
	t.Helper()
	var want error
	if ssrc >= limit {
		want = ErrTooManySSRCs
	}
	if !errors.Is(err, want) {
		t.Errorf("%s SSRC %d: %v, want %v", what, ssrc, err, want)
	}
}

func TestExhaustedKeys(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, _ := pair(t, p)
		dst := make([]byte, 100)
		seal.SealRTP(dst, packet(1, 1, 1))
		seal.rtp[1].highest = maxRTPIndex
		if _, err := seal.SealRTP(dst, packet(1, 0, 1)); !errors.Is(err, ErrKeyExhausted) {
			t.Error("RTP:", err)
		}
		rtcp := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
		seal.SealRTCP(dst, rtcp)
		seal.rtcp[1] = maxSRTCPIndex
		if _, err := seal.SealRTCP(dst, rtcp); !errors.Is(err, ErrKeyExhausted) {
			t.Error("RTCP:", err)
		}
	})
}

// RFC 3711 §8.2, RFC 7714 §12 and §13.
func TestProfiles(t *testing.T) {
	for p, want := range map[Profile][4]int{AEADAES128GCM: {16, 12, 16, 20}, AES128CMHMACSHA180: {16, 14, 10, 14}} {
		if got := [4]int{p.KeyLen(), p.SaltLen(), p.OverheadRTP(), p.OverheadRTCP()}; got != want {
			t.Errorf("%v: %v", p, got)
		}
	}
}

func TestWithoutPayload(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		buf := make([]byte, 100)
		n, err := seal.SealRTP(buf, packet(1, 1, 0))
		if err != nil {
			t.Fatal(err)
		}
		if n, err = open.OpenRTP(buf[:n]); err != nil || n != 12 {
			t.Error(n, err)
		}
	})
}

func TestArguments(t *testing.T) {
	if _, err := NewSealer(Profile(8), make([]byte, 32), make([]byte, 12)); !errors.Is(err, ErrProfile) {
		t.Error(err)
	}
	if _, err := NewOpener(Profile(2), nil, nil); !errors.Is(err, ErrProfile) {
		t.Error(err)
	}
	bothProfiles(t, func(t *testing.T, p Profile) {
		key, salt := keys(p)
		if _, err := NewSealer(p, key[1:], salt); !errors.Is(err, ErrKeyLength) {
			t.Error(err)
		}
		if _, err := NewOpener(p, key, append(salt, 1)); !errors.Is(err, ErrKeyLength) {
			t.Error(err)
		}
		seal, open := pair(t, p)
		if seal.Profile() != p || open.Profile() != p {
			t.Error("profile")
		}
		pkt := packet(1, 1, 10)
		if _, err := seal.SealRTP(make([]byte, len(pkt)+p.OverheadRTP()-1), pkt); !errors.Is(err, ErrBuffer) {
			t.Error(err)
		}
		if _, err := seal.SealRTCP(make([]byte, 12), []byte{0x80, 201, 0, 1, 0, 0, 0, 1}); !errors.Is(err, ErrBuffer) {
			t.Error(err)
		}
		dst := make([]byte, 2000)
		for _, bad := range [][]byte{nil, {0x80}, make([]byte, 12), packet(1, 1, 0)[:11],
			{0x9f, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, {0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
			{0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 9}} {
			if _, err := seal.SealRTP(dst, bad); !errors.Is(err, ErrShort) {
				t.Errorf("seal %x: %v", bad, err)
			}
			if _, err := open.OpenRTP(bad); !errors.Is(err, ErrShort) {
				t.Errorf("open %x: %v", bad, err)
			}
		}
		if _, err := open.OpenRTP(packet(1, 1, p.OverheadRTP()-1)); !errors.Is(err, ErrShort) {
			t.Error(err)
		}
		if _, err := open.OpenRTCP(packet(1, 1, p.OverheadRTCP()-5)); !errors.Is(err, ErrShort) {
			t.Error(err)
		}
		if _, err := seal.SealRTCP(dst, []byte{0x80, 201, 0, 1}); !errors.Is(err, ErrShort) {
			t.Error(err)
		}
	})
}

func TestAllocations(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		pkt, buf := packet(1, 0, 1100), make([]byte, 1500)
		rtcp := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
		seq := uint16(1)
		round := func() {
			binary.BigEndian.PutUint16(pkt[2:], seq)
			seq++
			n, err := seal.SealRTP(buf, pkt)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = open.OpenRTP(buf[:n]); err != nil {
				t.Fatal(err)
			}
			if n, err = seal.SealRTCP(buf, rtcp); err != nil {
				t.Fatal(err)
			}
			if _, err = open.OpenRTCP(buf[:n]); err != nil {
				t.Fatal(err)
			}
		}
		round()
		allocs.None(t, allocs.Many, round)
	})
}

func FuzzOpen(f *testing.F) {
	for _, p := range Profiles() {
		seal, _ := pair(f, p)
		buf := make([]byte, 200)
		n, _ := seal.SealRTP(buf, packet(1, 1, 30))
		f.Add(bytes.Clone(buf[:n]))
		n, _ = seal.SealRTCP(buf, []byte{0x80, 201, 0, 1, 0, 0, 0, 1})
		f.Add(bytes.Clone(buf[:n]))
	}
	openers := map[Profile]*Opener{}
	for _, p := range Profiles() {
		_, openers[p] = pair(f, p)
	}
	f.Fuzz(func(t *testing.T, pkt []byte) {
		for p, o := range openers {
			for _, open := range []func([]byte) (int, error){o.OpenRTP, o.OpenRTCP} {
				if n, err := open(bytes.Clone(pkt)); err == nil && n > len(pkt) {
					t.Errorf("%v: grew to %d", p, n)
				}
			}
		}
	})
}

func benchSizes(b *testing.B, f func(b *testing.B, p Profile, size int)) {
	for _, p := range Profiles() {
		for _, size := range []int{100, 1150} {
			b.Run(fmt.Sprintf("%v/%d", p, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				f(b, p, size)
			})
		}
	}
}

func BenchmarkSealRTP(b *testing.B) {
	benchSizes(b, func(b *testing.B, p Profile, size int) {
		seal, _ := pair(b, p)
		pkt, dst := packet(1, 0, size-12), make([]byte, size+MaxOverheadRTP)
		for i := range b.N {
			binary.BigEndian.PutUint16(pkt[2:], uint16(i))
			if _, err := seal.SealRTP(dst, pkt); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenRTP includes copying the sealed packet and making room for it
// in the replay window again.
func BenchmarkOpenRTP(b *testing.B) {
	benchSizes(b, func(b *testing.B, p Profile, size int) {
		seal, open := pair(b, p)
		sealed := make([]byte, size+MaxOverheadRTP)
		n, err := seal.SealRTP(sealed, packet(1, 100, size-12))
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, n)
		for range b.N {
			copy(buf, sealed)
			if _, err := open.OpenRTP(buf); err != nil {
				b.Fatal(err)
			}
			clear(open.rtp[1].used[:])
		}
	})
}

// BenchmarkSealForMany seals for as many receivers as have more state than fits
// into a cache, each with some streams, as a bridge does: a packet for all, then
// the next stream's.
func BenchmarkSealForMany(b *testing.B) {
	const receivers, streams = 1000, 40
	for _, size := range []int{100, 1150} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var all [streams][receivers]*Stream
			for i := range receivers {
				s, _ := pair(b, AEADAES128GCM)
				for j := range all {
					all[j][i], _ = s.Stream(uint32(j))
				}
			}
			pkt, dst := packet(1, 0, size-12), make([]byte, size+MaxOverheadRTP)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				round := i / receivers
				binary.BigEndian.PutUint16(pkt[2:], uint16(round/streams))
				binary.BigEndian.PutUint32(pkt[8:], uint32(round%streams))
				if _, err := all[round%streams][i%receivers].Seal(dst, pkt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestStream: there is one of it for each SSRC, whoever asks for it, and it
// seals nothing else.
func TestStream(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		other, _ := pair(t, p)
		seal.SetMaxSSRCs(2)
		one, err1 := seal.Stream(1)
		again, err2 := seal.Stream(1)
		two, err3 := seal.Stream(2)
		if err := errors.Join(err1, err2, err3); err != nil || one != again || one == two || !one.Of(seal) || one.Of(other) {
			t.Fatal(err)
		}
		if _, err := seal.Stream(3); !errors.Is(err, ErrTooManySSRCs) {
			t.Error(err)
		}
		buf := make([]byte, 200)
		if _, err := two.Seal(buf, packet(1, 5, 20)); !errors.Is(err, ErrSSRC) {
			t.Error(err)
		}
		n, err := one.Seal(buf, packet(1, 5, 20))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open.OpenRTP(buf[:n]); err != nil {
			t.Error(err)
		}
		for _, f := range []func(dst, pkt []byte) (int, error){again.Seal, seal.SealRTP} {
			if _, err := f(buf, packet(1, 5, 20)); !errors.Is(err, ErrNonceReuse) {
				t.Error(err)
			}
		}
	})
}
