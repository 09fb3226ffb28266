package codec

// AV1Growth is how much longer WriteAV1Targets can make a descriptor: by the
// five flags of the extended fields and a bit for each decode target.
const AV1Growth = (5 + MaxAV1DecodeTargets + 7) / 8

// WriteAV1Targets copies the content of a dependency descriptor to dst[:n], with
// active as its active decode targets whether or not it named any before
// (AV1 RTP specification §A.4). d is what ParseAV1 has made of ext, without an
// error. dst must hold len(ext)+AV1Growth bytes and not overlap ext; the result
// may be too long for a header extension element if ext nearly was. The padding
// behind the descriptor is left out.
func WriteAV1Targets(dst, ext []byte, d *AV1, active uint32) (n int) {
	clear(dst[:len(ext)+AV1Growth])
	const mandatory = 24 // bits (§A.8.2)
	w := bitWriter{b: dst}
	w.copyBits(ext, 0, mandatory)
	if d.targetsAt == 0 { // no extended fields (§A.8.3)
		w.bits(0b01000, 5)
	} else {
		w.copyBits(ext, mandatory, mandatory+1)
		w.bits(1, 1)
		w.copyBits(ext, mandatory+2, int(d.targetsAt))
	}
	w.bits(active, int(d.Structure.DecodeTargets))
	w.copyBits(ext, int(d.frameAt), int(d.endAt))
	return (w.pos + 7) / 8
}

// bitWriter writes bits from the top of each byte into memory that is zero.
type bitWriter struct {
	b   []byte
	pos int // in bits
}

// bits writes the low n bits of v, at most 32.
func (w *bitWriter) bits(v uint32, n int) {
	for n > 0 {
		room := 8 - w.pos%8
		take := min(room, n)
		n -= take
		w.b[w.pos/8] |= byte(v>>n) & (1<<take - 1) << (room - take)
		w.pos += take
	}
}

// copyBits writes the bits from and up to, but without, a position in src.
func (w *bitWriter) copyBits(src []byte, from, to int) {
	r := bitReader{b: src, pos: from}
	for r.pos < to {
		n := min(to-r.pos, 32)
		w.bits(r.bits(n), n)
	}
}
