// Package verdict judges a load test: [Judge] makes a [Summary] of what was
// recorded, with figures for everybody together, a [Person] for each
// participant with the reasons why it fared badly, and plain words.
//
// [Parse] reads the language of assertions (`join.p99<2s,loss<0.1%`), and
// [Assertion.Check] holds one against a summary; [Names] lists what can be
// asserted.
//
// The package reads package record alone. It does no I/O, reads no clock, and
// changes nothing it is given.
package verdict
