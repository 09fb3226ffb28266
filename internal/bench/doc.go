// Command bench measures plenum beside its peers and writes what it found
// into docs/performance.md and docs/performance.json. DEVELOP.md says how to
// run it.
//
// Every figure is CPU time of the server's process, pinned to one core, with
// the load on another core and its CPU time beside it. Each row is run several
// times; what is shown is the median and the spread.
//
//	plenum and its peers  are started by this command, on loopback
//	storm                 is the signalling load ([storm.Run]), run as a
//	                      process of its own: bench storm ...
package main
