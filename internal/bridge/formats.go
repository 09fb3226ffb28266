package bridge

import (
	"math"
	"strconv"
	"strings"

	"github.com/plenum-conf/plenum/internal/media"
)

// codecKind is what a payload type means to the forwarding path.
type codecKind uint8

const (
	codecOther codecKind = iota
	codecOpus
	codecVP8
	codecVP9
	codecAV1
	codecH264
	codecRTX
)

var codecNames = map[string]codecKind{
	"opus": codecOpus, "vp8": codecVP8, "vp9": codecVP9, "av1": codecAV1, "h264": codecH264, "rtx": codecRTX,
}

// formats is what an endpoint was offered, indexed by the numbers on the wire.
type formats struct {
	codec [128]codecKind
	clock [128]uint16 // in units of 100 Hz, of which all clock rates are multiples
	apt   [128]uint8  // of an rtx payload type: what it repeats
	rtx   [128]uint8  // of a media payload type: its rtx, 0 if none
	ext   extensions
	// padding is the payload type of packets without any payload: some video
	// codec's.
	padding      uint8
	audio, video bool // there is any description of that
}

// extensions are the header extension numbers of a session; 0 is not negotiated.
type extensions struct {
	audioLevel, tcc, absSendTime, mid, dependency uint8
}

// learn adds descriptions; numbers are never taken back, since packets with
// them may be under way.
func (f *formats) learn(ds []media.Description) {
	for i := range ds {
		f.audio = f.audio || ds[i].Kind == media.Audio
		f.video = f.video || ds[i].Kind == media.Video
		for j := range ds[i].PayloadTypes {
			f.learnPayload(&ds[i].PayloadTypes[j])
		}
		for _, e := range ds[i].HeaderExtensions {
			f.ext.learn(e)
		}
	}
}

func (f *formats) learnPayload(p *media.PayloadType) {
	if p.ID > 127 {
		return
	}
	f.codec[p.ID] = codecNames[strings.ToLower(p.Name)]
	f.clock[p.ID] = uint16(min(p.ClockRate/100, math.MaxUint16))
	if f.codec[p.ID] != codecRTX {
		if p.ClockRate == videoClock {
			f.padding = p.ID
		}
		return
	}
	if apt, err := strconv.ParseUint(p.Parameter("apt"), 10, 7); err == nil {
		f.apt[p.ID] = uint8(apt)
		f.rtx[apt] = p.ID
	}
}

func (e *extensions) learn(h media.HeaderExtension) {
	switch h.URI {
	case media.ExtAudioLevel:
		e.audioLevel = h.ID
	case media.ExtTransportCC:
		e.tcc = h.ID
	case media.ExtAbsSendTime:
		e.absSendTime = h.ID
	case media.ExtMID:
		e.mid = h.ID
	case media.ExtDependencyDescriptor:
		e.dependency = h.ID
	}
}
