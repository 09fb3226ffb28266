package svc

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// run feeds a selector a script and returns what it did. Each word is a
// command:
//
//	=2      target spatial layer 2, all temporal layers
//	=2.1    target spatial layer 2, up to temporal layer 1
//	=x      no target
//	K       a key frame with all layers, K2 one with two
//	.       the next picture, in the order T0 T2 T1 T2 from each key frame on
//	n2      the next picture, with two layers from here on
//	R       restart
//
// and the result has a word for each picture with a letter for each of its
// frames, which are of one packet: "!" start, "+" forwarded, "*" forwarded with
// a marker, "-" left out, "_" ignored; with "?" behind it if a key frame is
// needed.
func run(c chooser, pat pattern, script string) string {
	e := &encoder{pattern: pat, r: rand.New(rand.NewPCG(1, 1)), layers: pat.spatial}
	e.forget(0)
	for _, word := range strings.Fields(script) {
		layers := e.layers
		switch word[0] {
		case 'K':
			layers = pat.spatial
			fmt.Sscanf(word, "K%d", &layers)
			e.picture(true, layers)
		case '.':
			e.picture(false, layers)
		case 'n':
			fmt.Sscanf(word, "n%d", &layers)
			e.picture(false, layers)
		}
	}
	e.describe()
	var out []string
	packets := e.packets()
	for _, word := range strings.Fields(script) {
		switch word[0] {
		case '=':
			spatial, temporal := None, All
			fmt.Sscanf(word, "=%d.%d", &spatial, &temporal)
			c.SetTarget(spatial, temporal)
		case 'R':
			c.restart()
		default:
			var result string
			result, packets = feed(c, packets)
			out = append(out, result)
		}
	}
	return strings.Join(out, " ")
}

// feed gives a picture to the selector and returns the packets behind it.
func feed(c chooser, packets []packet) (result string, rest []packet) {
	ts := packets[0].ts
	for len(packets) > 0 && packets[0].ts == ts {
		switch d := c.forward(&packets[0]); {
		case d.Action == Ignore:
			result += "_"
		case d.Action == LeaveOut:
			result += "-"
		case d.Action == Start:
			result += "!"
		case d.Marker:
			result += "*"
		default:
			result += "+"
		}
		packets = packets[1:]
	}
	if c.NeedsKeyFrame() {
		result += "?"
	}
	return result, packets
}

var (
	ksvc = pattern{spatial: 3, temporal: 3, keyOnly: true, whole: true}
	full = pattern{spatial: 3, temporal: 3, whole: true}
	flat = pattern{spatial: 1, temporal: 3, whole: true}
)

