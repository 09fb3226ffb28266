// Package memory lets the Go runtime use the memory of the machine or the
// container well, without a number to tune: how much there is ([Find], in
// cgroup files), what follows of it ([Decide]), and what to do while the
// process runs ([Tuner]). docs/memory.md says why in words.
//
// All three are functions of what they are given; package app reads the
// runtime's figures every few seconds ([Read]), and does what the Tuner says.
//
// The package must never collect or change anything by itself.
package memory
