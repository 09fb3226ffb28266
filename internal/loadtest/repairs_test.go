package loadtest

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/srtp"
)

const (
	cameraSSRC = 77 // announced, with
	repeatSSRC = 78 // for repetitions
	bridgeSSRC = 79 // announced to nobody: the bridge's own
)

// fromBridge is a datagram that is sealed; its last bytes are the payload, or
// padding if pad is not 0.
func fromBridge(t *testing.T, far *srtp.Sealer, ssrc uint32, pt uint8, seq uint16, payload []byte, pad uint8) []byte {
	t.Helper()
	pkt := []byte{0x80, pt, byte(seq >> 8), byte(seq), 0, 0, byte(seq), 0, 0, 0, 0, byte(ssrc)}
	pkt = append(pkt, payload...)
	if pad > 0 {
		pkt[0] |= 0x20
		pkt = append(append(pkt, make([]byte, pad-1)...), pad)
	}
	buf := make([]byte, 1500)
	n, err := far.SealRTP(buf, pkt)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// TestRepeated: a packet that was asked for counts as one that came again,
// once, whichever way the bridge repeats it. JVB with SSRC rewriting tells of
// SSRCs for repetitions and repeats in the stream itself, under the packet's
// own number.
func TestRepeated(t *testing.T) {
	vp8 := []byte{0x90, 0xe0, 0x80, 1, 1, 0, 0x10, 0, 0, 0}
	for _, tc := range []struct {
		name                       string
		asked                      bool
		ways                       string // of packet 3: p in its own stream, r in the one for repetitions
		recovered, duplicates, out uint64
		lost                       int64
	}{
		{"never came", true, "", 0, 0, 1, 1},
		{"in a stream of its own", true, "r", 1, 0, 1, 0},
		{"under its own number", true, "p", 1, 0, 1, 0},
		{"twice, under its own number", true, "pp", 1, 1, 1, 0},
		{"both ways", true, "rp", 1, 1, 1, 0},
		{"only late", false, "p", 0, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, far := fuzzPeer(t)
			m.announce(map[uint32]announced{cameraSSRC: {source: "a-v0", video: true, rtx: repeatSSRC}})
			var third []byte
			for seq := uint16(1); seq <= 9; seq++ {
				pkt := fromBridge(t, far, cameraSSRC, 100, seq, vp8, 0)
				if seq == 3 {
					third = pkt
					continue
				}
				m.datagramIn(pkt, netip.AddrPort{}, 0)
			}
			if tc.asked {
				m.rtcpDue(m.w.now.Add(time.Millisecond))
			}
			for _, way := range tc.ways {
				again := bytes.Clone(third) // it is opened in place
				if way == 'r' {
					again = fromBridge(t, far, repeatSSRC, 96, 1, append([]byte{0, 3}, vp8...), 0)
				}
				m.datagramIn(again, netip.AddrPort{}, 0)
			}
			media := m.snapshot()
			s := media.Streams[0]
			if s.Recovered != tc.recovered || s.Duplicates != tc.duplicates || s.Lost != tc.lost || s.Expected != 9 || media.NacksOut != tc.out {
				t.Errorf("%d came again, %d twice, %d of %d lost, %d asked for", s.Recovered, s.Duplicates, s.Lost, s.Expected, media.NacksOut)
			}
			if missing := m.streams[cameraSSRC].Nack.Missing(); missing != int(tc.lost) {
				t.Errorf("%d are missing still", missing)
			}
			if media.Retransmitted != tc.recovered {
				t.Errorf("%d repetitions", media.Retransmitted)
			}
		})
	}
}

// TestProbes: what a bridge sends on an SSRC of its own to find out what the
// way carries opens no stream, in which packets would be missed and key frames
// asked for. JVB numbers such packets together, gives them any video's payload
// type, that of repetitions too, and leaves out the padding of 12 bytes.
func TestProbes(t *testing.T) {
	m, far := fuzzPeer(t)
	for i, p := range []struct{ pt, pad uint8 }{{100, 0}, {100, 255}, {96, 0}, {96, 239}, {101, 0}} {
		m.datagramIn(fromBridge(t, far, bridgeSSRC, p.pt, uint16(2*i), nil, p.pad), netip.AddrPort{}, 0)
	}
	m.rtcpDue(m.w.now.Add(2 * keyFrameWait))
	if c := m.snapshot(); c.Padding != 5 || len(c.Streams) > 0 || c.UnknownSSRC+c.NacksOut+c.KeyFramesOut > 0 {
		t.Errorf("%+v", c)
	}
}
