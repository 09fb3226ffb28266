package svc

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// chooser is a selector of either codec.
type chooser interface {
	SetTarget(spatial, temporal int)
	Current() (spatial, temporal int)
	Target() (spatial, temporal int)
	NeedsKeyFrame() bool
	Started() bool
	forward(p *packet) Decision
	again(p *packet) Decision
	restart()
}

type vp9Chooser struct{ VP9Selector }

func (c *vp9Chooser) forward(p *packet) Decision { return c.Forward(&p.vp9, p.ts, p.marker) }
func (c *vp9Chooser) again(p *packet) Decision   { return c.Again(&p.vp9, p.ts, p.marker) }

func (c *vp9Chooser) restart() { c.Restart() }

type av1Chooser struct{ AV1Selector }

func (c *av1Chooser) forward(p *packet) Decision { return c.Forward(&p.av1, p.ts, p.marker) }
func (c *av1Chooser) again(p *packet) Decision   { return c.Again(&p.av1, p.ts, p.marker) }

func (c *av1Chooser) restart() { c.Restart() }

var choosers = map[string]func() chooser{
	"VP9": func() chooser { return new(vp9Chooser) },
	"AV1": func() chooser { return new(av1Chooser) },
}

var patterns = []pattern{
	{spatial: 1, temporal: 3},
	{spatial: 2, temporal: 3, keyOnly: true},
	{spatial: 3, temporal: 3, keyOnly: true},
	{spatial: 3, temporal: 3},
	{spatial: 3, temporal: 1},
	{spatial: 2, temporal: 2, keyOnly: true},
	{spatial: 3, temporal: 3, independent: true},
	{spatial: 2, temporal: 3, chained: true},
	{spatial: 3, temporal: 3, keyOnly: true, chained: true},
}

func (p pattern) String() string {
	return fmt.Sprintf("L%dT%d key %v independent %v chained %v", p.spatial, p.temporal, p.keyOnly, p.independent, p.chained)
}

// film is an encoder's work of many pictures, with key frames and changes of
// what is sent in between.
func film(r *rand.Rand, p pattern, pictures int) *encoder {
	e := newEncoder(r, p)
	layers := e.layers
	for range pictures {
		if r.IntN(40) == 0 {
			layers = 1 + r.IntN(p.spatial)
		}
		e.picture(r.IntN(40) == 0, layers)
	}
	e.describe()
	return e
}

// What is forwarded must never depend on what was left out, whatever targets
// are set and whatever is lost or delayed on the way in.
func TestForwardedFramesAreDecodable(t *testing.T) {
	for name, newChooser := range choosers {
		for _, pat := range patterns {
			forwarded := 0
			for seed := range uint64(10) {
				r := rand.New(rand.NewPCG(seed, 5))
				v := newViewer(t, newChooser(), fmt.Sprint(name, " ", pat, " seed ", seed))
				v.watch(r, mess(r, film(r, pat, 400).packets(), float64(seed%4)/100))
				forwarded += v.out
			}
			if forwarded < 1000 {
				t.Errorf("%s %s: only %d packets were forwarded", name, pat, forwarded)
			}
		}
	}
}

// mess loses packets, half of them for good, and swaps some.
func mess(r *rand.Rand, in []packet, rate float64) []packet {
	var out []packet
	type delayed struct {
		p  packet
		at int
	}
	var waiting []delayed
	for i := range in {
		for len(waiting) > 0 && waiting[0].at <= i {
			out = append(out, waiting[0].p)
			waiting = waiting[1:]
		}
		switch x := r.Float64(); {
		case x < rate/2:
		case x < rate:
			waiting = append(waiting, delayed{in[i], i + 30})
		default:
			out = append(out, in[i])
		}
		if n := len(out); n > 1 && rate > 0 && r.IntN(50) == 0 {
			out[n-1], out[n-2] = out[n-2], out[n-1]
		}
	}
	return out
}

// viewer is a receiver with what a bridge keeps for it.
type viewer struct {
	t    *testing.T
	name string
	c    chooser
	seq  rtp.SeqMap
	now  mono.Time

	sent    map[int]bool // frames of which something went out in this run
	left    map[int]bool // frames of which something was left out in this run
	arrived map[int]int  // packets of each picture
	out     int
	spatial int // target
	at      int // highest layer allowed in the newest picture
	newest  int // picture
}

func newViewer(t *testing.T, c chooser, name string) *viewer {
	v := &viewer{t: t, name: name, c: c, now: mono.Time(time.Hour), newest: -1, sent: map[int]bool{}, left: map[int]bool{}, arrived: map[int]int{}}
	v.seq.Init(90000, 3000)
	return v
}

func (v *viewer) watch(r *rand.Rand, packets []packet) {
	for i := range packets {
		if r.IntN(60) == 0 {
			v.spatial = r.IntN(5) - 1
			v.c.SetTarget(v.spatial, []int{0, 1, 2, All}[r.IntN(4)])
		}
		v.packet(&packets[i])
	}
}

// packet does with a packet what a bridge does.
func (v *viewer) packet(p *packet) (forwarded bool) {
	v.now = v.now.Add(10 * time.Millisecond)
	if p.frame.pic > v.newest {
		was, _ := v.c.Current()
		v.at, v.newest = max(v.spatial, was), p.frame.pic // it may be on the way down
	}
	d := v.c.forward(p)
	chosen := d.Action == Forward || d.Action == Start
	switch d.Action {
	case Ignore:
		v.left[p.frame.id] = true
		return false
	case LeaveOut:
		if !v.seq.Reserved(p.seq) {
			v.left[p.frame.id] = true
			v.seq.Drop(p.seq)
			return false
		}
	case Start:
		clear(v.sent)
		maps.DeleteFunc(v.left, func(id int, _ bool) bool { return id > p.frame.id }) // it will ask for them
		if !p.first {
			v.t.Fatalf("%s: starts within frame %+v", v.name, p.frame)
		}
		v.seq.Switch(0, p.seq, p.ts, v.now, 0)
	}
	newest, _ := v.seq.NewestOut()
	out, _, ok := v.seq.Forward(p.seq, p.ts, v.now)
	if !ok {
		v.left[p.frame.id] = true
		return false
	}
	v.out++
	v.sent[p.frame.id] = true
	if chosen && int16(out-newest) > 0 { // else it is late: no choice of the selector
		v.check(p)
	}
	return true
}

// check looks at what the frame of a packet that went out depends on.
func (v *viewer) check(p *packet) {
	v.t.Helper()
	if v.at != None && p.frame.sid > v.at {
		v.t.Fatalf("%s: forwards %+v, wanted is %d", v.name, p.frame, v.at)
	}
	for _, r := range p.frame.refs {
		if v.left[r] && !v.sent[r] {
			v.t.Fatalf("%s: frame %+v went out, %d was left out", v.name, p.frame, r)
		}
	}
}
