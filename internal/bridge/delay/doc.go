// Package delay counts durations in a histogram that is cheap enough to be
// always on: the bridge records in it how long it kept every media packet.
//
// The main types are [Histogram], which only grows, and [Recorder], which also
// knows the last [Window] seconds. A worker of the bridge owns one Recorder and
// ends a second of it by [Recorder.Roll].
//
// Buckets have two significant decimal digits, from a microsecond to ten
// seconds: 1.0, 1.1, ... 9.9, 10, 11, ... microseconds and so on. So a quantile
// is right to 10 % at worst and 1 % at best, and the round numbers that people
// and Prometheus think in are bounds of buckets. Recording costs some
// nanoseconds, and nothing is allocated after a Recorder was made.
//
// The package must never read a clock, and knows nothing of packets.
package delay
