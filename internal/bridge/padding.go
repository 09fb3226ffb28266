package bridge

import (
	"github.com/plenum-conf/plenum/internal/bwe"
)

const (
	// maxPadding bounds the packets of one step of a probe.
	maxPadding = 64
	// padWindow is how many packets of a stream, the newest, are repeated for
	// a probe.
	padWindow = 64
	// padSize is as much padding as a packet can have (RFC 3550 §5.1), in
	// whole words.
	padSize = 252
)

// pad sends what a probe asks for: packets that the receiver may have missed,
// as RTX, and where there are none, packets without payload. Neither touches
// the numbering of a stream that is being watched: RTX has its own, and the
// empty ones belong to the bridge's own stream, which every client was told
// of and nobody watches.
func (ep *endpoint) pad(p *bwe.Probe) {
	if !ep.takes(true) || ep.formats.ext.tcc == 0 || ep.w.stress.Thrifty() {
		return
	}
	left, packets := p.Bytes, maxPadding
	for _, v := range ep.streams {
		for left > 0 && packets > 0 {
			n := v.padRepeat()
			if n == 0 {
				break
			}
			left -= n
			packets--
		}
	}
	for ; left > 0 && packets > 0; packets-- {
		n := ep.padEmpty()
		if n == 0 {
			return
		}
		left -= n
	}
}

// padRepeat repeats the newest packet of the stream that was not repeated for
// a probe already, and returns its size on the path; 0 if there is none.
func (v *videoSub) padRepeat() int {
	if v.src == nil || v.rtx == 0 || !v.seq.Started() {
		return 0
	}
	newest, _ := v.seq.NewestOut()
	if !v.pads.started || int16(newest-v.pads.top) > 0 {
		v.pads = padCursor{started: true, top: newest, next: newest}
	}
	for v.pads.top-v.pads.next < padWindow {
		out := v.pads.next
		v.pads.next--
		if n := v.padWith(out); n > 0 {
			return n
		}
	}
	return 0
}

// padCursor is where in a stream the next packet to repeat is looked for.
type padCursor struct {
	started   bool
	top, next uint16
}

func (v *videoSub) padWith(out uint16) int {
	from, ok := v.origin(out)
	if !ok {
		return 0
	}
	pkt, _, ok := v.src.encodings[from.Encoding].ring.Get(from.Seq, v.to.w.now, repeatAge)
	if !ok {
		return 0
	}
	v.beginRepeats()
	n := v.sendRepeat(pkt, out, from, bwe.Padding)
	if n > 0 {
		v.to.w.count.inc(cPadding)
	}
	return n
}

// padEmpty sends a packet that is padding only; not to who takes no video.
func (ep *endpoint) padEmpty() int {
	if ep.formats.padding == 0 {
		return 0
	}
	w, e := ep.w, &ep.w.padding
	e.Reset()
	e.SSRC, e.PayloadType, e.Seq = ep.c.feedbackVideo, ep.formats.padding, ep.bw.padSeq
	e.AddUint16(ep.formats.ext.tcc, ep.tccSeq)
	buf := w.buffer(ep, e.HeaderLen()+padSize)
	n, err := e.WritePadding(buf, padSize)
	if err != nil {
		return 0
	}
	if n = w.seal(ep, &ep.bw.padding, buf, n, bwe.Padding, true); n > 0 {
		ep.bw.padSeq++
		w.count.inc(cPadding)
	}
	return n
}
