package rtp

import "github.com/plenum-conf/plenum/internal/rtp/renumber"

// DuplicateWindow is how many packets of an SSRC a DuplicateFilter remembers.
const DuplicateWindow = 2048

// DuplicateFilter tells packets of one SSRC that came before, as happens when
// a packet believed lost and its retransmission both arrive. The zero value is
// ready; it takes about 270 bytes.
type DuplicateFilter struct {
	numbers renumber.Unwrapper
	newest  int64
	seen    [DuplicateWindow / 64]uint64
}

// First reports whether a packet came for the first time. Packets that are
// too old to tell count as duplicates.
func (f *DuplicateFilter) First(seq uint16) bool {
	n := f.numbers.Unwrap(seq, 16)
	switch {
	case n <= f.newest-DuplicateWindow:
		return false
	case n > f.newest:
		f.advance(n)
	}
	word, bit := int(n/64)%len(f.seen), uint64(1)<<(n%64)
	first := f.seen[word]&bit == 0
	f.seen[word] |= bit
	return first
}

// advance forgets what falls out of the window.
func (f *DuplicateFilter) advance(n int64) {
	if n-f.newest >= DuplicateWindow {
		clear(f.seen[:])
	} else {
		for i := f.newest + 1; i <= n; i++ {
			f.seen[int(i/64)%len(f.seen)] &^= 1 << (i % 64)
		}
	}
	f.newest = n
}
