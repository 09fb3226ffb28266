// Package netem is a simulated network for sans-IO engines: virtual time, and
// links with delay, jitter, loss, rate and a bounded queue. Everything random
// comes from one seed, so that a run can be repeated exactly.
//
// The main type is [Network]: tests attach engines as [Node] values and let
// time pass. A [Link] can also be used alone, as a function from the moment a
// packet is sent to the moment it arrives. Only tests use this package; it
// never opens a socket and never sleeps.
package netem
