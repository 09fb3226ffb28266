package codec

import "github.com/plenum-conf/plenum/internal/rtp/renumber"

// VP8Rewriter chooses the picture ids and TL0PICIDX of one receiver's stream,
// so that they go on when the stream is fed from another encoding and have no
// gaps for frames that were left out (RFC 7741 §4.2, §5.1). It follows the
// calls made to the rtp.SeqMap of the same stream: Switch, then Forward or
// Drop for every packet.
//
// Picture ids that go out have 15 bits. It takes about 130 bytes, and 128
// more once a frame was left out. The last 64 pictures can be repeated, which is
// a second at 60 Hz.
type VP8Rewriter struct{ pictures pictures }

// Switch makes the frame that d belongs to the next one of the stream.
func (r *VP8Rewriter) Switch(d *VP8) { r.pictures.begin(d.picture()) }

// Forward returns the numbers for a packet of the current encoding; false if
// its frame was left out, is too old, or lies before the switch.
func (r *VP8Rewriter) Forward(d *VP8) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	return r.pictures.forward(d.picture())
}

// Drop says that a packet's frame is left out on purpose.
func (r *VP8Rewriter) Drop(d *VP8) { r.pictures.drop(d.picture()) }

// Repeat returns the numbers a packet had that is sent again; epoch is the one
// rtp.SeqMap.Source named. False if they are not known any more.
func (r *VP8Rewriter) Repeat(epoch uint32, d *VP8) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	return r.pictures.repeat(epoch, d.picture())
}

// VP9Rewriter does for VP9 what VP8Rewriter does for VP8 (RFC 9628 §4.2), but
// keeps the gaps of pictures that were left out: what a picture depends on is
// told by differences of picture ids.
type VP9Rewriter struct{ pictures pictures }

// Switch makes the picture that d belongs to the next one of the stream.
func (r *VP9Rewriter) Switch(d *VP9) { r.pictures.begin(d.picture()) }

// Forward returns the numbers for a packet of the current encoding; false if
// its picture is too old or lies before the switch.
func (r *VP9Rewriter) Forward(d *VP9) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	return r.pictures.forward(d.picture())
}

// Repeat returns the numbers a packet had that is sent again; epoch is the one
// rtp.SeqMap.Source named. False if they are not known any more.
func (r *VP9Rewriter) Repeat(epoch uint32, d *VP9) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	return r.pictures.repeat(epoch, d.picture())
}

// AV1Rewriter chooses the frame numbers and template ids in the dependency
// descriptors of one receiver's stream, so that they go on when the stream is
// fed from another encoding. As with VP9, frames that were left out keep their
// number. Template ids of a new structure are other ones than those of the last
// (AV1 RTP specification §A.5), whatever its sender used before, so that what
// comes late is not taken for something else. Write them with SetAV1Numbers.
type AV1Rewriter struct {
	offsets      [renumber.Epochs]AV1Numbers // outgoing minus incoming
	epochs       uint32
	newest       uint16 // outgoing
	nextTemplate uint8  // outgoing, behind those of the newest structure
}

// AV1Numbers are what a receiver's dependency descriptor says differently.
type AV1Numbers struct {
	Frame    uint16 // frame number
	Template uint8  // what is added to template ids, modulo 64
}

// Switch makes the frame that d belongs to the next one of the stream.
func (r *AV1Rewriter) Switch(d *AV1) {
	var offset AV1Numbers
	if r.epochs > 0 {
		offset.Frame = r.newest + 1 - d.FrameNumber
		if d.Structure != nil {
			offset.Template = r.nextTemplate - d.Structure.TemplateIDOffset
		}
	}
	r.offsets[r.epochs%renumber.Epochs] = offset
	r.epochs++
	r.newest = d.FrameNumber + offset.Frame
}

// Forward returns the numbers for a packet of the current encoding. Packets in
// front of the switch must not be given; rtp.SeqMap refuses them.
func (r *AV1Rewriter) Forward(d *AV1) AV1Numbers {
	n := r.offsets[(r.epochs-1)%renumber.Epochs]
	n.Frame += d.FrameNumber
	if int16(n.Frame-r.newest) > 0 {
		r.newest = n.Frame
	}
	if d.HasStructure {
		r.nextTemplate = d.Structure.TemplateIDOffset + uint8(len(d.Structure.Templates)) + n.Template
	}
	return n
}

// Repeat returns the numbers a packet had that is sent again; epoch is the one
// rtp.SeqMap.Source named. False if they are not known any more.
func (r *AV1Rewriter) Repeat(epoch uint32, d *AV1) (AV1Numbers, bool) {
	if epoch >= r.epochs || r.epochs-epoch > renumber.Epochs {
		return AV1Numbers{}, false
	}
	n := r.offsets[epoch%renumber.Epochs]
	n.Frame += d.FrameNumber
	return n, true
}
