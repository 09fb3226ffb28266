package speech

import "github.com/plenum-conf/plenum/internal/mono"

// Unknown is the level of a packet that does not tell one.
const Unknown = 255

// Voice is one audio source as a [Router] knows it. The zero value is one that
// was never heard. It must not be copied, nor given to several routers.
type Voice struct {
	noise    noise
	voiced   mono.Time // when it spoke last; 0: never
	energy   uint16    // loudness while it talks, in 1/16 dB
	volume   uint8     // of the newest packet
	run      uint8     // packets in a row above the noise
	louder   uint8     // packets for which it outdid somebody who is routed
	dominant bool
	place    int // in Router.on, counted from 1; 0: not routed
}

// SetDominant says whether the voice is the dominant speaker's.
func (v *Voice) SetDominant(is bool) { v.dominant = is }

// Routed reports whether the voice has a place.
func (v *Voice) Routed() bool { return v.place != 0 }

const (
	// aboveNoise is how far a volume has to be above the noise to be a voice.
	aboveNoise = 10
	// faintest is the least noise that is assumed: nobody is heard who speaks
	// with less than -70 dBov.
	faintest = 127 - 80
	// audible is what is worth forwarding while nobody needs the place, even
	// if it is as even as noise: music may be.
	audible = 127 - 60
	// clearly is by how much, in 1/16 dB, somebody has to be louder than
	// somebody else.
	clearly = 3 * 16
)

// hear takes the volume of a packet, 0 (silence) to 127, and reports whether
// somebody speaks in it.
func (v *Voice) hear(volume uint8, now mono.Time) bool {
	v.volume = volume
	v.noise.add(volume)
	if volume < v.noise.floor()+aboveNoise {
		v.run = 0
		return false
	}
	v.run = min(v.run+1, enoughPackets)
	goesOn := v.voiced != 0 && now.Sub(v.voiced) < phraseGap
	if !goesOn && v.run == 1 {
		v.energy, v.louder = uint16(volume)*16, 0
	}
	v.smooth(uint16(volume) * 16)
	if goesOn || v.run == enoughPackets {
		v.voiced = now
	}
	return true
}

// smooth follows a rising volume at once and a falling one slowly: a voice is
// as loud as its vowels.
func (v *Voice) smooth(volume uint16) {
	if volume > v.energy {
		v.energy += (volume - v.energy) / 2
		return
	}
	v.energy -= (v.energy - volume) / 16
}

// outdoes reports whether v is clearly louder than a voice that is routed.
func (v *Voice) outdoes(o *Voice) bool { return v.energy >= o.energy+clearly }

// noise finds out how loud a source is when nobody speaks: the least volume of
// the last noiseWindows windows and the one that is being filled. Speech falls
// to it every other second; what never does for three is noise itself. Packets
// are counted, not time, so that with discontinuous transmission, when nothing
// is sent between words, no word is taken for noise.
type noise struct {
	lows [noiseWindows]uint8
	next uint8 // of lows
	low  uint8 // of the window that is being filled
	n    uint8 // packets in that window
}

const (
	noiseWindows = 4
	noisePackets = 40 // of a window: 0.8 s of packets of 20 ms
)

func (n *noise) add(volume uint8) {
	if n.n == 0 || volume < n.low {
		n.low = volume
	}
	if n.n++; n.n == noisePackets {
		n.lows[n.next] = n.low
		n.next = (n.next + 1) % noiseWindows
		n.n = 0
	}
}

// floor is the noise. A source that was never heard is taken for a quiet one:
// who opens the microphone to speak is heard from the first packet.
func (n *noise) floor() uint8 {
	low := n.low
	for _, l := range n.lows {
		low = min(low, l)
	}
	return max(low, faintest)
}
