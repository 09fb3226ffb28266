// Package mono is the monotonic time that engines are driven with: instants,
// deadlines, and the timer wheel of a worker.
//
// Every sans-IO core takes a [Time] as a parameter and reports its next
// deadline as one; only roles call [Now]. The package must never read the
// wall clock for anything a peer sees (use package time for that).
package mono