func TestSelector(t *testing.T) {
	for _, c := range []struct {
		name   string
		pat    pattern
		script string
		want   string
	}{
		{"nothing without a target", ksvc, "K . K", "___ ___ ___"},
		{"nothing before a key frame", ksvc, "K =2 . K .", "___ ___? !+* --*"},
		{"all of a key frame, then one layer", ksvc, "=2 K . . .", "!+* --* --* --*"},
		{"a smaller one", ksvc, "=1 K . .", "!*- -*- -*-"},
		{"the smallest", ksvc, "=0 K . .", "!-- *-- *--"},
		{"everything of a stream that predicts all the time", full, "=2 K . .", "!+* ++* ++*"},
		{"a smaller one of it", full, "=1 K . .", "!*- +*- +*-"},
		{"no more than there is", ksvc, "=2 K2 . .", "!* -* -*"},
		{"up at a key frame", ksvc, "=0 K . =2 . . K .", "!-- *-- *--? *--? ++* --*"},
		{"down at a key frame, with the base frame rate until it comes", ksvc, "=2 K . . . . =0 . . . . . K . .", "!+* --* --* --* --* ---? ---? ---? --*? ---? *-- *-- *--"},
		{"down at once right behind a key frame", ksvc, "=2 K =1 . .", "!+* -*- -*-"},
		{"down at once", full, "=2 K . =1 . .", "!+* ++* +*- +*-"},
		// AV1 says that the larger one is still intact but for a picture.
		{"and up again", full, "=2 K . =0 . =1 . . K .", "!+* ++* *-- *--? *--? +*- +*- | !+* ++* *-- --- +*- +*- +*-"},
		{"temporal limit", ksvc, "=2.1 K . . . . .", "!+* --- --* --- --* ---"},
		{"it falls at once and rises behind a base frame", flat, "=0 K . =0.0 . . . =0 . . .", "! * - - * * * *"},
		{"it rises step by step", flat, "=0.0 K . =0 . . .", "! - * * *"},
		{"a layer goes and comes back with a key frame", ksvc, "=2 K . . . . n2 . K2 . n3 .", "!+* --* --* --* --* --? --? +* -* ++* --*"},
		{"a layer goes and comes back without one", full, "=2 K . n2 . n3 . .", "!+* ++* +* +* ++* ++* ++*"},
		{"a receiver of the smaller one does not notice", full, "=1 K . n2 . n3 . .", "!*- +*- +* +* +*- +*- +*-"},
		{"more layers than before, but not wanted until later", full, "=1 K2 . n3 . =2 . K", "!* +* +*- +*- +*-? ++*"},
		{"nothing at once, a key frame afterwards", ksvc, "=2 K . =x . =2 . K .", "!+* --* ___ ___? !+* --*"},
		{"restart", ksvc, "=2 K . R . K .", "!+* --* ___? !+* --*"},
		{"the target changes its mind", ksvc, "=2 K . . . . =0 . =2 . . . . .", "!+* --* --* --* --* ---? --* --* --* --* --*"},
	} {
		for codec, newChooser := range choosers {
			want, av1, differ := strings.Cut(c.want, " | ")
			if differ && codec == "AV1" {
				want = av1
			}
			if got := run(newChooser(), c.pat, c.script); got != want {
				t.Errorf("%s, %s: %s\n\t%s, want\n\t%s", codec, c.name, c.script, got, want)
			}
		}
	}
}

func TestState(t *testing.T) {
	for name, newChooser := range choosers {
		c := newChooser()
		state := func() string {
			s, l := c.Current()
			ts, tl := c.Target()
			return fmt.Sprint(s, l, ts, tl, c.NeedsKeyFrame())
		}
		if got := state(); got != "-1 0 -1 0 false" {
			t.Errorf("%s: zero value: %s", name, got)
		}
		c.SetTarget(2, 1)
		if got := state(); got != "-1 0 2 1 true" {
			t.Errorf("%s: before a key frame: %s", name, got)
		}
		run(c, ksvc, "K2")
		if got := state(); got != "1 1 2 1 false" {
			t.Errorf("%s: behind it: %s", name, got)
		}
		c.SetTarget(100, 100)
		if got := state(); got != "1 1 7 7 false" {
			t.Errorf("%s: larger than any: %s", name, got)
		}
		c.SetTarget(-5, -5)
		if got := state(); got != "-1 0 -1 0 false" {
			t.Errorf("%s: suspended: %s", name, got)
		}
	}
}

// Whether a key frame is needed is known as soon as the target is.
func TestNeedsKeyFrameAtOnce(t *testing.T) {
	for name, newChooser := range choosers {
		for _, c := range []struct {
			pat    pattern
			script string
			want   string // for the targets 0, 1, 2
		}{
			{ksvc, "=2 K . . . . .", "true true false"},
			{ksvc, "=1 K . . . . .", "true false true"},
			{ksvc, "=1 K2 . . . . .", "true false false"},
			{full, "=2 K . . . . .", "false false false"},
			{full, "=1 K . . . . .", "false false true"},
			{full, "=2 K R", "true true true"},
		} {
			chosen := newChooser()
			run(chosen, c.pat, c.script)
			var got []string
			for target := range 3 {
				chosen.SetTarget(target, All)
				got = append(got, fmt.Sprint(chosen.NeedsKeyFrame()))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s: %s: %s, want %s", name, c.script, got, c.want)
			}
		}
	}
}

