package bridge

import (
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// rewriter keeps the numbers inside of a receiver's payloads going on when
// the stream is fed from another encoding. It is made anew when the codec
// changes.
type rewriter struct {
	codec codecKind
	base  uint32 // the stream's epoch in which it was made
	vp8   *codec.VP8Rewriter
	vp9   *codec.VP9Rewriter
	av1   *codec.AV1Rewriter
}

// maxGrowth is how much longer a payload can become.
const maxGrowth = max(codec.VP8Growth, codec.VP9Growth)

// begin makes p's frame the next one of the stream; epoch is the stream's.
func (r *rewriter) begin(p *videoPacket, epoch uint32) {
	if r.codec != p.codec {
		*r = newRewriter(p.codec, epoch)
	}
	switch p.codec {
	case codecVP8:
		r.vp8.Switch(&p.vp8)
	case codecVP9:
		r.vp9.Switch(&p.vp9)
	case codecAV1:
		r.av1.Switch(&p.av1)
	}
}

func newRewriter(c codecKind, epoch uint32) rewriter {
	r := rewriter{codec: c, base: epoch}
	switch c {
	case codecVP8:
		r.vp8 = new(codec.VP8Rewriter)
	case codecVP9:
		r.vp9 = new(codec.VP9Rewriter)
	case codecAV1:
		r.av1 = new(codec.AV1Rewriter)
	}
	return r
}

// leaveOut says that p is not forwarded.
func (r *rewriter) leaveOut(p *videoPacket) {
	if p.codec == codecVP8 && r.codec == codecVP8 {
		r.vp8.Drop(&p.vp8)
	}
}

// write writes header and payload of p to dst as the receiver is to get them
// and returns their length; false if they cannot be forwarded any more.
func (r *rewriter) write(dst []byte, head *outHeader, p *videoPacket) (n int, ok bool) {
	n = head.n
	if r.codec != p.codec {
		return 0, false // late, from before the codec changed
	}
	switch p.codec {
	case codecVP8:
		id, tl0, ok := r.vp8.Forward(&p.vp8)
		if !ok {
			return 0, false
		}
		return n + codec.RewriteVP8(dst[n:], p.h.Payload(), &p.vp8, id, tl0), true
	case codecVP9:
		id, tl0, ok := r.vp9.Forward(&p.vp9)
		if !ok {
			return 0, false
		}
		return n + codec.RewriteVP9(dst[n:], p.h.Payload(), &p.vp9, id, tl0), true
	case codecAV1:
		numbers := r.av1.Forward(&p.av1)
		if head.depN > 0 { // else the receiver was not offered the extension
			codec.SetAV1Numbers(head.dependency(dst), numbers, p.av1.HasStructure)
		}
	}
	return n + copy(dst[n:], p.h.Payload()), true
}

// repeat is write for a packet that was sent before, behind the two bytes
// that RTX needs.
func (r *rewriter) repeat(dst []byte, head *outHeader, p *videoPacket, from rtp.Origin) (n int, ok bool) {
	n = head.n + 2
	if r.codec != p.codec || from.Epoch < r.base {
		return 0, false
	}
	epoch := from.Epoch - r.base
	switch p.codec {
	case codecVP8:
		id, tl0, ok := r.vp8.Repeat(epoch, &p.vp8)
		if !ok {
			return 0, false
		}
		return n + codec.RewriteVP8(dst[n:], p.h.Payload(), &p.vp8, id, tl0), true
	case codecVP9:
		id, tl0, ok := r.vp9.Repeat(epoch, &p.vp9)
		if !ok {
			return 0, false
		}
		return n + codec.RewriteVP9(dst[n:], p.h.Payload(), &p.vp9, id, tl0), true
	case codecAV1:
		numbers, ok := r.av1.Repeat(epoch, &p.av1)
		if !ok {
			return 0, false
		}
		if head.depN > 0 {
			codec.SetAV1Numbers(head.dependency(dst), numbers, p.av1.HasStructure)
		}
	}
	return n + copy(dst[n:], p.h.Payload()), true
}
