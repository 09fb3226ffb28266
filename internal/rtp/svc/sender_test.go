package svc

import (
	"math/rand/v2"
	"slices"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// frame is one of a simulated encoder: everything about it is known, also what
// depends on it later.
type frame struct {
	id, pic  int
	sid, tid int
	refs     []int // ids of frames
	key      bool  // of a picture that depends on no other
	layers   int   // spatial layers being sent
	announce bool  // its picture brings the structure
	lastOf   bool  // the last of its picture

	// Found out afterwards, see describe.
	present, switches, discardable uint32 // AV1 decode targets
	switchUp, notForUpper          bool   // VP9
}

// pattern is how an encoder works.
type pattern struct {
	spatial, temporal int
	keyOnly           bool // layers predict from each other in key frames only (K-SVC)
	independent       bool // layers do not predict from each other at all
	chained           bool // temporal layer 1 depends on its previous frame
	whole             bool // a frame fits into one packet
}

// encoder makes a sequence of frames.
type encoder struct {
	pattern
	r      *rand.Rand
	frames []frame
	pic    int
	phase  int
	layers int
	last   [8][8]int // id of the last frame of each layer since the key frame, -1 without
}

func newEncoder(r *rand.Rand, p pattern) *encoder {
	e := &encoder{pattern: p, r: r, layers: 1 + r.IntN(p.spatial)}
	e.forget(0)
	return e
}

// forget makes layers from s up begin anew.
func (e *encoder) forget(s int) {
	for ; s < len(e.last); s++ {
		for t := range e.last[s] {
			e.last[s][t] = -1
		}
	}
}

var temporalPatterns = [][]int{1: {0}, 2: {0, 1}, 3: {0, 2, 1, 2}}

// picture makes the next picture, on a key frame or as many layers as asked
// for. Encoders that predict between layers in key frames only need one for
// more layers.
func (e *encoder) picture(key bool, layers int) {
	was := e.layers
	e.layers = layers
	if layers > was && (e.keyOnly || e.independent) || e.pic == 0 {
		key = true
	}
	if key {
		e.phase = 0
		e.forget(0)
	}
	e.forget(layers)
	tid := temporalPatterns[e.temporal][e.phase%len(temporalPatterns[e.temporal])]
	if layers > was && !key && tid > 0 { // what is new begins with the base layer
		e.phase, tid = 0, 0
	}
	for sid := range layers {
		f := frame{
			id: len(e.frames), pic: e.pic, sid: sid, tid: tid, key: key,
			layers: layers, announce: key || layers != was, lastOf: sid == layers-1,
		}
		f.refs = e.temporalRefs(sid, tid)
		if sid > 0 && !e.independent && (key || !e.keyOnly || len(f.refs) == 0) {
			f.refs = append(f.refs, f.id-1)
		}
		e.last[sid][tid] = f.id
		e.frames = append(e.frames, f)
	}
	e.phase++
	e.pic++
}

// temporalRefs is what a frame depends on in its own spatial layer.
func (e *encoder) temporalRefs(sid, tid int) (refs []int) {
	last := &e.last[sid]
	if last[0] < 0 {
		return nil
	}
	refs = append(refs, last[0])
	if tid == 2 && last[1] > last[0] {
		refs[0] = last[1]
	}
	if tid == 1 && e.chained && last[1] >= 0 && e.r.IntN(4) > 0 && last[1] != refs[0] {
		refs = append(refs, last[1])
	}
	return refs
}

// describe finds out, from what the frames depend on, what their descriptors
// have to say. There is a decode target for each layer.
func (e *encoder) describe() {
	for from := 0; from < len(e.frames); {
		to := from + 1
		for to < len(e.frames) && (!e.frames[to].key || e.frames[to].sid != 0) {
			to++
		}
		e.describeRun(e.frames[from:to])
		from = to
	}
}

// describeRun does it for a key frame and what follows up to the next one.
func (e *encoder) describeRun(run []frame) {
	base := run[0].id
	for target := range e.spatial * e.temporal {
		needed := e.needed(run, target)
		for i := range run {
			if !needed[i] {
				continue
			}
			f := &run[i]
			f.present |= 1 << target
			referred := slices.ContainsFunc(run[i+1:], func(g frame) bool { return needed[g.id-base] && slices.Contains(g.refs, f.id) })
			switch {
			case opens(run, needed, i):
				f.switches |= 1 << target
			case !referred:
				f.discardable |= 1 << target
			}
		}
	}
	for i := range run {
		run[i].describeVP9(run)
	}
}

// needed are the frames of a decode target, as encoders declare them.
func (e *encoder) needed(run []frame, target int) []bool {
	spatial, temporal := target/e.temporal, target%e.temporal
	needed := make([]bool, len(run))
	for i := range run {
		f := &run[i]
		below := f.sid < spatial && !e.independent && (f.key || !e.keyOnly)
		needed[i] = f.tid <= temporal && (f.sid == spatial || below)
	}
	return needed
}

// opens reports whether, once frame i can be decoded, all later frames of a
// target can.
func opens(run []frame, needed []bool, i int) bool {
	base, ok := run[0].id, make([]bool, len(run))
	var ancestors func(i int)
	ancestors = func(i int) {
		if ok[i] {
			return
		}
		ok[i] = true
		for _, r := range run[i].refs {
			ancestors(r - base)
		}
	}
	ancestors(i)
	for j := i + 1; j < len(run); j++ {
		if !needed[j] {
			continue
		}
		for _, r := range run[j].refs {
			if !ok[r-base] {
				return false
			}
		}
		ok[j] = true
	}
	return true
}

func (f *frame) describeVP9(run []frame) {
	f.switchUp, f.notForUpper = true, true
	base := run[0].id
	for i := range run {
		g := &run[i]
		for _, r := range g.refs {
			if g.pic == f.pic && g.sid > f.sid && r == f.id {
				f.notForUpper = false
			}
			if h := &run[r-base]; g.pic > f.pic && g.tid > f.tid && h.pic < f.pic && h.tid > f.tid {
				f.switchUp = false
			}
		}
	}
}

// packet is one as it comes in.
type packet struct {
	seq         uint16
	ts          uint32
	marker      bool
	first, last bool // of its frame
	frame       *frame
	vp9         codec.VP9
	av1         codec.AV1
}

// packets cuts the frames into packets.
func (e *encoder) packets() []packet {
	var out []packet
	seq, ts := uint16(e.r.Uint32()), e.r.Uint32()
	var structure *codec.AV1Structure
	for i := range e.frames {
		f := &e.frames[i]
		if f.key && f.sid == 0 {
			structure = e.structure()
		}
		n := 1 + e.r.IntN(3)
		if e.whole {
			n = 1
		}
		for k := range n {
			p := packet{
				seq: seq, ts: ts + uint32(f.pic)*3000, frame: f,
				first: k == 0, last: k == n-1, marker: k == n-1 && f.lastOf,
			}
			p.vp9, p.av1 = e.vp9(f, p.first, p.last), e.av1(f, p.first, p.last, structure)
			out = append(out, p)
			seq++
		}
	}
	return out
}

func (e *encoder) vp9(f *frame, first, last bool) codec.VP9 {
	d := codec.VP9{
		PictureID: uint16(f.pic) & 0x7fff, PictureIDBits: 15, HasLayers: true, Flexible: true,
		TID: uint8(f.tid), SID: uint8(f.sid), StartOfFrame: first, EndOfFrame: last,
		SwitchUp: f.switchUp, NotForUpper: f.notForUpper,
	}
	for _, r := range f.refs {
		if e.frames[r].pic == f.pic {
			d.InterLayer = true
		} else {
			d.InterPicture = true
		}
	}
	d.KeyFrame = first && f.sid == 0 && !d.InterPicture
	if d.HasStructure = first && f.sid == 0 && f.announce; d.HasStructure {
		d.Structure = codec.VP9Structure{SpatialLayers: uint8(f.layers)}
	}
	return d
}

func (e *encoder) structure() *codec.AV1Structure {
	s := &codec.AV1Structure{
		DecodeTargets: uint8(e.spatial * e.temporal), SpatialLayers: uint8(e.spatial), TemporalLayers: uint8(e.temporal),
	}
	for i := range e.spatial * e.temporal {
		s.TargetSpatial[i], s.TargetTemporal[i] = uint8(i/e.temporal), uint8(i%e.temporal)
	}
	for i := range e.frames {
		f := &e.frames[i]
		t := codec.AV1Template{SpatialID: uint8(f.sid), TemporalID: uint8(f.tid), DTIs: f.dtis()}
		if !slices.ContainsFunc(s.Templates, func(o codec.AV1Template) bool {
			return o.SpatialID == t.SpatialID && o.TemporalID == t.TemporalID && o.DTIs == t.DTIs
		}) {
			s.Templates = append(s.Templates, t)
		}
	}
	return s
}

func (f *frame) dtis() (d codec.DTIs) {
	for i := range codec.MaxAV1DecodeTargets {
		v := codec.DTINotPresent
		switch bit := uint32(1) << i; {
		case f.switches&bit != 0:
			v = codec.DTISwitch
		case f.discardable&bit != 0:
			v = codec.DTIDiscardable
		case f.present&bit != 0:
			v = codec.DTIRequired
		}
		d |= codec.DTIs(v) << (2 * i)
	}
	return d
}

func (e *encoder) av1(f *frame, first, last bool, s *codec.AV1Structure) codec.AV1 {
	d := codec.AV1{
		StartOfFrame: first, EndOfFrame: last, FrameNumber: uint16(f.id), Structure: s,
		SpatialID: uint8(f.sid), TemporalID: uint8(f.tid), DTIs: f.dtis(), FrameDiffCount: uint8(len(f.refs)),
	}
	for i, r := range f.refs {
		d.FrameDiffs[i] = uint16(f.id - r)
	}
	start := first && f.sid == 0
	d.HasStructure, d.KeyFrame = start && f.key, start && f.key
	if d.HasActiveTargets = start && f.announce; d.HasActiveTargets {
		d.ActiveTargets = uint32(1<<(f.layers*e.temporal) - 1)
	}
	return d
}
