package srtp

import (
	"crypto/cipher"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"unsafe"
)

// TestRTCPStates compares with a map, with fewer SSRCs and with more than are
// looked for one by one.
func TestRTCPStates(t *testing.T) {
	for _, most := range []uint32{4, fewSSRCs, fewSSRCs + 1, 40} {
		r := rand.New(rand.NewPCG(uint64(most), 9))
		var s rtcpStates
		slow := map[uint32]uint64{}
		for step := range uint64(10_000) {
			ssrc := r.Uint32N(most)
			switch st := s.find(ssrc); {
			case r.IntN(3) == 0:
				s.forget(ssrc)
				delete(slow, ssrc)
			case st == nil:
				s.add(receivedRTCP{ssrc: ssrc, highest: step})
				slow[ssrc] = step
			default:
				st.highest = step
				slow[ssrc] = step
			}
			if len(s.all) != len(slow) {
				t.Fatalf("%d known, want %d", len(s.all), len(slow))
			}
			for ssrc := range most {
				want, known := slow[ssrc]
				if st := s.find(ssrc); (st != nil) != known || known && st.highest != want {
					t.Fatalf("step %d: SSRC %d: %+v, want %d, %v", step, ssrc, st, want, known)
				}
			}
		}
	}
}

// TestAhead: what is to be fetched is what is read.
func TestAhead(t *testing.T) {
	bothProfiles(t, func(t *testing.T, p Profile) {
		seal, open := pair(t, p)
		var got []unsafe.Pointer
		fetch := func(p unsafe.Pointer) { got = append(got, p) }
		open.Ahead(true, fetch) // before anything came
		open.Ahead(false, fetch)
		buf := make([]byte, 100)
		n, err := seal.SealRTCP(buf, []byte{0x80, 201, 0, 1, 0, 0, 0, 1})
		if err == nil {
			_, err = open.OpenRTCP(buf[:n])
		}
		if err != nil {
			t.Fatal(err)
		}
		if n, err = seal.SealRTP(buf, append([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7}, 1)); err == nil {
			_, err = open.OpenRTP(buf[:n])
		}
		if err != nil {
			t.Fatal(err)
		}
		var suite unsafe.Pointer
		switch s := open.suite.(type) {
		case *gcm:
			suite = unsafe.Pointer(s)
		case *cm:
			suite = unsafe.Pointer(s)
		}
		for rtcp, state := range map[bool]unsafe.Pointer{true: unsafe.Pointer(open.rtcp.find(1)), false: unsafe.Pointer(open.rtp[7])} {
			got = nil
			if open.Ahead(rtcp, fetch); len(got) != 2 || got[0] != state || got[1] != suite {
				t.Errorf("RTCP %v: %v", rtcp, got)
			}
			got = nil
			open.AheadKeys(rtcp, fetch)
			if g, ok := open.suite.(*gcm); ok && (len(got) == 2 && uintptr(got[1]) != uintptr(got[0])+gcmTable || len(got) != 2 || got[0] != data(map[bool]*cipher.AEAD{true: &g.rtcp, false: &g.rtp}[rtcp])) {
				t.Errorf("RTCP %v: keys: %v", rtcp, got)
			}
		}
	})
}

// TestGCMTable: where there are instructions for AES, the products of the hash lie
// behind the round keys, within the memory of the AEAD.
func TestGCMTable(t *testing.T) {
	if arch := runtime.GOARCH; gcmTable == 0 && (arch == "amd64" || arch == "arm64") {
		t.Error("nothing is fetched of them")
	}
	if aead, err := newAEAD(make([]byte, 16)); err != nil || gcmTable >= reflect.TypeOf(aead).Elem().Size() {
		t.Errorf("%d is outside of it, %v", gcmTable, err)
	}
}
