// Package record holds what a load test has seen, as plain data: one
// [Participant] for each synthetic participant, one [Second] for each second,
// and the [Report] that holds both. Everything that shows or judges a test
// (terminal, files, assertions) reads these and nothing else.
//
// The types are written to JSON as they are; durations are nanoseconds there.
// Values are immutable once handed over, except that a [Histogram] is filled
// by its owner. The package does no I/O, reads no clock and starts nothing.
//
// Limits: a participant keeps MaxErrors different errors and counts the rest;
// a histogram has a fixed size of 1.5 KiB and an error of 9 %.
package record
