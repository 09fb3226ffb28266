package simulcast

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// run feeds a Selector a script and returns what it did. Each word is a
// command:
//
//	=2      target encoding 2, all temporal layers
//	=2.1    target encoding 2, up to temporal layer 1
//	=x      target none
//	K1      the start of a key frame of encoding 1
//	k1      a further packet of the last frame of encoding 1
//	1.0     a delta frame of encoding 1, temporal layer 0
//	1.2s    … with LayerSync, 1.1u with SwitchUp
//	1       a delta frame without temporal layers
//	R       restart
//
// and the result has a word for each packet: "+" forwarded, "-" not, "!"
// switched; with "?n" behind it if the key frame of n is needed.
func run(t *testing.T, script string) string {
	t.Helper()
	var s Selector
	var out []string
	ts := uint32(1<<32 - 20) // timestamps wrap on the way
	for _, word := range strings.Fields(script) {
		var enc, tid int
		var flag string
		info := FrameInfo{StartOfFrame: true}
		switch {
		case word == "=x":
			s.SetTarget(None, 0)
			continue
		case word == "R":
			s.Restart()
			continue
		case word[0] == '=':
			tid = AllTemporal
			fmt.Sscanf(word, "=%d.%d", &enc, &tid)
			s.SetTarget(enc, tid)
			continue
		case word[0] == 'K':
			fmt.Sscanf(word, "K%d", &enc)
			info.KeyFrame, info.HasTID = true, true
			ts += 10
		case word[0] == 'k':
			fmt.Sscanf(word, "k%d", &enc)
			info.StartOfFrame, info.HasTID = false, true
		default:
			n, _ := fmt.Sscanf(word, "%d.%d%s", &enc, &tid, &flag)
			info.HasTID, info.TID = n > 1, uint8(tid)
			info.LayerSync, info.SwitchUp = flag == "s", flag == "u"
			ts += 10
		}
		info.Timestamp = ts
		forward, switched := s.Forward(enc, info)
		result := "-"
		switch {
		case switched && !forward:
			t.Fatal("switched without forwarding")
		case switched:
			result = "!"
		case forward:
			result = "+"
		}
		if n, ok := s.NeedsKeyFrame(); ok {
			result += fmt.Sprintf("?%d", n)
		}
		out = append(out, result)
	}
	return strings.Join(out, " ")
}

func TestSelector(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"nothing before a key frame", "=1 1.0 0.0 K1 k1 1.0 0.0 K0", "-?1 -?1 ! + + - -"},
		{"no target, nothing forwarded", "=x K0 0.0", "- -"},
		{"zero value wants nothing", "K0 0.0", "- -"},
		{"a smaller one until the target comes", "=2 K0 0.0 K1 0.0 1.0 K2 1.0 2.0", "!?2 +?2 !?2 -?2 +?2 ! - +"},
		{"never above the target", "=1 K2 2.0 K1", "-?1 -?1 !"},
		{"up only at a key frame", "=0 K0 =1 0.0 1.0 K1 0.0 1.0", "! +?1 -?1 ! - +"},
		{"down only at a key frame", "=1 K1 =0 1.0 0.0 K0 1.0 0.0", "! +?0 -?0 ! - +"},
		{"down: only the base layer while waiting", "=2 K2 2.0 2.2 =0 2.2 2.0 2.1 K0 0.2", "! + + -?0 +?0 -?0 ! +"},
		{"down: a smaller one is taken on the way", "=2 K2 =1 K0 0.0 K1 0.0", "! !?1 +?1 ! -"},
		{"own key frames are no switch", "=0 K0 K0 0.0", "! + +"},
		{"suspended at once", "=0 K0 =x 0.0 K0 =0 0.0 K0", "! - - -?0 !"},
		{"restart waits for a key frame", "=0 K0 R 0.0 K0 0.0", "! -?0 ! +"},
		{"target changes its mind", "=1 K1 =0 1.0 =1 1.0 0.0", "! +?0 + -"},
		{"temporal limit", "=0.1 K0 0.2 0.1 0.2 0.0", "! - + - +"},
		{"codecs without layers", "=0.0 K0 0 0", "! + +"},
		{"limit falls at once", "=0 K0 0.2 =0.0 0.1 0.2 0.0", "! + - - +"},
		{"limit does not fall within a frame", "=0.0 K0 k0 =0 k0 0.0", "! + + +"},
		{"limit rises at a sync frame, by one", "=0.0 K0 =0 0.1 0.2s 0.1s 0.1 0.2 0.2s 0.2", "! - - + + - + +"},
		{"limit rises behind a switching point", "=0.0 K0 =0 0.2 0.0u 0.2 0.1", "! - + + +"},
		{"switching point of a layer left out", "=0.0 K0 =0 0.1u 0.2 0.0", "! - - +"},
		{"limit rises at a key frame", "=0.0 K0 0.1 =0 0.1 K0 0.1", "! - - + +"},
		{"limit rises no further than wanted", "=0.0 K0 =0.1 0.2s 0.1s 0.2s 0.1", "! - + - +"},
		{"limit of the target holds there only", "=1.0 K0 0.2 K1 1.2 1.0", "!?1 +?1 ! - +"},
	} {
		if got := run(t, c.script); got != c.want {
			t.Errorf("%s: %s\n\t%s, want\n\t%s", c.name, c.script, got, c.want)
		}
	}
}

