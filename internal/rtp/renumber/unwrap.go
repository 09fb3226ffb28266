package renumber

// Unwrapper extends numbers of Bits bits, which wrap, to ones that do not. A
// number is taken to be the one nearest to the newest, so that jumps of less
// than half the range are understood in both directions.
//
// The first number extends to itself plus one whole range, so that all older
// ones are positive too.
type Unwrapper struct {
	newest  int64
	started bool
}

// Unwrap extends n, a number of the given width, and remembers it if it is
// the newest.
func (u *Unwrapper) Unwrap(n uint16, bits uint8) int64 {
	if !u.started {
		u.started = true
		u.newest = int64(n) + 1<<bits
		return u.newest
	}
	x := u.Peek(n, bits)
	u.newest = max(u.newest, x)
	return x
}

// Peek extends n without remembering it.
func (u *Unwrapper) Peek(n uint16, bits uint8) int64 {
	return Nearest(u.newest, n, bits)
}

// Nearest returns the number nearest to reference whose low bits are n.
func Nearest(reference int64, n uint16, bits uint8) int64 {
	shift := 64 - bits
	delta := (int64(n) - reference) << shift >> shift // as a signed number of that width
	return reference + delta
}
