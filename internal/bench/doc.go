// Command bench measures plenum beside its peers and writes what it found
// into docs/performance.md and docs/performance.json. DEVELOP.md says how to
// run it.
//
// Server and load have a core each of one machine. Most figures are CPU time of
// the server's process, or made of it; the load's stands beside it. Seconds, and
// how long media stay in the server, are of the machine too. A row by which
// something is judged is run five times (twice if that takes minutes), others twice
// and profiles once: shown are the median and the spread.
//
//	measure.go, main.go    rows, how often they are run, and what is chosen
//	machine.go, signalling.go, media.go, cost.go, profile.go, fill.go, garbage.go, growth.go,
//	crowd.go, container.go, churn.go, beside.go
//	                       the rows of the tables, and how they are measured
//	goals.go, holds.go, cut.go, variants.go, render.go
//	                       what is told of the figures, and judged by them
//	book.go                where they are kept
//
//	plenum and its peers  are started by this command, on loopback
//	storm                 is the signalling load ([storm.Run]), run as a
//	                      process of its own: bench storm ...
package main