func TestSelectorState(t *testing.T) {
	var s Selector
	if s.Target() != None || s.Current() != None {
		t.Error("zero value:", s.Target(), s.Current())
	}
	s.SetTarget(2, 1)
	s.Forward(1, FrameInfo{StartOfFrame: true, KeyFrame: true})
	if s.Target() != 2 || s.Current() != 1 || s.Temporal() != AllTemporal {
		t.Error(s.Target(), s.Current(), s.Temporal())
	}
	s.Forward(2, FrameInfo{StartOfFrame: true, KeyFrame: true})
	if s.Current() != 2 || s.Temporal() != 1 {
		t.Error(s.Current(), s.Temporal())
	}
	s.SetTarget(-5, 100)
	if s.Target() != None || s.Current() != None {
		t.Error("suspended:", s.Target(), s.Current())
	}
}

// frame is one of a simulated sender: what it depends on is known.
type frame struct {
	info FrameInfo
	refs []int // indices of frames of the same encoding
}

// sender makes frames of one encoding in the pattern of three temporal layers
// that libwebrtc uses for VP8, with layer syncs where that has them.
type sender struct {
	frames []frame
	ts     uint32
	last   [3]int // last frame of each layer
	phase  int
}

func (s *sender) next(r *rand.Rand) *frame {
	s.ts += 3000
	f := frame{info: FrameInfo{Timestamp: s.ts, StartOfFrame: true, HasTID: true}}
	n := len(s.frames)
	if n == 0 || r.IntN(60) == 0 {
		f.info.KeyFrame = true
		s.last, s.phase = [3]int{n, n, n}, 0
	} else {
		s.phase = (s.phase + 1) % 4
		tid := []int{0, 2, 1, 2}[s.phase]
		f.info.TID = uint8(tid)
		f.info.LayerSync = tid > 0 && r.IntN(3) == 0
		f.refs = []int{s.last[0]}
		if !f.info.LayerSync {
			f.refs = append(f.refs, s.last[:tid+1]...)
		}
		s.last[tid] = n
	}
	s.frames = append(s.frames, f)
	return &s.frames[n]
}

// Whatever targets are set, every frame that is forwarded must depend only on
// frames that were forwarded since the last switch.
func TestForwardedFramesAreDecodable(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		var s Selector
		var senders [3]sender
		forwarded := map[[2]int]bool{}
		count := 0
		for range 3000 {
			if r.IntN(40) == 0 {
				s.SetTarget(r.IntN(4)-1, r.IntN(3))
			}
			for enc := range senders {
				f := senders[enc].next(r)
				n := len(senders[enc].frames) - 1
				forward, switched := s.Forward(enc, f.info)
				if switched {
					clear(forwarded)
				}
				if !forward {
					continue
				}
				count++
				if s.Current() != enc || s.Target() == None {
					t.Fatalf("seed %d: forwarded %d while %d is current and %d the target", seed, enc, s.Current(), s.Target())
				}
				for _, ref := range f.refs {
					if !forwarded[[2]int{enc, ref}] {
						t.Fatalf("seed %d: frame %d of encoding %d, layer %d, needs %d", seed, n, enc, f.info.TID, ref)
					}
				}
				forwarded[[2]int{enc, n}] = true
			}
		}
		if count < 500 {
			t.Errorf("seed %d: only %d frames were forwarded", seed, count)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	var s Selector
	s.SetTarget(1, AllTemporal)
	s.Forward(1, FrameInfo{StartOfFrame: true, KeyFrame: true})
	b.ReportAllocs()
	for i := range b.N {
		s.Forward(i%3, FrameInfo{Timestamp: uint32(i), HasTID: true, TID: uint8(i % 3)})
	}
}
