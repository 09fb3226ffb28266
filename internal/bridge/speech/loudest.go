package speech

import "github.com/plenum-conf/plenum/internal/mono"

// loudFor is how long after its last packet somebody is still loud.
const loudFor = 150 * mono.Duration(1e6)

// loudness is a speaker's volume smoothed over a few packets.
type loudness struct {
	energy uint8
	at     mono.Time
}

// add counts a packet. Volumes below the noise floor let the energy stand:
// they are pauses between words.
func (l *loudness) add(volume, floor uint8, now mono.Time) {
	if now.Sub(l.at) > loudFor {
		l.energy = 0
	}
	l.at = now
	if volume > floor {
		l.energy = uint8((uint(volume) + uint(l.energy) + 1) / 2)
	}
}

// Loudest fills ranked with the speakers who are loudest now, the loudest
// first, and returns how many there are. Who was not heard for 150 ms or did
// not rise above the noise is not ranked; equals rank in speech order.
func (d *Detector) Loudest(ranked []*Speaker, now mono.Time) int {
	n := 0
	for _, s := range d.order {
		if s.loud.energy == 0 || now.Sub(s.loud.at) > loudFor {
			continue
		}
		i := n
		for i > 0 && ranked[i-1].loud.energy < s.loud.energy {
			i--
		}
		if i == len(ranked) {
			continue
		}
		n = min(n+1, len(ranked))
		copy(ranked[i+1:n], ranked[i:n-1])
		ranked[i] = s
	}
	return n
}
