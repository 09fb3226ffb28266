// Package scenario turns what people write into a plan for a load test: a
// scenario file in YAML ([Parse]), a scenario that is shipped ([Named]), or
// flags alone ([Equal]); flags go over either ([Scenario.Apply]). The result
// is made with [Scenario.Plan].
//
// The package does no I/O and reads no clock. Mistakes in a file are errors
// that name the line and the key, in words that need no Go.
//
// Limits are those of Scenario.Check: MaxParticipants, MaxRooms, MaxMembers,
// MaxDuration, MaxRamp, and those of a plan (package loadtest).
package scenario
