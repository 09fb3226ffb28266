package speech

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
)

// plain is the method as it is described, with arrays that shift, scores
// computed on the spot, and silence added as time passes.
type plain struct {
	people   []*plainSpeaker
	dominant *plainSpeaker
	next     mono.Time
	heard    mono.Time
}

type plainSpeaker struct {
	volumes [50]int // the newest first
	last    mono.Time
	min     int
	since   []int // volumes since min was set
}

func (p *plain) pass(now mono.Time) {
	for _, s := range p.people {
		for now-s.last >= 40*ms {
			s.push(0)
			s.last += 40 * ms
		}
	}
}

func (s *plainSpeaker) push(v int) {
	copy(s.volumes[1:], s.volumes[:49])
	s.volumes[0] = v
}

func (p *plain) add(i int, level uint8, now mono.Time) {
	s := p.people[i]
	v := 127 - int(level)
	s.push(v)
	s.last = now
	p.heard = now
	if p.next == 0 {
		p.next = now + 300*ms
	}
	if v == 0 {
		return
	}
	if s.min == 0 || v < s.min {
		s.min, s.since = v, nil
		return
	}
	s.since = append(s.since, v)
	if len(s.since) == 750 {
		lowest := 127
		for _, v := range s.since {
			lowest = min(lowest, v)
		}
		s.min, s.since = int(math.Sqrt(float64(s.min)*float64(lowest))), nil
	}
}

func (s *plainSpeaker) score() (out [3]float64) {
	var bands [50]int
	for i, v := range s.volumes {
		if v >= s.min+10 {
			bands[i] = v / 10
		}
	}
	var blocks [10]int
	for i := range blocks {
		for _, b := range bands[5*i : 5*i+5] {
			if b > 7 {
				blocks[i]++
			}
		}
	}
	long := 0
	for _, b := range blocks {
		if b > 4 {
			long++
		}
	}
	return [3]float64{likelihood(bands[0], 13, 0.78), likelihood(blocks[0], 5, 24), likelihood(long, 10, 47)}
}

func likelihood(k, n int, lambda float64) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	l := lg(n) - lg(k) - lg(n-k) + float64(n)*math.Log(0.5) - math.Log(lambda) + lambda*float64(k)
	return max(l, 1e-10)
}

func (p *plain) tick(now mono.Time) {
	p.next = now + 300*ms
	if now-p.heard >= 15000*ms {
		p.next = 0
	}
	holder := [3]float64{1e-10, 1e-10, 1e-10}
	if p.dominant != nil {
		holder = p.dominant.score()
	}
	best := 2.0
	winner := p.dominant
	for _, s := range p.people {
		if s == p.dominant {
			continue
		}
		sc := s.score()
		c1, c2, c3 := math.Log(sc[0]/holder[0]), math.Log(sc[1]/holder[1]), math.Log(sc[2]/holder[2])
		if c1 > 3 && c2 > 2 && c3 > 0 && c2 > best {
			best, winner = c2, s
		}
	}
	p.dominant = winner
}

// Both forms see the same random conversation, with speech, noise, jitter,
// silence suppression and long pauses, and must agree at every decision.
// Ties would be resolved by order, which differs; random levels avoid them by
// letting one person talk at a time, mostly.
func TestTwin(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := New()
		p := &plain{}
		var people []*Speaker
		for range 4 {
			people = append(people, d.Join("x"))
			p.people = append(p.people, &plainSpeaker{})
		}
		now := mono.Time(1e9)
		p.pass(now)
		talker, changes := 0, 0
		for range 20_000 {
			now += mono.Time(r.IntN(25)) * ms
			if r.IntN(3000) == 0 {
				now += mono.Time(r.IntN(20_000)) * ms
			}
			if r.IntN(300) == 0 {
				talker = r.IntN(4)
			}
			p.pass(now)
			for i, s := range people {
				level := uint8(60 + r.IntN(68))
				if i == talker && r.IntN(12) > 0 {
					level = uint8(r.IntN(45))
				} else if r.IntN(3) == 0 {
					continue // suppressed
				}
				p.add(i, level, now)
				d.Add(s, level, now)
			}
			if d.Deadline() != p.next {
				t.Fatalf("seed %d: deadlines %d and %d", seed, d.Deadline(), p.next)
			}
			if now < p.next {
				continue
			}
			p.tick(now)
			if d.Tick(now) {
				changes++
			}
			for i, s := range people {
				if (d.Dominant() == s) != (p.dominant == p.people[i]) {
					t.Fatalf("seed %d, %v: the two disagree about speaker %d", seed, mono.Duration(now), i)
				}
				if s.levels.low != uint8(p.people[i].min) {
					t.Fatalf("seed %d: noise floors %d and %d", seed, s.levels.low, p.people[i].min)
				}
			}
		}
		if changes < 20 {
			t.Errorf("seed %d: only %d changes were compared", seed, changes)
		}
	}
}