// A stream whose timestamps jump back is taken for a new one.
func TestTimestampsJump(t *testing.T) {
	for name, newChooser := range choosers {
		c := newChooser()
		c.SetTarget(1, All)
		first := -1
		for _, base := range []uint32{0, 5000000, 1 << 31, 1 << 30} {
			forwarded := 0
			for _, p := range film(rand.New(rand.NewPCG(1, 1)), ksvc, 10).packets() {
				p.ts = base + uint32(p.frame.pic)*3000
				if d := c.forward(&p); d.Action == Forward || d.Action == Start {
					forwarded++
				}
			}
			if first < 0 {
				first = forwarded
			}
			if forwarded != first || forwarded < 10 {
				t.Errorf("%s: from %d on %d packets, first %d", name, base, forwarded, first)
			}
		}
	}
}

// A late packet goes out if a number was kept for it, which SeqMap knows, with
// the marker it would have had in time.
func TestLatePackets(t *testing.T) {
	for name, newChooser := range choosers {
		e := &encoder{pattern: ksvc, r: rand.New(rand.NewPCG(1, 1)), layers: 3}
		e.forget(0)
		for i := range 8 {
			e.picture(i%3 == 0, 3)
		}
		e.describe()
		packets := e.packets()
		c := newChooser()
		c.SetTarget(1, All)
		for i := range packets {
			if i == 9 { // the second key frame
				c.SetTarget(2, All)
			}
			if i != 4 { // the first S1 behind the first key frame
				c.forward(&packets[i])
			}
		}
		if d := c.forward(&packets[4]); d.Action != Forward || !d.Marker {
			t.Errorf("%s: late: %+v", name, d)
		}
		if s, _ := c.Current(); s != 2 || c.NeedsKeyFrame() {
			t.Errorf("%s: then S%d", name, s)
		}
	}
}

// A dependency descriptor whose structure is not known, or is another one
// without a key frame, ends the forwarding until the next key frame.
func TestUnknownStructure(t *testing.T) {
	e := film(rand.New(rand.NewPCG(1, 1)), ksvc, 4)
	packets := e.packets()
	for _, structure := range []*codec.AV1Structure{nil, new(codec.AV1Structure)} {
		var c av1Chooser
		c.SetTarget(2, All)
		started := false
		for _, p := range packets {
			if p.frame.pic == 2 {
				p.av1.Structure = structure
			}
			d := c.forward(&p)
			started = started || d.Action == Start
			if p.frame.pic >= 2 && (d.Action != LeaveOut || !c.NeedsKeyFrame()) {
				t.Errorf("%+v: %+v, key frame needed: %v", p.frame, d, c.NeedsKeyFrame())
			}
		}
		if !started {
			t.Error("never started")
		}
	}
}

func TestForwardDoesNotAllocate(t *testing.T) {
	packets := film(rand.New(rand.NewPCG(1, 1)), ksvc, 100).packets()
	for name, newChooser := range choosers {
		t.Run(name, func(t *testing.T) {
			c, i := newChooser(), 0
			allocs.None(t, allocs.Many, func() {
				if i%50 == 0 {
					c.SetTarget(i/50%3, i/50%4)
				}
				p := &packets[i%len(packets)]
				c.forward(p)
				c.again(p)
				i++
			})
		})
	}
}

func BenchmarkForward(b *testing.B) {
	packets := film(rand.New(rand.NewPCG(1, 1)), ksvc, 100).packets()
	for name, newChooser := range choosers {
		b.Run(name, func(b *testing.B) {
			c := newChooser()
			c.SetTarget(1, All)
			b.ReportAllocs()
			for i := range b.N {
				p := &packets[i%len(packets)]
				c.forward(p)
				p.ts += 100 * 3000 // for the next round
			}
		})
	}
}
