// Package source holds what participants send: sources, groups, sets, and the
// map of a whole conference with its limits and rules of validity.
//
// The main types are [Set] (everything one endpoint sends), [Map] (an
// immutable picture of a conference) and [Ledger] (the one mutable thing: it
// applies the rules to every change and hands out Maps). Focus keeps one
// Ledger a conference and gives Sets to bridges and Maps to Jingle.
//
// Sets and Maps are immutable once handed over: changes make new ones. What a
// Map lists ([Owned]) remembers how it has been written, since in a conference
// everybody is told of everybody's sources. The package does no I/O, reads no
// clock, starts nothing and holds no lock.
//
// Limits: an SSRC is 1..2^32-1 and belongs to one endpoint of a conference; a
// participant has at most 20 sources and 20 groups ([DefaultLimits]); a name
// is "<endpointId>-a<n>" or "<endpointId>-v<n>"; a msid has at most
// [MaxMSID] bytes; compact JSON is refused beyond [MaxJSON] bytes before it
// is parsed.
package source
