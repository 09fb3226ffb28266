package bwe

import (
	"math"

	"github.com/plenum-conf/plenum/internal/mono"
)

// signal is what the delay tells about the path.
type signal uint8

const (
	normal  signal = iota
	overuse        // a queue grows
	underuse
)

func (s signal) String() string { return [...]string{"normal", "overuse", "underuse"}[s] }

// Constants of the trendline filter and its threshold, which are those that
// conferencing clients have in use; draft-ietf-rmcat-gcc-02 §5.4 explains the
// adaptive threshold. Times are in milliseconds.
const (
	trendWindow     = 20
	trendMin        = 6 // samples before there is a slope
	trendSmoothing  = 0.9
	trendGain       = 4.0
	trendMaxSamples = 60 // the slope counts for more up to so many

	thresholdStart    = 12.5
	thresholdMin      = 6.0
	thresholdMax      = 600.0
	thresholdUp       = 0.0087
	thresholdDown     = 0.039
	thresholdMaxStep  = 100.0
	thresholdMaxExtra = 15.0 // a trend farther above it is no noise to adapt to

	overuseTime = 10.0
)

// trendline is a straight line through the smoothed delays of the last groups:
// its slope says how fast the queue grows.
type trendline struct {
	points   [trendWindow]trendPoint
	next     int
	samples  int // ever
	origin   delaySample
	smoothed float64
}

type trendPoint struct{ x, y float64 } // arrival and smoothed delay in ms

func (t *trendline) reset() { *t = trendline{} }

func (t *trendline) add(s delaySample) {
	if t.samples == 0 {
		t.origin = s
	}
	delay := (s.delay() - t.origin.delay()).Seconds() * 1000
	t.smoothed = trendSmoothing*t.smoothed + (1-trendSmoothing)*delay
	t.points[t.next] = trendPoint{(s.at - t.origin.at).Seconds() * 1000, t.smoothed}
	t.next = (t.next + 1) % trendWindow
	t.samples++
}

// slope is that of the least-squares line, in ms of delay per ms; false while
// there are too few samples, or all of one time.
func (t *trendline) slope() (float64, bool) {
	n := min(t.samples, trendWindow)
	if n < trendMin {
		return 0, false
	}
	var mean trendPoint
	for _, p := range t.points[:n] {
		mean.x += p.x
		mean.y += p.y
	}
	mean.x /= float64(n)
	mean.y /= float64(n)
	var xy, xx float64
	for _, p := range t.points[:n] {
		xy += (p.x - mean.x) * (p.y - mean.y)
		xx += (p.x - mean.x) * (p.x - mean.x)
	}
	if xx == 0 {
		return 0, false
	}
	return xy / xx, true
}

// detector compares the trend with a threshold that follows the usual noise of
// the path.
type detector struct {
	threshold float64
	signal    signal
	trend     float64   // as compared
	updated   mono.Time // when the last sample was sent
	over      float64   // how long the trend has been above, in ms; negative: it was not
	count     int
}

func newDetector() detector { return detector{threshold: thresholdStart, over: -1} }

// update takes the slope after a sample.
func (d *detector) update(slope float64, samples int, s delaySample) {
	trend := slope * float64(min(samples, trendMaxSamples)) * trendGain
	elapsed := s.sent.Sub(d.updated).Seconds() * 1000
	d.updated = s.sent
	switch {
	case trend > d.threshold:
		d.above(trend, elapsed)
	case trend < -d.threshold:
		d.clear(underuse)
	default:
		d.clear(normal)
	}
	d.trend = trend
	d.adapt(min(elapsed, thresholdMaxStep))
}

// above signals overuse only when the trend has been above the threshold for a
// while and does not fall.
func (d *detector) above(trend, elapsed float64) {
	if d.over < 0 {
		d.over = elapsed / 2
	} else {
		d.over += elapsed
	}
	d.count++
	if d.over > overuseTime && d.count > 1 && trend >= d.trend {
		d.over, d.count, d.signal = 0, 0, overuse
	}
}

func (d *detector) clear(s signal) { d.over, d.count, d.signal = -1, 0, s }

func (d *detector) adapt(elapsed float64) {
	size := math.Abs(d.trend)
	if size > d.threshold+thresholdMaxExtra {
		return
	}
	k := thresholdUp
	if size < d.threshold {
		k = thresholdDown
	}
	d.threshold += k * (size - d.threshold) * elapsed
	d.threshold = min(max(d.threshold, thresholdMin), thresholdMax)
}
