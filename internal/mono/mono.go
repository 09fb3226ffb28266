package mono

import "time"

// Time is an instant on this process's monotonic clock, in nanoseconds since
// an arbitrary origin. The zero Time means "never" wherever a deadline is
// reported, so that an engine without a deadline needs no second value.
type Time int64

// Duration is the standard library's; it is repeated here so that cores do
// not have to import package time only to name it.
type Duration = time.Duration

var origin = time.Now().Add(-time.Hour)

// Now reads the clock. Only roles and tests may call it: cores are told the
// time by their caller.
func Now() Time { return Time(time.Since(origin)) }

// Add returns t moved by d.
func (t Time) Add(d Duration) Time { return t + Time(d) }

// Sub returns the time from u to t.
func (t Time) Sub(u Time) Duration { return Duration(t - u) }

// Grain is what all of a process rounds times to at which something is due that
// need not be exact. To be woken costs more than most of what is done then; what
// is rounded is due together.
const Grain = 20 * time.Millisecond

// RestGrain is how often those look at what has come to whom only such things
// come as nobody waits for.
const RestGrain = 2 * Grain

// PingGrain is what times are rounded to at which a peer is to be asked for a sign
// of life: ten times as many of them fall together, but not so many that media
// wait for them.
const PingGrain = 10 * Grain

// RoundUp returns the first whole grain, of a length above 0, at t or after it.
func (t Time) RoundUp(grain Duration) Time {
	return (t + Time(grain) - 1) / Time(grain) * Time(grain)
}

// Earliest returns the earlier of two deadlines, where zero means "never".
func Earliest(a, b Time) Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
