package svc

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// Whatever descriptors and targets come, a selector keeps to its word: nothing
// without a target, a start first, no more than a spatial layer that was wanted.

func FuzzVP9Selector(f *testing.F) {
	f.Add([]byte{2, 7, 3, 0xbe, 0xe7, 0x09, 0x10, 0x10, 1, 0x40, 0, 0xb4, 1, 1, 4, 0xfd, 0xe7, 0x0a, 0x50, 2, 0})
	f.Add([]byte{1, 0, 5, 0x8c, 0x81, 0x02, 0x03, 7, 0xaa})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c vp9Chooser
		fuzz(t, &c, b, func(b []byte, p *packet) (ok bool) {
			var err error
			p.vp9, err = codec.ParseVP9(b)
			return err == nil
		})
	})
}

func FuzzAV1Selector(f *testing.F) {
	f.Add([]byte{2, 7, 3, 21, 0xc0, 0, 1, 0x80, 2, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x20, 0x84, 0x27, 0x02, 0x7f, 0x01, 0x67, 0,
		1, 3, 0xc3, 0, 2, 0, 3, 0xc2, 0, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c av1Chooser
		var last *codec.AV1Structure
		fuzz(t, &c, b, func(b []byte, p *packet) bool {
			var err error
			p.av1, err = codec.ParseAV1(b, last)
			if p.av1.HasStructure {
				last = p.av1.Structure
			}
			return err == nil || p.av1.Structure == nil
		})
	})
}

// fuzz reads targets and descriptors from b: a byte with flags and a step of
// the timestamp, one with the descriptor's length, the descriptor.
func fuzz(t *testing.T, c chooser, b []byte, read func([]byte, *packet) bool) {
	if len(b) < 2 {
		return
	}
	set := func(spatial, temporal byte) { c.SetTarget(int(spatial%9)-1, int(temporal%8)) }
	set(b[0], b[1])
	b = b[2:]
	started := false
	var p packet
	for len(b) > 2 {
		flags, n := b[0], min(int(b[1])%64, len(b)-2)
		p.ts += uint32(flags&3) * 3000
		p.marker = flags&4 != 0
		if flags&0x30 == 0x30 {
			set(b[1], flags)
		}
		if flags&0xc0 == 0xc0 {
			c.restart()
			started = false
		}
		if read(b[2:2+n], &p) {
			started = checkFuzzed(t, c, &p, started)
		}
		b = b[2+n:]
	}
}

func checkFuzzed(t *testing.T, c chooser, p *packet, started bool) bool {
	d := c.forward(p)
	wanted, _ := c.Target()
	current, _ := c.Current()
	switch {
	case wanted == None && (d.Action != Ignore || c.NeedsKeyFrame() || current != None):
		t.Fatalf("no target: %+v, current %d", d, current)
	case wanted != None && current == None && !c.NeedsKeyFrame():
		t.Fatal("forwards nothing and waits for nothing")
	case d.Action == Start && current == None:
		t.Fatal("started with nothing")
	case d.Action == Forward && !started, d.Action == LeaveOut && !started:
		if wanted != None {
			t.Fatalf("%+v before the start", d)
		}
	}
	c.again(p)
	started = wanted != None && (started || d.Action == Start)
	if c.Started() != started {
		t.Fatalf("started: %v", c.Started())
	}
	return started
}
