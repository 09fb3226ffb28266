package bridge

import "github.com/plenum-conf/plenum/internal/rtp"

// Which stream carries a video source to a receiver: the one under the
// source's own SSRC, or, if SSRCs are rewritten, the one of the source's slot.

// videoOf is the stream that carries s to ep, or did last; nil if there is none.
func (ep *endpoint) videoOf(s *mediaSource) *videoSub {
	if !ep.rewrites() {
		return ep.out[s.ssrc]
	}
	if slot := ep.maps.video.Find(s.name); slot != nil {
		return ep.out[slot.SSRC]
	}
	return nil
}

// videoFor is the stream that can carry s to ep from now on; nil while there
// is none, or the client does not know of it yet.
func (ep *endpoint) videoFor(s *mediaSource) *videoSub {
	if !ep.rewrites() {
		return ep.stream(s.ssrc, s.rtx)
	}
	slot := ep.claim(s)
	if slot == nil {
		return nil
	}
	v := ep.stream(slot.SSRC, slot.RTX)
	v.mid = slot.MID
	if v.src == s {
		return v
	}
	v.stop()
	if !ep.maps.video.ready(slot, ep.w.now) {
		ep.wakeFor(slot)
		return nil
	}
	return v
}

// stream returns the video stream of an SSRC, and begins it if need be.
func (ep *endpoint) stream(ssrc, rtx uint32) *videoSub {
	v := ep.out[ssrc]
	if v != nil {
		return v
	}
	v = &videoSub{to: ep, ssrc: ssrc, rtx: rtx}
	if mark, ok := ep.resume(ssrc); ok {
		v.seq.Resume(videoClock, minVideoStep, mark)
	} else {
		v.seq.Init(videoClock, minVideoStep)
	}
	ep.out[ssrc] = v
	ep.streams = append(ep.streams, v)
	return v
}

// feed notes that s is the stream's source from the next epoch on. What went
// before was another's, and must not be repeated from the history of this one.
func (v *videoSub) feed(s *mediaSource) {
	if v.fed == s {
		return
	}
	v.fed, v.since, v.told = s, 0, toldReports{}
	if v.seq.Started() {
		v.since = v.epoch + 1
	}
}

// origin finds where a packet of the stream came from, if it was the present
// source.
func (v *videoSub) origin(out uint16) (rtp.Origin, bool) {
	from, ok := v.seq.Source(out)
	return from, ok && from.Epoch >= v.since && int(from.Encoding) < len(v.src.encodings)
}
