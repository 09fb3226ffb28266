// Package mono is the monotonic time that engines are driven with: instants,
// deadlines, and the timer wheel of a worker.
//
// Every sans-IO core takes a [Time] as a parameter and reports its next
// deadline as one; only roles call [Now]. A worker keeps the deadlines of all
// its engines in one [Wheel], whose cost does not grow with their number. The
// wheel rounds up to milliseconds and reaches as far as time does; it is not
// safe for concurrent use.
//
// The package must never read the wall clock for anything a peer sees (use
// package time for that).
package mono
