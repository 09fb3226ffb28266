package codec

import "github.com/plenum-conf/plenum/internal/rtp/renumber"

// VP8Rewriter chooses the picture ids and TL0PICIDX of one receiver's stream,
// so that they go on when the stream is fed from another encoding and have no
// gaps for frames that were left out (RFC 7741 §4.2, §5.1). It follows the
// calls made to the rtp.SeqMap of the same stream: Switch, then Forward or
// Drop for every packet.
//
// Picture ids that go out have 15 bits. It takes about 350 bytes, and 2 KiB
// more once a frame was left out.
type VP8Rewriter struct {
	pictures renumber.Map
	epochs   [renumber.Epochs]vp8Epoch
	lastTL0  uint8
}

type vp8Epoch struct {
	tl0Offset uint8 // outgoing minus incoming
	bits      uint8 // of incoming picture ids, 0 without
}

const vp8Range = 1 << 15

// Switch makes the frame that d belongs to the next one of the stream.
func (r *VP8Rewriter) Switch(d *VP8) {
	out := int64(d.PictureID) + vp8Range
	e := vp8Epoch{bits: d.PictureIDBits}
	if _, started := r.pictures.Epoch(); started {
		out = r.pictures.NewestOut() + 1
		e.tl0Offset = r.lastTL0 + 1 - d.TL0PicIdx
	}
	n := r.pictures.Begin(int64(d.PictureID)+vp8Range, out)
	r.epochs[n%renumber.Epochs] = e
	r.lastTL0 = d.TL0PicIdx + e.tl0Offset
}

// Forward returns the numbers for a packet of the current encoding; false if
// its frame was left out, is too old, or lies before the switch.
func (r *VP8Rewriter) Forward(d *VP8) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	n, ok := r.pictures.Epoch()
	if !ok {
		return 0, 0, false
	}
	e := &r.epochs[n%renumber.Epochs]
	tl0 := d.TL0PicIdx + e.tl0Offset
	if int8(tl0-r.lastTL0) > 0 {
		r.lastTL0 = tl0
	}
	if d.PictureIDBits == 0 || e.bits == 0 {
		return 0, tl0, true
	}
	out, ok := r.pictures.Next(r.extend(d, e))
	return uint16(out & (vp8Range - 1)), tl0, ok
}

func (r *VP8Rewriter) extend(d *VP8, e *vp8Epoch) int64 {
	return renumber.Nearest(r.pictures.NewestIn(), d.PictureID, e.bits)
}

// Drop says that a packet's frame is left out on purpose.
func (r *VP8Rewriter) Drop(d *VP8) {
	n, ok := r.pictures.Epoch()
	if !ok || d.PictureIDBits == 0 {
		return
	}
	if e := &r.epochs[n%renumber.Epochs]; e.bits != 0 {
		r.pictures.Drop(r.extend(d, e))
	}
}

// Repeat returns the numbers a packet had that is sent again; epoch is the one
// SeqMap.Source named. False if they are not known any more.
func (r *VP8Rewriter) Repeat(epoch uint32, d *VP8) (pictureID uint16, tl0PicIdx uint8, ok bool) {
	if n, started := r.pictures.Epoch(); !started || epoch > n || n-epoch >= renumber.Epochs {
		return 0, 0, false
	}
	e := &r.epochs[epoch%renumber.Epochs]
	tl0 := d.TL0PicIdx + e.tl0Offset
	if d.PictureIDBits == 0 || e.bits == 0 {
		return 0, tl0, true
	}
	newest, ok := r.pictures.NewestInOf(epoch)
	if !ok {
		return 0, 0, false
	}
	out, ok := r.pictures.Out(epoch, renumber.Nearest(newest, d.PictureID, e.bits))
	return uint16(out & (vp8Range - 1)), tl0, ok
}
