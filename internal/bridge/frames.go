package bridge

import (
	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/rtp/simulcast"
)

// read looks at what the codec says about itself in the clear. False means
// that the payload is not what its type promises.
func (p *videoPacket) read(f *formats) bool {
	p.codec = f.codec[p.h.PayloadType]
	switch p.codec {
	case codecVP8:
		return p.readVP8()
	default:
		p.readUnknown()
		return true
	}
}

func (p *videoPacket) readVP8() bool {
	d, err := codec.ParseVP8(p.h.Payload())
	if err != nil {
		return false
	}
	p.vp8 = d
	p.info = simulcast.FrameInfo{
		Timestamp: p.h.Timestamp, StartOfFrame: d.StartOfFrame, KeyFrame: d.KeyFrame,
		HasTID: d.HasTID, TID: d.TID, LayerSync: d.LayerSync,
	}
	return true
}

// readUnknown is for codecs that are not looked into: any packet may begin
// the stream, and the receiver asks for a key frame itself.
func (p *videoPacket) readUnknown() {
	p.info = simulcast.FrameInfo{Timestamp: p.h.Timestamp, StartOfFrame: true, KeyFrame: true}
}
