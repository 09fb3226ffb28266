package speech

import (
	"math/rand/v2"
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// talker is somebody in a large room: noise while silent, words while talking.
type talker struct {
	Voice
	noise, spread int // the room's level, in -dBov, and how much it varies
	level         int // of the voice, in -dBov
	frames        []uint8
	words         []word

	unheard int // packets left out since the last one that was routed
	at      int // packets so far
}

// word is the packets [from, to) of a talker, and how many of them were heard.
type word struct {
	from, to int
	heard    int
	cut      bool // heard, and then not any more
}

// hall is a large room: one packet every 20 ms from everybody.
type hall struct {
	*Router
	r      *rand.Rand
	now    mono.Time
	all    []*talker
	routed int // packets
	begun  int // times somebody was let in
}

func newHall(people, places int) *hall {
	h := &hall{Router: NewRouter(places), r: rand.New(rand.NewPCG(uint64(people), uint64(places))), now: 1e9}
	for range people {
		h.all = append(h.all, &talker{noise: 75, spread: 4, level: 25 + h.r.IntN(20)})
	}
	return h
}

func (h *hall) around(level, spread int) uint8 { return uint8(level - spread + h.r.IntN(2*spread+1)) }

// say plans a phrase that begins after so many packets: words of 120 to 600
// ms, some with the closure of a consonant of 80 ms in them, and gaps between
// them of 60 to 220 ms. It returns how long all of it takes.
func (h *hall) say(t *talker, after, words int) int {
	for len(t.frames) < after {
		t.frames = append(t.frames, h.around(t.noise, t.spread))
	}
	for range words {
		w := word{from: t.at + len(t.frames)}
		n := 6 + h.r.IntN(25)
		closure := 2 + h.r.IntN(2*n)
		for i := range n {
			if i >= closure && i < closure+4 && i < n-1 {
				t.frames = append(t.frames, h.around(t.noise, t.spread))
			} else {
				t.frames = append(t.frames, h.around(t.level, 6))
			}
		}
		t.frames[len(t.frames)-1] = h.around(t.level, 6) // a closure within, not behind
		w.to = t.at + len(t.frames)
		t.words = append(t.words, w)
		for range 3 + h.r.IntN(9) {
			t.frames = append(t.frames, h.around(t.noise, t.spread))
		}
	}
	return len(t.frames)
}

// packet lets everybody send one packet.
func (h *hall) packet() {
	for _, t := range h.all {
		level := h.around(t.noise, t.spread)
		if len(t.frames) > 0 {
			level, t.frames = t.frames[0], t.frames[1:]
		}
		was := t.Routed()
		verdict := h.Add(&t.Voice, level, h.now)
		h.note(t, verdict, was)
		t.at++
		h.now += 10_000 // nobody sends at the same instant
	}
	h.now += 20*ms - mono.Time(len(h.all))*10_000
}

// note books a packet to the word it belongs to; with [Begin] those before it
// count as well, as far as they are kept.
func (h *hall) note(t *talker, verdict Verdict, was bool) {
	kept := 0
	switch verdict {
	case Begin:
		h.begun++
		kept = min(t.unheard, ContestPackets)
		fallthrough
	case Route:
		h.routed += 1 + kept
		t.unheard = 0
	case LeaveOut:
		t.unheard++
	}
	for i := len(t.words) - 1; i >= 0 && t.words[i].to > t.at-kept; i-- {
		w := &t.words[i]
		if t.at >= w.from && t.at < w.to && verdict != LeaveOut {
			w.heard++
		}
		for before := t.at - kept; before < t.at; before++ {
			if before >= w.from && before < w.to {
				w.heard++
			}
		}
		if t.at > w.from && t.at < w.to && verdict == LeaveOut && (was || w.heard > 0) {
			w.cut = true
		}
	}
}

func (h *hall) run(packets int) {
	for range packets {
		h.packet()
	}
}

// whole counts the words that began behind a packet and are over, and those of
// them that were heard from beginning to end.
func (t *talker) whole(since int) (whole, all int) {
	for _, w := range t.words {
		if w.from < since || w.to > t.at {
			continue
		}
		all++
		if w.heard == w.to-w.from {
			whole++
		}
	}
	return whole, all
}

// converse lets people talk for so many packets, at most atOnce of them at a
// time: phrases of some words by whoever wants to say something.
func (h *hall) converse(people []*talker, packets, atOnce int) {
	busy := map[*talker]int{} // until which packet
	const gap = int(phraseGap/20e6) + 1
	for i := range packets {
		for t, until := range busy {
			if until <= i {
				delete(busy, t)
			}
		}
		for len(busy) < atOnce && h.r.IntN(4) == 0 {
			t := people[h.r.IntN(len(people))]
			if _, talks := busy[t]; !talks {
				busy[t] = i + h.say(t, 0, 1+h.r.IntN(6)) + gap
			}
		}
		h.packet()
	}
}

// TestNoClippedWord: as long as no more people talk at once than there are
// places, every word of everybody is routed, from its first packet to its
// last, whoever talked before and whatever noise the others make.
func TestNoClippedWord(t *testing.T) {
	for _, people := range []int{30, 50} {
		for _, places := range []int{1, 3, 5} {
			h := newHall(people, places)
			for i, p := range h.all {
				switch {
				case i%10 == 3:
					p.noise, p.spread = 42, 3 // a fan
				case i%4 == 1:
					p.noise, p.spread = 62, 4
				}
			}
			h.run(300) // what is noise becomes known as such
			var speaking []*talker
			for _, p := range h.all {
				if p.noise != 42 {
					speaking = append(speaking, p)
				}
			}
			h.routed = 0
			const packets = 3 * 60 * 50
			h.converse(speaking, packets, places)
			total := 0
			for i, p := range h.all {
				whole, all := p.whole(0)
				total += all
				if whole != all {
					t.Errorf("%d people, %d places: of %d, %d of %d words are whole", people, places, i, whole, all)
				}
			}
			if total < 100 {
				t.Errorf("only %d words were said", total)
			}
			if most := packets * places; h.routed > most+4*h.begun {
				t.Errorf("%d packets routed with %d places in %d packets", h.routed, places, packets)
			}
		}
	}
}

// TestTooManyTalk: with two more than there are places the loudest are heard
// whole, and nobody who is being heard is cut off in a word.
func TestTooManyTalk(t *testing.T) {
	const places = 5
	h := newHall(40, places)
	h.run(250)
	for i, p := range h.all[:places+2] {
		p.level = 44 - 4*i // the quietest begins
		h.say(p, 20*i, 400)
	}
	const settled = 250 + 500
	h.run(250 * 50)
	for i, p := range h.all[:places+2] {
		whole, all := p.whole(settled)
		if i >= 2 && whole*100 < all*97 {
			t.Errorf("of the %d. loudest %d of %d words are whole", places+2-i, whole, all)
		}
		if i < 2 && whole*2 > all {
			t.Errorf("of the %d. loudest %d of %d words were routed", places+2-i, whole, all)
		}
		for _, w := range p.words {
			if w.cut {
				t.Errorf("a word of the %d. loudest was cut: %+v", places+2-i, w)
			}
		}
	}
}

// TestNobodyIsCut: the same while people of all kinds come and go.
func TestNobodyIsCut(t *testing.T) {
	const places = 3
	h := newHall(40, places)
	h.run(250)
	h.converse(h.all, 5*60*50, places+2)
	words, heard := 0, 0
	for _, p := range h.all {
		for _, w := range p.words {
			words++
			if w.heard == w.to-w.from {
				heard++
			}
			if w.cut {
				t.Errorf("a word was cut: %+v", w)
			}
		}
	}
	if heard*2 < words { // three fifths would be all there is room for
		t.Errorf("%d of %d words were whole", heard, words)
	}
}

// TestEquallyLoud: who is as loud as the others takes nobody's place between
// two words.
func TestEquallyLoud(t *testing.T) {
	h := newHall(40, 3)
	h.run(250)
	for _, p := range h.all[:5] {
		p.level = 32
		h.say(p, 0, 300)
	}
	h.run(60 * 50)
	if h.begun > 12 {
		t.Errorf("%d changes in a minute", h.begun)
	}
}

// TestSilenceIsFree: a room in which nobody says anything costs nothing, even
// if all microphones are open, and what is loud but no voice costs a place at
// most and stands in nobody's way.
func TestSilenceIsFree(t *testing.T) {
	h := newHall(50, 5)
	h.run(500)
	if h.routed != 0 {
		t.Errorf("%d packets of a silent room", h.routed)
	}
	h.say(h.all[0], 0, 5)
	h.run(500)
	at := h.routed
	h.run(500)
	if h.routed != at || h.Routed() != 0 {
		t.Errorf("%d packets long after the last word", h.routed-at)
	}
}

// TestFanStandsAside: constant noise gets no place of somebody who speaks, and
// has to give back what it took before it was known for what it is.
func TestFanStandsAside(t *testing.T) {
	h := newHall(40, 3)
	h.run(250)
	fans, speakers := h.all[:10], h.all[10:13]
	for _, f := range fans {
		f.noise, f.spread = 40, 3
	}
	h.run(250)
	if h.Routed() != 3 {
		t.Errorf("%d fans have free places", h.Routed())
	}
	for _, s := range speakers {
		h.say(s, 10, 200)
	}
	h.run(60 * 50)
	for i, s := range speakers {
		if whole, all := s.whole(0); whole != all || all < 50 {
			t.Errorf("%d: %d of %d words in spite of the fans", i, whole, all)
		}
	}
	// Who speaks in front of a fan is no fan.
	fans[9].level = 22
	h.run(20 * 50) // the others have finished
	since := fans[9].at
	h.say(fans[9], 0, 10)
	h.run(10 * 50)
	if whole, all := fans[9].whole(since); whole != all || all != 10 {
		t.Errorf("%d of %d words in front of a fan", whole, all)
	}
}

// TestUnmuteAndSpeak: who was never heard before is heard at once.
func TestUnmuteAndSpeak(t *testing.T) {
	r := NewRouter(2)
	var v Voice
	if got := r.Add(&v, 40, 1e9); got != Begin {
		t.Errorf("the first packet of a voice: %v", got)
	}
	if got := r.Add(&v, 90, 1e9+20*ms); got != Route {
		t.Errorf("the second: %v", got)
	}
	r.Leave(&v)
	if r.Routed() != 0 || v.Routed() {
		t.Error("routed after leaving")
	}
}

// TestDiscontinuousTransmission: who sends nothing between words is not taken
// for noise, and does not lose the place for it.
func TestDiscontinuousTransmission(t *testing.T) {
	r := NewRouter(2)
	var v Voice
	now := mono.Time(1e9)
	for i := range 2000 {
		if i%20 >= 10 {
			now += 40 * ms
			continue
		}
		level := uint8(30)
		if i%20 == 9 {
			level = 75 // the last one before nothing is sent
		}
		if got := r.Add(&v, level, now); got == LeaveOut || got == Begin && i > 0 {
			t.Fatalf("packet %d: %v", i, got)
		}
		now += 20 * ms
	}
}

// TestUnknownLevel: who tells no level has what is left.
func TestUnknownLevel(t *testing.T) {
	r := NewRouter(1)
	var dumb, v Voice
	now := mono.Time(1e9)
	if got := r.Add(&dumb, Unknown, now); got != Begin {
		t.Error(got)
	}
	now += 20 * ms
	if got := r.Add(&dumb, Unknown, now); got != Route {
		t.Error(got)
	}
	if got := r.Add(&v, 30, now); got != LeaveOut {
		t.Error(got) // it may be a click
	}
	if got := r.Add(&v, 30, now+20*ms); got != Begin || dumb.Routed() {
		t.Error(got)
	}
	if got := r.Add(&dumb, Unknown, now); got != LeaveOut {
		t.Error(got)
	}
}

// TestDominantIsRouted: whoever has the floor gets in while all others talk,
// and takes nobody's place in a word for it.
func TestDominantIsRouted(t *testing.T) {
	const places = 3
	h := newHall(10, places)
	h.run(250)
	for i, p := range h.all[:places] {
		p.level = 20 + i
		h.say(p, 0, 200)
	}
	quiet := h.all[9]
	quiet.level = 40
	h.run(100)
	quiet.SetDominant(true)
	h.say(quiet, 0, 200)
	h.run(100)
	for i, p := range append(h.all[:places:places], quiet) {
		for _, w := range p.words {
			if w.to < quiet.at && (w.cut || p == quiet && w.heard != w.to-w.from) {
				t.Errorf("%d: %+v", i, w)
			}
		}
	}
	if h.Routed() > places+crowd {
		t.Errorf("%d routed", h.Routed())
	}
	for range 20 { // everybody has the floor in turn
		for _, p := range h.all {
			p.SetDominant(h.r.IntN(3) == 0)
			h.say(p, 0, 3)
		}
		h.run(50)
		if h.Routed() > places+crowd {
			t.Fatalf("%d routed", h.Routed())
		}
	}
	h.Clear()
	if h.Routed() != 0 {
		t.Error("routed after Clear")
	}
}

func TestRouterAllocatesNothing(t *testing.T) {
	h := newHall(50, 5)
	for _, p := range h.all {
		h.say(p, h.r.IntN(100), 1)
	}
	allocs.None(t, allocs.Many, h.packet)
}

// BenchmarkRouter is one packet of one voice, while all talk or all are silent.
func BenchmarkRouter(b *testing.B) {
	for name, level := range map[string]func(i int) uint8{
		"talking": func(i int) uint8 { return uint8(20 + i%37) },
		"silent":  func(int) uint8 { return 75 },
	} {
		b.Run(name, func(b *testing.B) {
			r, voices, now := NewRouter(5), make([]Voice, 300), mono.Time(1e9)
			b.ReportAllocs()
			for i := range b.N {
				now += 66_000
				r.Add(&voices[i%len(voices)], level(i), now)
			}
		})
	}
}
