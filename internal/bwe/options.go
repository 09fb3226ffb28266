package bwe

// Options are the bounds of an estimate in bit/s.
type Options struct {
	// Initial is the estimate until there is anything to base one on.
	Initial int64
	// Min and Max are what the estimate never leaves.
	Min, Max int64
}

// DefaultOptions are the bounds that Jitsi's clients are used to.
func DefaultOptions() Options {
	return Options{Initial: 2_500_000, Min: 30_000, Max: 20_000_000}
}

// withDefaults fills in what is missing and puts the bounds in order.
func (o Options) withDefaults() Options {
	d := DefaultOptions()
	if o.Max <= 0 {
		o.Max = d.Max
	}
	if o.Min <= 0 {
		o.Min = d.Min
	}
	if o.Initial <= 0 {
		o.Initial = d.Initial
	}
	o.Max = max(o.Max, o.Min)
	o.Initial = o.clamp(o.Initial)
	return o
}

func (o *Options) clamp(bps int64) int64 { return min(max(bps, o.Min), o.Max) }
