// Package site learns about a Jitsi deployment what a client must know:
// domains and paths, from its config.js.
//
// [ReadConfig] reads that file without executing it: it understands literals,
// concatenation, and assignments to variables and their members, which is what
// configurations are made of, and passes over everything else. [FromConfig]
// makes a [Site] of it, with the defaults that web clients have.
//
// The package does no I/O. Limits: a text of MaxConfig bytes, values nested
// MaxDepth deep, MaxValues values.
package site
