package media

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

//go:embed samples/*.bin
var sampleFiles embed.FS

// Frame is one encoded picture, or 20 ms of sound.
type Frame struct {
	Data  []byte
	Key   bool  // video
	TID   uint8 // temporal layer, video
	Sync  bool  // the first of its temporal layer after a key frame, which is all it can depend on
	Level uint8 // -dBov (RFC 6464), audio

	payloads [][]byte // made of Data, where its packets are not just parts of it
}

// Clip is a sample that can be played for ever: its end meets its beginning,
// and its first picture is a key frame.
type Clip struct {
	Width, Height int    // 0 for audio
	Step          uint32 // RTP clock ticks from one frame to the next
	Frames        []Frame
}

var errSample = errors.New("not a sample")

// ParseClip reads a sample file; the format is described in samples/README.md.
// The frames lie in data.
func ParseClip(data []byte) (*Clip, error) {
	if len(data) < 12 || string(data[:4]) != "PLS1" {
		return nil, errSample
	}
	c := &Clip{
		Width: int(binary.BigEndian.Uint16(data[4:])), Height: int(binary.BigEndian.Uint16(data[6:])),
		Step: uint32(binary.BigEndian.Uint16(data[8:])),
	}
	n := int(binary.BigEndian.Uint16(data[10:]))
	data = data[12:]
	for range n {
		if len(data) < 4 {
			return nil, errSample
		}
		flags, size := data[0], int(binary.BigEndian.Uint32(data)&0xffffff)
		if size == 0 || size > len(data)-4 {
			return nil, errSample
		}
		f := Frame{Data: data[4 : 4+size : 4+size]}
		if c.Height > 0 {
			f.Key, f.TID = flags&1 != 0, flags>>1&3
		} else {
			f.Level = min(flags, 127)
		}
		c.Frames = append(c.Frames, f)
		data = data[4+size:]
	}
	c.markSync()
	if len(data) > 0 || n == 0 || c.Step == 0 || c.Height > 0 && !c.Frames[0].Key {
		return nil, errSample
	}
	return c, nil
}

// markSync finds the frames that a decoder may begin a temporal layer with.
// Without being told of one, browsers never show any frame of the layer.
func (c *Clip) markSync() {
	begun := uint8(0) // layers, one bit each
	for i := range c.Frames {
		f := &c.Frames[i]
		if f.Key {
			begun = 1
		}
		f.Sync = begun&(1<<f.TID) == 0
		begun |= 1 << f.TID
	}
}

// slower is the clip with at most so many pictures a second, as far as leaving
// out temporal layers, each of which doubles their number, makes it slower.
func (c *Clip) slower(rate int) *Clip {
	top := uint8(0)
	for i := range c.Frames {
		top = max(top, c.Frames[i].TID)
	}
	slow := *c
	for ; top > 0 && videoClock/int(slow.Step) > rate; top-- {
		slow.Step *= 2
	}
	slow.Frames = nil
	for _, f := range c.Frames {
		if f.TID <= top {
			slow.Frames = append(slow.Frames, f)
		}
	}
	return &slow
}

// load reads an embedded sample; a broken one is a fault of the build.
func load(name string) *Clip {
	data, err := sampleFiles.ReadFile("samples/" + name + ".bin")
	if err != nil {
		panic(err)
	}
	c, err := ParseClip(data)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return c
}

// library is all samples, read once.
type library struct {
	voice, quiet *Clip
	camera       map[Codec][]*Clip // smallest first
	screen       *Clip
}

var samples = sync.OnceValue(func() *library {
	return &library{
		voice: load("voice.opus"), quiet: load("quiet.opus"), screen: load("screen-720.vp8"),
		camera: map[Codec][]*Clip{
			VP8:  {load("camera-180.vp8"), load("camera-360.vp8"), load("camera-720.vp8")},
			VP9:  {load("camera-360.vp9")},
			H264: {load("camera-360.h264").packetize(H264)},
			AV1:  {load("camera-360.av1").packetize(AV1)},
		},
	}
})
