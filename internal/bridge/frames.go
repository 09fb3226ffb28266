package bridge

import (
	"errors"

	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
	"github.com/plenum-conf/plenum/internal/rtp/svc"
)

// read looks at what the codec says about itself in the clear. False means
// that the payload is not what its type promises.
func (p *videoPacket) read(f *formats) bool {
	p.codec = f.codec[p.h.PayloadType]
	p.height = 0
	switch p.codec {
	case codecVP8:
		if !p.readVP8() {
			return false
		}
		if !p.info.HasTID {
			p.readTemporal(f.ext.dependency)
		}
		return true
	case codecVP9:
		return p.readVP9()
	case codecH264:
		if !p.readH264() {
			return false
		}
		p.readTemporal(f.ext.dependency)
		return true
	case codecAV1:
		return p.readAV1(f.ext.dependency)
	}
	p.readUnknown()
	return true
}

func (p *videoPacket) readVP8() (ok bool) {
	var err error
	p.vp8, err = codec.ParseVP8(p.h.Payload())
	d := &p.vp8
	p.height = int(d.Height)
	p.info = simulcast.FrameInfo{
		Timestamp: p.h.Timestamp, StartOfFrame: d.StartOfFrame, KeyFrame: d.KeyFrame,
		HasTID: d.HasTID, TID: d.TID, LayerSync: d.LayerSync,
	}
	return err == nil
}

func (p *videoPacket) readVP9() bool {
	var err error
	p.vp9, err = codec.ParseVP9(p.h.Payload())
	d := &p.vp9
	if d.HasStructure && d.Structure.HasSizes && d.Structure.SpatialLayers > 0 {
		p.height = int(d.Structure.Height[d.Structure.SpatialLayers-1])
	}
	p.info = simulcast.FrameInfo{
		Timestamp: p.h.Timestamp, StartOfFrame: d.StartOfFrame, KeyFrame: d.KeyFrame,
	}
	return err == nil
}

func (p *videoPacket) readH264() bool {
	d, err := codec.ParseH264(p.h.Payload())
	p.height = int(d.Height)
	p.info = simulcast.FrameInfo{Timestamp: p.h.Timestamp, StartOfFrame: d.SPS, KeyFrame: d.SPS}
	return err == nil
}

// readAV1 needs the dependency descriptor; without one the stream is treated
// like that of a codec we do not know.
func (p *videoPacket) readAV1(id uint8) bool {
	err := p.readDependency(id)
	if err == errNoDescriptor {
		p.codec = codecOther
		p.readUnknown()
		return true
	}
	d := &p.av1
	if s := d.Structure; err == nil && d.KeyFrame && s != nil && s.SpatialLayers > 0 {
		p.height = int(s.Height[s.SpatialLayers-1])
	}
	p.info = simulcast.FrameInfo{
		Timestamp: p.h.Timestamp, StartOfFrame: d.StartOfFrame, KeyFrame: d.KeyFrame,
	}
	return err == nil || errors.Is(err, codec.ErrNoStructure)
}

var errNoDescriptor = errors.New("bridge: no dependency descriptor")

// readDependency reads the dependency descriptor.
func (p *videoPacket) readDependency(id uint8) error {
	ext, ok := p.h.Extension(id)
	if !ok {
		return errNoDescriptor
	}
	var err error
	known := &p.enc.structures
	p.av1, err = codec.ParseAV1(ext, known.at(p.h.Timestamp))
	if p.av1.HasStructure {
		p.av1.Structure = known.same(p.av1.Structure, p.h.Timestamp)
	}
	if p.av1.HasStructure && !p.again {
		known.add(p.av1.Structure, p.h.Timestamp)
	}
	return err
}

// structures are those of an encoding's newest key frames, the newest first,
// with their timestamps: packets that are late or sent again need theirs.
type structures [4]struct {
	*codec.AV1Structure
	ts uint32
}

// at is the structure that holds for a picture; nil if it is not known.
func (s *structures) at(ts uint32) *codec.AV1Structure {
	for i := range s {
		if s[i].AV1Structure != nil && !precedes(ts, s[i].ts) {
			return s[i].AV1Structure
		}
	}
	return nil
}

// same returns the structure that holds for a picture already if it is equal to
// a, otherwise a. That of most key frames is, and who has missed their first
// packet must not take what follows for something else.
func (s *structures) same(a *codec.AV1Structure, ts uint32) *codec.AV1Structure {
	if old := s.at(ts); old != nil && old.Equal(a) {
		return old
	}
	return a
}

// add takes a structure, unless there is a newer one.
func (s *structures) add(a *codec.AV1Structure, ts uint32) {
	newest := &s[0]
	if newest.AV1Structure == a || newest.AV1Structure != nil && precedes(ts, newest.ts) {
		return
	}
	if ts != newest.ts {
		copy(s[1:], s[:len(s)-1])
	}
	newest.AV1Structure, newest.ts = a, ts
}

// readTemporal takes from the dependency descriptor what the codec does not
// say itself. Chromium writes one for any codec where it was offered: H.264 has
// nothing else to tell temporal layers, and Chromium's VP8 leaves everything
// out of its own descriptor then.
func (p *videoPacket) readTemporal(id uint8) {
	if p.readDependency(id) != nil || p.av1.Structure == nil {
		return
	}
	d := &p.av1
	p.info.HasTID, p.info.TID, p.info.SwitchUp = true, d.TemporalID, d.SwitchUp()
	p.info.StartOfFrame, p.info.KeyFrame = d.StartOfFrame, p.info.KeyFrame || d.KeyFrame
	if d.KeyFrame && p.height == 0 {
		p.height = int(d.Height)
	}
}

// precedes reports whether a picture comes before another one of the stream;
// what is much older belongs to a stream that has begun anew.
func precedes(ts, other uint32) bool {
	d := int32(ts - other)
	return d < 0 && d > -10*videoClock
}

// descriptor is the AV1 dependency descriptor as a receiver is to get it, nil
// for other codecs. It is valid until the next call.
func (p *videoPacket) descriptor(d *svc.Decision) []byte {
	if p.codec != codecAV1 {
		return nil
	}
	ext, _ := p.h.Extension(p.enc.src.owner.formats.ext.dependency)
	if !d.WriteTargets {
		return ext
	}
	n := codec.WriteAV1Targets(p.targets[:], ext, &p.av1, d.Targets)
	if n > rtp.MaxExtensionLen {
		return ext // a receiver may wait for layers that do not come, but only until it is told
	}
	return p.targets[:n]
}

// readUnknown is for codecs that are not looked into: any packet may begin
// the stream, and the receiver asks for a key frame itself.
func (p *videoPacket) readUnknown() {
	p.info = simulcast.FrameInfo{Timestamp: p.h.Timestamp, StartOfFrame: true, KeyFrame: true}
}
