// Package placement chooses the bridge that carries a conference.
//
// The main type is [Single], which knows one bridge. The focus asks through
// an interface of its own; richer choices (by stress, by region, over several
// bridges) will stand here beside Single. The package does no I/O, starts
// nothing and reads no clock.
package placement
