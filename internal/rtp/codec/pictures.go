package codec

import "github.com/plenum-conf/plenum/internal/rtp/renumber"

// picture is what VP8 and VP9 number: pictures, and those of temporal layer 0
// once more.
type picture struct {
	id   uint16
	bits uint8 // of id: 7, 15, or 0 without
	tl0  uint8
}

func (d *VP8) picture() picture { return picture{d.PictureID, d.PictureIDBits, d.TL0PicIdx} }
func (d *VP9) picture() picture { return picture{d.PictureID, d.PictureIDBits, d.TL0PicIdx} }

// pictures numbers the pictures of one receiver's stream; ids that go out have
// 15 bits.
type pictures struct {
	ids     renumber.Map
	epochs  [renumber.Epochs]pictureEpoch
	lastTL0 uint8
}

type pictureEpoch struct {
	tl0Offset uint8 // outgoing minus incoming
	bits      uint8 // of incoming picture ids, 0 without
}

const (
	pictureRange = 1 << 15
	pictureMask  = pictureRange - 1
)

func (n *pictures) begin(p picture) {
	out := int64(p.id) + pictureRange
	e := pictureEpoch{bits: p.bits}
	if _, started := n.ids.Epoch(); started {
		out = n.ids.NewestOut() + 1
		e.tl0Offset = n.lastTL0 + 1 - p.tl0
	}
	epoch := n.ids.Begin(int64(p.id)+pictureRange, out)
	n.epochs[epoch%renumber.Epochs] = e
	n.lastTL0 = p.tl0 + e.tl0Offset
}

func (n *pictures) forward(p picture) (id uint16, tl0 uint8, ok bool) {
	epoch, ok := n.ids.Epoch()
	if !ok {
		return 0, 0, false
	}
	e := &n.epochs[epoch%renumber.Epochs]
	tl0 = p.tl0 + e.tl0Offset
	if int8(tl0-n.lastTL0) > 0 {
		n.lastTL0 = tl0
	}
	if p.bits == 0 || e.bits == 0 {
		return 0, tl0, true
	}
	out, ok := n.ids.Next(n.extend(p, e))
	return uint16(out & pictureMask), tl0, ok
}

func (n *pictures) extend(p picture, e *pictureEpoch) int64 {
	return renumber.Nearest(n.ids.NewestIn(), p.id, e.bits)
}

func (n *pictures) drop(p picture) {
	epoch, ok := n.ids.Epoch()
	if !ok || p.bits == 0 {
		return
	}
	if e := &n.epochs[epoch%renumber.Epochs]; e.bits != 0 {
		n.ids.Drop(n.extend(p, e))
	}
}

// repeat returns the numbers of a picture among the newest 2^bits.
func (n *pictures) repeat(epoch uint32, p picture) (id uint16, tl0 uint8, ok bool) {
	if newest, started := n.ids.Epoch(); !started || epoch > newest || newest-epoch >= renumber.Epochs {
		return 0, 0, false
	}
	e := &n.epochs[epoch%renumber.Epochs]
	tl0 = p.tl0 + e.tl0Offset
	if p.bits == 0 || e.bits == 0 {
		return 0, tl0, true
	}
	newest, ok := n.ids.NewestInOf(epoch)
	if !ok {
		return 0, 0, false
	}
	// What is repeated is never newer than the newest, so that a whole range
	// of ids is understood.
	back := (newest - int64(p.id)) & (1<<e.bits - 1)
	out, ok := n.ids.Out(epoch, newest-back)
	return uint16(out & pictureMask), tl0, ok
}
