package codec

// bitReader reads bits from the top of each byte. Beyond the end it returns
// zeros and notes it.
type bitReader struct {
	b     []byte
	pos   int // in bits
	short bool
}

// bits reads n bits, at most 32 (f(n) of the AV1 specifications).
func (r *bitReader) bits(n int) uint32 {
	if r.pos+n > 8*len(r.b) {
		r.short = true
		r.pos = 8 * len(r.b)
		return 0
	}
	var v uint32
	for n > 0 {
		used := r.pos % 8
		take := min(8-used, n)
		v = v<<take | uint32(r.b[r.pos/8])<<used&0xff>>(8-take)
		r.pos += take
		n -= take
	}
	return v
}

func (r *bitReader) bit() bool { return r.bits(1) != 0 }

// nonSymmetric reads a number below n, more than 0 (ns(n) of AV1 §4.10.7).
func (r *bitReader) nonSymmetric(n uint32) uint32 {
	width := 0
	for x := n; x != 0; x >>= 1 {
		width++
	}
	m := uint32(1)<<width - n
	v := r.bits(width - 1)
	if v < m {
		return v
	}
	return v<<1 - m + r.bits(1)
}
