// Package probe watches the server under test from outside: its processor
// time and memory, by the metrics of plenum's admin listener or, on the same
// machine, by its process number.
//
// [Watch] is called by cmd/plenum at the beginning of a load test; what it has
// seen goes into record.Report. It is the only part of a load test that knows
// anything of a server beyond what clients see, and nothing depends on it.
//
// Limits: an answer of more than 4 MiB is not read, and at most maxCounters
// counters are kept of it.
package probe
