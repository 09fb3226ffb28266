// Package e2e holds the end-to-end tests: the whole system in one process,
// real browsers with fake devices, and media that has to cross the bridge.
//
// It has no code of its own. Tests that need a browser which is not installed
// skip and say so; PLENUM_REQUIRE_BROWSERS=1 makes that a failure.
package e2e
