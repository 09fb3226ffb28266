package speech

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plenum-conf/plenum/internal/mono"
)

// plainRouter says the rules of [Router] in the plainest words, with all that
// was ever heard of everybody at hand.
type plainRouter struct {
	places int
	all    []*plainVoice
}

type plainVoice struct {
	v        *Voice // only to break ties as the router does: by place
	volumes  []int
	spoke    mono.Time
	energy   int
	row      int
	outdid   int
	dominant bool
	on       bool
}

// quietest is the least volume of the windows of 40 packets that count.
func (p *plainVoice) quietest() int {
	full := len(p.volumes) / 40
	if full < 4 {
		return 47
	}
	return max(47, slices.Min(p.volumes[(full-4)*40:]))
}

func (p *plainVoice) hear(volume int, now mono.Time) bool {
	p.volumes = append(p.volumes, volume)
	if volume < p.quietest()+10 {
		p.row = 0
		return false
	}
	p.row++
	continues := p.spoke != 0 && now < p.spoke+250*ms
	if !continues && p.row == 1 {
		p.energy, p.outdid = 16*volume, 0
	}
	if d := 16*volume - p.energy; d > 0 {
		p.energy += d / 2
	} else {
		p.energy -= -d / 16
	}
	if continues || p.row >= 2 {
		p.spoke = now
	}
	return true
}

// pick returns the first of those routed that are allowed, by a measure and
// then by place.
func (r *plainRouter) pick(allowed func(*plainVoice) bool, measure func(*plainVoice) int) *plainVoice {
	var best *plainVoice
	for _, p := range r.all {
		if !p.on || !allowed(p) {
			continue
		}
		if best == nil || measure(p) < measure(best) || measure(p) == measure(best) && p.v.place < best.v.place {
			best = p
		}
	}
	return best
}

func (r *plainRouter) count() (n int) {
	for _, p := range r.all {
		if p.on {
			n++
		}
	}
	return n
}

func (r *plainRouter) add(p *plainVoice, volume int, now mono.Time) Verdict {
	speaks := p.hear(volume, now)
	if p.on {
		crowded := r.count() > r.places && !p.dominant && now >= p.spoke+120*ms
		silent := now >= p.spoke+2000*ms && volume < 67
		if !speaks && (crowded || silent) {
			p.on = false
			return LeaveOut
		}
		return Route
	}
	if !speaks {
		return LeaveOut
	}
	if r.count() >= r.places && !r.displace(p, now) {
		return LeaveOut
	}
	p.on, p.outdid = true, 0
	return Begin
}

func (r *plainRouter) displace(p *plainVoice, now mono.Time) bool {
	if p.row < 2 {
		return false
	}
	anybody := func(*plainVoice) bool { return true }
	common := func(o *plainVoice) bool { return !o.dominant }
	paused := func(o *plainVoice) bool { return !o.dominant && now >= o.spoke+120*ms }
	loudness := func(o *plainVoice) int { return o.energy }
	if o := r.pick(anybody, func(o *plainVoice) int { return int(o.spoke) }); now >= o.spoke+250*ms {
		o.on = false
		return true
	}
	weakest := r.pick(common, loudness)
	if p.dominant {
		if r.count() < r.places+2 {
			return true
		}
		if weakest != nil {
			weakest.on = false
		}
		return weakest != nil
	}
	if weakest == nil || p.energy < weakest.energy+48 {
		p.outdid = 0
		return false
	}
	if p.outdid++; p.outdid < 3 {
		return false
	}
	victim := r.pick(paused, loudness)
	if victim == nil || p.energy < victim.energy+48 {
		if victim = weakest; p.outdid < 100 {
			return false
		}
	}
	victim.on = false
	return true
}

// TestRouterTwin: both forms decide alike about everything, in conversations
// with noise, dropouts, changes of the dominant speaker and people who leave.
func TestRouterTwin(t *testing.T) {
	seen := map[Verdict]int{}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 5))
		places := 1 + r.IntN(4)
		fast, slow := NewRouter(places), &plainRouter{places: places}
		for range 3 + r.IntN(9) {
			slow.all = append(slow.all, &plainVoice{v: new(Voice)})
		}
		base, until := make([]int, len(slow.all)), make([]int, len(slow.all))
		now := mono.Time(1e9)
		for i := range 20_000 {
			p := slow.all[r.IntN(len(slow.all))]
			who := slices.Index(slow.all, p)
			if until[who] < i {
				base[who], until[who] = r.IntN(70), i+r.IntN(600)
			}
			now += mono.Time(1 + r.IntN(int(40*ms)/len(slow.all)))
			volume := min(40+base[who]+r.IntN(14), 127)
			if r.IntN(8) == 0 {
				volume = r.IntN(50)
			}
			switch r.IntN(400) {
			case 0:
				p.dominant = !p.dominant
				p.v.SetDominant(p.dominant)
			case 1:
				fast.Leave(p.v)
				*p = plainVoice{v: p.v, dominant: p.dominant}
			}
			want := slow.add(p, volume, now)
			got := fast.Add(p.v, uint8(127-volume), now)
			if got != want || fast.Routed() != slow.count() {
				t.Fatalf("seed %d, packet %d: verdict %d, %d routed; the plain one says %d, %d", seed, i, got, fast.Routed(), want, slow.count())
			}
			seen[got]++
		}
	}
	if seen[Begin] < 1000 || seen[Route] < 10_000 || seen[LeaveOut] < 10_000 {
		t.Errorf("too little was compared: %v", seen)
	}
}
