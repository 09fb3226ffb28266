package alloc

import "math"

// None stands for no encoding.
const None = -1

// Source is a video source that the receiver might be sent: one of somebody
// else's.
type Source struct {
	Name string
	// Screen is a screen share; everything else is a camera.
	Screen bool
	// Enabled is false while the owner shows nothing (video muted).
	Enabled bool
	// Layers are in ascending order of height, then of frame rate.
	Layers []Layer
}

// Layer is one quality in which a source can be forwarded.
type Layer struct {
	Encoding  int     // 0 and more: which of the source's encodings
	Spatial   int     // which spatial layer of it
	Temporal  int     // the highest temporal layer of it that belongs to this quality
	Height    int     // pixels
	FrameRate float64 // frames per second; 0: not known, or cannot be chosen
	Bitrate   int64   // bit/s that forwarding it takes, measured
	Extra     int64   // bit/s that must be left besides for it to be chosen
	// Packets is how many a second forwarding it takes, and ExtraPackets how many
	// more must be left besides for it to be chosen.
	Packets, ExtraPackets float64
	Active                bool // it is being sent now
	// Lingers: it comes into question although it is slower than a picture of
	// its height should be. The receiver has a faster layer of that picture, and
	// to go without some frames for a while is cheaper than to change to another
	// picture and back.
	Lingers bool
}

// Decision is what becomes of one source.
type Decision struct {
	// Encoding, Spatial and Temporal are those of the chosen layer. Encoding is
	// None when the source is not forwarded.
	Encoding, Spatial, Temporal int
	// Lingers: the chosen layer only came into question because it lingers.
	Lingers bool
	// MaxHeight is how large the receiver wants the source whatever the
	// budget: Unlimited, 0 for not at all (also when it is beyond last-N).
	MaxHeight int
}

// Result is what becomes of all sources. It belongs to the Allocator and is
// valid until its next Run.
type Result struct {
	Decisions []Decision // one for each source, in the order of the sources
	Forwarded []int      // indices of the forwarded sources, in order of priority
	// Target is what all chosen layers take in bit/s, Ideal what they would
	// take with an unlimited budget.
	Target, Ideal int64
	// Packets and IdealPackets are the same in packets a second.
	Packets, IdealPackets float64
	// Short: a layer was passed over that takes more packets than were left.
	Short bool
	// Full: every source that was let in has its best layer, and none of those
	// lingers. Whatever order layers are given in, the outcome is the same for
	// each budget that holds, for every source, the dearest of its layers.
	Full bool
}

// Budget is what there is to be distributed. Each part may be negative, for no
// limit.
type Budget struct {
	Bits    int64   // bit/s, what the path to the receiver carries
	Packets float64 // a second, what the server has left for the receiver
	Sources int     // how many may be forwarded, besides the receiver's own last-N
}

// Holds reports whether what takes so many bit/s and packets a second fits.
func (b *Budget) Holds(bits int64, packets float64) bool {
	return (b.Bits < 0 || bits <= b.Bits) && (b.Packets < 0 || packets <= b.Packets)
}

// Unbounded is a budget that limits nothing.
func Unbounded() Budget { return Budget{Bits: Unlimited, Packets: Unlimited, Sources: Unlimited} }

// Allocator decides for one receiver at a time; one is enough for many
// receivers that are served one after the other. The zero value is ready.
type Allocator struct {
	result     Result
	wishes     []wish // by source
	order      []int  // source indices by priority
	stage      []int  // source index + 1 by position in the receiver's list
	selected   []int
	rest       []int
	contenders []contender
	layers     []Layer // of all contenders, end to end
}

// Run decides about all sources. sources is in speech order and is not kept.
func (a *Allocator) Run(settings *Settings, sources []Source, budget Budget) *Result {
	a.reset(len(sources))
	if !settings.known {
		return &a.result
	}
	a.prioritize(settings, sources)
	a.admit(sources, lowerOf(settings.lastN, budget.Sources))
	if budget.Bits < 0 {
		budget.Bits = math.MaxInt64
	}
	if budget.Packets < 0 {
		budget.Packets = math.Inf(1)
	}
	a.distribute(budget)
	a.report()
	return &a.result
}

func (a *Allocator) reset(n int) {
	r := &a.result
	r.Decisions = resize(r.Decisions, n)
	for i := range r.Decisions {
		r.Decisions[i] = Decision{Encoding: None}
	}
	r.Forwarded = r.Forwarded[:0]
	r.Target, r.Ideal = 0, 0
	r.Packets, r.IdealPackets, r.Short, r.Full = 0, 0, false, false
	a.contenders = a.contenders[:0]
	a.layers = a.layers[:0]
}

// prioritize fills a.order with all sources that may be sent.
func (a *Allocator) prioritize(settings *Settings, sources []Source) {
	a.wishes = resize(a.wishes, len(sources))
	a.stage = cleared(a.stage, len(settings.onStage))
	a.selected = cleared(a.selected, len(settings.selected))
	a.rest = a.rest[:0]
	for i := range sources {
		if !sources[i].Enabled {
			continue
		}
		w := settings.wish(sources[i].Name)
		a.wishes[i] = w
		switch {
		case w.stage >= 0:
			a.stage[w.stage] = i + 1
		case w.selected >= 0:
			a.selected[w.selected] = i + 1
		default:
			a.rest = append(a.rest, i)
		}
	}
	a.order = a.order[:0]
	for _, list := range [...][]int{a.stage, a.selected} {
		for _, i := range list {
			if i > 0 {
				a.order = append(a.order, i-1)
			}
		}
	}
	a.order = append(a.order, a.rest...)
}

// admit makes contenders of the first lastN sources that are wanted at all.
func (a *Allocator) admit(sources []Source, lastN int) {
	for _, i := range a.order {
		if lastN == 0 {
			return
		}
		w := &a.wishes[i]
		if w.constraints.MaxHeight == 0 {
			continue
		}
		if lastN > 0 {
			lastN--
		}
		a.result.Decisions[i].MaxHeight = w.constraints.MaxHeight
		a.contend(i, &sources[i], w)
	}
}

// report writes down what the contenders got.
func (a *Allocator) report() {
	r := &a.result
	r.Full = true
	for i := range a.contenders {
		c := &a.contenders[i]
		layers := a.layers[c.first:c.end]
		r.Full = r.Full && c.at == len(layers)-1
		if len(layers) > 0 {
			r.Ideal += layers[len(layers)-1].Bitrate
			r.IdealPackets += layers[len(layers)-1].Packets
		}
		if c.at < 0 {
			continue
		}
		l := layers[c.at]
		r.Target += l.Bitrate
		r.Packets += l.Packets
		r.Forwarded = append(r.Forwarded, c.source)
		r.Full = r.Full && !l.Lingers
		d := &r.Decisions[c.source]
		d.Encoding, d.Spatial, d.Temporal, d.Lingers = l.Encoding, l.Spatial, l.Temporal, l.Lingers
	}
}

// lowerOf returns the lower of two limits, where negative is none.
func lowerOf(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func cleared(s []int, n int) []int {
	s = resize(s, n)
	clear(s)
	return s
}
