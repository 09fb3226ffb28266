package svc

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// twin does slowly what a selector does, and knows the future: a decode target
// can be taken up if nothing that will ever be needed for it was left out.
type twin struct {
	*encoder
	announced bool // more layers only at key frames and where they are announced

	want      [2]int // spatial, temporal; spatial None for nothing
	on        bool
	running   bool // since a key frame
	cur       [2]int
	forwarded map[int]bool
}

// picture decides about the frames first to end-1, those of a picture.
func (w *twin) picture(first, end int) {
	f := &w.frames[first]
	switch {
	case w.want[0] == None:
		w.on, w.running = false, false
		clear(w.forwarded)
		return
	case !w.running && !f.key:
		return
	}
	w.running = true
	w.choose(f)
	if !w.on {
		return
	}
	needed := w.needed(w.frames, w.target(w.cur))
	for i := first; i < end; i++ {
		w.forwarded[i] = needed[i]
	}
}

func (w *twin) target(l [2]int) int { return l[0]*w.temporal + l[1] }

func (w *twin) choose(f *frame) {
	if !w.on && !f.key && w.announced {
		return
	}
	goal := [2]int{min(w.want[0], f.layers-1), min(w.want[1], w.temporal-1)}
	up := f.key || !w.on || (w.announced && f.announce) || (!w.announced && !w.keyOnly && !w.independent)
	for _, l := range w.preferences(goal, f.layers) {
		more := w.on && l[0] > w.cur[0] && !f.key
		if (!more || (up && (!w.announced || w.untouched(l, f)))) && w.possible(l, f) {
			w.on, w.cur = true, l
			return
		}
	}
	w.on = false
}

// preferences lists all layers, the best first.
func (w *twin) preferences(goal [2]int, layers int) (all [][2]int) {
	for s := goal[0]; s >= 0; s-- {
		for t := goal[1]; t >= 0; t-- {
			all = append(all, [2]int{s, t})
		}
		for t := goal[1] + 1; t < w.temporal; t++ {
			all = append(all, [2]int{s, t})
		}
	}
	for s := goal[0] + 1; s < layers; s++ {
		for t := range w.temporal {
			all = append(all, [2]int{s, t})
		}
	}
	return all
}

// untouched reports whether nothing of some layers was left out since the last
// key frame. VP9 does not say more; AV1 has switch indications.
func (w *twin) untouched(l [2]int, f *frame) bool {
	needed := w.needed(w.frames, w.target(l))
	for i := f.id - 1; i >= 0; i-- {
		if needed[i] && !w.forwarded[i] {
			return false
		}
		if w.frames[i].key && w.frames[i].sid == 0 {
			return true
		}
	}
	return true
}

// possible reports whether everything that layers need, from the picture of f
// up to the next key frame, is there or will come.
func (w *twin) possible(l [2]int, f *frame) bool {
	needed := w.needed(w.frames, w.target(l))
	if !f.key && !w.rooted(needed, f) {
		return false
	}
	for i := f.id; i < len(w.frames) && (!w.frames[i].key || w.frames[i].pic == f.pic); i++ {
		if !needed[i] {
			continue
		}
		for _, r := range w.frames[i].refs {
			if w.frames[r].pic < f.pic && !w.forwarded[r] {
				return false
			}
		}
	}
	return true
}

// rooted reports whether the newest base frame of each spatial layer needed was
// forwarded if the layer goes on, though a key frame may come before anything depends on it.
func (w *twin) rooted(needed []bool, f *frame) bool {
	var done [8]bool
	layers := min(f.layers, w.frames[f.id-1].layers)
	for i := f.id - 1; i >= 0; i-- {
		g := &w.frames[i]
		if g.tid == 0 && needed[i] && !done[g.sid] && g.sid < layers {
			if !w.forwarded[i] {
				return false
			}
			done[g.sid] = true
		}
		if g.key && g.sid == 0 {
			return true
		}
	}
	return true
}

// Without loss a selector forwards exactly what its twin does, with the marker
// on the last packet of every picture. Where a temporal layer depends on its
// own past the twin knows more than descriptors say, so this is left out.
func TestTwin(t *testing.T) {
	for name, newChooser := range choosers {
		for _, pat := range patterns {
			if pat.chained {
				continue
			}
			for seed := range uint64(12) {
				r := rand.New(rand.NewPCG(seed, 3))
				e := film(r, pat, 250)
				v := newViewer(t, newChooser(), fmt.Sprint(name, " ", pat, " seed ", seed))
				w := &twin{encoder: e, announced: name == "VP9", want: [2]int{None, 0}, forwarded: map[int]bool{}}
				compare(t, v, w, e.packets(), r)
			}
		}
	}
}

func compare(t *testing.T, v *viewer, w *twin, packets []packet, r *rand.Rand) {
	t.Helper()
	for first := 0; first < len(packets); {
		end := first
		for end < len(packets) && packets[end].ts == packets[first].ts {
			end++
		}
		target := w.want
		change := r.IntN(8) == 0
		if change {
			target = [2]int{r.IntN(4) - 1, r.IntN(4)}
		}
		within := change && target[0] != None && w.want[0] != None && r.IntN(2) == 0
		if change && !within {
			v.aim(target)
			w.want = target
		}
		w.picture(packets[first].frame.id, packets[end-1].frame.id+1)
		comparePicture(t, v, w, packets[first:end], func() {
			if within {
				v.aim(target)
				w.want = target
			}
		})
		first = end
	}
}

func (v *viewer) aim(l [2]int) {
	v.spatial = l[0]
	v.c.SetTarget(l[0], l[1])
}

// comparePicture gives the packets of a picture to the viewer; then is called
// behind the first.
func comparePicture(t *testing.T, v *viewer, w *twin, packets []packet, then func()) {
	t.Helper()
	marked, forwarded := -1, -1
	for i := range packets {
		p := &packets[i]
		d := v.c.forward(p)
		goes := d.Action == Forward || d.Action == Start
		if goes != w.forwarded[p.frame.id] {
			s, l := v.c.Current()
			t.Fatalf("%s: picture %d, frame %+v: forwarded %v, want %v; wanted is %v, forwarded S%d T%d, the twin %v %v",
				v.name, p.frame.pic, *p.frame, goes, !goes, w.want, s, l, w.on, w.cur)
		}
		if goes {
			forwarded = i
			if d.Marker {
				if marked >= 0 {
					t.Fatalf("%s: frame %+v: a second marker", v.name, p.frame)
				}
				marked = i
			}
			if d.Marker != v.c.again(p).Marker {
				t.Fatalf("%s: frame %+v: another marker when sent again", v.name, p.frame)
			}
		}
		if i == 0 {
			then()
		}
	}
	if marked != forwarded {
		t.Fatalf("%s: picture %d: marker on %d, last forwarded is %d of %d", v.name, packets[0].frame.pic, marked, forwarded, len(packets))
	}
}
