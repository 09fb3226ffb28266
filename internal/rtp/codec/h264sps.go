package codec

const (
	// maxSPS is how much of a sequence parameter set is read. One with all
	// scaling lists, which no conference client sends, is hardly longer.
	maxSPS = 256
	// maxH264Size is more than any level of H.264 allows.
	maxH264Size = 16384
)

// pictureSize reads how large pictures are from a sequence parameter set, a
// NAL unit with its header (ITU-T H.264 §7.3.2.1.1, §7.4.2.1.1). It is 0, 0
// where nothing sensible is said, as of what is encrypted.
func pictureSize(nal []byte) (width, height uint16) {
	var rbsp [maxSPS]byte
	r := bitReader{b: unescape(rbsp[:], nal[1:])}
	profile := r.bits(8)
	r.bits(16) // constraints, level
	r.ue()     // id
	chroma := r.chroma(profile)
	r.ue() // frame numbers
	r.pictureOrder()
	r.ue()  // reference frames
	r.bit() // gaps
	columns, rows := r.ue(), r.ue()
	fields := uint32(2)
	if r.bit() {
		fields = 1
	} else {
		r.bit() // macroblock-adaptive
	}
	r.bit() // direct 8x8 inference
	if columns >= maxH264Size/16 || rows >= maxH264Size/16 {
		return 0, 0
	}
	w, h := 16*(columns+1), 16*fields*(rows+1)
	if r.bit() {
		unitX, unitY := chroma.cropUnits()
		left, right, top, bottom := r.ue(), r.ue(), r.ue(), r.ue()
		if max(left, right, top, bottom) > maxH264Size {
			return 0, 0
		}
		cropX, cropY := unitX*(left+right), fields*unitY*(top+bottom)
		if cropX >= w || cropY >= h {
			return 0, 0
		}
		w, h = w-cropX, h-cropY
	}
	if r.short || w > maxH264Size || h > maxH264Size {
		return 0, 0
	}
	return uint16(w), uint16(h)
}

// unescape copies b to dst, as far as that reaches, without the bytes that
// keep start codes out of it (§7.4.1.1).
func unescape(dst, b []byte) []byte {
	n, zeros := 0, 0
	for _, c := range b {
		if n == len(dst) {
			break
		}
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if zeros++; c != 0 {
			zeros = 0
		}
		dst[n] = c
		n++
	}
	return dst[:n]
}

// chromaFormat is how colours are sampled: 0 not at all, 1 4:2:0, 2 4:2:2, 3
// 4:4:4.
type chromaFormat uint32

// cropUnits are what cropping counts in, in samples of frames (§7.4.2.1.1).
func (c chromaFormat) cropUnits() (x, y uint32) {
	switch c {
	case 1:
		return 2, 2
	case 2:
		return 2, 1
	}
	return 1, 1
}

// chroma reads what only the higher profiles say.
func (r *bitReader) chroma(profile uint32) chromaFormat {
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
	default:
		return 1
	}
	format, lists := r.ue(), 8
	if format == 3 {
		lists = 12
		if r.bit() { // three planes, each without colours
			format = 0
		}
	}
	r.ue()
	r.ue()  // depths
	r.bit() // transform bypass
	if r.bit() {
		for i := range lists {
			if r.bit() {
				r.scalingList(i)
			}
		}
	}
	return chromaFormat(format)
}

// scalingList passes over a list (§7.3.2.1.1.1).
func (r *bitReader) scalingList(i int) {
	size := 64
	if i < 6 {
		size = 16
	}
	last, next := int32(8), int32(8)
	for ; size > 0 && next != 0 && !r.short; size-- {
		if next = (last + r.se() + 256) % 256; next != 0 {
			last = next
		}
	}
}

// pictureOrder passes over how pictures are ordered.
func (r *bitReader) pictureOrder() {
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.bit()
		r.se()
		r.se()
		for n := min(r.ue(), 255); n > 0 && !r.short; n-- {
			r.se()
		}
	}
}

// ue reads an unsigned Exp-Golomb number (§9.1). One of more than 32 bits ends
// the reading.
func (r *bitReader) ue() uint32 {
	zeros := 0
	for !r.bit() {
		if zeros++; zeros > 31 || r.short {
			r.short, r.pos = true, 8*len(r.b)
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// se reads a signed one (§9.1.1).
func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 0 {
		return -int32(v >> 1)
	}
	return int32(v>>1) + 1
}
