package speech

import (
	"math"

	"github.com/plenum-conf/plenum/internal/mono"
)

// How much greater the logarithm of a challenger's score must be on each
// scale. The values here and in the tables below are those with which Jitsi
// has run for years; its clients' users know the behaviour.
const (
	immediateLead = 3.0
	mediumLead    = 2.0
	longLead      = 0.0
)

// scores are the logarithms of the likelihood ratios of speech.
type scores struct{ immediate, medium, long float64 }

// silence is the score of somebody who says nothing.
var silence = scores{immediateScores[0], mediumScores[0], longScores[0]}

// The scores of every possible activity.
var (
	immediateScores = table(bands, 0.78)
	mediumScores    = table(blockFrames, 24)
	longScores      = table(blocks, 47)
)

// table computes the logarithms of the scores of 0 to n active parts out of n:
// the binomial likelihood of that many if somebody speaks (each part active
// with probability 0.5) against an exponential one with parameter lambda if
// nobody does (Volfin and Cohen, equation 4). A score is at least 1e-10.
func table(n int, lambda float64) []float64 {
	out := make([]float64, n+1)
	for active := range out {
		k, all := float64(active), float64(n)
		ratio := logBinomial(n, active) + k*math.Log(0.5) + (all-k)*math.Log(0.5) - math.Log(lambda) + lambda*k
		out[active] = math.Log(max(ratio, 1e-10))
	}
	return out
}

// logBinomial is ln(n! / (k! (n-k)!)).
func logBinomial(n, k int) float64 {
	sum := 0.0
	for i := 1; i <= k; i++ {
		sum += math.Log(float64(n-k+i)) - math.Log(float64(i))
	}
	return sum
}

// evaluate brings s.scores up to date.
func (s *Speaker) evaluate(now mono.Time) {
	s.levels.idle(now)
	a := s.levels.activity()
	s.scores = scores{immediateScores[a.immediate], mediumScores[a.medium], longScores[a.long]}
}

// beats reports whether s takes the floor from somebody with holder's scores
// if its lead on the medium scale suffices as well.
func (s scores) beats(holder scores) bool {
	return s.immediate-holder.immediate > immediateLead && s.long-holder.long > longLead
}
