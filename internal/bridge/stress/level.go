package stress

import (
	"math"
	"slices"
)

// Level returns the height to which all of these have to be cut for the sum to
// be total; the greatest of them if it is that already. It sorts what it is
// given.
func Level(amounts []float64, total float64) float64 {
	slices.Sort(amounts)
	for i, a := range amounts {
		if rest := float64(len(amounts) - i); a*rest >= total {
			return total / rest
		}
		total -= a
	}
	if len(amounts) == 0 {
		return 0
	}
	return amounts[len(amounts)-1]
}

// Spread is the share of the n-th receiver in the limit, from 0.8 to 1.25: as
// evenly spread as can be, however many there are.
func Spread(n uint64) float64 {
	_, part := math.Modf(float64(n%1_000_000) * math.Phi)
	return 0.8 * math.Pow(1.25/0.8, part)
}
