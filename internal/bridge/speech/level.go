package speech

import (
	"math"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	frames      = 50 // levels that are kept: one second
	blockFrames = 5  // frames of a block, the medium scale
	blocks      = frames / blockFrames

	// step is the width of one of the 13 bands of volume.
	step  = 10
	bands = 13
	// A frame counts as active above band 7, a block above 4 active frames.
	activeBand  = 7
	activeBlock = 4

	// floorWindow levels (15 s) without a new minimum raise the noise floor.
	floorWindow = 750
)

// levels is the last second of one speaker's volumes, and the noise floor.
// Volumes are 0 (silence) to 127.
type levels struct {
	ring   [frames]uint8
	newest uint8     // index in ring
	last   mono.Time // up to where the ring is filled
	alive  uint8     // how many of ring are not 0

	low     uint8 // the lowest volume heard, 0: none yet
	nextLow uint8 // the lowest since then
	heard   uint16
}

// add takes the volume of a frame that arrived at now.
func (l *levels) add(volume uint8, now mono.Time) {
	l.idle(now)
	l.push(volume)
	l.last = now
	l.track(volume)
}

// idle fills the time up to now, in which nothing was heard.
func (l *levels) idle(now mono.Time) {
	for now.Sub(l.last) >= idleAfter {
		if l.alive == 0 { // more silence changes nothing
			l.last = now - (now-l.last)%mono.Time(idleAfter)
			return
		}
		l.push(0)
		l.last = l.last.Add(idleAfter)
	}
}

func (l *levels) push(volume uint8) {
	l.newest = (l.newest + 1) % frames
	if l.ring[l.newest] != 0 {
		l.alive--
	}
	if volume != 0 {
		l.alive++
	}
	l.ring[l.newest] = volume
}

// track keeps the noise floor: the lowest volume ever heard, which rises
// halfway (in the logarithm) to the lowest of the last 15 s when these were
// all above it. Digital silence says nothing about noise.
func (l *levels) track(volume uint8) {
	switch {
	case volume == 0:
	case l.low == 0 || volume < l.low:
		l.low, l.nextLow, l.heard = volume, 0, 0
	default:
		if l.nextLow == 0 || volume < l.nextLow {
			l.nextLow = volume
		}
		if l.heard++; l.heard >= floorWindow {
			l.low = uint8(math.Sqrt(float64(l.low) * float64(l.nextLow)))
			l.nextLow, l.heard = 0, 0
		}
	}
}

// floor is the volume below which a frame counts as silence.
func (l *levels) floor() uint8 { return l.low + step }

// activity is how active a speaker is on the three scales.
type activity struct{ immediate, medium, long int }

// activity counts: the band of the newest frame, the active frames of the
// newest block, the active blocks of the last second.
func (l *levels) activity() (a activity) {
	if l.alive == 0 {
		return a
	}
	floor := l.floor()
	i := int(l.newest)
	for block := range blocks {
		active := 0
		for frame := range blockFrames {
			band := 0
			if v := l.ring[i]; v >= floor {
				band = int(v / step)
			}
			if block == 0 && frame == 0 {
				a.immediate = band
			}
			if band > activeBand {
				active++
			}
			if i--; i < 0 {
				i = frames - 1
			}
		}
		if block == 0 {
			a.medium = active
		}
		if active > activeBlock {
			a.long++
		}
	}
	return a
}
