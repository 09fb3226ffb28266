package media

import (
	"math/rand/v2"
	"time"
)

// Conversation decides who of a room speaks when: people take turns of some
// seconds with pauses in them, now and then somebody puts in a word, and at
// times nobody speaks. Everybody in a room has a Conversation of their own
// with the same seed and size, and all of them tell the same.
type Conversation struct {
	rng    *rand.Rand
	people int

	speaker, before int
	begin, end      time.Duration // of the turn
	spurt, pause    time.Duration // the part of the turn: speech until spurt, then silence until pause
	aside           int           // who puts in a word, -1 for nobody
	asideAt         time.Duration
}

// How people talk, in seconds: means of exponential distributions.
const (
	turnMean  = 6.0
	spurtMean = 1.8
	pauseMean = 0.35
	gapMean   = 0.4
	asideLong = 700 * time.Millisecond
)

// NewConversation is that of a room with so many people; 0 people never speak.
func NewConversation(seed uint64, people int) *Conversation {
	c := &Conversation{rng: rand.New(rand.NewPCG(seed, 77)), people: people, aside: -1}
	if people > 0 {
		c.speaker = c.rng.IntN(people)
		c.begin = c.seconds(gapMean, 0, 2)
		c.turn()
	}
	return c
}

func (c *Conversation) seconds(mean, least, most float64) time.Duration {
	return time.Duration(min(max(c.rng.ExpFloat64()*mean, least), most) * float64(time.Second))
}

// turn sets up the turn of c.speaker, which starts at c.begin.
func (c *Conversation) turn() {
	c.end = c.begin + c.seconds(turnMean, 0.6, 30)
	c.spurt = c.begin + c.seconds(spurtMean, 0.3, 6)
	c.pause = c.spurt + c.seconds(pauseMean, 0.1, 1)
	c.aside = -1
	if c.people > 2 && c.rng.IntN(4) == 0 {
		c.aside = c.rng.IntN(c.people)
		c.asideAt = c.begin + time.Duration(c.rng.Float64()*float64(c.end-c.begin))
	}
}

// next hands the word on: often back to who had it before.
func (c *Conversation) next() {
	gap := gapMean
	if c.rng.IntN(30) == 0 {
		gap = 4 // an embarrassed silence
	}
	c.begin = c.end + c.seconds(gap, 0, 10)
	to := c.before
	if c.rng.IntN(10) >= 4 || to == c.speaker {
		to = c.rng.IntN(c.people)
	}
	c.before, c.speaker = c.speaker, to
	c.turn()
}

// Speaking reports whether one of the people speaks. The time is since the
// room began and must not go back.
func (c *Conversation) Speaking(who int, at time.Duration) bool {
	if c.people <= 0 {
		return false
	}
	for at >= c.end {
		c.next()
	}
	for at >= c.pause {
		c.spurt = c.pause + c.seconds(spurtMean, 0.3, 6)
		c.pause = c.spurt + c.seconds(pauseMean, 0.1, 1)
	}
	if who == c.aside && at >= c.asideAt && at < c.asideAt+asideLong {
		return true
	}
	return who == c.speaker && at >= c.begin && at < c.spurt
}
