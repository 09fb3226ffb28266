package srtp

// A window remembers which of the newest indices of an SSRC were used: a ring
// of bits, one for each index in (highest-size, highest]. Its size is
// 64*len(bits), and len(bits) is a power of two.

// unused reports whether index may still be used: it is either newer than all
// before, or within the window and not marked.
func unused(bits []uint64, highest, index uint64) bool {
	if index > highest {
		return true
	}
	if highest-index >= uint64(len(bits))*64 {
		return false
	}
	word, bit := position(bits, index)
	return bits[word]&bit == 0
}

// mark records index as used and returns the new highest index. It must only
// be called after unused said yes.
func mark(bits []uint64, highest, index uint64) uint64 {
	if index > highest {
		forget(bits, highest, index)
		highest = index
	}
	word, bit := position(bits, index)
	bits[word] |= bit
	return highest
}

// forget clears the bits of the indices above highest up to index.
func forget(bits []uint64, highest, index uint64) {
	if index-highest >= uint64(len(bits))*64 {
		clear(bits)
		return
	}
	for i := highest + 1; i <= index; i++ {
		word, bit := position(bits, i)
		bits[word] &^= bit
	}
}

func position(bits []uint64, index uint64) (word int, bit uint64) {
	return int(index/64) & (len(bits) - 1), 1 << (index % 64)
}

// estimate guesses the 48-bit index of a packet from its sequence number and
// the highest index so far (RFC 3711 §3.3.1 and appendix A). It reports false
// if the packet would lie before the first roll-over or beyond the last.
func estimate(highest uint64, seq uint16) (uint64, bool) {
	// The difference modulo 2^16 as a signed number is the shortest way.
	delta := int64(int16(seq - uint16(highest)))
	index := int64(highest) + delta
	if index < 0 || index > maxRTPIndex {
		return 0, false
	}
	return uint64(index), true
}
