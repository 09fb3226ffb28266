// Package source holds what participants send: sources, groups, sets, and the
// map of a whole conference with its limits and rules of validity.
//
// Everything here is a value: focus keeps the map of a conference and hands
// immutable sets to bridges and to Jingle. The package never does I/O, reads
// no clock and starts nothing.
package source
